import type { Verdict } from '../../medium/verdict.ts'
import { BoundedMap } from '../../floor/bounded.ts'
import { MAX_VERDICTS } from '../limits.ts'

/** What was answered to a payment hash, and who was paid. */
export interface Remembered<Owner> {
  readonly verdict: Verdict
  readonly owner: Owner | undefined
}

/**
 * The same hash over the same path gets the same verdict, whenever it is offered again (spec §2.5). Over another path it
 * is judged for itself: else a payer could tell that two paths lead to one process.
 */
export class Verdicts<Owner> {
  /** By path and hash. */
  readonly #byOffer: BoundedMap<string, Remembered<Owner>> = new BoundedMap(MAX_VERDICTS)
  /** Who was paid, by hash. */
  readonly #owners: BoundedMap<string, Owner> = new BoundedMap(MAX_VERDICTS)

  get size(): number {
    return this.#byOffer.size
  }

  /** @param key of `offerKey` */
  get(key: string): Remembered<Owner> | undefined {
    return this.#byOffer.get(key)
  }

  ownerOf(hash: Uint8Array): Owner | undefined {
    return this.#owners.get(hashKey(hash))
  }

  add(key: string, hash: Uint8Array, remembered: Remembered<Owner>): void {
    this.#byOffer.set(key, remembered)
    if (remembered.verdict.action !== 'settle' || remembered.owner === undefined) return
    this.#owners.set(hashKey(hash), remembered.owner)
  }
}

/** What an offer is remembered by; no path: the unblinded phantom lane. */
export function offerKey({ pathId = '', hash }: { readonly pathId?: string; readonly hash: Uint8Array }): string {
  return hashKey(hash) + pathId
}

/** Half of the size of hexadecimal, and there are many. */
function hashKey(hash: Uint8Array): string {
  return Buffer.from(hash.buffer, hash.byteOffset, hash.byteLength).toString('latin1')
}
