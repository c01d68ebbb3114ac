import type { BackOffBounds } from '../../floor/back-off.ts'

/**
 * Every limit and default of the lnd backend, with its reason. Amounts are
 * millisatoshi, times are milliseconds, heights are blocks.
 */

// ---- Routes ------------------------------------------------------------------------------------------

/** Where the graph has one way only, others that part from it at one of this many of its channels are looked for. */
export const QUERIES_PER_ROUTE = 3
/**
 * A search is many queries (QUERY_AMOUNTS_MSAT with mission control and without, for each way and for each detour),
 * and each takes up to 10 s on big graphs: after this time what was found has to do. An attached program takes a
 * daemon that says nothing for 90 s for dead.
 */
export const FIND_MS = 30_000
/** A policy is asked for again after this time; a refusal over it asks at once. */
export const POLICY_AGE_MS = 600_000
/** Policies kept, and channels of which it is known whom they join. */
export const MAX_POLICIES = 16_384
/**
 * lnd leaves out channels whose minimum is above the amount that is asked for; 1000 msat is its default minimum, the
 * others are tried where that finds nothing.
 */
export const QUERY_AMOUNTS_MSAT: readonly bigint[] = [1_000n, 10_000n, 100_000n]
/** HTLCs that a channel admits in one direction where lnd does not say: the most that BOLT 2 allows. */
export const MAX_CHANNEL_HTLCS = 483
/**
 * A route's expiries are this much higher at most, at random, so that they tell a relay less about its place. Drawn
 * once a connection: see `Payment.shadowSeed`.
 */
export const MAX_SHADOW_BLOCKS = 72
/** Confirmations of a public channel before its ends announce it (BOLT 7). */
export const ANNOUNCED_DEPTH = 6
/** A channel that has so much of its HTLCs under way is nearly full: what is left is soon used by relays. */
export const FULL_CHANNEL_SHARE = 0.9
/** Less that a node can send over one channel is worth a warning: some hundred packets with their fees. */
export const OUTBOUND_ROOM_MSAT = 1_000_000n
/** How long a list of our own channels is used to find routes and introductions. */
export const CHANNELS_AGE_MS = 2_000

// ---- Payments ----------------------------------------------------------------------------------------

/** Hashes that this process has used; lnd itself knows those that it keeps: not the ones that were pruned. */
export const MAX_USED_HASHES = 200_000
/**
 * Warnings that payments cause (lnd refused to send for want of a permission; one came short) are emitted once in this
 * time, whoever causes them.
 */
export const WARNING_INTERVAL_MS = 60_000
/** The longest record that fits into an onion: one hop (BOLT 4), some slack. */
export const MAX_RECORD_BYTES = 1_300

/**
 * lnd lists an HTLC once the peer has signed for it, so a channel whose peer hangs does not show what was sent over it.
 * lnd cuts such a peer off, and its channel is not active from then on, after a minute until the next ping and half a
 * minute for the answer; over Tor it gives three times as long. After this time what no active channel lists was
 * never sent.
 */
export const UNLISTED_MS = 300_000

/** Payments that are deleted from lnd at once: each is a write to its disk, which payments under way need. */
export const PRUNE_AT_ONCE = 2
/** What could not be deleted is tried again after so long, ... */
export const PRUNE_AGAIN_MS = 1_000
/** ... so often in all; then it stays in lnd. */
export const PRUNE_TRIES = 5
/** A backend that stops goes on deleting for so long: some thousand payments. */
export const PRUNE_END_MS = 10_000

// ---- Calls and streams -------------------------------------------------------------------------------

/** No call but sendToRouteV2 takes longer; pathfinding on big graphs takes up to 10 s. */
export const CALL_MS = 60_000
/** The node is asked for its height this often; a dead connection is noticed by it, too. */
export const HEIGHT_POLL_MS = 3_000
/** The node is away when it does not answer getInfo for this long. */
export const ALIVE_MS = 15_000
/** Delays between tries to reach a node that is away: lnd lets go of held HTLCs a second after it came up. */
export const NODE_RECONNECT: BackOffBounds = { minMs: 5, maxMs: 200 }
/**
 * A connection of which nothing is heard is tried after this time (lnd takes no pings from its clients that come more
 * often than every 5 s), and given up after KEEPALIVE_TIMEOUT_MS more.
 */
export const KEEPALIVE_MS = 6_000
export const KEEPALIVE_TIMEOUT_MS = 10_000
/** What is lost is asked for again after this time where the node answered and another connection to it did not. */
export const LOOK_AGAIN_MS = 200
/** `checkLnd` waits for a refusal for so long: lnd says it at once, and sends all of its graph for seconds. */
export const PROBE_MS = 5_000
/** `checkLnd` watches a stream for so long. */
export const STREAM_STANDS_MS = 250

// ---- The interceptor ---------------------------------------------------------------------------------

/**
 * lnd lets go of held HTLCs about a second after its RPC comes back: a lost stream is opened again every few ms for so
 * long.
 */
export const EAGER_MS = 3_000
/** Between tries after EAGER_MS, while another program holds the interceptor or the stream does not stay. */
export const INTERCEPTOR_RETRY_MS = 5_000
/** How long `makePaths` waits for the interceptor to be in place, once its thread runs. */
export const INTERCEPTOR_OPEN_MS = 10_000
/** The interceptor's thread is given so long to come up: half a second where nothing else has the processor. */
export const THREAD_UP_MS = 60_000
/** How long lnd is given to object to a second interceptor, once it has answered a call that came after it. */
export const OBJECTION_MS = 40
/**
 * The thread that reads the interceptor is ended when it says nothing for so long: a cancelled stream is safe, a
 * stalled one is not.
 */
export const WATCHDOG_MS = 10_000
export const HEARTBEAT_MS = 1_000
/** The interceptor's thread is given so long to end by itself. */
export const THREAD_END_MS = 2_000
/**
 * Settled payments whose preimage is at hand when they are offered again, and circuits that have had their answer: more
 * than any lnd holds at once.
 */
export const MAX_SETTLED = 65_536
/** lnd ends our stream when an answer comes after it failed the HTLC by itself, 19 blocks before its expiry. */
export const INTERCEPT_MARGIN_BLOCKS = 20
/** Settled HTLCs are looked for in the channels this often until they are gone, which means paid. */
export const CONFIRM_POLL_MS = 400
/** Settled HTLCs that wait to be seen as paid. */
export const MAX_UNCONFIRMED = 8_192

// ---- Blinded paths -----------------------------------------------------------------------------------

/** The policies along open paths are compared with what was published when they were made this often. */
export const PATH_POLICY_MS = 30_000
/** What introduction nodes ask at their other channels is compared this often: big ones have thousands. */
export const PATH_ENTRANCE_MS = 300_000
/**
 * When the interceptor's stream comes back, open paths are replaced, at most this often: each connection pays for the
 * packet that says so.
 */
export const PATH_RENEW_MS = 10_000
/** A guard is looked for so long; then the best that was found has to do: somebody waits to connect. */
export const GUARD_SEARCH_MS = 3_000
/** Chains to this node that were chosen and are taken again: the first, and standbys for when it is away. */
export const MAX_CHAINS_KEPT = 4
/** Nodes in front of a peer that a path with two relays is tried with: each is some calls for its crowd. */
export const MAX_FRONTS = 16
/** Those that are asked for, until so many are found that can relay: a call each, and somebody waits to connect. */
export const MAX_FRONTS_ASKED = 64
/** Nodes between an introduction node and those who could stand behind it that are asked after, beside the own peer. */
export const NODES_BEHIND = 4
/** Nodes that could stand behind a path and are asked whether they relay blinded payments: of more, a share is told. */
export const CROWD_ASKED = 32
/** What a node says of its features is used for so long: they change with its software. */
export const FEATURES_AGE_MS = 3_600_000
/** Nodes whose features are kept. */
export const MAX_FEATURES = 4_096
/** Nodes that are kept with their channels, for CHANNELS_AGE_MS: the largest has thousands. */
export const MAX_NODES_KNOWN = 32
/** Room that a peer must have towards us before it is asked to introduce: some packets' worth. */
export const INBOUND_ROOM_MSAT = 100_000n
/**
 * Encrypted data of relays is padded to this, so that lengths tell nothing: the largest classes take 30, padding at
 * least 2.
 */
export const RELAY_DATA_BYTES = 32

/** A node that has settled an invoice tells it within some ms; after so long it is behind what was stored. */
export const SETTLED_LOOK_MS = 5_000
