import { toHex } from '../../floor/bytes.ts'
import { NONE, withLast } from '../../floor/light.ts'
import type { Arrival } from '../../medium/arrival.ts'
import { type Route, routeFeeMsat } from '../../medium/route.ts'
import { Code } from '../../wire/errors.ts'
import { type DeclineFrame, type PaymentFrame, PaymentKind, type RequestFrame } from '../../wire/frames.ts'
import type { State } from './interface.ts'
import {
  CONFIRM_MS,
  MAX_DECLINES,
  MAX_PAYMENT_RANGES,
  MAX_REQUESTS,
  MAX_UNCONFIRMED_PAYMENTS,
  PAYMENTS_FIRST_MS,
} from './limits.ts'
import type { Parts } from './parts.ts'
import { RangeSet } from './range-set.ts'
import type { Timed } from './timed.ts'

/** `reference` of the refund of a surplus; one that the application makes has 0 (spec §12.9). */
const SURPLUS_REFERENCE = 1

/** A PAYMENT of this side's (spec §12.9). */
export interface OutgoingPayment {
  readonly frame: PaymentFrame
  /** Its amount is to be lessened by the fee of the way that it takes. */
  readonly paysItsFee: boolean
  /** What the application lets it cost, where the caller pays for all else (spec §12.11). */
  allowedMsat: bigint
  state: 'due' | 'sent'
  /** The last way that was looked at does not let so much pass: it goes with a packet over another one. */
  isTooLarge: boolean
}

/** A REQUEST or DECLINE on its way. */
export interface Notice {
  readonly frame: RequestFrame | DeclineFrame
  state: 'due' | 'sent' | 'delivered'
  /** The packet that carried it last. */
  lastNumber: number
}

/** PAYMENTs of a packet whose money is not confirmed. */
interface Unconfirmed {
  readonly frames: readonly PaymentFrame[]
  readonly sinceMs: number
}

type Needs = 'idle' | 'life' | 'money' | 'outputs'

/** Payments with a meaning of their own, and what is asked and declined, in both directions (spec §12.9). */
export class Payments implements Timed {
  readonly #parts: Pick<Parts, Needs>
  #nextId = 1
  #nextRequest = 1
  #outgoing: OutgoingPayment[] = NONE
  #notices: Notice[] = NONE
  /** Ids of the peer's that counted; its REQUESTs that were seen, and those of them that are not answered. */
  #counted: RangeSet | undefined
  #seen: RangeSet | undefined
  #asked: Set<number> | undefined
  /** Own REQUESTs that are not answered. */
  #waiting: Set<number> | undefined
  /** By the payment's hash. */
  #unconfirmed: Map<string, Unconfirmed> | undefined
  #nowMs = 0
  /** The end waits for them until then; undefined: nothing was said to be the end. */
  #overtakenAtMs: number | undefined

  constructor(parts: Pick<Parts, Needs>) {
    this.#parts = parts
  }

  dueAt(after: number): number | undefined {
    const at = this.#outgoing.length === 0 ? undefined : this.#overtakenAtMs
    return at === undefined || at <= after ? undefined : at
  }

  run(now: number): void {
    this.#nowMs = now
    const unconfirmed = this.#unconfirmed
    if (unconfirmed === undefined) return
    // spec §12.9: money that does not come leaves its id free.
    for (const [hash, { sinceMs }] of unconfirmed) if (now >= sinceMs + CONFIRM_MS) unconfirmed.delete(hash)
    if (unconfirmed.size === 0) this.#unconfirmed = undefined
  }

  stop(state: State): void {
    this.#notices = NONE
    // spec §12.10: a surplus goes back also while it lingers.
    this.#outgoing = this.#outgoing.filter((each) => state === 'lingering' && each.paysItsFee)
  }

  // ---- Out -------------------------------------------------------------------------------------------------

  /** The id under which the application hears of it. */
  pay(what: Omit<PaymentFrame, 'type' | 'id'>): number {
    const id = this.#nextId++
    const frame = { type: 'payment', id, ...what } as const
    const payment: OutgoingPayment = { frame, paysItsFee: false, allowedMsat: 0n, state: 'due', isTooLarge: false }
    this.#outgoing = withLast(this.#outgoing, payment)
    this.#allow(payment, what.amountMsat)
    if (what.kind === PaymentKind.ANSWER) this.#asked?.delete(what.reference)
    return id
  }

  /** What is left over goes back, less the fee of the way (spec §12.10). */
  returnSurplus(amountMsat: bigint): void {
    const what = { kind: PaymentKind.REFUND, reference: SURPLUS_REFERENCE, amountMsat, note: 'surplus' }
    const frame = { type: 'payment', id: this.#nextId++, ...what } as const
    const surplus: OutgoingPayment = { frame, paysItsFee: true, allowedMsat: 0n, state: 'due', isTooLarge: false }
    this.#outgoing = withLast(this.#outgoing, surplus)
  }

  #notify(frame: Notice['frame']): void {
    this.#notices = withLast(this.#notices, { frame, state: 'due', lastNumber: -1 })
  }

  /** Nothing more will be written. */
  finish(now: number): void {
    this.#nowMs = now
    this.#overtakenAtMs ??= now + PAYMENTS_FIRST_MS
  }

  /** spec §12.9: the end waits, or nobody would be there to hear of what was paid before it. */
  get holdsEnd(): boolean {
    if (this.#outgoing.length === 0 || this.#nowMs >= (this.#overtakenAtMs ?? 0)) return false
    const { money } = this.#parts
    return this.#outgoing.some(({ isTooLarge, paysItsFee, state }) => {
      if (paysItsFee) return false
      return state === 'sent' || !(isTooLarge || money.isPaymentPaused)
    })
  }

  #allow(payment: OutgoingPayment, costMsat: bigint): void {
    const { answers } = this.#parts.money
    if (answers === undefined || payment.paysItsFee || costMsat <= payment.allowedMsat) return
    answers.allowOwn(costMsat - payment.allowedMsat)
    payment.allowedMsat = costMsat
  }

  /** A packet goes over this way: what the application pays in it is not the caller's to pay (spec §12.11). */
  allowOver(route: Route): void {
    const payment = this.nextPayment(route.maxAmountMsat)
    if (payment === undefined) return
    const { amountMsat } = payment.frame
    const paidMsat = amountMsat > route.minAmountMsat ? amountMsat : route.minAmountMsat
    this.#allow(payment, paidMsat + routeFeeMsat(route, paidMsat))
  }

  /** @throws RangeError where too many wait for an answer */
  request(amountMsat: bigint, note: string): number {
    const waiting = (this.#waiting ??= new Set())
    if (waiting.size >= MAX_REQUESTS) throw new RangeError('too many requests wait')
    const id = this.#nextRequest++
    waiting.add(id)
    this.#notify({ type: 'request', id, amountMsat, note })
    return id
  }

  decline(id: number, reason: string): void {
    if (this.#asked?.delete(id) !== true) return
    // spec §14: whoever asks on and on may be one that is not to be answered, or never says what came.
    if (this.#notices.filter(({ frame }) => frame.type === 'decline').length >= MAX_DECLINES) return
    this.#notify({ type: 'decline', id, reason })
  }

  /** A PAYMENT has to go. What is too large for the ways that there are waits for another one, and holds up nothing. */
  get hasDuePayment(): boolean {
    return this.#outgoing.length > 0 && this.#outgoing.some(({ isTooLarge, state }) => state === 'due' && !isTooLarge)
  }

  /** A REQUEST or DECLINE has to go. */
  get hasDueNotice(): boolean {
    return this.#notices.length > 0 && this.#notices.some(({ state }) => state === 'due')
  }

  /** Nothing of this side's is without an outcome. */
  get isDecided(): boolean {
    return this.#outgoing.length === 0
  }

  /** The next PAYMENT that may go over a way that lets `maxAmountMsat` pass: one a packet. */
  nextPayment(maxAmountMsat: bigint): OutgoingPayment | undefined {
    for (const payment of this.#outgoing) {
      if (payment.state !== 'due') continue
      payment.isTooLarge = payment.frame.amountMsat > maxAmountMsat
      if (!payment.isTooLarge) return payment
    }
    return undefined
  }

  dueNotices(): readonly Notice[] {
    return this.#notices.filter(({ state }) => state === 'due')
  }

  paymentSent(payment: OutgoingPayment): void {
    payment.state = 'sent'
  }

  /** It cannot go at all: it is too small for any way. */
  drop(payment: OutgoingPayment): void {
    this.#outgoing = this.#outgoing.filter((each) => each !== payment)
  }

  noticesSent(notices: readonly Notice[], number: number): void {
    for (const notice of notices) {
      notice.state = 'sent'
      notice.lastNumber = number
    }
  }

  noticesDelivered(notices: readonly Notice[]): void {
    if (notices.length === 0) return
    for (const notice of notices) notice.state = 'delivered'
    this.#notices = this.#notices.filter(({ state }) => state !== 'delivered')
  }

  /** Packet `number` failed, was lost or is late: what it carried last goes again. It says the same. */
  noticesLost(notices: readonly Notice[], number: number): void {
    for (const notice of notices) if (notice.state === 'sent' && notice.lastNumber === number) notice.state = 'due'
  }

  /** The attempt with it failed: it goes again, under its id (spec §8.9). */
  failed(payment: OutgoingPayment): void {
    payment.state = 'due'
  }

  /** The attempt with it settled. `amountMsat`: what it said. */
  paid(payment: OutgoingPayment, amountMsat: bigint, feeMsat: bigint): void {
    const { id, kind, reference } = payment.frame
    this.drop(payment)
    if (kind === PaymentKind.REFUND && reference === SURPLUS_REFERENCE) this.#parts.money.seller?.refunded(amountMsat)
    this.#parts.outputs.emit({ type: 'paid', id, amountMsat, feeMsat })
  }

  // ---- In --------------------------------------------------------------------------------------------------

  /** spec §12.9: on the phantom lane, what turns down a packet with these; undefined: nothing. */
  refusal(frames: readonly PaymentFrame[]): Code | undefined {
    const pending = [...(this.#unconfirmed?.values() ?? [])].flatMap((each) => each.frames)
    const isKnown = ({ id }: PaymentFrame): boolean =>
      this.#counted?.has(id) === true || pending.some((each) => each.id === id)
    if (frames.some(isKnown)) return Code.DUPLICATE
    return (this.#unconfirmed?.size ?? 0) >= MAX_UNCONFIRMED_PAYMENTS ? Code.BUSY : undefined
  }

  /** A packet with these came, and its money covers them. */
  came(now: number, frames: readonly PaymentFrame[], arrival: Arrival): void {
    if (arrival.lane === 'node') this.#count(now, frames)
    else (this.#unconfirmed ??= new Map()).set(toHex(arrival.hash), { frames, sinceMs: now })
  }

  /** The money of the phantom lane is there. */
  confirmed(now: number, hash: Uint8Array): void {
    const found = this.#unconfirmed?.get(toHex(hash))
    if (found === undefined) return
    this.#unconfirmed?.delete(toHex(hash))
    this.#count(now, found.frames)
  }

  #count(now: number, frames: readonly PaymentFrame[]): void {
    const { idle, money, outputs } = this.#parts
    const counted = (this.#counted ??= new RangeSet())
    for (const frame of frames) {
      const { amountMsat, id, kind, note, reference } = frame
      if (counted.has(id)) continue
      counted.add(id, id + 1)
      // Ids grow: what lies in the lowest gap failed for good, and counts as used.
      if (counted.count > MAX_PAYMENT_RANGES) counted.add(counted.start(0), counted.end(1))
      if (kind === PaymentKind.REFUND && reference === SURPLUS_REFERENCE) money.refunded(amountMsat)
      // spec §12.3: it is none of what is paid for the tariff, nor for answers.
      money.seller?.refunded(amountMsat)
      money.answers?.isPayment(amountMsat)
      if (kind === PaymentKind.ANSWER) this.#waiting?.delete(reference)
      idle.active(now)
      outputs.emit({ type: 'payment', kind, reference, amountMsat, note })
    }
  }

  requested(now: number, { amountMsat, id, note }: RequestFrame): void {
    const seen = (this.#seen ??= new RangeSet())
    if (seen.has(id)) return
    seen.add(id, id + 1)
    if (seen.count > MAX_PAYMENT_RANGES) seen.add(seen.start(0), seen.end(1))
    const asked = (this.#asked ??= new Set())
    asked.add(id)
    if (asked.size > MAX_REQUESTS) return this.decline(id, 'too many requests')
    this.#parts.idle.active(now)
    this.#parts.outputs.emit({ type: 'requested', id, amountMsat, note })
  }

  declined({ id, reason }: DeclineFrame): void {
    if (this.#waiting?.delete(id) !== true) return
    this.#parts.outputs.emit({ type: 'declined', id, reason })
  }
}
