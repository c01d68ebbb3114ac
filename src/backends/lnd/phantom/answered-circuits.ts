import { BoundedMap, BoundedSet } from '../../../floor/bounded.ts'
import { equalBytes } from '../../../floor/bytes.ts'
import { MAX_SETTLED } from '../limits.ts'
import type { Excess } from './interceptor-messages.ts'

/** An HTLC that was settled. */
export interface SettledHtlc {
  readonly hash: Uint8Array
  readonly preimage: Uint8Array
  readonly amountMsat: bigint
  readonly excess: Excess
}

/** Circuits, by name, that need no second look: the latest MAX_SETTLED of a stream, and as many that were settled. */
export class AnsweredCircuits {
  /** Circuits of this stream that are held or answered: each gets one answer. */
  readonly #met = new BoundedSet<string>(MAX_SETTLED)
  /**
   * What was settled: offered again, it is settled again (spec/lnd.md §5), also when its path was closed since.
   * Never by hash alone: who paid us would find us by paying the same hash through every node.
   */
  readonly #settled = new BoundedMap<string, SettledHtlc>(MAX_SETTLED)

  /** A new stream begins, on which lnd offers again what has no answer. */
  begin(): void {
    this.#met.clear()
  }

  isMet(name: string): boolean {
    return this.#met.has(name)
  }

  meet(name: string): void {
    this.#met.add(name)
  }

  settle(name: string, htlc: SettledHtlc): void {
    this.#settled.set(name, htlc)
  }

  settledOn(name: string, hash: Uint8Array): SettledHtlc | undefined {
    const settled = this.#settled.get(name)
    return settled !== undefined && equalBytes(settled.hash, hash) ? settled : undefined
  }
}
