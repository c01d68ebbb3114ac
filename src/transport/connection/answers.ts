import { BackOff } from '../../floor/back-off.ts'
import { Budget } from './budget.ts'
import type { Allowance, ConnectionSettings } from './interface.ts'
import {
  ANSWERS_BILL_PARTS,
  ANSWERS_FACTOR,
  FIRST_ANSWERS_BILLED,
  IDLE_ANSWERS,
  KEPT_ANSWERS,
  LEAST_ANSWERS_BILLED,
  MAX_ANSWERS_BILLED,
  MAX_BILL_MS,
  MISSING_ANSWERS,
  MIN_BILL_MS,
  SPARE_ANSWERS,
} from './limits.ts'

/** What the responder still has to say, as far as it is known. */
export interface AnswersView {
  /** Packets that what is queued of the stream, and copies that are wanted, will take. */
  readonly queued: number
  /** Money of the initiator's that is taken and not confirmed yet. */
  readonly pendingMsat: bigint
  /** The next packet is the last: it has what is left of the stream, and the end, and the initiator has said its. */
  readonly isLast: boolean
  /** Nothing more is to be asked for: both sides have said their end. */
  readonly isEnding: boolean
}

const AGAIN = { minMs: MIN_BILL_MS, maxMs: MAX_BILL_MS }

/**
 * What a responder may spend that lets its caller pay for the answers: what came on the connection, and an advance of
 * at most what the OPEN paid (spec §12.11). Its budget stands in the connection's.
 */
export class Answers {
  readonly budget: Budget
  readonly #wider: Budget
  readonly #allowance: Allowance
  /** The most of the advance, msat; of it, what is lent at the moment. */
  readonly #mostLentMsat: bigint
  #lentMsat = 0n
  /** What came, less what PAYMENTs say. */
  #paidMsat = 0n
  /** What the application itself spends: its PAYMENTs. */
  #ownMsat = 0n
  /** What a packet cost last. */
  #packetMsat = 0n
  #saidMsat = 0n
  /** What the initiator is taken to count as paid and never came: more than that was asked for in vain. */
  #missingMsat = 0n
  #againAtMs = 0
  #again: BackOff | undefined

  constructor(
    wider: Budget,
    {
      allowance,
      openMsat,
      creditLimitMsat,
    }: Pick<ConnectionSettings, 'creditLimitMsat'> & { readonly allowance: Allowance; readonly openMsat: bigint },
  ) {
    this.budget = new Budget(creditLimitMsat, wider)
    this.#wider = wider
    this.#allowance = allowance
    this.#mostLentMsat = openMsat
  }

  /** The initiator's money is here. */
  paid(msat: bigint): void {
    this.#paidMsat += msat
    this.budget.allow(msat)
    this.#allowance.earned(msat)
    this.#again?.reset()
    this.#giveBack()
  }

  /** So much of it was a PAYMENT, which is the application's. */
  isPayment(msat: bigint): void {
    this.#paidMsat -= msat
    this.budget.allow(-msat)
  }

  /** The application spends so much by its own will. */
  allowOwn(msat: bigint): void {
    this.#ownMsat += msat
    this.budget.allow(msat)
  }

  /** Money of an attempt came back, or was spent, or it is over: what is not needed of the advance goes back. */
  decided(): void {
    this.#giveBack()
  }

  /** A packet of this price is to go: what is missing for it is taken from the advance, if that has it. */
  need(priceMsat: bigint): void {
    this.#packetMsat = priceMsat
    const missing = priceMsat - this.#leftMsat
    if (missing <= 0n || this.#lentMsat + missing > this.#mostLentMsat) return
    // Nothing is lent for what another cap lets not pass.
    if (this.#wider.obstacle(priceMsat) !== undefined || !this.#allowance.draw(missing)) return
    this.#lentMsat += missing
    this.budget.allow(missing)
  }

  #giveBack(): void {
    const spare = this.#leftMsat < this.#lentMsat ? this.#leftMsat : this.#lentMsat
    if (spare <= 0n) return
    this.#lentMsat -= spare
    this.budget.allow(-spare)
    this.#allowance.giveBack(spare)
  }

  get #usedMsat(): bigint {
    const { spentMsat, reservedMsat } = this.budget.view()
    return spentMsat + reservedMsat
  }

  get #leftMsat(): bigint {
    const { capMsat } = this.budget.view()
    return capMsat - this.#usedMsat
  }

  /** What is left of what came, for a refund. */
  get unspentMsat(): bigint {
    return this.#paidMsat - this.#usedMsat
  }

  /** A packet of data, or a copy, leaves enough for what has to be said besides; after the last one that is nothing. */
  allowsData({ isLast }: AnswersView): boolean {
    const { leftMsat } = this.#allowance
    const lendable = this.#mostLentMsat - this.#lentMsat
    const advanceMsat = leftMsat < lendable ? leftMsat : lendable
    return this.#leftMsat + advanceMsat >= this.#packetMsat * (isLast ? 1n : KEPT_ANSWERS)
  }

  // What its application spends is not the initiator's to pay.
  get #hadMsat(): bigint {
    const had = this.#usedMsat - this.#ownMsat
    return had > 0n ? had : 0n
  }

  // Never much more than it has shown to need: what is paid ahead is lost where a connection breaks off.
  #aheadMsat({ isLast, queued }: AnswersView): bigint {
    if (isLast) return this.#packetMsat
    const went = this.#packetMsat === 0n ? 0 : Number(this.#hadMsat / this.#packetMsat)
    const most = Math.min(FIRST_ANSWERS_BILLED + ANSWERS_FACTOR * went, MAX_ANSWERS_BILLED)
    return this.#packetMsat * (queued === 0 ? IDLE_ANSWERS : BigInt(Math.min(queued, most)) + SPARE_ANSWERS)
  }

  #dueMsat(view: AnswersView): bigint {
    return this.#hadMsat + this.#aheadMsat(view) + this.#missingMsat
  }

  // spec §12.11: what it was asked for again may have been paid and lost on its way, which the two cannot tell.
  #miss(): void {
    this.#missingMsat += this.#packetMsat * MISSING_ANSWERS
  }

  /** What a COST says that goes now: what was had, and the least that what is queued will cost. It never falls. */
  say(nowMs: number, view: AnswersView): bigint {
    if (this.#isVain(nowMs, view)) this.#miss()
    const dueMsat = this.#dueMsat(view)
    const isNeeded = view.isLast ? this.#isLow(view) : view.queued > 0 || this.#isLow(view)
    const isAsked = !view.isEnding && this.#packetMsat > 0n && isNeeded
    if (isAsked && dueMsat > this.#saidMsat) this.#saidMsat = dueMsat
    this.#againAtMs = nowMs + (this.#again ??= new BackOff(AGAIN)).next()
    return this.#saidMsat
  }

  /** A COST has to go, of itself if nothing else does: what is queued costs more than is left. */
  isCostDue(nowMs: number, view: AnswersView): boolean {
    const { isEnding, pendingMsat, queued } = view
    if (isEnding || queued === 0 || this.#packetMsat === 0n) return false
    const dueMsat = this.#dueMsat(view)
    const aheadMsat = this.#aheadMsat(view)
    const leftMsat = this.#paidMsat + pendingMsat - this.#hadMsat
    if (leftMsat >= this.#packetMsat * BigInt(queued) && this.allowsData(view)) return false
    const freshMsat = dueMsat - this.#saidMsat
    // All that was asked for is there, and is too little: nothing else would bring more.
    if (freshMsat > 0n && this.isCostPaid && !this.allowsData(view)) return true
    // A COST is a packet, too: what it costs itself is no reason for another one.
    const isMuch = freshMsat >= this.#packetMsat * LEAST_ANSWERS_BILLED
    if (isMuch && (this.#saidMsat === 0n || ANSWERS_BILL_PARTS * freshMsat >= aheadMsat)) return true
    return this.#isVain(nowMs, view)
  }

  // What is queued waits for money alone, and was asked for a while ago.
  #isVain(nowMs: number, view: AnswersView): boolean {
    const isBlocked = view.queued > 0 && !this.allowsData(view)
    return isBlocked && this.#saidMsat > 0n && nowMs >= this.#againAtMs
  }

  /** A packet goes: a COST is to go in it, since hardly any further one could. */
  isCostUseful(view: AnswersView): boolean {
    return !view.isEnding && this.#isLow(view) && this.#dueMsat(view) > this.#saidMsat
  }

  // After the packet that goes now, not even one more is paid for; of the last one, itself is not.
  #isLow({ isLast, pendingMsat }: AnswersView): boolean {
    return this.#paidMsat + pendingMsat - this.#hadMsat < (isLast ? 1n : 2n) * this.#packetMsat
  }

  /** All that it asked for was paid. */
  get isCostPaid(): boolean {
    return this.#paidMsat >= this.#saidMsat
  }

  dueAt(after: number): number | undefined {
    return this.isCostPaid || this.#againAtMs <= after ? undefined : this.#againAtMs
  }
}
