/** Every bound of the proxy, with its reason. Times are milliseconds. */

/** The ports that people know: SOCKS (RFC 1928), and what Privoxy listens on. */
export const DEFAULT_SOCKS_PORT = 1080
export const DEFAULT_HTTP_PORT = 8118
/** Clients of one port at once: some ten for each of fifty open pages. */
export const MAX_CLIENTS = 512
/** A client says what it wants within this time: it stands on the same machine, or near. */
export const CLIENT_GREETING_MS = 30_000
/** RFC 1929: a user name, and RFC 1928: a domain name, have 255 bytes at most. */
export const MAX_FIELD_BYTES = 255
/** A tunnel gets so long to deliver what it holds when the proxy ends. */
export const CLIENT_ENDING_MS = 10_000
/** Between two requests a connection to a web server is kept for so long: it costs nothing, and opening one does. */
export const IDLE_UPSTREAM_MS = 60_000
/** Such connections that wait for another request, to one host: as browsers have. */
export const MAX_IDLE_UPSTREAM = 6
/**
 * Connections to web servers at once: two for each client. Node takes up all requests that a client says in one breath,
 * and each of them would open one.
 */
export const MAX_WEB_CONNECTIONS = 1_024
/** A browser's connection that says nothing is kept for so long. */
export const IDLE_CLIENT_MS = 60_000

// ---- Datagrams ---------------------------------------------------------------------------------------

/** Other sides of one UDP association: a resolver asks a few servers. */
export const MAX_UDP_DESTINATIONS = 16
