import type { PriceFrame, ReceiptFrame, Tariff } from '../../wire/frames.ts'
import { NO_TARIFF } from '../../wire/tariffs.ts'
import { AnswersBought } from './answers-bought.ts'
import {
  AHEAD_FACTOR,
  FIRST_AHEAD_BYTES,
  FIRST_AHEAD_MS,
  LEAST_LAST_MSAT,
  LOST_UNREACHED_MS,
  MAX_AHEAD_BYTES,
  MAX_AHEAD_MS,
  MAX_AHEAD_PACKETS,
  RISK_DIVISOR,
  RISKED_PAYMENTS,
  SPARE_PACKETS,
} from './limits.ts'
import { Meter } from './meter.ts'
import { Service } from './service.ts'
import { SettledMoney } from './settled-money.ts'
import { isRaise } from './tariff.ts'

/** What of the responder's stream has come. */
export interface ServedView {
  /** Bytes of it, each once. */
  readonly receivedBytes: number
  /** The end, once it is known. */
  readonly finalOffset: number | undefined
  readonly isComplete: boolean
}

/** An attempt: what of its amount counts for the tariff, and the least that its route let pass. */
interface Paid {
  readonly paysMsat: bigint
  readonly leastMsat: bigint
}

/** A tariff that was learned and not agreed to yet. */
interface Offer {
  readonly serial: number
  readonly from: number
  readonly tariff: Tariff
}

/**
 * The initiator's side of the price: what it was asked, what it would cost by its own count, and what it has paid (spec
 * §12.6). It pays what it is asked, up to what it was served and a stretch ahead.
 */
export class Buyer {
  /** What the responder's packets cost by themselves, where it lets this side pay for them. */
  readonly answers: Readonly<AnswersBought>
  readonly #meter: Meter
  readonly #beganMs: number
  #nowMs: number
  /** Both directions are done. */
  #isDone = false
  #serial = 0
  /** Of the tariff that it pays by, 0: none yet; and of the one by which the responder knows that it does. */
  #agreed = 0
  #heard = 0
  #offer: Offer | undefined
  #tariff: Tariff = NO_TARIFF
  #dueMsat = 0n
  /** Amounts of what settled, and of what is under way and not late; without those of PAYMENTs. */
  #settledMsat = 0n
  #flyingMsat = 0n
  /** What of the settled ones had to go in any case. */
  #leastMsat = 0n
  /** Of what settled, when the responder's process can have read it. */
  readonly #settledMoney = new SettledMoney()
  /** By the last RECEIPT, what settled and never came, as far as it does not count as paid (spec §12.6). */
  #missingMsat = 0n
  /** What may have come to the other side, or did, and does not count as paid: other money went in its place. */
  #riskedMsat = 0n
  /** The largest of what was paid at once. */
  #largestMsat = 0n
  /** Packets of the responder's stream: those that count, and those that brought something new. */
  #packets = 0
  #useful = 0
  /** It counts as paid what the responder says it has not read. */
  #isDisputed = false
  /** Payments that were given up as late since one settled. */
  #givenUp = 0
  readonly #service = new Service()

  constructor(nowMs: number, maxAnswerMsat: bigint) {
    this.answers = new AnswersBought(maxAnswerMsat)
    this.#nowMs = nowMs
    this.#beganMs = nowMs
    this.#meter = new Meter(nowMs)
  }

  tick(nowMs: number): void {
    this.#nowMs = nowMs
  }

  /** Something is to be paid: by a tariff that was agreed to, or for answers (spec §12.11). */
  get isAsked(): boolean {
    return this.#agreed > 0 || this.answers.isAsked
  }

  /** A price was agreed to: it pays. */
  get hasPrice(): boolean {
    return this.#agreed > 0
  }

  /** Its application has not said yet whether it pays at all (spec §12.4). */
  get isUndecided(): boolean {
    return this.#agreed === 0 && this.#offer !== undefined
  }

  /** Of the newest tariff that it has heard of. */
  get serial(): number {
    return this.#serial
  }

  /** The serial that AGREE says. */
  get agreedSerial(): number {
    return this.#agreed
  }

  /** The responder is not known to have heard of the agreement. */
  get isAgreementNews(): boolean {
    return this.#agreed > this.#heard
  }

  agreementArrived(): void {
    this.#heard = this.#agreed
  }

  /** What it is asked and pays by. */
  get tariff(): Tariff {
    return this.#tariff
  }

  get settledMsat(): bigint {
    return this.#settledMsat
  }

  get dueMsat(): bigint {
    return this.#dueMsat
  }

  /** A PRICE came. 'old': it says nothing new; 'lower': it holds; 'raised': the application decides. */
  learn({ serial, from, tariff }: PriceFrame): 'old' | 'lower' | 'raised' | 'full' {
    if (serial <= this.#serial) return 'old'
    if (this.#meter.isFull) return 'full'
    this.#serial = serial
    this.#offer = { serial, from, tariff }
    if (this.#agreed > 0 && isRaise(this.#tariff, tariff)) return 'raised'
    if (this.#agreed === 0 && isRaise(NO_TARIFF, tariff)) return 'raised'
    this.#take(this.#offer)
    return 'lower'
  }

  /** The tariff with this serial, while it waits for an answer; undefined: another one came meanwhile. */
  offered(serial: number): Tariff | undefined {
    return this.#offer?.serial === serial ? this.#offer.tariff : undefined
  }

  /** The application agrees to the tariff with this serial. */
  agree(serial: number): void {
    if (this.#offer?.serial === serial) this.#take(this.#offer)
  }

  #take({ serial, from, tariff }: Offer): void {
    // spec §12.4: the first one counts from the beginning; one that came later does not.
    if (this.#agreed === 0 && serial > 1) this.#meter.change(this.#nowMs, NO_TARIFF)
    this.#agreed = serial
    this.#tariff = tariff
    this.#offer = undefined
    this.#meter.change(this.#nowMs, tariff)
    this.#meter.stretch(Math.max(from, this.#meter.lastFrom), tariff.kilobyteMsat)
    this.#service.came()
  }

  /** A BILL came; a lower one than before says nothing. True: it was not served for long (spec §12.6). */
  billed(dueMsat: bigint, view: ServedView): boolean {
    if (dueMsat > this.#dueMsat) this.#dueMsat = dueMsat
    return this.#service.billed(this.#nowMs, this.#isAllPaid(view))
  }

  /** A COST came. True: it was not served for long (spec §12.11). */
  answersBilled(dueMsat: bigint, { isComplete }: ServedView): boolean {
    return this.answers.billed({ nowMs: this.#nowMs, dueMsat, isComplete, settledMsat: this.#settledMsat })
  }

  // More is asked than all that may be paid, and that was.
  #isAllPaid(view: ServedView): boolean {
    if (this.#agreed === 0) return false
    const asked = this.#askedMsat(view)
    return (this.#isDisputed || this.#dueMsat > asked) && this.#settledMsat >= asked
  }

  /** A packet with some of the responder's stream. `isUseful`: it brought something new. */
  packetCame(isUseful: boolean): void {
    if (isUseful) {
      this.#useful++
      this.#service.came()
    }
    // spec §12.6: packets that nobody needed are not paid for without bound.
    const spare = Math.max(SPARE_PACKETS, Math.floor(this.#useful / AHEAD_FACTOR))
    if (this.#packets >= this.#useful + spare) return
    this.#packets++
    this.#meter.packet()
  }

  uploaded(bytes: number): void {
    this.#meter.upload(bytes)
  }

  message(): void {
    this.#meter.message()
  }

  /** Both directions are done. */
  stop(nowMs: number): void {
    this.#isDone = true
    this.#meter.stop(nowMs)
  }

  settle({ receivedBytes }: ServedView): void {
    this.#meter.forget(receivedBytes)
  }

  /** What all that came, and that was sent, costs by its own count. */
  ownMsat({ receivedBytes }: ServedView): bigint {
    return this.#meter.costMsat(this.#nowMs, receivedBytes)
  }

  /** spec §12.6: what it was served, and a stretch ahead that grows with it. */
  allowedMsat({ finalOffset, isComplete, receivedBytes }: ServedView): bigint {
    const ahead = clamp(AHEAD_FACTOR * receivedBytes, FIRST_AHEAD_BYTES, MAX_AHEAD_BYTES)
    const end = Math.min(receivedBytes + ahead, finalOffset ?? Infinity)
    const packets = isComplete ? 1 : clamp(AHEAD_FACTOR * this.#packets, 1, MAX_AHEAD_PACKETS)
    const aheadMs = clamp(AHEAD_FACTOR * (this.#nowMs - this.#beganMs), FIRST_AHEAD_MS, MAX_AHEAD_MS)
    return this.#meter.costMsat(this.#nowMs + aheadMs, end) + this.#meter.tariff.packetMsat * BigInt(packets)
  }

  /** What was paid, or is under way and not late, msat. */
  get #paidMsat(): bigint {
    return this.#settledMsat + this.#flyingMsat
  }

  // What it should have paid by now: the price, or what the answers cost where that is more (spec §12.11).
  #targetMsat(view: ServedView): bigint {
    const answers = this.answers.targetMsat(view.isComplete)
    const price = this.#agreed === 0 ? 0n : this.#priceMsat(view)
    return price > answers ? price : answers
  }

  #priceMsat(view: ServedView): bigint {
    const own = this.ownMsat(view)
    const asked = this.#askedMsat(view)
    return asked > own ? asked : own
  }

  /** What the next packet should pay, msat: its amount, if that is more than the least that has to go anyway. */
  owedMsat(view: ServedView): bigint {
    const owed = this.#targetMsat(view) - this.#paidMsat
    return owed > 0n ? owed : 0n
  }

  /** What is still to be paid before one more packet can come, msat; 0n: what was paid covers that. */
  neededMsat({ finalOffset, isComplete, receivedBytes }: ServedView): bigint {
    const answers = this.answers.neededMsat(isComplete, this.#paidMsat)
    if (this.#agreed === 0) return answers > 0n ? answers : 0n
    const end = Math.min(receivedBytes + FIRST_AHEAD_BYTES, finalOffset ?? Infinity)
    const nextMsat = this.#meter.costMsat(this.#nowMs, end) + this.#meter.tariff.packetMsat
    const price = nextMsat - this.#paidMsat
    const needed = price > answers ? price : answers
    return needed > 0n ? needed : 0n
  }

  /** What was billed, and is allowed, has not settled. */
  owes(view: ServedView): boolean {
    return this.#agreed > 0 && this.#settledMsat < this.#askedMsat(view)
  }

  // What was billed, as far as it is allowed.
  #askedMsat(view: ServedView): bigint {
    const allowed = this.allowedMsat(view)
    return this.#dueMsat < allowed ? this.#dueMsat : allowed
  }

  /** spec §12.6: a packet has to go for the money alone. */
  isPaymentDue(view: ServedView): boolean {
    const paid = this.#paidMsat
    return this.answers.isDue(view.isComplete, paid) || (this.#agreed > 0 && this.#isPriceDue(view, paid))
  }

  #isPriceDue(view: ServedView, paid: bigint): boolean {
    const asked = this.#askedMsat(view)
    // spec §12.10: by its own count there is more, which nobody may ask for: the other side counts less of the time.
    if (this.#isDone && this.ownMsat(view) - paid >= LEAST_LAST_MSAT) return true
    if (paid >= asked) return false
    // What was asked is paid at once. Where only a part is allowed, half of that is used up first.
    if (asked === this.#dueMsat) return true
    const own = this.ownMsat(view)
    const packetMsat = this.#meter.costMsat(this.#nowMs, view.receivedBytes + FIRST_AHEAD_BYTES) - own
    const left = paid - own
    return 2n * left < asked - own || left < packetMsat + this.#meter.tariff.packetMsat
  }

  /** An attempt goes; its amount without PAYMENTs. */
  paying(msat: bigint): void {
    this.#flyingMsat += msat
    if (msat > this.#largestMsat) this.#largestMsat = msat
  }

  /** It failed: something else may have to be paid in its place. */
  notPaying(msat: bigint): void {
    this.#flyingMsat -= msat
  }

  /** It is late, and may come all the same. False: too much is, so it counts as under way still (spec §12.6). */
  risks(msat: bigint): boolean {
    if (this.#riskedMsat + msat > this.#mostRiskedMsat) return false
    this.#riskedMsat += msat
    this.#flyingMsat -= msat
    return true
  }

  /** Its outcome is known. */
  risksNoMore(msat: bigint): void {
    this.#riskedMsat -= msat
  }

  get #mostRiskedMsat(): bigint {
    const share = this.#settledMsat / BigInt(RISK_DIVISOR)
    const few = this.#largestMsat * BigInt(RISKED_PAYMENTS)
    return share > few ? share : few
  }

  /** It is late, and was made for the money. */
  givesUp(): void {
    this.#givenUp++
  }

  /** It settled. `isFlying`: it still counted as under way. `before`: the next packet, where it may not be read yet. */
  paid({ leastMsat, paysMsat }: Paid, isFlying: boolean, before?: number): void {
    if (isFlying) this.#flyingMsat -= paysMsat
    if (before !== undefined) this.#settledMoney.add(this.#nowMs, before, paysMsat)
    this.#settledMsat += paysMsat
    this.#leastMsat += paysMsat < leastMsat ? paysMsat : leastMsat
    this.#givenUp = 0
  }

  /**
   * What had settled was lost at the responder's process, which does not know of it (spec §8.7). False: too much was,
   * so it counts as paid, whatever the responder says.
   */
  lost({ leastMsat, paysMsat }: Paid): boolean {
    if (this.#riskedMsat + paysMsat > this.#mostRiskedMsat) {
      this.#isDisputed = true
      this.answers.denied(paysMsat)
      return false
    }
    this.#riskedMsat += paysMsat
    this.unpaid({ leastMsat, paysMsat })
    return true
  }

  /** An ACK says that this packet has come, and so what settled before it was sent (spec §8.7). */
  toldOf(largest: number): void {
    this.#settledMoney.toldOf(largest)
  }

  /** What the responder has: what else must have come by then was lost at its process (spec §12.6). */
  counted({ largest, receivedMsat }: ReceiptFrame): void {
    if (!this.#settledMoney.toldOf(largest)) return
    const settledMsat = this.#settledMsat + this.#missingMsat
    const gapMsat = settledMsat - this.#settledMoney.unreadMsat(this.#nowMs - LOST_UNREACHED_MS) - receivedMsat
    // It takes the place of what the RECEIPT before said, within the bound for all that other money goes for.
    this.#riskedMsat -= this.#missingMsat
    this.#settledMsat = settledMsat
    const mostMsat = this.#mostRiskedMsat - this.#riskedMsat
    const lostMsat = gapMsat > 0n ? gapMsat : 0n
    this.#missingMsat = lostMsat < mostMsat ? lostMsat : mostMsat > 0n ? mostMsat : 0n
    this.#riskedMsat += this.#missingMsat
    this.#settledMsat -= this.#missingMsat
    if (lostMsat > this.#missingMsat) this.#isDisputed = true
  }

  /** What counted as paid failed. */
  unpaid({ leastMsat, paysMsat }: Paid): void {
    this.#settledMsat -= paysMsat
    this.#leastMsat -= paysMsat < leastMsat ? paysMsat : leastMsat
  }

  /** A part was given back (spec §12.10). */
  refunded(msat: bigint): void {
    this.#settledMsat -= msat
  }

  /** spec §12.10: what was paid above the price, and above what packets had to carry anyway. */
  surplusMsat(view: ServedView): bigint {
    const own = this.ownMsat(view)
    const had = own > this.#leastMsat ? own : this.#leastMsat
    const answers = this.answers.targetMsat(view.isComplete)
    return this.#settledMsat - (answers > had ? answers : had)
  }

  /** What a sign of life should pay for its answer, where each is expected to cost so much (spec §12.11); msat. */
  lackingMsat(answerMsat: bigint): bigint {
    return this.answers.lackingMsat(answerMsat, this.#paidMsat)
  }

  /** What a sign of life pays for its answer whatever counts as paid for that, within what is allowed; msat. */
  answerMsat(answerMsat: bigint): bigint {
    return this.answers.answerMsat(answerMsat, this.#paidMsat)
  }

  /** Nothing that counts as paid is without an outcome. */
  get isDecided(): boolean {
    return this.#flyingMsat === 0n
  }

  /** How long money may be under way before other goes: twice as long for each that was late in a row. */
  lateAfterMs(delayMs: number): number {
    return delayMs * 2 ** this.#givenUp
  }
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most)
}
