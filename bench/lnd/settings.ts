/** What the bench on real nodes measures with, and what it asks for. Amounts are millisatoshi, times milliseconds. */

export const NAMES = ['alice', 'bob', 'carol'] as const
export type Name = (typeof NAMES)[number]

/** Neighbours share a channel of this size, half on each side: thousands of payments of 1 sat don't tilt it. */
export const CAPACITY_SAT = 10_000_000

/** Payments in flight of the floods that look for the best size, in this order or backwards. */
export const SWEEP_IN_FLIGHT = [1, 4, 16, 64, 128, 256] as const
/** A flood of the sweep ends when so many payments have arrived, or after this time. */
export const SWEEP_PAYMENTS = 256
export const SWEEP_MS = 2_500

export const DEFAULT_BYTES = 2_000_000
export const DEFAULT_ROUNDS = 3

/** Between opening both endpoints and using them. */
export const SETTLE_MS = 2_000
/** Bytes each way before the first round: programs and nodes start cold, and a flood warms up by its sweep. */
export const WARM_UP_BYTES = 200_000

/** (c) A payment of this much at a time, for so long, as the first program of this kind sent. */
export const CHUNK_BYTES = 800
export const ONE_BY_ONE_MS = 10_000

/** (d) Pairs of samples a round, the size of a write, and the longest pause before a sample, drawn at random. */
export const LATENCY_SAMPLES = 50
export const SMALL_WRITE_BYTES = 32
export const LATENCY_PAUSE_MS = 60

/** (e) Connections a round; the first of them on an endpoint that never had one. */
export const CONNECTS = 5

export const MIN_RATIO = 0.85
export const MAX_RATIO = 1.02
export const MIN_TIMES_ONE_BY_ONE = 15
export const MAX_LATENCY = 1.15
export const CONNECT_PAYMENTS = 2

/** Series for plots: goodput in steps of this, and what is in flight as often. */
export const STEP_MS = 250

/** Money is no bound here. */
export const PLENTY_MSAT = 1_000_000_000_000n
export const MAX_FEE_MSAT = 100_000n
