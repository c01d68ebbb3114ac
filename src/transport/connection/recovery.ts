import type { PaymentFailure, PaymentOutcome } from '../../medium/payment.ts'
import { Code, openingPriceOf } from '../../wire/errors.ts'
import { type AckFrame, MAX_ACK_RANGES } from '../../wire/frames.ts'
import { Control } from './controls.ts'
import type { CopyJob } from './copy-jobs.ts'
import { LOST_UNREACHED_MS, ROUND_TRIP_GAIN, STUCK_MS } from './limits.ts'
import type { Opening } from './opening.ts'
import type { Parts } from './parts.ts'
import { peerFailure } from './peer-failure.ts'
import { SentPacket, type SentPacketParts } from './sent-packets.ts'

type Needs =
  | 'ack'
  | 'controls'
  | 'copies'
  | 'handshake'
  | 'idle'
  | 'life'
  | 'messages'
  | 'money'
  | 'outputs'
  | 'packets'
  | 'paths'
  | 'payments'
  | 'probe'
  | 'reach'
  | 'refusals'
  | 'role'
  | 'send'
  | 'tracer'

/** What becomes of packets that went out, and of the frames in them (spec §8). */
export class Recovery {
  readonly #parts: Pick<Parts, Needs>
  #roundTripMs: number | undefined
  #hops: number | undefined
  #sent = 0
  #failed = 0
  #refused = 0

  constructor(parts: Pick<Parts, Needs>) {
    this.#parts = parts
  }

  /** Smoothed time from sending to settlement, ms; undefined before the first. */
  get roundTripMs(): number | undefined {
    return this.#roundTripMs
  }

  /** Channels on the way of the packet that settled last. */
  get hops(): number | undefined {
    return this.#hops
  }

  /** Attempts that were made, those that failed, and those of them that were refused. */
  get counts(): { readonly sent: number; readonly failed: number; readonly refused: number } {
    return { sent: this.#sent, failed: this.#failed, refused: this.#refused }
  }

  /** A packet goes out: remembers what it carries. `job`: what it is a copy for. */
  sent(now: number, parts: SentPacketParts, job: CopyJob | undefined): void {
    const { controls, copies, idle, money, packets, paths, send } = this.#parts
    const packet = new SentPacket(parts)
    controls.sent(parts.controls, packet.number)
    packets.add(packet)
    this.#sent++
    send.packetSent()
    if (parts.paysMsat > 0n) money.buyer?.paying(parts.paysMsat)
    if (parts.eliciting) money.buyer?.answers.asks()
    if (parts.holdsCost) money.seller?.packetSent()
    if (parts.eliciting) paths.expect(now, (parts.controls & Control.KEEPALIVE) !== 0)
    if (parts.ranges.length > 0 || parts.messages.length > 0) idle.sent(now)
    copies.sent(now, packet, job)
    this.#parts.tracer?.emit('packet_sent', {
      packet_number: packet.number,
      attempt: packet.id,
      reason: parts.reason,
      lane: parts.lane,
      stream_bytes: streamBytes(packet),
      again: parts.again,
      eliciting: parts.eliciting,
      hedge_after_ms: parts.hedgeAfterMs,
      ...(job !== undefined && { copy_of: job.origin.number }),
    })
  }

  /** The outcome of an attempt (spec §8.2). */
  resolve(now: number, attemptId: number, outcome: PaymentOutcome): void {
    const { copies, money, packets, payments, refusals } = this.#parts
    const packet = packets.get(attemptId)
    // The money stays reserved; the frames go again by their timers.
    if (packet === undefined || outcome.status === 'unknown') return
    const { amountMsat, feeMsat, sentAt } = packet.parts
    packets.resolved(packet)
    copies.unwatch(now, packet)
    if (outcome.status === 'failed') {
      money.purse.release(amountMsat, feeMsat)
      money.answers?.decided()
      packet.notPaid(money)
      if (packet.parts.payment !== undefined) payments.failed(packet.parts.payment)
      this.#failed++
      this.#onFailure(now, packet, outcome)
      return
    }
    money.purse.spend(amountMsat, feeMsat, outcome.feeMsat)
    money.answers?.decided()
    packet.paid(money, outcome.status === 'settled' ? packets.nextNumber : undefined)
    const { payment, paymentMsat } = packet.parts
    if (payment !== undefined) payments.paid(payment, paymentMsat, outcome.feeMsat)
    refusals.worked()
    this.#sample(now - sentAt)
    this.#hops = packet.parts.channels.length
    if (outcome.status === 'delivered') this.#deliver(now, packet)
    else this.#onSettled(now, packet)
  }

  #sample(roundTripMs: number): void {
    // spec §8.6: a stuck attempt says nothing about the round trip.
    if (roundTripMs >= STUCK_MS) return
    const before = this.#roundTripMs
    this.#roundTripMs = before === undefined ? roundTripMs : before + ROUND_TRIP_GAIN * (roundTripMs - before)
  }

  // At the peer's node: its process will read it, unless something happens to it (spec §8.7, §8.8).
  #onSettled(now: number, packet: SentPacket): void {
    const { ack, handshake, life, packets, probe, send } = this.#parts
    const { ackNews, controls, eliciting, open } = packet.parts
    if (ackNews > 0) ack.confirm(ackNews)
    if ((controls & (Control.RESET | Control.REFUSE)) !== 0) life.lastWordArrived()
    if (packet.phase !== 'flying' || packet.isDelivered || !life.isLive) return
    if (!eliciting) {
      // Nothing will acknowledge it: what an ACK alone says is taken as told (spec §8.4).
      this.#deliver(now, packet)
      return
    }
    packets.settle(packet, now)
    eachRange(packet, (start, end) => send.buffer.markSettled(start, end))
    if (open) handshake.opening?.settled(now)
    if (!life.isOpening) probe.settled(now)
  }

  #onFailure(now: number, packet: SentPacket, failure: PaymentFailure): void {
    const { refusals } = this.#parts
    const { channel, place, reason, refusal } = failure
    const { lane, open, sentAt } = packet.parts
    // The receiving process, or something that cannot be told from it, turned the packet down (spec §8.10).
    const isRefused = place === 'destination' || (place === 'introduction' && reason === 'blinded')
    if (isRefused) {
      this.#refused++
      refusals.refused(now, sentAt, open)
    }
    if (channel !== undefined) refusals.goAround(channel)
    this.#requeue(now, packet, 'payment-failed')
    if (isRefused && lane === 'phantom') this.#endRefused(packet, refusal)
  }

  /**
   * A packet to the phantom of the responder's node was refused, unpaid; `code` undefined: nobody was there to say why.
   * Ends the connection where nothing else can come of it (spec §6.9, §6.10).
   */
  #endRefused(packet: SentPacket, code: number | undefined): void {
    const { handshake, life, reach, refusals, role } = this.#parts
    if (role !== 'initiator' || !reach.isUnblinded || !life.isLive) return
    if (!packet.parts.open) {
      if (code === Code.CLOSED) life.peerReset(code)
      return
    }
    const { opening } = handshake
    if (opening === undefined || opening.hasArrived || !life.isOpening) return
    if (opening.refused(code)) {
      const message = "nobody takes packets at the phantom of this node; it may take connections on the lane 'node'"
      life.close({ code: 'ECONNREFUSED', message })
      return
    }
    const priceMsat = code === undefined ? undefined : openingPriceOf(code)
    if (priceMsat !== undefined) {
      const failure = opening.asked(priceMsat, packet.parts.amountMsat)
      // spec §6.15: whoever pays what was asked need not wait.
      if (failure === undefined) refusals.forget()
      else life.close(failure)
      return
    }
    // The next copy may be taken, or one was (spec §6.9).
    if (code === undefined || code === Code.BUSY || code === Code.DUPLICATE) return
    life.close(peerFailure(code, 'refuse'))
  }

  // The packet never left, or came back, or was lost at the process: its frames go again, at once.
  #requeue(now: number, packet: SentPacket, why: 'payment-failed' | 'unacknowledged'): void {
    const { ack, controls, copies, handshake, life, messages, money, packets, payments, send } = this.#parts
    const { parts } = packet
    packets.finish(packet)
    // Also of a copy of the OPEN that an answer has made needless: what failed is not under way any more.
    packet.dropHolds(money)
    if (packet.isDelivered) return
    const { id: attempt, number } = packet
    this.#parts.tracer?.emit('packet_lost', { packet_number: number, attempt, why, stream_bytes: streamBytes(packet) })
    packet.lostMoney(money)
    if (life.isClosed) return
    if (parts.ackNews > 0) ack.fail(now, parts.ackNews)
    if (parts.open) handshake.opening?.lost()
    const others = packet.group?.members.filter((each) => each !== packet && each.phase === 'flying') ?? []
    const fresh = others.filter((each) => !each.isLate(now))
    if (life.isLive) {
      eachRange(packet, (start, end) => send.buffer.markLost(start, end))
      for (const each of fresh) eachRange(each, (start, end) => send.buffer.covered(start, end))
      messages.lost(parts.messages, packet.number)
    }
    if ((parts.controls & Control.RESET) !== 0) life.resetLost()
    payments.noticesLost(parts.notices, packet.number)
    controls.lost(parts.controls, packet.number)
    // Where none of the others is expected any more, all begins anew.
    if (fresh.length === 0) {
      copies.restarts(packet)
      for (const each of others) {
        each.replaced()
        controls.lost(each.parts.controls, each.number)
        if (!life.isLive) continue
        // What a copy of it had no room for goes again, too: the copy that was to carry it is not made any more.
        eachRange(each, (start, end) => send.buffer.markLost(start, end))
        messages.lost(each.parts.messages, each.number)
      }
    }
    if (!life.isLive) return
    for (const each of packet.group?.members ?? []) {
      if (each.phase === 'settled') eachRange(each, (start, end) => send.buffer.markSettled(start, end))
    }
  }

  // The packet arrived: settled on the phantom lane, or acknowledged (spec §8.2).
  #deliver(now: number, packet: SentPacket): void {
    const { ack, controls, copies, handshake, idle, life, messages, money, packets, paths, payments, send } =
      this.#parts
    const { parts } = packet
    packets.finish(packet)
    copies.unwatch(now, packet)
    if (packet.isDelivered) return
    if (parts.open) handshake.opening?.arrived()
    packet.delivered(money)
    if (parts.ackNews > 0) ack.confirm(parts.ackNews)
    if (life.isClosed) return this.#traceAcked(packet)
    if (parts.answer) handshake.answerArrived(parts.lane === 'phantom')
    let isNews = (parts.controls & Control.KEEPALIVE) !== 0
    eachRange(packet, (start, end) => {
      if (send.buffer.markDelivered(start, end)) isNews = true
    })
    this.#traceAcked(packet)
    if (messages.delivered(parts.messages)) isNews = true
    payments.noticesDelivered(parts.notices)
    controls.delivered(parts.controls, packet.number)
    if ((parts.controls & Control.KEEPALIVE) !== 0 && !controls.isOpen(Control.KEEPALIVE)) idle.pinged()
    if ((parts.controls & Control.PATHS) !== 0) paths.told()
    if ((parts.controls & Control.AGREE) !== 0 && !controls.isOpen(Control.AGREE)) money.agreementArrived()
    if ((parts.controls & Control.FIN) !== 0 && send.finDelivered()) isNews = true
    if (isNews) this.#onProgress(now)
    if ((parts.controls & (Control.RESET | Control.REFUSE)) !== 0) life.lastWordArrived()
    life.settle(now)
  }

  #traceAcked(packet: SentPacket): void {
    this.#parts.tracer?.emit('packet_acked', {
      packet_number: packet.number,
      attempt: packet.id,
      by: packet.parts.lane === 'phantom' ? 'settlement' : 'acknowledgement',
      stream_bytes: streamBytes(packet),
      delivered_bytes: this.#parts.send.buffer.delivered,
    })
  }

  #onProgress(now: number): void {
    this.#parts.idle.active(now)
    this.#reportRoom()
  }

  #reportRoom(): void {
    this.#parts.outputs.emit({ type: 'writable', bufferedBytes: this.#parts.send.buffer.buffered })
  }

  /** An ACK that was checked against what was sent (spec §5.4). */
  acknowledged(now: number, ack: AckFrame): void {
    const { life, money, packets, probe, send } = this.#parts
    const { buffer } = send
    let isNews = buffer.markDelivered(0, Math.min(ack.delivered, buffer.sentEnd))
    // spec §13.2: one more than the bytes tells that the FIN has arrived, too.
    if (send.isFinSent && ack.delivered > buffer.written && send.finDelivered()) isNews = true
    for (const { smallest, largest } of ack.ranges) {
      packets.within(smallest, largest, (packet) => this.#deliver(now, packet))
    }
    if (isNews) this.#onProgress(now)
    const largest = ack.ranges[0]?.largest ?? 0
    money.buyer?.toldOf(largest)
    // An ACK that has room for more ranges names all there are (spec §5.4).
    const smallest = ack.ranges.length < MAX_ACK_RANGES ? -1 : (ack.ranges.at(-1)?.smallest ?? 0)
    for (const packet of packets.takeLost(smallest, largest, now - LOST_UNREACHED_MS))
      this.#requeue(now, packet, 'unacknowledged')
    probe.acknowledged()
    life.settle(now)
  }

  /** An ANSWER tells that the OPEN was taken, with all that is in it. */
  openAnswered(now: number, opening: Readonly<Opening>): void {
    const { packets, send } = this.#parts
    opening.stop()
    if (opening.hasFin) send.finDelivered()
    send.buffer.markDelivered(0, opening.earlyEnd)
    for (const packet of [...packets.flying(), ...packets.settled()]) {
      if (packet.parts.open) this.#deliver(now, packet)
    }
    this.#reportRoom()
  }
}

/** Of the stream, in a packet. */
function streamBytes(packet: SentPacket): number {
  let sum = 0
  eachRange(packet, (start, end) => {
    sum += end - start
  })
  return sum
}

function eachRange({ parts }: SentPacket, visit: (start: number, end: number) => void): void {
  const { ranges } = parts
  for (let i = 0; i < ranges.length; i += 2) visit(ranges[i] ?? 0, ranges[i + 1] ?? 0)
}
