import type { Verdict } from '../../medium/verdict.ts'
import type { Backend, BackendEvent } from '../../backends/backend.ts'
import { Code } from '../../wire/errors.ts'
import type { Reception } from '../connection/interface.ts'
import type { Deadline, Deadlines } from './deadlines.ts'
import type { DrivenConnection } from './driven-connection.ts'
import { messageOf } from '../errors.ts'
import { VERDICT_MS } from '../../medium/limits.ts'
import { MAX_OFFERS_HELD, VERDICT_MARGIN_MS } from '../limits.ts'
import type { LogFields } from '../logger.ts'
import { offerKey, Verdicts } from '../tables/verdicts.ts'

export type Offer = Extract<BackendEvent, { readonly type: 'offer' }>

/** Says what becomes of an offer. Called once; later calls are ignored. `link`: who was paid. */
export type Decide = (reception: Reception, link: DrivenConnection | undefined) => void

/** What offers need of their driver. */
export interface OfferOwner {
  readonly backend: Backend
  readonly deadlines: Deadlines
  now(): number
  touch(link: DrivenConnection): void
  debug(fields: LogFields, message: string): void
}

/** An offer that has no verdict yet, under every id that it came with. */
interface Held {
  readonly offerIds: Set<string>
  /** When its verdict falls, if nothing else was said. */
  readonly dueMs: number
  readonly deadline: Deadline
}

const busy: Verdict = { action: 'refuse', code: Code.BUSY }

/** Every offer gets one verdict, within 3 s, and the same one whenever its hash comes again over its path (spec §2.5). */
export class HeldOffers {
  readonly #owner: OfferOwner
  readonly #verdicts: Verdicts<DrivenConnection> = new Verdicts()
  /** By `offerKey`. */
  readonly #held: Map<string, Held> = new Map()
  /** `offerKey` of what is held, by offer id. */
  readonly #keyOf: Map<string, string> = new Map()

  constructor(owner: OfferOwner) {
    this.#owner = owner
  }

  get held(): number {
    return this.#held.size
  }

  get remembered(): number {
    return this.#verdicts.size
  }

  /** Answers what is known; asks `judge` about what is not. */
  take(offer: Offer, judge: (offer: Offer, decide: Decide) => void): void {
    const key = offerKey(offer)
    const known = this.#verdicts.get(key)
    if (known !== undefined) return this.#answer(offer.offerId, known.verdict)
    const held = this.#held.get(key)
    if (held !== undefined) {
      held.offerIds.add(offer.offerId)
      this.#keyOf.set(offer.offerId, key)
      return
    }
    // Not remembered: it is no judgement of the packet.
    if (this.#held.size >= MAX_OFFERS_HELD) return this.#answer(offer.offerId, busy)
    this.#hold(offer, key)
    judge(offer, (reception, link) => this.#decide(offer, key, verdictOf(reception), link))
  }

  /** Whether a verdict about this hash would still be somebody's: it is not answered, not due, and not gone. */
  isHeld(offer: { readonly pathId?: string; readonly hash: Uint8Array }): boolean {
    const held = this.#held.get(offerKey(offer))
    return held !== undefined && held.offerIds.size > 0 && this.#owner.now() < held.dueMs
  }

  /** It cannot be answered any more. */
  gone(offerId: string): void {
    const key = this.#keyOf.get(offerId)
    if (key === undefined) return
    this.#keyOf.delete(offerId)
    // What is being judged still is: when the hash comes again in time, it gets that verdict.
    this.#held.get(key)?.offerIds.delete(offerId)
  }

  confirmed(hash: Uint8Array, amountMsat: bigint): void {
    const link = this.#verdicts.ownerOf(hash)
    if (link === undefined) return
    link.connection.arrivalConfirmed(this.#owner.now(), amountMsat)
    this.#owner.touch(link)
  }

  #hold(offer: Offer, key: string): void {
    const dueMs = Math.min(offer.deadlineMs, this.#owner.now() + VERDICT_MS) - VERDICT_MARGIN_MS
    const deadline = this.#owner.deadlines.add(() => this.#decide(offer, key, busy, undefined))
    this.#held.set(key, { offerIds: new Set([offer.offerId]), dueMs, deadline })
    this.#keyOf.set(offer.offerId, key)
    this.#owner.deadlines.set(deadline, dueMs)
  }

  #decide(offer: Offer, key: string, verdict: Verdict, link: DrivenConnection | undefined): void {
    const held = this.#held.get(key)
    if (held === undefined) return // decided already: too late
    this.#held.delete(key)
    this.#owner.deadlines.set(held.deadline, undefined)
    this.#verdicts.add(key, offer.hash, { verdict, owner: link })
    for (const offerId of held.offerIds) {
      this.#keyOf.delete(offerId)
      this.#answer(offerId, verdict)
    }
  }

  #answer(offerId: string, verdict: Verdict): void {
    // A verdict that is not written is given again when the hash is offered again.
    this.#owner.backend.answer(offerId, verdict).catch((error: unknown) => {
      this.#owner.debug({ offer: offerId, reason: messageOf(error) }, 'a verdict was not written')
    })
  }
}

function verdictOf(reception: Reception): Verdict {
  switch (reception.action) {
    case 'settle':
    case 'refuse':
      return reception
    case 'taken':
    case 'dropped':
      // Words of the node lane: a packet that says nothing about its preimage can't be settled.
      return { action: 'refuse', code: Code.INTERNAL }
  }
}
