/**
 * Every bound and default of the outer transport, with its reason. The bounds that a peer meets stand in
 * spec §14; those of the state machine are in connection/ and peer/.
 */

// ---- Money -------------------------------------------------------------------------------------------

/** `maxCost` of a connection, msat: 1,000 sat is about half a megabyte at 2 sat a packet, and small change if lost. */
export const DEFAULT_MAX_COST_MSAT = 1_000_000n
/** Above every fee that a path or a hint can name (32 bits, msat): only to learn what the cheapest route costs. */
export const ANY_FEE_MSAT = 10_000_000_000n
/**
 * What an endpoint has out at once, at most, for answers that its callers have not paid for yet (spec §12.11), msat:
 * 100 sat are some thirty packets. Of what comes in, a part fills up what is missing of it.
 */
export const ALLOWANCE_MSAT = 100_000n
export const ALLOWANCE_PARTS = 10n
/** Cap over all connections to one public key, msat: ten connections at their default. */
export const DEFAULT_PEER_CAP_MSAT = 10_000_000n
/** Cap over everything that a process spends, msat: a hundred connections at their default. */
export const DEFAULT_PROCESS_CAP_MSAT = 100_000_000n
/**
 * spec §10.2: a connect for which so many searches in a row found no route, at any price, fails. They come after 0, 1
 * and 3 s: a peer that comes back within that time is found.
 */
export const NO_ROUTE_SEARCHES = 3
/** What `quote` and route requests ask to deliver, msat: the smallest amount; a route's own minimum is higher. */
export const MIN_AMOUNT_MSAT = 1n

/**
 * `risingPrice` by default. An opening is answered with two or three packets of some 3 sat, so that 100 sat are ten
 * times what it costs; ten callers a minute are what a small server has anyhow.
 */
export const RISING_PRICE: { readonly leastMsat: bigint; readonly quiet: number } = { leastMsat: 100_000n, quiet: 10 }

/** Largest price, msat: the largest number of a frame (spec §1.3). It is more money than a channel holds. */
export const MAX_PRICE_MSAT: bigint = BigInt(Number.MAX_SAFE_INTEGER)

// ---- Time --------------------------------------------------------------------------------------------

/** spec §10.2: a connect that nobody answers fails after this. */
export const DEFAULT_CONNECT_TIMEOUT_MS = 120_000
/** spec §5.9: a connection without activity for so long ends. */
export const DEFAULT_IDLE_TIMEOUT_MS = 1_800_000
/** spec §5.9: a shorter idle timeout is not 0 and not legal. */
export const MIN_IDLE_TIMEOUT_MS = 10_000
/** The largest number of a frame (spec §1.3), which tells the other side. */
export const MAX_IDLE_TIMEOUT_MS: number = Number.MAX_SAFE_INTEGER
/** http.Agent asks for a sign of life every second; each is a payment here. */
export const MIN_KEEP_ALIVE_MS = 60_000
/** Kept back from the verdict's time, so that the answer is at the node before its deadline. */
export const VERDICT_MARGIN_MS = 250
/**
 * spec §6.14: an application decides about an opening within this time: as much of the verdict's time as is left when
 * the node has agreed on the key, which takes some 11 ms and a quarter of a second where it is busy.
 */
export const OPENING_DECISION_MS = 2_500
/** Over how long the rate of openings is measured (spec §6.15): a flood is felt at once, and forgotten in minutes. */
export const OPENING_RATE_MS = 60_000
/** A payment of which the node lost sight is asked for again after this time, doubling ... */
export const TRACK_AGAIN_MS = 60_000
/** ... to this one. */
export const TRACK_AGAIN_MAX_MS = 600_000
/**
 * `endpoint.close()` gives connections that are ending this long to deliver what they hold: two round trips of a slow
 * day.
 */
export const CLOSE_GRACE_MS = 10_000
/**
 * When all is with the other side's node, its last word is waited for through so many round trips: it takes two, and
 * one may fail.
 */
export const CLOSE_ROUND_TRIPS = 4
/** A round trip that was never measured, ms. */
export const CLOSE_ROUND_TRIP_UNKNOWN_MS = 1_000

/**
 * A connection that a cap stops, and whose application does not listen for 'paused', fails after so long without a
 * payment: most payments that could make room are decided by then.
 */
export const UNHEARD_PAUSE_MS = 30_000

// ---- Blocks ------------------------------------------------------------------------------------------

/** spec §6.2: an OPEN that is older is stale. */
export const OPEN_AGE_BLOCKS = 144
/** spec §6.2: an OPEN that is further ahead is from no chain that we know. */
export const OPEN_AHEAD_BLOCKS = 12
/** spec §6.4: after so many blocks an OPEN is stale anyway and need not be remembered. */
export const SEEN_BLOCKS: number = OPEN_AGE_BLOCKS + OPEN_AHEAD_BLOCKS
/** spec §13.5: outlives the longest HTLC. */
export const TOMBSTONE_BLOCKS = 2_016
/** How long a reply path is asked to work: a day; it is renewed at half of it (spec §9.4). */
export const PATH_LIFETIME_BLOCKS = 144
/** Paths that a node which is there cannot make yet are asked for again after so long, */
export const PATHS_TRY_MS = 2_000
/** so often in all: lnd's backend waits 10 s each time for its interceptor. Then a person is told. */
export const MAX_PATH_TRIES = 5
/** spec §9.5: below this the endpoint warns that a payer can guess who it is. */
export const MIN_CANDIDATES = 4

/** A guard that brought something within this time is kept: the silence is another's (spec §9.5). */
export const GUARD_TRUST_MS = 600_000
/** Chains of relays that a process gives up at most: each that is tried tells a payer more (spec §9.5). */
export const MAX_AVOIDED_GUARDS = 2

// ---- Bytes -------------------------------------------------------------------------------------------

/**
 * Unacknowledged bytes, sent ones included, from which on a connection holds `write` callbacks back. The peer's
 * receive window bounds what is under way; this bounds what a peer with a boundless window would make us keep. The
 * largest window of our own.
 */
export const SEND_BUFFER_BYTES = 16_777_216
/** A large write goes to the connection in pieces of this size, so that it is not copied as a whole. */
export const WRITE_PIECE_BYTES = 65_536
/** First and largest receive window of a connection (spec §7.5). */
export const INITIAL_WINDOW_BYTES = 1_048_576
export const MAX_WINDOW_BYTES = 16_777_216
/** Receive windows of an endpoint's connections together, in each role (spec §14). */
export const ALL_WINDOWS_BYTES = 268_435_456
/**
 * Those of one isolation: a part of its own, or one would feel another read. Four connections with their first window;
 * all isolations together have 1 GiB.
 */
export const ISOLATION_WINDOWS_BYTES = 4_194_304
/** Header, tag and frame heads of a full packet, for `quote`: 1 + 8 + 4 + 16 + 6, and an ACK now and then. */
export const PACKET_OVERHEAD_BYTES = 40

// ---- Quotes ------------------------------------------------------------------------------------------

/** Routes that `quote` looks at: the best, one for copies, one to fall back on. Each more is a search of the node. */
export const QUOTE_ROUTES = 3
/** Copies of packets that hang, at most, for `quote`: some at the start, and one packet in ten where much hangs. */
export const QUOTE_COPIES = { first: 32, share: 0.1 } as const
/**
 * What real nodes reach over two or three hops, bytes a second (bench/results/lnd.md): a quick node's ceiling, and a
 * slow one's.
 */
export const QUOTE_RATES = { min: 20_000, max: 130_000 } as const
/** How long a payment takes for each hop, ms: two commitments of nodes on good lines, and over Tor. */
export const QUOTE_HOP_MS = { min: 150, max: 2_000 } as const
/** Before the first byte: a route, a first answer. */
export const QUOTE_START_SECONDS = { min: 1, max: 5 } as const

// ---- Tables (spec §14) -------------------------------------------------------------------------------

/** Connections of an endpoint, both roles together. */
export const MAX_CONNECTIONS = 65_536
/** Connections of a listener that are being accepted and did not reach the application yet: as in net. */
export const DEFAULT_BACKLOG = 511
/** OPENs that are remembered; beyond that the height below which all are stale rises (spec §6.4). */
export const MAX_OPENS_SEEN = 65_536
/** EARLY packets that wait for their OPEN: of one connection, ... */
export const MAX_EARLY_PER_CONNECTION = 64
/** ... of all together, ... */
export const MAX_EARLY = 1_024
/** ... and for how long (spec §6.6). */
export const EARLY_MS = 60_000
/** Ended connections of servers that are remembered (spec §13.5). */
export const MAX_TOMBSTONES = 65_536
/** Verdicts that are given again when their offer comes again (spec §2.5). */
export const MAX_VERDICTS = 65_536
/** Messages that servers remember, so that each is told once (spec §12.8). */
export const MAX_STORED_MESSAGE_IDS = 65_536
/** Messages that are remembered, so that each is told once (spec §18.5); beyond that the floor rises, as for OPENs. */
export const MAX_NOTES_SEEN = 65_536
/** Messages of an endpoint that wait to be read, of all its ports. */
export const MAX_LETTERS = 4_096
/** ... and their bytes together: each is on disk twice while the journal is written anew. */
export const MAX_LETTER_BYTES = 16_777_216
/** Messages sent under an id that the application gave, whose outcome is remembered. */
export const MAX_NOTES_SENT = 4_096
/** Offers without a verdict: what one lnd channel admits. */
export const MAX_OFFERS_HELD = 483
/** Copies of one OPEN that wait while its key is agreed on: each is a payment, so more are not likely. */
export const MAX_PENDING_OPEN_COPIES = 8
/**
 * Of these, where the last came over the phantom lane of this node: each is an offer held, and cost nothing. With
 * MAX_UNPAID_KEY_AGREEMENTS they leave some 200 of MAX_OFFERS_HELD to what is no OPEN.
 */
export const MAX_UNPAID_OPEN_COPIES = 2
/**
 * Peers without a connection of which it is remembered what was paid to them: who calls with direct replies may name
 * another key each time. Each costs its caller an OPEN, and takes half a kilobyte.
 */
export const MAX_PEER_BUDGETS = 65_536
/** Connections of a daemon's programs of which is remembered whom they are about. */
export const MAX_PURSE_CONNECTIONS = 65_536
/** Days of which it is remembered what was spent: today, and those that a clock that is set may call today. */
export const MAX_SPENT_DAYS = 3
/** Ports and programs that are told apart in what was spent on a day; the others count for the day alone. */
export const MAX_SPENT_GROUPS = 4_096
/** Payments of former processes that are looked after at most: a full channel's slots on many channels. */
export const MAX_RESERVATIONS = 65_536

// ---- Contents of messages -----------------------------------------------------------------------------

/** Streams with contents of messages that a port takes at once: each holds its bytes in memory. */
export const MAX_CONTENT_STREAMS = 16
/** One of which nothing comes for so long is given up, ms. */
export const CONTENT_SILENCE_MS = 60_000

// ---- Calls to the backend ----------------------------------------------------------------------------

/**
 * Ways to public keys, with their routes and round-trip times, that are kept without a payment under way: more than a
 * program usually talks to. Those whose last use is the longest ago are forgotten when a new one is made.
 */
export const MAX_IDLE_SCHEDULERS = 256
/** The same in one isolation: it is one person's, or one program's. */
export const MAX_ISOLATION_SCHEDULERS = 32
/** Names of isolations with connections or state (spec §9.13): one for each site of a browser, and many tabs. */
export const MAX_ISOLATIONS = 256
/** A user name of SOCKS (RFC 1929) has 255 bytes at most. */
export const MAX_ISOLATION_CHARACTERS = 255
/** Connections that are refused a send in one turn before the others wait: a control packet of one may still pass. */
export const MAX_TURNS_REFUSED = 16
/** Questions about old payments that are under way at once: enough to finish soon, few enough for a small node. */
export const MAX_TRACKING = 16

// ---- Ports -------------------------------------------------------------------------------------------

/** spec §5.8: a port is 16 bits, as in TCP. */
export const MAX_PORT = 65_535
/** `listen(0)` picks from here, as IANA's dynamic ports do. */
export const FIRST_FREE_PORT = 49_152
/**
 * Ports that `listen(0)` tries where other programs of the node have some: of 16,384, so many are not taken by chance.
 */
export const MAX_PORT_CLAIMS = 64

// ---- The folder store --------------------------------------------------------------------------------

/** The journal is written anew when it has this many lines more than the state needs, ... */
export const COMPACT_SPARE_LINES = 16_384
/** ... and is refused above this size: something else than a journal of ours. */
export const MAX_JOURNAL_BYTES = 268_435_456

// ---- The account ---------------------------------------------------------------------------------------

/** Entries that an endpoint without a folder keeps one by one: a few MB of traffic. Older ones are sums. */
export const MAX_ACCOUNT_RECENT = 4_096
/**
 * Arrivals of which it is remembered that they were told, so that none counts twice: as many as a daemon keeps for a
 * program that comes back. An older one that comes later than so many others does not count.
 */
export const MAX_TOLD_ARRIVALS = 4_096
/** Groups of a sum, by peer for example; the oldest are joined to one beyond that. */
export const MAX_ACCOUNT_GROUPS = 65_536
/** Connections, and ways, that have a number of their own in a file at one time: more are seldom busy at once. */
export const MAX_ACCOUNT_DEFINITIONS = 1_024
/** What is kept of a line that has no end yet: far more than any line has. */
export const MAX_ACCOUNT_LINE_CHARACTERS = 65_536
/** Entries are on disk after so long, ms: one more fsync a second at most. */
export const ACCOUNT_FLUSH_MS = 1_000
/** So many that wait are written at once. */
export const ACCOUNT_FLUSH_ENTRIES = 4_096
/** Entries that wait while the disk takes none; beyond that the oldest are given up, and a person is told. */
export const MAX_ACCOUNT_WAITING = 65_536
/** A file of entries that is larger is followed by another: 64 MiB is about half a million payments. */
export const MAX_ACCOUNT_PART_BYTES = 67_108_864
/** Files of entries that are kept, 4 GiB: about eight months of a program that never stops. Older ones become sums. */
export const MAX_ACCOUNT_PARTS = 64

// ---- The policy ----------------------------------------------------------------------------------------

/** A file of a policy: ten thousand keys are less. */
export const MAX_POLICY_CHARACTERS = 1_048_576
/** Keys of a list, ports and programs. */
export const MAX_POLICY_KEYS = 10_000
/** A new day is looked for so often, ms: a machine that slept, or whose clock was set, is late by so much at most. */
export const DAY_LOOK_MS = 60_000
