import { BoundedMap } from '../../floor/bounded.ts'
import { concat, fromText, toText } from '../../floor/bytes.ts'
import type { Verdict } from '../../medium/verdict.ts'
import { MAX_VERDICTS } from '../limits.ts'

/** Who was paid: a connection, or nobody that is held; and what is noted of it. */
interface Paid<Owner, Note> {
  readonly owner: Owner | undefined
  readonly note: Note
}

/** A verdict as it is kept: the preimage of one that settles, as text. */
type Kept = string | Exclude<Verdict, { readonly action: 'settle' }>

/** An offer as verdicts know it; no path: the unblinded phantom lane. */
interface OfferName {
  readonly pathId?: string
  readonly hash: Uint8Array
}

/**
 * The same hash over the same path gets the same verdict, whenever it is offered again (spec §2.5: no offer is decided
 * twice). Over another path it is decided for itself: else a payer could tell that two paths lead to one process.
 */
export class Verdicts<Owner extends object, Note> {
  /** By path and hash. */
  readonly #byOffer: BoundedMap<string, Kept> = new BoundedMap(MAX_VERDICTS)
  /** Who was paid, by hash: an owner that has ended, and that nobody else holds, is not kept for its verdicts. */
  readonly #owners: BoundedMap<string, { readonly owner: WeakRef<Owner> | undefined; readonly note: Note }> =
    new BoundedMap(MAX_VERDICTS)

  get size(): number {
    return this.#byOffer.size
  }

  /** @param key of `offerKey` */
  get(key: string): Verdict | undefined {
    const kept = this.#byOffer.get(key)
    return typeof kept === 'string' ? { action: 'settle', preimage: fromText(kept) } : kept
  }

  /** Who was paid by the payment of this hash, as long as somebody holds it. */
  ownerOf(hash: Uint8Array): Owner | undefined {
    return this.#owners.get(toText(hash))?.owner?.deref()
  }

  /** What was noted of who was paid, also where nobody holds it any more. */
  noteOf(hash: Uint8Array): Note | undefined {
    return this.#owners.get(toText(hash))?.note
  }

  /** `paid`: who was paid, if the offer is settled, and what to remember of it. */
  add(offer: OfferName, verdict: Verdict, paid: Paid<Owner, Note> | undefined): void {
    this.#byOffer.set(offerKey(offer), verdict.action === 'settle' ? toText(verdict.preimage) : verdict)
    if (verdict.action !== 'settle' || paid === undefined) return
    this.#owners.set(toText(offer.hash), {
      owner: paid.owner === undefined ? undefined : new WeakRef(paid.owner),
      note: paid.note,
    })
  }
}

/** What an offer is remembered by. */
export function offerKey({ pathId = '', hash }: OfferName): string {
  // In one piece: what `+` gives keeps both of its parts.
  return toText(concat(hash, Buffer.from(pathId)))
}
