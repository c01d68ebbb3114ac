import type { Lane } from '../../medium/payment.ts'
/** What goes into and comes out of the per-peer object: plain data. */
import type { Grant, RandomBytes } from '../connection/interface.ts'
import type { Tracer } from '../../medium/trace.ts'
import type { SlotPool } from './slots.ts'

export interface PeerOptions {
  readonly lane: Lane
  /** Reached over paths that it gave, by nobody knows whom: spec §9.7 binds the payer. */
  readonly anonymous: boolean
  /** Spreads back-offs. */
  readonly random: RandomBytes
  /** The slots of our own channels, one pool per endpoint. */
  readonly slots: SlotPool
  /**
   * Routes over which a packet costs more, its least amount and the fee together, are not used (spec §9.6).
   */
  readonly maxFeeMsat: bigint
  /** Hears of routes, of the window and of what hangs. */
  readonly tracer?: Tracer | undefined
}

export type PeerGrant = Grant & { readonly ticket: number }

export interface PeerStats {
  readonly inFlight: number
  /** Overdue, stuck or lost sight of. `stuck` are those of 60 s and more. */
  readonly hung: number
  readonly stuck: number
  readonly window: number
  readonly phase: 'start' | 'steady'
  readonly smoothedMs: number | undefined
  readonly medianMs: number | undefined
  readonly baseMs: number | undefined
  readonly hedgeAfterMs: number
  readonly hedges: number
  readonly hedgesLeft: number
  /** Share of the attempts that hang, as far as is known. */
  readonly hangShare: number
  readonly delivered: number
  readonly failed: number
  readonly routes: number
  readonly suspendedRoutes: number
  readonly waiting: number
}
