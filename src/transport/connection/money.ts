import type { TraceEvents } from '../../medium/trace.ts'
import { Code } from '../../wire/errors.ts'
import type { PriceFrame, ReceiptFrame, Tariff } from '../../wire/frames.ts'
import { Answers, type AnswersView } from './answers.ts'
import { Budget, type CapObstacle, type Waiter } from './budget.ts'
import { Buyer, type ServedView } from './buyer.ts'
import { Control } from './controls.ts'
import { Income } from './income.ts'
import type { ConnectionEvent, CreditView } from './interface.ts'
import {
  ANSWERS_AGAIN_PART,
  COPIES_BILLED,
  LEAST_SURPLUS_MSAT,
  MAX_AHEAD_BYTES,
  MAX_SETTLING_MS,
  MAX_UNPAID_END_MS,
  MAX_UNPAID_MESSAGES,
} from './limits.ts'
import type { Parts, PartsOptions } from './parts.ts'
import { Seller, type StreamView } from './seller.ts'
import { excess } from './tariff.ts'
import { earliest, type Timed } from './timed.ts'

type Needs =
  | 'ack'
  | 'controls'
  | 'copies'
  | 'life'
  | 'packets'
  | 'outputs'
  | 'payments'
  | 'receive'
  | 'role'
  | 'send'
  | 'settings'
  | 'tracer'

/**
 * What a connection pays and is paid (spec §12): its budget, its income, its side of the price, and whether a cap
 * stands against more.
 */
export class Money implements Timed {
  readonly #parts: Pick<Parts, Needs>
  /** Its own cap, under those of its peer and of the process. */
  readonly budget: Budget
  readonly income: Income
  /** What the initiator pays for what this side says; undefined: this side does, or is the initiator. */
  readonly answers: Readonly<Answers> | undefined
  /** Undefined: this side is the initiator. */
  readonly seller: Readonly<Seller> | undefined
  /** Undefined: this side is the responder. */
  readonly buyer: Readonly<Buyer> | undefined
  /** What stood against any packet, or against paying what is asked only, when it was asked last. */
  #packetObstacle: CapObstacle | undefined
  #priceObstacle: CapObstacle | undefined
  #paymentObstacle: CapObstacle | undefined
  /** By cap, whether it was reported as final; since a cap was last set. */
  #reported: { readonly settings: number; readonly finals: Map<Budget, boolean> } | undefined
  #nowMs = 0
  /** When both directions were done. */
  #doneAtMs: number | undefined
  /** What the initiator claims back; undefined: it has not looked yet, or said it. */
  #claimMsat: bigint | undefined
  #isRefundAwaited = false
  /** The responder asked for its answers to be paid although both directions are done for this side. */
  #isAskedLate = false
  /** When it did so last. */
  #askedAtMs: number | undefined
  /** Datagrams that came and are not paid for. */
  #unpaid: ConnectionEvent[] | undefined
  /** Bytes lie unread until they are paid for. */
  #holdsReader = false

  constructor(
    parts: Pick<Parts, Needs>,
    now: number,
    { advance, peerBudget }: Pick<PartsOptions, 'advance' | 'peerBudget'>,
  ) {
    this.#parts = parts
    const { settings } = parts
    const { creditLimitMsat } = settings
    this.budget = new Budget(settings.capMsat, peerBudget)
    this.income = new Income(now)
    this.answers = advance === undefined ? undefined : new Answers(this.budget, { ...advance, creditLimitMsat })
    this.buyer = parts.role === 'initiator' ? new Buyer(now, settings.maxAnswerMsat) : undefined
    this.seller = parts.role === 'responder' ? new Seller(now, settings) : undefined
  }

  /** A cap lets no packet pass, until there may be room. */
  get isPaused(): boolean {
    return this.#packetObstacle?.stands === true
  }

  /** What lets no packet pass; undefined: no cap stands against one. */
  get pausedBy(): CapObstacle | undefined {
    return this.isPaused ? this.#packetObstacle : undefined
  }

  /** What lets no packet pass is the connection's own cap, or that nothing is left of what its caller paid. */
  get isPausedByOwnCap(): boolean {
    const by = this.pausedBy?.budget
    return by !== undefined && (by === this.budget || by === this.answers?.budget)
  }

  /** What its packets are paid from. */
  get purse(): Budget {
    return this.answers?.budget ?? this.budget
  }

  /** A cap lets what is asked not be paid (spec §12.2). */
  get isPricePaused(): boolean {
    return this.#priceObstacle?.stands === true
  }

  /** A cap lets no PAYMENT pass that the application makes; what the tariff asks is asked for apart. */
  get isPaymentPaused(): boolean {
    return this.#paymentObstacle?.stands === true
  }

  /** What both sides know of the account, as this side sees it. */
  get credit(): CreditView {
    const { buyer, seller } = this
    if (buyer !== undefined) {
      const own = buyer.hasPrice ? buyer.ownMsat(this.#served) : 0n
      return { paidMsat: buyer.settledMsat, dueMsat: own, balanceMsat: buyer.settledMsat - own }
    }
    const paidMsat = seller?.paidMsat ?? 0n
    const dueMsat = seller?.hadMsat(this.#stream) ?? 0n
    return { paidMsat, dueMsat, balanceMsat: paidMsat - dueMsat }
  }

  // ---- Times -------------------------------------------------------------------------------------------

  dueAt(after: number): number | undefined {
    if (!this.#parts.life.isLive) return undefined
    const doneAtMs = this.#doneAtMs ?? Infinity
    const ends = [doneAtMs + MAX_SETTLING_MS, doneAtMs + MAX_UNPAID_END_MS]
    return earliest(after, this.seller?.dueAt(after), this.answers?.dueAt(after), ...ends)
  }

  run(now: number): void {
    this.#nowMs = now
    this.income.tick(now)
    this.buyer?.tick(now)
    this.seller?.tick(now)
  }

  /** What follows from an input: a BILL, money for one, or the end of an unpaid connection. */
  settle(now: number): void {
    const { controls, life } = this.#parts
    const { buyer, seller } = this
    if (life.state === 'lingering' && buyer !== undefined && this.#isAskedLate) this.#payLate(buyer)
    if (!life.isLive || life.isOpening) return
    if (seller?.hasTariff === true) this.#settleSeller(now, seller)
    if (this.answers?.isCostDue(now, this.#answersView) === true) controls.want(Control.COST)
    else if (this.answers?.isCostPaid === true) controls.drop(Control.COST)
    if (buyer?.isAsked !== true) return
    const served = this.#served
    buyer.settle(served)
    if (buyer.isUndecided) return controls.drop(Control.AGREE)
    if (this.#paysNow(buyer, served) && !this.isPricePaused && !this.#usesUpFirst(buyer)) controls.want(Control.AGREE)
    // What was only to carry money is not needed any more.
    else if (!buyer.isAgreementNews) controls.drop(Control.AGREE)
    if (buyer.hasPrice) this.#claimSurplus(buyer, served)
  }

  // spec §12.11: once both streams are done, answers are paid for only where the other side asks: it does not know yet.
  #paysNow(buyer: Readonly<Buyer>, served: ServedView): boolean {
    return buyer.isPaymentDue(served) && (buyer.hasPrice || this.#doneAtMs === undefined || this.#isAskedLate)
  }

  #payLate(buyer: Readonly<Buyer>): void {
    const { controls } = this.#parts
    if (buyer.answers.isAsked && buyer.isPaymentDue(this.#served)) controls.want(Control.AGREE)
    else controls.drop(Control.AGREE)
  }

  // spec §12.10: once, when all is decided.
  #claimSurplus(buyer: Readonly<Buyer>, served: ServedView): void {
    if (this.#doneAtMs === undefined || this.#claimMsat !== undefined) return
    if (!buyer.isDecided || buyer.isPaymentDue(served)) return
    this.#claimMsat = buyer.surplusMsat(served)
    this.#isRefundAwaited = this.#claimMsat >= LEAST_SURPLUS_MSAT
    if (this.#isRefundAwaited) this.#parts.controls.want(Control.SURPLUS)
  }

  /** What a SURPLUS says. */
  get claimMsat(): bigint {
    return this.#claimMsat ?? 0n
  }

  /** A part of what was paid for the tariff came back. */
  refunded(msat: bigint): void {
    this.buyer?.refunded(msat)
    this.#isRefundAwaited = false
  }

  /** A SURPLUS came. spec §12.10: it is answered once, and not before both streams are done. */
  surplusClaimed(claimMsat: bigint): void {
    if (this.seller?.hasTariff !== true || this.#claimMsat !== undefined) return
    this.#claimMsat = claimMsat
    if (this.#doneAtMs !== undefined) this.#returnSurplus(this.seller, claimMsat)
  }

  #returnSurplus(seller: Readonly<Seller>, claimMsat: bigint): void {
    const surplusMsat = seller.surplusMsat(claimMsat, this.#stream)
    // spec §12.11: what the answers have cost is had.
    const unspentMsat = this.answers?.unspentMsat ?? surplusMsat
    const amountMsat = surplusMsat < unspentMsat ? surplusMsat : unspentMsat
    if (amountMsat > 0n) this.#parts.payments.returnSurplus(amountMsat)
  }

  #settleSeller(now: number, seller: Readonly<Seller>): void {
    const { controls } = this.#parts
    const view = this.#stream
    if (seller.settle(view)) controls.want(Control.PRICE)
    if (seller.isBillDue(view)) controls.want(Control.BILL)
    else if (seller.isBillPaid) controls.drop(Control.BILL)
    // spec §12.6: time cannot be held back, so who does not pay for it is left.
    if (seller.isGivenUp) this.#leave(now, 'its time')
    else if (this.#isLate(MAX_UNPAID_END_MS) && this.keepsUnpaid) this.#leave(now, 'what it sent')
  }

  #leave(now: number, unpaid: string): void {
    const failure = { code: 'ERR_KEYSOCK_PRICE', message: `the other side did not pay for ${unpaid}` }
    this.#parts.life.reset(now, { code: Code.PRICE, reason: 'not paid', failure })
  }

  stop(): void {
    this.#unpaid = undefined
    this.answers?.decided()
  }

  /** Both directions are done: time costs no more, and what is left to be paid is. */
  done(now: number): void {
    if (this.#doneAtMs === undefined) {
      this.#doneAtMs = now
      this.buyer?.stop(now)
      this.seller?.stop(now)
      // spec §12.11: what came in the packet that was the last is asked for what that cost.
      if (this.#askedAtMs === now) this.#isAskedLate = true
      if (this.seller !== undefined && this.#claimMsat !== undefined) this.#returnSurplus(this.seller, this.#claimMsat)
    }
    // Whether it is settled is asked next: by what is so now, not by what was at the last input.
    this.settle(now)
  }

  /** spec §12.10: nothing is to be paid or asked for any more, or it took too long. */
  get isSettled(): boolean {
    const { buyer } = this
    const isUnpaid = buyer === undefined ? this.keepsUnpaid : buyer.owes(this.#served)
    if (this.#isLate(isUnpaid ? MAX_UNPAID_END_MS : MAX_SETTLING_MS)) return true
    if (buyer === undefined && isUnpaid) return false
    if (!this.#parts.payments.isDecided) return false
    if (buyer?.hasPrice !== true) return !this.#parts.controls.isOpen(Control.BILL)
    if (this.isPricePaused) return true
    // What it counts itself, and was not asked for yet, is asked for in a last BILL, if the other side counts so, too.
    const isPaid = buyer.settledMsat >= buyer.ownMsat(this.#served)
    return isPaid && !buyer.isPaymentDue(this.#served) && buyer.isDecided && !this.#isRefundAwaited
  }

  // spec §12.10: the end has waited for so long.
  #isLate(ms: number): boolean {
    return this.#nowMs >= (this.#doneAtMs ?? Infinity) + ms
  }

  // ---- The responder's side ------------------------------------------------------------------------------

  get #stream(): StreamView {
    const { receive, send } = this.#parts
    const { buffer } = send
    const isUnread = this.#holdsReader && receive.reassembly.readable > 0
    return {
      delivered: buffer.delivered,
      sentEnd: buffer.sentEnd,
      queuedEnd: buffer.sentEnd + send.sendable,
      againBytes: buffer.againBytes,
      isFinNext: send.isFinNext,
      isFinished: send.isFinished,
      capacity: send.capacity,
      holdsBack: isUnread || this.#unpaid !== undefined,
      isEnding: send.isFinSent && receive.finalOffset !== undefined,
    }
  }

  get #answersView(): AnswersView {
    const { copies, packets, receive, send } = this.#parts
    const { againBytes, capacity, delivered, isEnding, isFinNext, queuedEnd, sentEnd } = this.#stream
    const end = Math.max(sentEnd, Math.min(queuedEnd, delivered + MAX_AHEAD_BYTES))
    const least = Math.max(Math.ceil((end - sentEnd + againBytes) / capacity), isFinNext ? 1 : 0)
    // Money takes a round trip to come, and what is queued may be less than goes meanwhile.
    const going = send.isFinished ? 0 : packets.unresolved
    const wanted = least + Math.min(copies.waiting, COPIES_BILLED)
    return {
      queued: wanted + (least === 0 ? 0 : Math.floor((least + packets.unresolved) / ANSWERS_AGAIN_PART) + going),
      isLast: (send.isFinDue || send.isFinSent) && wanted <= 1 && receive.isComplete,
      pendingMsat: this.income.view().pendingIncomeMsat,
      isEnding: this.#doneAtMs !== undefined || (isEnding && send.isDelivered),
    }
  }

  /** What a COST says that goes now; undefined: nothing is asked for answers. */
  answersDueMsat(): bigint | undefined {
    const dueMsat = this.answers?.say(this.#nowMs, this.#answersView) ?? 0n
    return dueMsat > 0n ? dueMsat : undefined
  }

  /** A packet goes: a COST goes in it, since what is left pays for hardly another one. */
  get isCostUseful(): boolean {
    return this.answers?.isCostUseful(this.#answersView) === true
  }

  /** What was paid covers a packet of data, and what has to be said besides (spec §12.11). */
  get allowsData(): boolean {
    return this.answers?.allowsData(this.#answersView) !== false
  }

  /** Bytes of the stream below which the price lets data go; Infinity where there is none. */
  get barrier(): number {
    return this.seller?.hasTariff === true ? this.seller.barrier : Infinity
  }

  /** The initiator knows what it pays: before that no end goes, behind which it would not hear of it (spec §12.4). */
  get isAgreed(): boolean {
    return this.seller?.hasTariff !== true || this.seller.isAgreed
  }

  /** Bytes of fresh stream that the money covers in one packet. */
  get affordableBytes(): number {
    const { seller } = this
    return seller?.hasTariff === true ? seller.affordableBytes(this.#stream) : Infinity
  }

  /** The money covers one more packet. */
  get allowsPacket(): boolean {
    const { seller } = this
    return seller?.hasTariff !== true || seller.affordsPacket(this.#stream)
  }

  /** spec §12.4: what came may be used; what is not paid for waits. */
  get allowsReading(): boolean {
    const { seller } = this
    const isFree = seller?.hasTariff !== true || seller.isPaidUp(this.#stream)
    if (!isFree) this.#holdsReader = true
    return isFree
  }

  /** Something came that the application is not given before it is paid for. */
  get keepsUnpaid(): boolean {
    const hasCome = this.#parts.receive.reassembly.readable > 0 || this.#unpaid !== undefined
    return hasCome && !this.allowsReading
  }

  /** The application asks so much from now on. */
  setTariff(tariff: Tariff): void {
    const { controls, life, send } = this.#parts
    if (!life.isLive || this.seller === undefined) return
    if (!this.seller.offer(tariff, send.buffer.sentEnd)) return
    controls.want(Control.PRICE)
    this.tracePrice()
  }

  get priceFrame(): PriceFrame | undefined {
    return this.seller?.priceFrame
  }

  /** What a BILL says that goes now; undefined: nothing is owed. */
  bill(): bigint | undefined {
    const { seller } = this
    if (seller?.hasTariff !== true) return undefined
    const dueMsat = seller.bill(this.#stream)
    this.#parts.tracer?.emit('bill_sent', { due_msat: dueMsat, paid_msat: this.credit.paidMsat })
    return dueMsat
  }

  /** What goes beside a BILL that goes now; undefined: nothing (spec §12.5). */
  get receipt(): ReceiptFrame | undefined {
    const { seller } = this
    const { largest } = this.#parts.ack
    if (seller?.isReceiptUseful !== true || largest === undefined) return undefined
    return { type: 'receipt', largest, receivedMsat: seller.paidMsat + this.income.view().pendingIncomeMsat }
  }

  /** Money of the initiator's came. */
  received(msat: bigint): void {
    this.seller?.paid(msat)
    this.answers?.paid(msat)
    if (this.#holdsReader && this.allowsReading) {
      this.#holdsReader = false
      this.#parts.outputs.emit({ type: 'readable' })
    }
    if (this.#unpaid === undefined || !this.allowsReading) return
    for (const event of this.#unpaid) this.#parts.outputs.emit(event)
    this.#unpaid = undefined
  }

  /** A datagram came: the application hears of it when it is paid for. False: too many wait. */
  tell(event: ConnectionEvent): boolean {
    this.seller?.message()
    if (this.#unpaid === undefined && this.allowsReading) {
      this.#parts.outputs.emit(event)
      return true
    }
    const unpaid = (this.#unpaid ??= [])
    if (unpaid.length >= MAX_UNPAID_MESSAGES) return false
    unpaid.push(event)
    return true
  }

  // ---- The initiator's side ------------------------------------------------------------------------------

  get #served(): ServedView {
    const { receive } = this.#parts
    return { receivedBytes: receive.receivedBytes, finalOffset: receive.finalOffset, isComplete: receive.isComplete }
  }

  /** A PRICE came (spec §12.4). */
  learn(now: number, frame: PriceFrame): void {
    const { life, outputs, settings } = this.#parts
    const { serial, tariff } = frame
    this.#parts.tracer?.emit('price_learned', priceData(frame))
    switch (this.buyer?.learn(frame)) {
      case 'lower':
        this.#agreed(tariff)
        break
      case 'raised':
        if (excess(tariff, settings.maxTariff) === undefined) this.agree(now, serial, true)
        else if (settings.asksPrice) outputs.emit({ type: 'price-asked', serial, tariff })
        else this.agree(now, serial, false)
        break
      case 'full':
        life.reset(now, {
          code: Code.PROTOCOL,
          reason: 'too many tariffs',
          failure: { code: 'ECONNRESET', message: 'the peer changed its tariff too often' },
        })
        break
      case 'old':
      case undefined:
        break
    }
  }

  /** What the application says to the tariff with this serial. */
  agree(now: number, serial: number, isAgreed: boolean): void {
    const { buyer } = this
    const { life, settings } = this.#parts
    const tariff = buyer?.offered(serial)
    if (buyer === undefined || tariff === undefined || !life.isLive) return
    if (isAgreed) {
      buyer.agree(serial)
      this.#agreed(tariff)
      return
    }
    // spec §12.6: who does not pay the price resets.
    const { name, askedMsat, allowedMsat } = excess(tariff, settings.maxTariff) ?? NOTHING
    const message = `the other side asks ${askedMsat} msat (${name}), and maxTariff allows ${allowedMsat}`
    life.reset(now, { code: Code.PRICE, reason: 'too dear', failure: { code: 'ERR_KEYSOCK_PRICE', message } })
  }

  #agreed(tariff: Tariff): void {
    this.#parts.controls.want(Control.AGREE)
    this.#parts.outputs.emit({ type: 'price', tariff })
  }

  /** A BILL came (spec §12.5). */
  billed(now: number, dueMsat: bigint): void {
    const { buyer } = this
    if (buyer === undefined) return
    const isUnserved = buyer.billed(dueMsat, this.#served)
    this.#traceBill('price', dueMsat)
    if (isUnserved) this.#leaveUnserved(now, dueMsat)
  }

  #traceBill(of: 'price' | 'answers', dueMsat: bigint): void {
    this.#parts.tracer?.emit('bill_received', { of, due_msat: dueMsat, paid_msat: this.credit.paidMsat })
  }

  /** The price that is asked from now on, for who traces. */
  tracePrice(): void {
    const { priceFrame } = this
    if (priceFrame !== undefined) this.#parts.tracer?.emit('price_set', priceData(priceFrame))
  }

  /** A COST came (spec §12.11). */
  answersCost(now: number, dueMsat: bigint): void {
    const { buyer } = this
    if (buyer === undefined) return
    const isUnserved = buyer.answersBilled(dueMsat, this.#served)
    this.#traceBill('answers', dueMsat)
    this.#askedAtMs = now
    if (this.#doneAtMs !== undefined) this.#isAskedLate = true
    if (isUnserved) this.#leaveUnserved(now, dueMsat)
  }

  #leaveUnserved(now: number, dueMsat: bigint): void {
    if (this.isPricePaused) return
    const message = `the other side asks ${dueMsat} msat, and sent nothing for what it was paid`
    const failure = { code: 'ERR_KEYSOCK_PRICE', message }
    this.#parts.life.reset(now, { code: Code.PRICE, reason: 'paid, and not served', failure })
  }

  /** spec §12.4: before the first yes of who is asked goes only what keeps the connection. */
  get isUndecided(): boolean {
    return this.buyer?.isUndecided === true
  }

  /** What the next packet should pay beside PAYMENTs, as far as it is known now; 0n: the least is enough. */
  get owedMsat(): bigint {
    const { buyer } = this
    if (buyer === undefined || !buyer.isAsked || buyer.isUndecided) return 0n
    buyer.uploaded(this.#parts.send.buffer.sentEnd)
    return buyer.owedMsat(this.#served)
  }

  /** What has to be paid before one more packet can come; 0n: nothing. */
  get neededMsat(): bigint {
    return this.buyer?.isAsked === true ? this.buyer.neededMsat(this.#served) : 0n
  }

  // spec §12.6: the caps leave only a part of what is asked, and what was paid covers another packet.
  #usesUpFirst(buyer: Readonly<Buyer>): boolean {
    const served = this.#served
    return buyer.owedMsat(served) > this.budget.availableMsat && buyer.neededMsat(served) === 0n
  }

  /** A datagram goes for the first time: it counts for the tariff from now on (spec §12.3). */
  messageSent(): void {
    this.buyer?.message()
  }

  /** The responder is still to hear that this side pays by the newest tariff. */
  get isAgreementNews(): boolean {
    return this.buyer?.isAgreementNews === true
  }

  /** An AGREE arrived. */
  agreementArrived(): void {
    this.buyer?.agreementArrived()
  }

  /** The frame that carries money where nothing else goes. */
  get agreedSerial(): number | undefined {
    return this.buyer?.isAsked === true ? this.buyer.agreedSerial : undefined
  }

  // ---- Caps ------------------------------------------------------------------------------------------------

  setCap(capMsat: bigint): void {
    this.budget.setCap(capMsat)
  }

  /** Whether all caps let a packet pass; if not, none goes. `priceMsat`: amount and fee together (spec §12.2). */
  affordsPacket(priceMsat: bigint): boolean {
    this.answers?.need(priceMsat)
    this.#packetObstacle = this.#ask(priceMsat)
    return this.#packetObstacle === undefined
  }

  /** Whether all caps let what is asked be paid; if not, what else there is to send may still be within them. */
  affordsPrice(priceMsat: bigint): boolean {
    this.#priceObstacle = this.#ask(priceMsat)
    return this.#priceObstacle === undefined
  }

  /** Whether all caps let a PAYMENT pass. */
  affordsPayment(priceMsat: bigint): boolean {
    this.#paymentObstacle = this.#ask(priceMsat)
    return this.#paymentObstacle === undefined
  }

  /** `waiter` is called once when there may be room under the cap that stands against something. */
  wait(waiter: Waiter): void {
    if (this.isPaused) this.#packetObstacle?.budget.wait(waiter)
    else {
      if (this.isPricePaused) this.#priceObstacle?.budget.wait(waiter)
      if (this.isPaymentPaused) this.#paymentObstacle?.budget.wait(waiter)
    }
  }

  #ask(priceMsat: bigint): CapObstacle | undefined {
    const obstacle = this.purse.obstacle(priceMsat)
    // spec §12.11: what its caller has not paid for is no cap that anybody could raise.
    if (obstacle !== undefined && obstacle.budget !== this.answers?.budget) this.#report(obstacle, priceMsat)
    return obstacle
  }

  // spec §12.2: once for each cap until one is set anew, and once more when it is for good.
  #report({ budget, isForGood }: CapObstacle, priceMsat: bigint): void {
    // What was paid, or may have been, can still be answered.
    const isFinal = isForGood && this.budget.isUnused
    const { settings } = this.budget
    if (this.#reported?.settings !== settings) this.#reported = { settings, finals: new Map() }
    const { finals } = this.#reported
    const wasFinal = finals.get(budget)
    if (wasFinal === true || wasFinal === isFinal) return
    finals.set(budget, isFinal)
    const { capMsat } = budget.view()
    const isOwnCap = budget === this.budget
    this.#parts.outputs.emit({ type: 'paused', reason: 'cost', pause: { priceMsat, capMsat, isFinal }, isOwnCap })
  }
}

const NOTHING = { name: 'price', askedMsat: 0n, allowedMsat: 0n }

function priceData({ serial, tariff }: PriceFrame): TraceEvents['price_set'] {
  return {
    serial,
    opening_msat: tariff.openingMsat,
    packet_msat: tariff.packetMsat,
    kilobyte_msat: tariff.kilobyteMsat,
    upload_msat: tariff.uploadMsat,
    second_msat: tariff.secondMsat,
    message_msat: tariff.messageMsat,
  }
}
