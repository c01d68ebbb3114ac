import {
  amountBeside,
  largestAmountMsat,
  packetCostMsat,
  recordBytesFor,
  type Route,
  routeFeeMsat,
} from '../../medium/route.ts'
import { Code } from '../../wire/errors.ts'
import { FrameWriter, fitAck, lastStreamDataRoom, streamDataRoom } from '../../wire/frame-writer.ts'
import type { Frame } from '../../wire/frames.ts'
import { type DirectionKeys, paymentHash, preimage as derivePreimage } from '../../wire/keys.ts'
import { frameCapacity, type Header, type Kind, MAX_PACKET_BYTES, sealPacket } from '../../wire/packets.ts'
import { Control } from './controls.ts'
import type { CopyJob } from './copy-jobs.ts'
import type { Attempt, Grant, WantReason } from './interface.ts'
import {
  ANSWERS_OF_OPEN,
  ACK_PIGGYBACK_PACKETS,
  EXPECTED_DIRECT_MSAT,
  EXPECTED_PATH_MSAT,
  EXPECTED_WAY_MSAT,
  LAST_PACKET_NUMBER,
  MAX_FRAME_MSAT,
  SPARE_CONTROLS,
} from './limits.ts'
import type { OutgoingMessage } from './messages.ts'
import type { Opening } from './opening.ts'
import type { Parts } from './parts.ts'
import type { Notice, OutgoingPayment } from './payments.ts'
import type { Piece } from './send-buffer.ts'

const NO_DATA = new Uint8Array()
/** Shared by all drafts without messages, or notices. */
const NO_MESSAGES: OutgoingMessage[] = []
const NO_NOTICES: readonly Notice[] = []
/** Where the frames of the one packet in the making are written until they are sealed. */
const scratchFrames = new Uint8Array(MAX_PACKET_BYTES)

/** How many packets later a copy goes, nearly always. */
const COPY_AHEAD = 1_024

/** Control frames in the order of their urgency; FIN and what begins an ANSWER travel elsewhere. */
const ORDER = [
  Control.RESET,
  Control.PING,
  Control.KEEPALIVE,
  Control.MAX_DATA,
  Control.PRICE,
  Control.BILL,
  Control.COST,
  Control.AGREE,
  Control.SURPLUS,
  Control.PATHS,
  Control.IDENTIFY,
  Control.BLOCKED,
] as const

/** What a packet is built for. */
interface BuildOptions {
  readonly grant: Grant
  readonly reason: WantReason
  readonly job: CopyJob | undefined
}

/** Which packet it is, and bytes for its frames. */
interface DraftOptions extends BuildOptions {
  readonly kind: Kind
  readonly number: number
  readonly capacity: number
}

/** Makes one attempt with a grant; undefined when nothing is to be sent after all. */
export function transmit(parts: Parts, now: number, grant: Grant): Attempt | undefined {
  const { life, money, packets } = parts
  if (life.isClosed || money.isPaused) return undefined
  const { reason, job } = parts.sending.granted(now)
  // spec §12.2: the least that any packet costs.
  const { opening } = parts.handshake
  const isOpen = life.isOpening && (opening?.isDue === true || job?.origin.parts.open === true)
  const amountMsat = larger(isOpen ? (opening?.priceMsat ?? 0n) : 0n, grant.route.minAmountMsat)
  if (job === undefined) parts.payments.allowOver(grant.route)
  if (!money.affordsPacket(amountMsat + routeFeeMsat(grant.route, amountMsat))) return undefined
  if (isOpen) return buildOpen(parts, now, { grant, reason, job })
  if (packets.nextNumber >= LAST_PACKET_NUMBER) {
    // spec §3.4: the last number is kept for the RESET.
    const failure = { code: 'ECONNRESET', message: 'the packet numbers of this connection are used up' }
    life.reset(now, { code: Code.INTERNAL, reason: failure.message, failure })
    if (packets.nextNumber > LAST_PACKET_NUMBER) return undefined
  }
  return buildPacket(parts, now, { grant, reason, job })
}

function buildOpen(parts: Parts, now: number, options: BuildOptions): Attempt | undefined {
  const { opening } = parts.handshake
  if (opening === undefined) throw new Error('an OPEN from a responder')
  const { route } = options.grant
  if (opening.priceMsat > route.maxAmountMsat) {
    // Another route may let so much pass.
    parts.refusals.tooShort(now, route.channels)
    return undefined
  }
  const copy = opening.next(route.recordBytes)
  if (copy === 'none-left') return undefined
  const keys = parts.handshake.early
  if (copy === 'too-long' || keys === undefined) {
    parts.refusals.tooShort(now, route.channels)
    return undefined
  }
  if (copy.attempt === 0) parts.paths.opened(now)
  const draft = new Draft(parts, { ...options, kind: 'open', number: 0, capacity: 0 })
  draft.carryEarly(opening)
  return draft.complete(now, keys, copy)
}

function buildPacket(parts: Parts, now: number, options: BuildOptions): Attempt | undefined {
  const { grant } = options
  const kind = kindOf(parts)
  const number = parts.packets.nextNumber
  // spec §3.3: over a path of its own a connection needs no name.
  const addressing = grant.lane === 'phantom' && parts.reach.hasPaths && kind !== 'early' ? 'path' : 'cid'
  // A copy has a later number, which may be longer: it still fits.
  const fits = options.job === undefined ? Math.min(number + COPY_AHEAD, LAST_PACKET_NUMBER) : number
  const recordBytes = recordBytesFor(grant.route, likelyAmountMsat(parts, grant.route))
  const capacity = frameCapacity(kind, addressing, fits, recordBytes)
  const { buffer } = parts.send
  const { unsent } = buffer
  const draft = capacity > 0 ? new Draft(parts, { ...options, kind, number, capacity }) : undefined
  if (draft === undefined || !draft.fill(now)) {
    if (draft === undefined || parts.sending.want(now) !== undefined) parts.refusals.tooShort(now, grant.route.channels)
    return undefined
  }
  const keys = keysOf(parts, kind)
  parts.send.packetBuilt(unsent)
  const record = sealPacket(headerOf(parts, kind, number, addressing === 'cid'), keys, draft.bytes())
  return draft.complete(now, keys, { record, attempt: 0 })
}

/** What the next packet will pay, as far as it is known before it is built: its record has to fit beside that. */
function likelyAmountMsat({ money, payments }: Parts, route: Route): bigint {
  const paymentMsat = payments.nextPayment(route.maxAmountMsat)?.frame.amountMsat ?? 0n
  return smaller(larger(paymentMsat + money.owedMsat, route.minAmountMsat), route.maxAmountMsat)
}

function kindOf({ handshake, life, role }: Parts): Exclude<Kind, 'open'> {
  if (life.isOpening) return 'early'
  if (role === 'initiator') return 'data'
  return handshake.isConfirmed ? 'reply' : 'answer'
}

function keysOf({ handshake, role }: Parts, kind: Kind): DirectionKeys {
  const keys =
    kind === 'early'
      ? handshake.early
      : role === 'initiator'
        ? handshake.main?.toResponder
        : handshake.main?.toInitiator
  if (keys === undefined) throw new Error(`no keys for ${kind}`)
  return keys
}

function headerOf(
  parts: Parts,
  kind: Exclude<Kind, 'open'>,
  number: number,
  withCid: boolean,
): Exclude<Header, { kind: 'open' }> {
  const cid = withCid ? parts.connectionId : undefined
  switch (kind) {
    case 'early':
      return { kind, cid: parts.connectionId, number }
    case 'answer': {
      const { responderEphemeral: ephemeral } = parts.handshake
      if (ephemeral === undefined) throw new Error('an ANSWER without e_r')
      return { kind, cid, ephemeral, number }
    }
    case 'data':
    case 'reply':
      return { kind, cid, number }
  }
}

/** A packet in the making: what is most urgent first, then stream data until it is full. */
class Draft {
  readonly #parts: Parts
  readonly #options: DraftOptions
  readonly #writer: FrameWriter
  /** Stream bytes: start, end ... */
  readonly #ranges: number[] = []
  #streamBytes = 0
  #controls = 0
  #messages: OutgoingMessage[] = NO_MESSAGES
  #payment: OutgoingPayment | undefined
  #paymentMsat = 0n
  #notices: readonly Notice[] = NO_NOTICES
  #ackNews = 0
  #openingMsat = 0n
  /** What it pays so that it can be answered, if that is more than it has to (spec §12.11). */
  #answersMsat = 0n
  #isEliciting = false
  /** Some of it was sent before. */
  #isAgain = false
  /** The FIN is to go in it, if it can. */
  #finWaits = false

  constructor(parts: Parts, options: DraftOptions) {
    this.#parts = parts
    this.#options = options
    this.#writer = new FrameWriter(options.capacity, scratchFrames)
  }

  bytes(): Uint8Array {
    return this.#writer.bytes()
  }

  /** An OPEN, whose record exists: it carries the stream up to `earlyEnd`, and pays the opening price that is known. */
  carryEarly({ earlyEnd, priceMsat }: Readonly<Opening>): void {
    this.#isEliciting = true
    this.#openingMsat = priceMsat
    this.#payAnswers(ANSWERS_OF_OPEN * answerCostMsat(this.#parts, this.#options.grant.route))
    if (earlyEnd > 0) this.#ranges.push(0, earlyEnd)
    this.#streamBytes = earlyEnd
    this.#options.job?.copied([])
  }

  /** Puts in what there is to send. False: nothing. */
  fill(now: number): boolean {
    const { controls, send } = this.#parts
    const prefaceBytes = this.#options.kind === 'answer' ? this.#addPreface() : 0
    this.#addAck(now)
    this.#addPayments()
    this.#addControls()
    this.#addMessages()
    send.setCapacity(lastStreamDataRoom(send.buffer.sentEnd, this.#options.capacity))
    this.#addStream(now)
    return this.#writer.length > prefaceBytes || (controls.due & this.#controls) !== 0
  }

  // spec §12.11: where route and caps let it, and what else has to be said can still go under the same cap.
  #payAnswers(msat: bigint): void {
    const { route } = this.#options.grant
    const spareMsat = SPARE_CONTROLS * packetCostMsat(route)
    const affordableMsat = largestAmountMsat(route, this.#parts.money.budget.availableMsat - spareMsat)
    if (msat <= affordableMsat) this.#answersMsat = smaller(msat, route.maxAmountMsat)
  }

  // spec §4.6: every ANSWER begins with ACCEPT or REFUSE. Returns the bytes that it took.
  #addPreface(): number {
    const { controls, handshake, life } = this.#parts
    const refuses = controls.isOpen(Control.REFUSE)
    const frame: Frame = refuses ? { type: 'refuse', ...life.lastWord } : handshake.acceptFrame
    if (!this.#writer.add(frame)) return 0
    this.#controls |= refuses ? Control.REFUSE : Control.ACCEPT
    this.#isEliciting = true
    return this.#writer.length
  }

  #addAck(now: number): void {
    const { ack, life, receive, send, sending } = this.#parts
    if (!ack.hasNews || this.#options.kind === 'early' || life.state === 'resetting') return
    // spec §8.4: a packet that data fills anyhow carries it when it is worth the room.
    const isFull = send.buffer.hasAgain || sending.sendable >= send.capacity
    if (isFull && !ack.isDue(now) && ack.waiting < ACK_PIGGYBACK_PACKETS) return
    const frame = ack.frame(receive.deliveredOffset)
    const fitting = frame === undefined ? undefined : fitAck(frame, this.#writer.remaining)
    if (fitting === undefined || !this.#writer.add(fitting)) return
    this.#ackNews = ack.sent()
  }

  // Of the packet that is copied, the controls that still have to arrive.
  #copied(kinds: number): number {
    const origin = this.#options.job?.origin
    return origin === undefined ? 0 : this.#parts.copies.waitingControls(origin) & kinds
  }

  #addControls(): void {
    const { controls, life, money, sending } = this.#parts
    const cost = this.#options.job === undefined && life.isLive && money.isCostUseful ? Control.COST : 0
    const due = (sending.dueControls | cost | this.#copied(-1)) & ~this.#controls
    if (due === 0) return
    for (const kind of ORDER) {
      if ((due & kind) === 0) continue
      const receipt = kind === Control.BILL ? money.receipt : undefined
      const frame = this.#controlFrame(kind)
      if (frame === undefined) {
        controls.drop(kind)
      } else if (this.#writer.add(frame)) {
        this.#controls |= kind
        this.#isEliciting = true
        if (receipt !== undefined) this.#writer.add(receipt)
      }
    }
    this.#payPing()
  }

  // spec §12.11: who asks for a sign of life pays for it. On the phantom lane a settlement answers a keepalive.
  #payPing(): void {
    const { buyer } = this.#parts.money
    const { lane, route } = this.#options.grant
    const asking = lane === 'node' ? Control.PING | Control.KEEPALIVE : Control.PING
    if (buyer === undefined || (this.#controls & asking) === 0) return
    const answerMsat = answerCostMsat(this.#parts, route)
    // spec §12.11: what counts as paid for answers may have been kept on its way, or is tied up in some that hang.
    const isKept = this.#parts.paths.isUnanswered
    this.#payAnswers(isKept ? buyer.answerMsat(answerMsat) : buyer.lackingMsat(answerMsat))
  }

  #controlFrame(kind: (typeof ORDER)[number]): Frame | undefined {
    const { handshake, life, money, paths, receive, send } = this.#parts
    switch (kind) {
      case Control.RESET:
        return { type: 'reset', ...life.lastWord }
      case Control.PING:
        return { type: 'ping', keepalive: false }
      case Control.KEEPALIVE:
        return { type: 'ping', keepalive: true }
      case Control.MAX_DATA:
        // spec §7.8: once the end is known, nobody needs a higher limit.
        return receive.finalOffset === undefined ? { type: 'max-data', limit: receive.limit } : undefined
      case Control.PRICE:
        return money.priceFrame
      case Control.BILL:
        return this.#billFrame()
      case Control.COST:
        return this.#costFrame()
      case Control.SURPLUS:
        return { type: 'surplus', amountMsat: money.claimMsat }
      case Control.AGREE:
        return this.#agreeFrame()
      case Control.PATHS:
        return paths.own?.frame()
      case Control.IDENTIFY:
        return handshake.identifyFrame
      case Control.BLOCKED:
        return { type: 'blocked', limit: send.limit }
    }
  }

  #billFrame(): Frame | undefined {
    const dueMsat = this.#parts.money.bill()
    return dueMsat === undefined ? undefined : { type: 'bill', dueMsat: smaller(dueMsat, MAX_FRAME_MSAT) }
  }

  #costFrame(): Frame | undefined {
    const dueMsat = this.#parts.money.answersDueMsat()
    return dueMsat === undefined ? undefined : { type: 'cost', dueMsat: smaller(dueMsat, MAX_FRAME_MSAT) }
  }

  // spec §12.6: it also carries money where nothing else goes; without that, and heard before, it says nothing.
  #agreeFrame(): Frame | undefined {
    const { money } = this.#parts
    const serial = money.agreedSerial
    if (serial === undefined) return undefined
    return money.isAgreementNews || this.#topUpMsat() > this.#paymentMsat ? { type: 'agree', serial } : undefined
  }

  /** What this packet pays beside the least that it has to, as far as route and caps let it; 0n: nothing. */
  #topUpMsat(): bigint {
    const { money } = this.#parts
    const { route } = this.#options.grant
    const amountMsat = smaller(this.#paymentMsat + money.owedMsat, route.maxAmountMsat)
    const leastMsat = larger(route.minAmountMsat, this.#paymentMsat)
    if (amountMsat <= leastMsat) return amountMsat
    const affordableMsat = largestAmountMsat(route, money.purse.availableMsat)
    if (amountMsat <= affordableMsat) return amountMsat
    // A part of it, where that brings another packet; where nothing is needed for that, it is used up first.
    const { neededMsat } = money
    if (neededMsat === 0n) return this.#paymentMsat
    const partMsat = this.#paymentMsat + neededMsat
    // What else has to be said, and costs as little as can be, is still to go under the same cap.
    const spareMsat = largestAmountMsat(route, money.purse.availableMsat - SPARE_CONTROLS * packetCostMsat(route))
    if (spareMsat >= larger(partMsat, leastMsat)) return spareMsat
    return money.affordsPrice(partMsat + routeFeeMsat(route, partMsat)) ? partMsat : this.#paymentMsat
  }

  // spec §12.9: one a packet, in no copy; what asks and declines goes beside it.
  #addPayments(): void {
    const { life, money, payments, probe } = this.#parts
    if (!(life.isLive || life.state === 'lingering') || life.isOpening || probe.hasNoSign) return
    if (this.#options.job !== undefined) return
    const payment = payments.nextPayment(this.#options.grant.route.maxAmountMsat)
    if (payment !== undefined && !money.isPaymentPaused) this.#addPayment(payment)
    if (!payments.hasDueNotice) return
    this.#notices = payments.dueNotices().filter(({ frame }) => this.#writer.add(frame))
    if (this.#notices.length > 0) this.#isEliciting = true
    payments.noticesSent(this.#notices, this.#options.number)
  }

  #addPayment(payment: OutgoingPayment): void {
    const { money, payments } = this.#parts
    const { route } = this.#options.grant
    const { frame, paysItsFee } = payment
    const feeMsat = paysItsFee ? routeFeeMsat(route, larger(frame.amountMsat, route.minAmountMsat)) : 0n
    const amountMsat = frame.amountMsat - feeMsat
    if (paysItsFee && amountMsat < route.minAmountMsat) return payments.drop(payment)
    const costMsat = larger(amountMsat, route.minAmountMsat)
    if (!money.affordsPayment(costMsat + routeFeeMsat(route, costMsat))) return
    if (!this.#writer.add({ ...frame, amountMsat })) return
    this.#payment = payment
    this.#paymentMsat = amountMsat
    this.#isEliciting = true
    payments.paymentSent(payment)
  }

  #addMessages(): void {
    const { copies, life, messages, money, probe } = this.#parts
    if (messages.open === 0 || !life.isLive || probe.hasNoSign || money.isUndecided) return
    const copied = this.#options.job === undefined ? NO_MESSAGES : copies.waitingMessages(this.#options.job.origin)
    for (const message of [...copied, ...messages.due()]) {
      if (!this.#writer.add({ type: 'message', id: message.id, data: message.data })) continue
      if (this.#messages === NO_MESSAGES) this.#messages = []
      this.#messages.push(message)
      if (message.lastNumber < 0) money.messageSent()
      messages.sent(message, this.#options.number)
      this.#isEliciting = true
    }
  }

  #addStream(now: number): void {
    const { controls, life, money, probe, send, sending } = this.#parts
    if (!life.isLive || probe.hasNoSign || money.isUndecided) return
    const job = this.#options.job
    this.#finWaits = (send.isFinDue && sending.mayFinish) || this.#copied(Control.FIN) !== 0
    if (job !== undefined) this.#copyRest(job)
    // A copy stays one and nothing else: it is watched in the place of what it is made from.
    if (job === undefined && sending.hasData(now)) this.#addFresh()
    if (!this.#finWaits || send.buffer.unsent > 0) return
    if (this.#writer.add({ type: 'stream', offset: send.buffer.written, data: NO_DATA, fin: true })) this.#finAdded()
    else controls.want(Control.FIN)
  }

  #finAdded(): void {
    this.#controls |= Control.FIN
    this.#finWaits = false
    this.#isEliciting = true
    this.#parts.send.finSent()
  }

  // The bytes of the packet that is copied, as far as they fit; the rest goes in a further copy.
  #copyRest(job: CopyJob): void {
    const { buffer } = this.#parts.send
    const { rest } = job
    const left: number[] = []
    for (let i = 0; i < rest.length; i += 2) {
      const pieces = buffer.missing(rest[i] ?? 0, rest[i + 1] ?? 0)
      for (let k = 0; k < pieces.length; k += 2) {
        const start = pieces[k] ?? 0
        const end = pieces[k + 1] ?? 0
        const stop = Math.min(end, start + Math.max(0, lastStreamDataRoom(start, this.#writer.remaining)))
        if (stop > start) {
          buffer.covered(start, stop)
          this.#addPiece({ start, end: stop })
        }
        if (stop < end) left.push(stop, end)
      }
    }
    job.copied(left)
  }

  #addFresh(): void {
    const { send, sending } = this.#parts
    const { buffer } = send
    // spec §12.5: what the money covers; what was sent before is paid for but for the packet.
    const limit = buffer.sentEnd + sending.sendable
    for (;;) {
      const { hasAgain } = buffer
      const offset = hasAgain ? buffer.againStart : buffer.sentEnd
      const piece = buffer.take(lastStreamDataRoom(offset, this.#writer.remaining), limit)
      if (piece === undefined) return
      if (hasAgain) this.#isAgain = true
      this.#addPiece(piece)
    }
  }

  #addPiece(piece: Piece): void {
    const { buffer } = this.#parts.send
    const data = buffer.bytes(piece)
    const fin = this.#finWaits && piece.end === buffer.written
    const frame = { type: 'stream', offset: piece.start, data, fin } as const
    // A frame that fills the packet needs no length.
    const isLast = data.length >= streamDataRoom(piece.start, this.#writer.remaining)
    if (!(isLast ? this.#writer.addLast(frame) : this.#writer.add(frame))) throw new Error('a piece that does not fit')
    this.#ranges.push(piece.start, piece.end)
    this.#streamBytes += data.length
    this.#isEliciting = true
    if (fin) this.#finAdded()
  }

  // spec §6.15: a responder that holds copies back to take the money of all of them gets little more than one.
  get #isSecondPriced(): boolean {
    if (this.#openingMsat === 0n) return false
    return [...this.#parts.packets.flying()].some(({ parts }) => parts.open && parts.amountMsat >= this.#openingMsat)
  }

  /** Turns the sealed packet into an attempt that is accounted for and remembered. `attempt`: which copy of an OPEN. */
  complete(
    now: number,
    keys: DirectionKeys,
    { record, attempt }: { readonly record: Uint8Array; readonly attempt: number },
  ): Attempt {
    const { lane, route, hedgeAfterMs, pace } = this.#options.grant
    const { money, packets, random, recovery } = this.#parts
    if (record.length > route.recordBytes) throw new Error('a packet larger than its grant')
    // What it need not pay waits for another packet where it would make this one too long.
    const mayPay = (msat: bigint): bigint =>
      msat <= route.minAmountMsat ? msat : smaller(msat, larger(amountBeside(route, record.length), this.#paymentMsat))
    const topUpMsat = mayPay(this.#topUpMsat())
    const askedMsat = larger(this.#openingMsat, mayPay(this.#answersMsat))
    const amountMsat = larger(larger(topUpMsat, askedMsat), route.minAmountMsat)
    const feeMsat = routeFeeMsat(route, amountMsat)
    const secret = lane === 'node' ? random(32) : derivePreimage(keys.settle, this.#options.number, attempt)
    money.purse.reserve(amountMsat, feeMsat)
    const costs = money.seller !== undefined && (this.#streamBytes > 0 || (this.#controls & Control.FIN) !== 0)
    const reason = this.#options.reason
    const id = packets.nextId
    recovery.sent(
      now,
      {
        id,
        number: this.#options.number,
        reason,
        lane,
        sentAt: now,
        hedgeAfterMs,
        pace,
        channels: route.channels,
        amountMsat,
        feeMsat,
        eliciting: this.#isEliciting,
        hedgeable: !this.#isSecondPriced,
        ranges: this.#ranges,
        again: this.#isAgain,
        controls: this.#controls,
        messages: this.#messages,
        ackNews: this.#ackNews,
        payment: this.#payment,
        paymentMsat: this.#paymentMsat,
        notices: this.#notices,
        leastMsat: route.minAmountMsat,
        paysMsat: money.buyer === undefined ? 0n : amountMsat - this.#paymentMsat,
        isTopUp: topUpMsat > larger(route.minAmountMsat, this.#paymentMsat),
        costs,
        holdsCost: costs && this.#options.job === undefined,
        open: this.#options.kind === 'open',
        answer: this.#options.kind === 'answer',
      },
      this.#options.job,
    )
    const preimage = lane === 'node' ? { preimage: secret } : {}
    return { id, reason, lane, routeId: route.id, record, amountMsat, feeMsat, hash: paymentHash(secret), ...preimage }
  }
}

/** What an answer will cost the responder, as far as the initiator can tell (spec §12.11). */
function answerCostMsat({ paths, settings }: Parts, route: Route): bigint {
  // Who is hidden must not show by its amounts what its own way costs: only what the path says, which the other knows.
  const pathMsat = paths.costMsat ?? EXPECTED_PATH_MSAT
  // The way back may ask more than the way there.
  const directMsat = larger(packetCostMsat(route), EXPECTED_DIRECT_MSAT)
  const expectedMsat = paths.own === undefined ? directMsat : pathMsat + EXPECTED_WAY_MSAT
  return smaller(expectedMsat, settings.maxAnswerMsat)
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}
