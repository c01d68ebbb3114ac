import type { DrawOptions } from '../../src/sim.ts'

/** What one run of the bench is about: the network, and which pairs of nodes it asks. */
export interface NetworkSetting {
  /** What `lncli describegraph` printed; undefined: mainnetLike. */
  readonly graph: string | undefined
  /** Nodes of mainnetLike. */
  readonly nodes: number
  readonly seed: string
  /** Both ends have at least so many channels that are in use both ways. */
  readonly leastChannels: number
  /** What else is drawn: slots, limits of relays. */
  readonly drawn: Pick<DrawOptions, 'slots' | 'pairLimits' | 'circuitBreakers'>
}

/** Of payments, as the medium is said to be: 1 in 20 fails, 1 in 200 hangs. */
export const FAILING = 0.05
export const HANGING = 0.005
export const LATENCY = 'slow'

/** Pairs that share one simulation, one after the other. */
export const PAIRS_AT_ONCE = 10
/** What is asked and answered after 'connect'. */
export const ECHO_BYTES = 100
/** A pair without an answer by then has failed: later than any timeout of its own, in virtual ms. */
export const GIVE_UP_MS = 180_000

/** Of the transfers beside floods. */
export const TRANSFER_BYTES = 1_000_000
export const TRANSFER_LIMIT_MS = 1_800_000
/** A flood counts by its rate: what is slower is cut off. */
export const FLOOD_LIMIT_MS = 600_000
/** Payments of a flood under way, over all of its routes; the best counts. */
export const FLOOD_IN_FLIGHT: readonly number[] = [8, 32, 128]
export const FLOOD_ROUTES = 8
/** What a flood takes for hanging it sends anew. */
export const FLOOD_PATIENCE_MS = 20_000
/** What a packet may cost, amount and fee together: both ends' default. */
export const MAX_PACKET_MSAT = 10_000
/** Longer without a byte is a silence. */
export const SILENCE_MS = 5_000

/** Callers by their channels in use. */
export const DEGREES: readonly { readonly name: string; readonly least: number; readonly most: number }[] = [
  { name: '3 to 9', least: 3, most: 9 },
  { name: '10 to 49', least: 10, most: 49 },
  { name: '50 and more', least: 50, most: Infinity },
]
