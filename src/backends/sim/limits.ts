/**
 * Every bound of the simulator, with its reason. Amounts are millisatoshi, times
 * are milliseconds, heights are blocks.
 */

/** Amounts are numbers inside the simulator: a channel holds at most this, so sums stay exact (2^53 / 8). */
export const MAX_EXACT_MSAT = 1_000_000_000_000_000

/** What the field of bLIP 18 holds. */
export const MAX_INBOUND_BASE_MSAT = 0x7fff_ffff

/** Three times the public network of 2026 (17,324 nodes). */
export const MAX_NODES = 50_000

/** Four times the public network of 2026 (50,808 channels): with MAX_NODES some 350 MB. */
export const MAX_CHANNELS = 200_000

/** BOLT 4 onions of 1300 bytes hold at most 27 of the smallest hops; lnd searches up to 20. */
export const MAX_SEARCHED_HOPS = 20

/** A node's invoices that can still be replayed, up to twice as many: records of 1.2 kB make 48 MB a node at worst. */
export const MAX_KEPT_ARRIVALS = 20_000
/** The same of all nodes together: with so many that have had a process each keeps its share, but this at least. */
export const MAX_KEPT_ARRIVALS_IN_ALL = 100_000
export const LEAST_KEPT_ARRIVALS = 500

/** Hashes that a node remembers as sent or settled; the oldest is forgotten first. Some 100 MB at worst. */
export const MAX_REMEMBERED_HASHES = 1_000_000
/** The same of all nodes together, shared like arrivals: some 100 MB at worst. */
export const MAX_REMEMBERED_HASHES_IN_ALL = 500_000
export const LEAST_REMEMBERED_HASHES = 2_000

/** Answers to how many could stand behind a reply path: some MB. */
export const MAX_REMEMBERED_CROWDS = 20_000
/** ... and who they are, in all of them together: 32 MB. */
export const MAX_CROWD_NODES = 8_388_608

/** What ways from senders cost at least, of all of them together: 64 MB. */
export const MAX_COSTS = 33_554_432
/** Amounts that ways are looked for, as a real node is asked: a channel with a higher least amount is left out. */
export const SEARCHED_AMOUNTS_MSAT: readonly number[] = [1_000, 10_000, 100_000, 1_000_000]
/** In smaller networks a search is short as it is: nothing is kept for the next one. */
export const LEAST_RECKONED_NODES = 1_000
/** Searches whose routes are kept: some 40 MB. */
export const MAX_KNOWN_SEARCHES = 65_536
/** Senders whose searches are counted, with costs or without. */
export const MAX_COUNTED_SENDERS = 65_536

/** Events at one instant before the engine calls it an endless loop. */
export const MAX_EVENTS_AT_ONCE = 5_000_000

/** Turns of the process's event loop at one instant before the engine calls it an endless loop. */
export const MAX_TURNS_AT_ONCE = 1_000_000

/** Turns that a waiting promise gets after the last event before `drive` says that the network is quiet. */
export const TURNS_BEFORE_QUIET = 32

/** `run` and `drive` give up after a day of virtual time where the caller names no bound. */
export const DEFAULT_BOUND_MS = 86_400_000

/** Lines of trace kept with `keepTrace`; the hash goes on past it. */
export const MAX_TRACE_LINES = 2_000_000

/** Entries of one node's log of what it saw. */
export const MAX_OBSERVATIONS = 500_000

/** Faults that wait for their payment. */
export const MAX_ARMED_FAULTS = 10_000

/** lnd needs incoming_expiry >= height + 22 to offer an HTLC to an interceptor (verified on lnd 0.21.1). */
export const OFFER_MARGIN_BLOCKS = 22

/** Failing held HTLCs after a lost interceptor stream takes lnd 0.2 s (verified). */
export const INTERCEPTOR_LOST_FAIL_MS = 200

/** The backend opens a lost interceptor stream again after this. */
export const INTERCEPTOR_RECONNECT_MS = 50

/** How long a node that restarts is away. */
export const RESTART_MS = 3_000

/**
 * A node that is killed within the first time after a settle was written forgets it, and nobody is paid. Within the
 * second, its peer alone is paid (verified at 0 ms and at 5 to 30 ms).
 */
export const SETTLE_FORGOTTEN_MS = 5
export const SETTLE_UNPAID_MS = 50

/**
 * A node that is killed between these two times after a call to send keeps a payment in flight that no channel holds
 * (verified at 6 to 50 ms).
 */
export const GHOST_FROM_MS = 6
export const GHOST_UNTIL_MS = 50

/** A claim on chain is final after this many blocks. */
export const CLAIM_BLOCKS = 6

/** Slots of a channel of 483 that are open to everybody, as proposed against jamming (BOLTs #1280): 40 %. */
export const SHARED_SLOTS = 193

/** One pair of channels may have at least so many slots, whatever its share is (BOLTs #1280). */
export const LEAST_PAIR_SLOTS = 5

/** Payments that a relay with a limit an hour lets pass at once after a rest, as circuitbreaker does. */
export const PEER_LIMIT_BURST = 10

/** Payments of others that one fault sends. */
export const MAX_FOREIGN_PAYMENTS = 100_000

/** For this long a sender's pathfinding avoids a channel that refused, as lnd's mission control does. */
export const MISSION_CONTROL_MS = 600_000

/** Real time after which a virtual simulation that waits for a run says so: less than the patience of a test runner. */
export const UNDRIVEN_MS = 3_000

/** Simulations that are looked at when the process ends: a program has one or two. */
export const MAX_UNDRIVEN = 4
