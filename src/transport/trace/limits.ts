/** Bounds of a trace, with their reasons. */

/** Bytes of a trace that wait for a slow disk at most; what comes then is dropped, and counted (spec/qlog.md §2.6). */
export const MAX_TRACE_BUFFER_BYTES: number = 8 * 2 ** 20

/** Channels that an anonymous trace tells apart: more than a process meets in days. The others have one name. */
export const MAX_TRACE_CHANNELS: number = 65_536

/** How long an endpoint that closes waits for the last of its trace to be on disk, ms of real time. */
export const TRACE_END_MS: number = 5_000

/** Decimals of a time in ms: a microsecond is finer than what a process measures. */
export const TRACE_TIME_DECIMALS: number = 3

/** In a simulated time a trace goes to the disk in pieces of so much text. */
export const TRACE_PIECE_CHARACTERS: number = 65_536
