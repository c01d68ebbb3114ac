/** Every limit and time of tunnels, with its reason. Times are milliseconds, amounts millisatoshi. */

/** What `connect` and `forward` spend on an hour at most, unless told: what `send` spends at most on a file. */
export const DEFAULT_HOUR_MSAT = 1_000_000n
/** What they spend in all, unless told: the usual cap of a process, also for one connection that lasts. */
export const DEFAULT_TUNNEL_MSAT = 100_000_000n
/** What a seller's answers cost is paid by its callers; the usual cap of a process would end it after some 50 MB. */
export const DEFAULT_SELLER_MSAT = 10_000_000_000n
/** Callers of `expose` at once, unless told: as many as a small web server takes. */
export const DEFAULT_MAX_CALLERS = 256
/** Local connections of `forward` at once: those beyond are reset. */
export const MAX_LOCAL_CONNECTIONS = 1_024
/** A connection on which nothing moves for so long ends: 2 hours, as long as TCP waits before it asks. */
export const DEFAULT_IDLE_MS = 7_200_000
/**
 * A tunnel that its user ends gives what runs so long to end in order, since the last connection did: as long as
 * payments on real nodes take.
 */
export const TUNNEL_ENDING_MS = 5_000
/** ... and then, when both sides have been told, so long. */
export const TUNNEL_LAST_MS = 2_000
/** ... in all not longer: 200 connections take some 10 s where a node makes 60 payments a second. */
export const TUNNEL_ENDING_MAX_MS = 60_000
/** A `connect` waits so long for a node that another process has: for one like it that is just ending. */
export const NODE_WAIT_MS = 30_000
/** What a cap has stopped for so long ends, where nobody is asked for more: as long as the library waits by itself. */
export const STOPPED_MS = 30_000
/** How often it is shown what runs. */
export const TRAFFIC_EVERY_MS = 1_000
/** Prices that are remembered; the oldest are asked for anew. */
export const MAX_PRICES = 1_000
/** Services of one `expose`, and ports that it listens on. */
export const MAX_SERVICES = 64
/** A connection for datagrams ends after so long without one: a NAT forgets as soon (RFC 4787 §4.3). */
export const UDP_IDLE_MS = 120_000
/** Datagrams that wait until their connection stands. */
export const MAX_UDP_WAITING = 16
/** Datagrams of a connection of which pieces are missing; the oldest is given up, as UDP may (spec/udp.md §2). */
export const MAX_INCOMPLETE = 16
/** Local programs that send datagrams to one port of `forward udp`; what comes of others is dropped. */
export const MAX_UDP_SOURCES = 64
