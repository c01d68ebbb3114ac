import type { Lane } from './payment.ts'

/** A packet that arrived, still sealed. */
export interface Arrival {
  readonly lane: Lane
  readonly record: Uint8Array
  readonly amountMsat: bigint
  /** 32 bytes; the phantom lane checks the preimage against it before it settles. */
  readonly hash: Uint8Array
  /** Phantom lane: over which of our own paths; absent at the phantom of our node. */
  readonly pathId?: string
  /** Up to which height the node can hold it for its verdict. */
  readonly holdHeight?: number
}
