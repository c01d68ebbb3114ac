import type { ContractPart, ContractWorld } from './harness.ts'
import { startEnds, type Ends, type StartOptions } from './probe.ts'

/** One clause of the contract, tested in a fresh world. */
export interface ContractCase {
  readonly title: string
  /** A harness that lacks one of these skips the case. */
  readonly needs: readonly ContractPart[]
  readonly run: (world: ContractWorld) => Promise<void>
}

/**
 * A case that begins with a process started on both nodes, the receiver's with these options, and ends with both
 * stopped.
 */
export function withEnds(body: (ends: Ends) => Promise<void>, ofReceiver?: StartOptions): ContractCase['run'] {
  return async (world) => {
    const ends = await startEnds(world, ofReceiver)
    try {
      await body(ends)
    } finally {
      // Also where it failed: the next case begins on the same nodes.
      await world.settle(Promise.all([ends.payer.backend.stop(), ends.receiver.backend.stop()]))
    }
  }
}
