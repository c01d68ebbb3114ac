import type { ContractPart, ContractWorld } from './harness.ts'
import { startEnds, type Ends } from './probe.ts'

/** One clause of the contract, tested in a fresh world. */
export interface ContractCase {
  readonly title: string
  /** A harness that lacks one of these skips the case. */
  readonly needs: readonly ContractPart[]
  readonly run: (world: ContractWorld) => Promise<void>
}

/** A case that begins with a process started on both nodes, and ends with both stopped. */
export function withEnds(body: (ends: Ends) => Promise<void>): ContractCase['run'] {
  return async (world) => {
    const ends = await startEnds(world)
    await body(ends)
    await world.settle(Promise.all([ends.payer.backend.stop(), ends.receiver.backend.stop()]))
  }
}
