import { BackOff } from '../../floor/back-off.ts'
import type { PriceFrame, Tariff } from '../../wire/frames.ts'
import { NO_TARIFF } from '../../wire/tariffs.ts'
import type { ConnectionSettings } from './interface.ts'
import {
  ARREARS_MS,
  BILL_PARTS,
  MAX_AHEAD_BYTES,
  MAX_BILL_MS,
  MAX_FRAME_MSAT,
  MIN_BILL_MS,
  TIME_BILL_MS,
} from './limits.ts'
import { Meter } from './meter.ts'
import { isRaise } from './tariff.ts'

/** What of the responder's own stream costs, or will. */
export interface StreamView {
  /** Every byte below is known to have arrived. */
  readonly delivered: number
  /** The end of what was ever sent. */
  readonly sentEnd: number
  /** The end of what can be sent: written, and within the peer's limit. */
  readonly queuedEnd: number
  /** Bytes that have to go again. */
  readonly againBytes: number
  /** The FIN waits, and all before it was sent. */
  readonly isFinNext: boolean
  /** Nothing more will be written. */
  readonly isFinished: boolean
  /** Bytes of stream in a packet. */
  readonly capacity: number
  /** Something of the initiator's came, and is not given to the application before it is paid for. */
  readonly holdsBack: boolean
  /** Both sides have said their end. */
  readonly isEnding: boolean
}

type SellerSettings = Pick<ConnectionSettings, 'tariff' | 'creditLimitMsat' | 'openingPriceMsat'>

const AGAIN = { minMs: MIN_BILL_MS, maxMs: MAX_BILL_MS }

/** The responder's side of the price: what it asks, what it was paid, what may go for that (spec §12.4, §12.5). */
export class Seller {
  readonly #creditLimitMsat: bigint
  readonly #openingPriceMsat: bigint
  readonly #meter: Meter
  #nowMs: number
  /** Of the newest tariff. 1 is the one that the connection began with (spec §12.4). */
  #serial = 1
  #agreed = 0
  #tariff: Tariff = NO_TARIFF
  #isOffered = false
  /** Where the newest tariff begins; the stream stops there until it is agreed to. */
  #from = 0
  /** A tariff that waits for room, or until the first one is agreed to. */
  #next: Tariff | undefined
  #isAwaited = false
  /** All that the initiator's packets brought, less what its PAYMENTs say. */
  #paidMsat = 0n
  /** Packets under way that cost when they arrive. */
  #outstanding = 0
  /** The largest due that went out in a BILL, and how far into the stream it reaches. */
  #billedMsat = 0n
  #billedEnd = 0
  #billedAtMs = -Infinity
  #billAgainAtMs = 0
  #again: BackOff | undefined
  /** Since when time that passed is not paid for. */
  #arrearsSinceMs: number | undefined

  constructor(nowMs: number, { tariff, creditLimitMsat, openingPriceMsat = 0n }: SellerSettings) {
    this.#nowMs = nowMs
    this.#creditLimitMsat = creditLimitMsat
    this.#openingPriceMsat = openingPriceMsat
    this.#meter = new Meter(nowMs)
    if (tariff === 'awaited') this.#isAwaited = true
    else this.#begin(tariff ?? NO_TARIFF)
  }

  tick(nowMs: number): void {
    this.#nowMs = nowMs
  }

  /** Something is asked, or will be: a PRICE has to go. */
  get hasTariff(): boolean {
    return this.#isAwaited || this.#isOffered
  }

  get paidMsat(): bigint {
    return this.#paidMsat
  }

  get priceFrame(): PriceFrame | undefined {
    if (!this.#isOffered) return undefined
    return { type: 'price', serial: this.#serial, from: this.#from, tariff: this.#tariff }
  }

  /** spec §12.4: nothing of the stream goes at or beyond it before the initiator has agreed. */
  get barrier(): number {
    if (this.#isAwaited) return 0
    // spec §12.4: what it lends, it lends before the first yes, too.
    if (this.#serial === 1 && this.#creditLimitMsat > 0n) return Infinity
    return this.#isOffered && this.#agreed < this.#serial ? this.#from : Infinity
  }

  /** The initiator has agreed to a tariff. */
  get isAgreed(): boolean {
    return this.#agreed > 0
  }

  // The first tariff holds from the beginning, for everything (spec §12.4).
  #begin(said: Tariff): void {
    this.#isAwaited = false
    // spec §6.15: what the opening costs by itself is a part of it.
    const openingMsat = said.openingMsat + this.#openingPriceMsat
    const tariff = { ...said, openingMsat: openingMsat < MAX_FRAME_MSAT ? openingMsat : MAX_FRAME_MSAT }
    if (!isRaise(NO_TARIFF, tariff)) {
      this.#meter.change(this.#nowMs, NO_TARIFF)
      return
    }
    this.#tariff = tariff
    this.#isOffered = true
    this.#meter.change(this.#nowMs, tariff)
    this.#meter.stretch(0, tariff.kilobyteMsat)
  }

  /** The application asks so much from now on. True: a PRICE has to go. */
  offer(tariff: Tariff, sentEnd: number): boolean {
    if (this.#isAwaited) {
      this.#begin(tariff)
      return this.hasTariff
    }
    this.#next = tariff
    return this.#offerNext(sentEnd)
  }

  #offerNext(sentEnd: number): boolean {
    const tariff = this.#next
    if (tariff === undefined || this.#meter.isFull) return false
    // spec §12.4: the first counts from the beginning on, so no other takes its place before it was agreed to.
    if (this.#serial === 1 && this.#isOffered && this.#agreed === 0) return false
    this.#next = undefined
    const isRaised = isRaise(this.#tariff, tariff)
    if (!isRaised && !isRaise(tariff, this.#tariff)) return false
    // spec §12.4: what was sent or asked for at the old price is sold at it. One that nobody agreed to holds nowhere.
    const isAgreed = !this.#isOffered || this.#agreed === this.#serial
    const end = isRaised ? Math.max(sentEnd, this.#billedEnd) : sentEnd
    this.#from = isAgreed ? Math.max(end, this.#meter.lastFrom) : Math.max(this.#from, sentEnd)
    this.#serial++
    this.#tariff = tariff
    this.#isOffered = true
    this.#meter.stretch(this.#from, tariff.kilobyteMsat)
    if (isRaised || !isAgreed) return true
    this.#agreed = this.#serial
    this.#meter.change(this.#nowMs, tariff)
    return true
  }

  /** The initiator has agreed. False: to a tariff that was never offered. */
  knows(serial: number): boolean {
    return this.#isOffered && serial <= this.#serial
  }

  agree(serial: number): void {
    if (serial !== this.#serial || this.#agreed === serial) return
    this.#agreed = serial
    // The one that it began with counts from the beginning already.
    if (serial > 1) this.#meter.change(this.#nowMs, this.#tariff)
  }

  /** Money of the initiator's is here. */
  paid(msat: bigint): void {
    this.#paidMsat += msat
    this.#again?.reset()
  }

  /** A part of it is given back (spec §12.10). */
  refunded(msat: bigint): void {
    this.#paidMsat -= msat
  }

  /** spec §12.10: what of a surplus that is claimed goes back. What was sent is none, whether or not it arrived. */
  surplusMsat(claimMsat: bigint, view: StreamView): bigint {
    const left = this.#paidMsat - this.#sentMsat(view)
    const most = left < this.#billedMsat ? left : this.#billedMsat
    return claimMsat < most ? claimMsat : most
  }

  uploaded(bytes: number): void {
    this.#meter.upload(bytes)
  }

  message(): void {
    this.#meter.message()
  }

  packetSent(): void {
    this.#outstanding++
  }

  /** `isOut`: it was still counted as under way. */
  packetArrived(isOut: boolean): void {
    if (isOut) this.#outstanding--
    this.#meter.packet()
  }

  packetGone(): void {
    this.#outstanding--
  }

  /** Both directions are done. */
  stop(nowMs: number): void {
    this.#meter.stop(nowMs)
  }

  /** What was had up to now, msat: time, what came, and what is known to have arrived. */
  hadMsat({ delivered }: StreamView): bigint {
    return this.#meter.costMsat(this.#nowMs, delivered)
  }

  get #packetMsat(): bigint {
    return this.#meter.tariff.packetMsat
  }

  // What was sent, whether or not it has arrived.
  #sentMsat({ sentEnd }: StreamView): bigint {
    return this.#meter.costMsat(this.#nowMs, sentEnd) + this.#packetMsat * BigInt(this.#outstanding)
  }

  get #fundsMsat(): bigint {
    return this.#paidMsat + this.#creditLimitMsat
  }

  /** Bytes of stream that the money covers in one more packet; 0: not even the packet. */
  affordableBytes({ sentEnd }: StreamView): number {
    const left = this.#fundsMsat - this.#packetMsat * BigInt(this.#outstanding + 1)
    if (this.#meter.costMsat(this.#nowMs, sentEnd) > left) return 0
    return this.#meter.affordableBytes(this.#nowMs, sentEnd, left)
  }

  /** The money covers one more packet, whose bytes of stream cost nothing more. */
  affordsPacket(view: StreamView): boolean {
    return this.#sentMsat(view) + this.#packetMsat <= this.#fundsMsat
  }

  /** What came is the initiator's to be used: nothing of it is unpaid (spec §12.4). */
  isPaidUp(view: StreamView): boolean {
    return this.hadMsat(view) <= this.#fundsMsat
  }

  #aheadEnd({ delivered, queuedEnd, sentEnd }: StreamView): number {
    return Math.max(sentEnd, Math.min(queuedEnd, delivered + MAX_AHEAD_BYTES))
  }

  /**
   * spec §12.5: what was had, and the least that what is queued will cost.
   */
  dueMsat(view: StreamView): bigint {
    const { againBytes, capacity, isFinNext, sentEnd } = view
    const end = this.#aheadEnd(view)
    const packets = Math.ceil((end - sentEnd + againBytes) / capacity)
    const least = Math.max(packets, isFinNext ? 1 : 0)
    // By the tariff that is asked, agreed to or not.
    const cost = this.#meter.costMsat(this.#nowMs, end)
    return cost + this.#packetMsat * BigInt(this.#outstanding + least)
  }

  /** A BILL goes that was said before in vain: what was received is said beside it (spec §12.5). */
  get isReceiptUseful(): boolean {
    return this.#billedMsat > this.#paidMsat && this.#nowMs >= this.#billAgainAtMs
  }

  /** A BILL goes out: what it says. It never falls. */
  bill(view: StreamView): bigint {
    const dueMsat = this.dueMsat(view)
    if (dueMsat > this.#billedMsat) {
      this.#billedMsat = dueMsat
      this.#billedEnd = Math.max(this.#billedEnd, this.#aheadEnd(view))
    }
    this.#billedAtMs = this.#nowMs
    this.#billAgainAtMs = this.#nowMs + (this.#again ??= new BackOff(AGAIN)).next()
    return this.#billedMsat
  }

  /** spec §12.5: whether a BILL should go now, of itself if nothing else goes. */
  isBillDue(view: StreamView): boolean {
    if (!this.hasTariff || this.#isAwaited) return false
    const dueMsat = this.dueMsat(view)
    const owedMsat = dueMsat - this.#paidMsat
    if (owedMsat <= 0n) return false
    const sentMsat = this.#sentMsat(view)
    const aheadMsat = dueMsat + this.#creditLimitMsat - sentMsat
    const freshMsat = dueMsat - this.#billedMsat
    // One BILL for many packets: a good part of what can be asked ahead was not asked for yet ...
    const isMuch = freshMsat > 0n && BILL_PARTS * freshMsat >= aheadMsat
    const isAgain = this.#nowMs >= this.#billAgainAtMs
    if (this.#isBlocked(view)) return isMuch || isAgain
    // What came is held back as long as it lacks, too.
    if (view.holdsBack && isAgain && !this.isBillPaid && !this.isPaidUp(view)) return true
    // ... and it is not paid anyway.
    if (isMuch && !this.#isTimeAlone(view) && this.#fundsMsat - sentMsat < aheadMsat) return true
    if (freshMsat <= 0n || view.queuedEnd > view.sentEnd) return false
    const isLast = view.isFinished && this.#billedEnd < view.sentEnd
    return isLast || this.#nowMs >= this.#billedAtMs + TIME_BILL_MS
  }

  // Nothing is asked ahead, so any millisecond is much of it; each BILL is a packet, and so is what pays it.
  #isTimeAlone({ queuedEnd, sentEnd, holdsBack, isEnding }: StreamView): boolean {
    if (this.#meter.tariff.secondMsat === 0n || queuedEnd > sentEnd) return false
    // What came and waits for its money does not wait for long, nor does the end, unless nobody pays.
    if ((holdsBack || isEnding) && this.isBillPaid) return false
    return this.#nowMs < this.#billedAtMs + TIME_BILL_MS
  }

  /** All that it asked for in a BILL was paid. */
  get isBillPaid(): boolean {
    return this.#paidMsat >= this.#billedMsat
  }

  // Something waits for money alone: a packet, or a full one while another that is under way may bring more.
  #isBlocked(view: StreamView): boolean {
    const fresh = view.queuedEnd - view.sentEnd
    if (fresh <= 0 && !view.isFinNext && view.againBytes === 0) return false
    if (fresh <= 0 || view.againBytes > 0) return !this.affordsPacket(view)
    return this.affordableBytes(view) < Math.min(fresh, view.capacity)
  }

  /** When something of it is to be looked at again, ms. */
  dueAt(after: number): number | undefined {
    if (!this.hasTariff) return undefined
    const times = [this.#billAgainAtMs]
    if (this.#meter.tariff.secondMsat > 0n) times.push(after + TIME_BILL_MS, this.#billedAtMs + TIME_BILL_MS)
    if (this.#arrearsSinceMs !== undefined) times.push(this.#arrearsSinceMs + ARREARS_MS)
    const later = times.filter((time) => time > after)
    return later.length === 0 ? undefined : Math.min(...later)
  }

  /** After an input: forgets what is past. True: a PRICE has to go. */
  settle(view: StreamView): boolean {
    this.#meter.forget(view.delivered)
    const isOwing = this.#meter.tariff.secondMsat > 0n && !this.isPaidUp(view)
    if (!isOwing) this.#arrearsSinceMs = undefined
    else this.#arrearsSinceMs ??= this.#nowMs
    return this.#next !== undefined && this.#offerNext(view.sentEnd)
  }

  /** spec §12.6: time was not paid for long. */
  get isGivenUp(): boolean {
    return this.#arrearsSinceMs !== undefined && this.#nowMs >= this.#arrearsSinceMs + ARREARS_MS
  }
}
