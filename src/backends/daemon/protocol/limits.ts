/**
 * Every limit and default of the daemon and of its clients, with its reason. Times are milliseconds. Those that an
 * attached program meets stand in spec/daemon.md §8.
 */
import type { BackOffBounds } from '../../../floor/back-off.ts'

/** Versions of the protocol that are spoken (spec/daemon.md §4.1); any other field in a message makes a new one. */
export const VERSIONS: readonly number[] = [4]

// ---- Messages ----------------------------------------------------------------------------------------

/** The longest line: the connections of a program that comes back, 15 characters each, and some. */
export const MAX_LINE_BYTES = 262_144
/**
 * Pieces of a line that wait for its end: beyond it they become one, since each takes a hundred bytes, however short.
 */
export const MAX_LINE_PIECES = 64
/**
 * What is written to a program that does not read, before it is cut off: twice what telling it all recent arrivals
 * again takes.
 */
export const MAX_UNSENT_BYTES = 16_777_216
/**
 * Calls of one program under way, without those that have another limit: an endpoint makes a few for each of its
 * connections.
 */
export const MAX_CALLS_PER_PROGRAM = 1_024
/** The same of all programs, also of those that hung up while the node did not answer: they may come back and ask. */
export const MAX_CALLS: number = 16 * MAX_CALLS_PER_PROGRAM
/** Payments of one program under way: a full channel's slots on eight channels. */
export const MAX_PAYMENTS_PER_PROGRAM = 4_096
/** Names of routes, paths and offers. */
export const MAX_NAME_CHARACTERS = 96
/** Names of channels; lnd's are shorter. */
export const MAX_CHANNEL_CHARACTERS = 192
/** Channels of a route, and route hints: a route has 20 hops at most, and a blinded part behind them. */
export const MAX_LISTED_HOPS = 64
/** Caps that the status tells of: what a policy has beyond these is kept, and not told. */
export const MAX_TOLD_CAPS = 256
/** Words for people. */
export const MAX_WORDS = 2_048

// ---- What is shared ----------------------------------------------------------------------------------

/** Programs at once. */
export const MAX_PROGRAMS = 64
/** Connections at once, those included that attach, or ask for the status. */
export const MAX_SOCKETS: number = 2 * MAX_PROGRAMS
/**
 * Routes that one program may pay over, as many as lnd's backend pins for all; the oldest goes first and answers
 * 'route-gone'.
 */
export const MAX_ROUTES_PER_PROGRAM = 4_096
/** Reply paths of one program: a quarter of what the node takes, so that one program never has them all. */
export const MAX_PATHS_PER_PROGRAM = 1_024
/** Ports of one program. */
export const MAX_PORTS_PER_PROGRAM = 1_024
/** Offers of one program that wait for its verdict; an endpoint holds no more. */
export const MAX_OFFERS_PER_PROGRAM = 483
/** Connection ids whose owner is known, of each role; the oldest go, and what comes for them goes to everyone. */
export const MAX_KNOWN_CONNECTIONS = 65_536
/** Connection ids of each role that a program names when it comes back: its latest. */
export const MAX_NAMED_CONNECTIONS = 4_096
/** Settled offers whose confirmation is waited for, and payments that the node lost sight of. */
export const MAX_REMEMBERED = 16_384
/** One in so many slots, one at least, is kept for programs that hold none: others' payments may hang for hours. */
export const SLOTS_KEPT_DIVISOR = 16
/** From this part of a channel's slots on, only those who hold less than a fair part get one: the last quarter. */
export const SLOTS_FREE_NUMERATOR = 3
export const SLOTS_FREE_DENOMINATOR = 4

// ---- Arrivals ----------------------------------------------------------------------------------------

/** Arrivals kept for a program that comes back: half a minute of the node lane's fastest. */
export const MAX_RECENT_ARRIVALS = 4_096
/**
 * A daemon that starts again asks for so many settled invoices before the last one that it has seen: programs may not
 * have read them.
 */
export const RESUME_BEHIND = 256n
/** OPENs whose port waits to be claimed again. */
export const MAX_HELD_OPENS = 256
/**
 * Arrivals that wait behind an OPEN whose port is being found out: a minute's worth, which is the longest that lnd is
 * waited for.
 */
export const MAX_WAITING_ARRIVALS = 8_192
/** How long an OPEN waits for a program that died or for a daemon that just started: a program restarts in less. */
export const HOLD_MS = 5_000
/** Ports of programs that died, remembered for HOLD_MS. */
export const MAX_FREED_PORTS = 4_096
/** Shared secrets kept, so that the program which the OPEN is for does not cost the node another call. */
export const MAX_SECRETS = 1_024
/** Kept back from an offer's time while its port is found out. */
export const OFFER_MARGIN_MS = 500

/**
 * What refusing connections that nobody takes may cost in the life of a daemon, msat: enough for thousands, each paid
 * for by its caller.
 */
export const REFUSAL_CAP_MSAT = 10_000_000n

// ---- The socket and the client -----------------------------------------------------------------------

/** `sun_path` has 104 bytes on macOS, 108 on Linux, with a zero at the end. */
export const MAX_SOCKET_PATH_BYTES = 103
/** For this user alone. */
export const SOCKET_MODE = 0o600
/** Delays between tries to reach a daemon that is away. */
export const DAEMON_RECONNECT: BackOffBounds = { minMs: 20, maxMs: 2_000 }
/** How long a program that stops waits for the daemon to have let go of what it had. */
export const DETACH_MS = 2_000
/**
 * How long either side is given to greet and to attach, or to tell its status, and a program to hang up once it has
 * detached: one that is alive does so at once.
 */
export const GREETING_MS = 5_000
/**
 * Where a call other than a payment is not answered for so long, the daemon is asked for its status: the call may be
 * slow at the node.
 */
export const ANSWER_MS = 30_000
/** The last settle index is written this often at most. */
export const SETTLE_INDEX_EVERY_MS = 500

// ---- Starting ----------------------------------------------------------------------------------------

/** A program waits so long for a daemon that is starting: a node that is slow to answer takes some seconds. */
export const DAEMON_START_MS = 30_000
/** ... and looks so often. */
export const DAEMON_LOOK_MS = 50

/** How often a program is told at most that a cap of the daemon stops its payments, ms. */
export const OVER_CAP_WARNING_MS = 60_000
