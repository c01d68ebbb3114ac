import type { Verdict } from '../../backends/backend.ts'
import { MAX_VERDICTS } from '../limits.ts'

/** What was answered to a payment hash, and who was paid. */
export interface Remembered<Owner> {
  readonly verdict: Verdict
  readonly owner: Owner | undefined
}

/** The same hash gets the same verdict, whenever it is offered again (spec §2.5). */
export class Verdicts<Owner> {
  readonly #byHash: Map<string, Remembered<Owner>> = new Map()

  get size(): number {
    return this.#byHash.size
  }

  get(hash: Uint8Array): Remembered<Owner> | undefined {
    return this.#byHash.get(hashKey(hash))
  }

  add(hash: Uint8Array, remembered: Remembered<Owner>): void {
    this.#byHash.set(hashKey(hash), remembered)
    for (const oldest of this.#byHash.keys()) {
      if (this.#byHash.size <= MAX_VERDICTS) return
      this.#byHash.delete(oldest)
    }
  }
}

/** Half of the size of hexadecimal, and there are many. */
export function hashKey(hash: Uint8Array): string {
  return Buffer.from(hash.buffer, hash.byteOffset, hash.byteLength).toString('latin1')
}
