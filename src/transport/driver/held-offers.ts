import type { Backend, BackendEvent } from '../../backends/backend.ts'
import type { Arrival } from '../../medium/arrival.ts'
import { MAX_HOLD_MS, VERDICT_MS } from '../../medium/limits.ts'
import type { Verdict } from '../../medium/verdict.ts'
import { Code } from '../../wire/errors.ts'
import type { Reception } from '../connection/interface.ts'
import { messageOf } from '../errors.ts'
import type { AccountParty } from '../account/entry.ts'
import { MAX_OFFERS_HELD, VERDICT_MARGIN_MS } from '../limits.ts'
import { offerKey, Verdicts } from '../tables/verdicts.ts'
import type { Deadline } from './deadlines.ts'
import type { DrivenConnection } from './driven-connection.ts'
import type { Runtime } from './runtime.ts'

export type PhantomOffer = Extract<BackendEvent, { readonly type: 'offer' }>

/** What becomes of an offer, and who was paid where it is settled. */
export interface OfferDecision {
  readonly reception: Reception
  readonly paid: DrivenConnection | undefined
  /** Who is paid where that is no connection: a message. */
  readonly party?: AccountParty
}

/** Who counts what comes in. */
interface IncomeSink {
  received(party: AccountParty, amountMsat: bigint): void
  /** Money that no connection takes. */
  unclaimed(amountMsat: bigint): void
}

/** An offer that has no verdict yet, under every id that it came with. */
interface Held {
  readonly offerIds: Set<string>
  /** When its verdict falls, if nothing else was said. */
  dueMs: number
  /** It is held beyond the verdict's time, until then at the latest: counted from the first time that it was asked. */
  longUntilMs: number | undefined
  readonly deadline: Deadline
}

/** A decision that nobody is paid, with the reason for it. */
export function refusal(code: number): OfferDecision {
  return { reception: { action: 'refuse', code }, paid: undefined }
}

/** The connection that a packet is for says itself what becomes of it. */
export function handTo(connection: DrivenConnection, arrival: Arrival): OfferDecision {
  return { reception: connection.receive(arrival), paid: connection }
}

const busy: Verdict = { action: 'refuse', code: Code.BUSY }

/**
 * Every offer gets one verdict, within 3 s, and the same one whenever its hash comes again over its path
 * (spec §2.5: an offer that was lost with its verdict comes again).
 */
export class HeldOffers {
  readonly #runtime: Runtime
  readonly #backend: Pick<Backend, 'answer' | 'hold'>
  readonly #income: IncomeSink
  readonly #verdicts: Verdicts<DrivenConnection, AccountParty> = new Verdicts()
  /** By `offerKey`. */
  readonly #held: Map<string, Held> = new Map()
  /** `offerKey` of what is held, by offer id. */
  readonly #keyOf: Map<string, string> = new Map()

  constructor(runtime: Runtime, backend: Pick<Backend, 'answer' | 'hold'>, income: IncomeSink) {
    this.#runtime = runtime
    this.#backend = backend
    this.#income = income
  }

  get held(): number {
    return this.#held.size
  }

  get remembered(): number {
    return this.#verdicts.size
  }

  /** Answers what is known, and what is too much. True: the offer is held until `decide` says what becomes of it. */
  receive(offer: PhantomOffer): boolean {
    const key = offerKey(offer)
    const known = this.#verdicts.get(key)
    if (known !== undefined) {
      this.#answer(offer.offerId, known)
      return false
    }
    const held = this.#held.get(key)
    if (held !== undefined) {
      held.offerIds.add(offer.offerId)
      this.#keyOf.set(offer.offerId, key)
      return false
    }
    if (this.#held.size >= MAX_OFFERS_HELD) {
      // Not remembered: it says nothing about the packet.
      this.#answer(offer.offerId, busy)
      return false
    }
    const dueMs = Math.min(offer.deadlineMs, this.#runtime.now() + VERDICT_MS) - VERDICT_MARGIN_MS
    const deadline = this.#runtime.deadlines.add(() => this.#decide(offer, busy, undefined))
    this.#held.set(key, { offerIds: new Set([offer.offerId]), dueMs, longUntilMs: undefined, deadline })
    this.#keyOf.set(offer.offerId, key)
    this.#runtime.deadlines.set(deadline, dueMs)
    return true
  }

  /** What becomes of an offer that is held. A promise that takes longer than the verdict can wait is too late: BUSY. */
  decide(offer: PhantomOffer, decision: OfferDecision | Promise<OfferDecision>): void {
    if (decision instanceof Promise) void decision.then((decided) => this.decide(offer, decided))
    else this.#decide(offer, verdictOf(decision.reception), decision)
  }

  /** Whether a verdict about this hash would still be somebody's: it is not answered, not due, and not gone. */
  isHeld(offer: { readonly pathId?: string; readonly hash: Uint8Array }): boolean {
    const held = this.#held.get(offerKey(offer))
    return held !== undefined && held.offerIds.size > 0 && this.#runtime.now() < held.dueMs
  }

  /**
   * Asks the node to hold an offer beyond the verdict's time (spec §18.7). Until when it is held now, ms; undefined
   * where it is not held any longer than before.
   */
  async prolong(offer: { readonly pathId?: string; readonly hash: Uint8Array }): Promise<number | undefined> {
    const key = offerKey(offer)
    const [offerId] = this.#held.get(key)?.offerIds ?? []
    if (offerId === undefined) return undefined
    const deadlineMs = await this.#backend.hold?.(offerId)
    const held = this.#held.get(key)
    if (deadlineMs === undefined || held?.offerIds.has(offerId) !== true) return undefined
    held.longUntilMs ??= this.#runtime.now() + MAX_HOLD_MS
    held.dueMs = Math.min(deadlineMs, held.longUntilMs) - VERDICT_MARGIN_MS
    this.#runtime.deadlines.set(held.deadline, held.dueMs)
    return held.dueMs
  }

  /** When the verdict about an offer falls at the latest, ms; undefined where it is not held. */
  dueMs(offer: { readonly pathId?: string; readonly hash: Uint8Array }): number | undefined {
    return this.#held.get(offerKey(offer))?.dueMs
  }

  /** It cannot be answered any more. */
  gone(offerId: string): void {
    const key = this.#keyOf.get(offerId)
    if (key === undefined) return
    this.#keyOf.delete(offerId)
    // What becomes of it is still decided: when the hash comes again in time, it gets that verdict.
    this.#held.get(key)?.offerIds.delete(offerId)
  }

  /** The money of a settled offer is really here. */
  confirmed(hash: Uint8Array, amountMsat: bigint): void {
    const party = this.#verdicts.noteOf(hash)
    // Of a former process: no connection of this one takes it.
    if (party === undefined) return this.#income.unclaimed(amountMsat)
    this.#income.received(party, amountMsat)
    this.#verdicts.ownerOf(hash)?.confirmIncome(amountMsat, hash)
  }

  #decide(offer: PhantomOffer, verdict: Verdict, decision: OfferDecision | undefined): void {
    const key = offerKey(offer)
    const held = this.#held.get(key)
    if (held === undefined) return // decided already: too late
    this.#held.delete(key)
    this.#runtime.deadlines.set(held.deadline, undefined)
    const owner = decision?.paid
    const note = owner?.party ?? decision?.party
    this.#verdicts.add(offer, verdict, note === undefined ? undefined : { owner, note })
    for (const offerId of held.offerIds) {
      this.#keyOf.delete(offerId)
      this.#answer(offerId, verdict)
    }
  }

  #answer(offerId: string, verdict: Verdict): void {
    // A verdict that is not written is given again when the hash is offered again.
    this.#backend.answer(offerId, verdict).catch((error: unknown) => {
      this.#runtime.debug({ offer: offerId, reason: messageOf(error) }, 'a verdict was not written')
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
