import { equalBytes } from '../../floor/bytes.ts'
import type { Arrival } from '../../medium/arrival.ts'
import { Code, ProtocolError } from '../../wire/errors.ts'
import { checkPlaces, decodeFrames, isEliciting } from '../../wire/frame-reader.ts'
import type { Frame } from '../../wire/frames.ts'
import { type DirectionKeys, paymentHash, preimage as derivePreimage } from '../../wire/keys.ts'
import { type DecodedHeader, decodeHeader, type Header, openPacket } from '../../wire/packets.ts'
import { applyFrames } from './apply.ts'
import type { Reception } from './interface.ts'
import { ACK_DELAY_MS, MAX_WRONG_TAGS } from './limits.ts'
import type { OpenedPacket } from './opening.ts'
import type { Parts } from './parts.ts'
import { validate } from './validation.ts'

/** A packet that is authentic, with its number and preimage. */
interface AuthenticPacket {
  readonly header: Header
  readonly frames: Uint8Array
  readonly settleKey: Uint8Array
}

const NO_FRAMES: readonly Frame[] = []

function attemptBit(attempt: number): bigint {
  return 1n << BigInt(attempt)
}

/** What comes in: opened, checked as a whole, then applied (spec §15). */
export class Receiver {
  readonly #parts: Parts
  #received = 0
  #dropped = 0
  #wrongTags = 0
  /** Attempts of the OPEN whose money was counted, as a set of bits: 256 at most (spec §3.8). */
  #openCopies = 0n

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Packets that were taken, and those that were turned down. */
  get counts(): { readonly received: number; readonly dropped: number } {
    return { received: this.#received, dropped: this.#dropped }
  }

  /** A packet came (spec §15.1). */
  receive(now: number, arrival: Arrival): Reception {
    const decoded = this.#readHeader(arrival)
    if (decoded === undefined) return this.#drop(arrival, Code.PROTOCOL)
    if (this.#parts.life.isClosed) return this.#drop(arrival, Code.CLOSED)
    if (decoded.header.kind === 'open') return this.#receiveOpen(now, arrival, decoded.header.attempt)
    let packet: AuthenticPacket | undefined
    try {
      packet = this.#open(arrival.record, decoded)
    } catch (error) {
      // An e_r that is no point: nothing authentic.
      if (!(error instanceof ProtocolError)) throw error
    }
    if (packet === undefined) {
      this.#countWrongTag(now)
      return this.#drop(arrival, Code.PROTOCOL)
    }
    const settlement = settle(arrival, packet.settleKey, packet.header.number, 0)
    if (settlement === undefined) return this.#drop(arrival, Code.PROTOCOL)
    return this.#parts.ack.has(packet.header.number)
      ? this.#receiveAgain(now, arrival, packet, settlement)
      : this.#receiveFirst(now, arrival, packet, settlement)
  }

  /** The OPEN that this connection is made from. */
  accept(now: number, open: OpenedPacket, arrival: Arrival): void {
    const { ack, outputs } = this.#parts
    ack.received(now, 0, arrival.lane === 'node', ACK_DELAY_MS)
    this.#openCopies |= attemptBit(arrival.record[9] ?? 0)
    this.#received++
    outputs.emit({ type: 'connected' })
    applyFrames(this.#parts, now, open.frames, arrival)
    this.#trace(arrival, 'taken', 0, open.frames)
  }

  /** The answer to the OPEN that a connection was made from, or to a copy of it. */
  openSettlement(arrival: Arrival, attempt: number): Reception | undefined {
    const { early } = this.#parts.handshake
    return early === undefined ? undefined : settle(arrival, early.settle, 0, attempt)
  }

  /** Counts the money that came with a packet, once. */
  recordMoney(arrival: Arrival): void {
    const { money } = this.#parts
    const { income } = money
    // spec §12.1: on the phantom lane the money is certain only when the endpoint says so.
    if (arrival.lane === 'phantom') income.expect(arrival.amountMsat)
    else {
      income.receive(arrival.amountMsat)
      money.received(arrival.amountMsat)
    }
  }

  #readHeader(arrival: Arrival): DecodedHeader | undefined {
    const { paths, role } = this.#parts
    const { lane, pathId } = arrival
    const isOwnPath = lane === 'phantom' && pathId !== undefined && paths.own?.owns(pathId) === true
    try {
      const decoded = decodeHeader(arrival.record, isOwnPath ? 'path' : 'cid')
      const { header } = decoded
      if (header.cid !== undefined && !equalBytes(header.cid, this.#parts.connectionId)) return undefined
      const fromInitiator = header.kind === 'open' || header.kind === 'early' || header.kind === 'data'
      return fromInitiator === (role === 'responder') ? decoded : undefined
    } catch (error) {
      if (error instanceof ProtocolError) return undefined
      throw error
    }
  }

  #drop(arrival: Arrival, code: Code): Reception {
    this.#dropped++
    if (this.#parts.tracer !== undefined) this.#traceRefused(arrival, code)
    return arrival.lane === 'phantom' ? { action: 'refuse', code } : { action: 'dropped' }
  }

  #traceRefused({ amountMsat, lane, record }: Arrival, code: Code): void {
    const packet = { lane, record_bytes: record.length, amount_msat: amountMsat, code }
    this.#parts.tracer?.emit('packet_received', { ...packet, fate: lane === 'phantom' ? 'refused' : 'dropped' })
  }

  #trace(arrival: Arrival, fate: 'taken' | 'again', number: number, frames: readonly Frame[]): void {
    const { tracer } = this.#parts
    if (tracer === undefined) return
    const { amountMsat, lane, record } = arrival
    tracer.emit('packet_received', {
      fate,
      lane,
      record_bytes: record.length,
      amount_msat: amountMsat,
      packet_number: number,
      frames: frames.map(({ type }) => type),
      stream_bytes: frames.reduce((sum, frame) => (frame.type === 'stream' ? sum + frame.data.length : sum), 0),
      received_bytes: this.#parts.receive.receivedBytes,
    })
  }

  // spec §4.7: keys are not used for more than that.
  #countWrongTag(now: number): void {
    this.#wrongTags++
    if (this.#wrongTags < MAX_WRONG_TAGS) return
    const failure = { code: 'ECONNRESET', message: 'too many packets that are not authentic' }
    this.#parts.life.reset(now, { code: Code.INTERNAL, reason: failure.message, failure })
  }

  // Opens the sealed frames with the keys of the packet's kind; undefined when it is not authentic.
  #open(record: Uint8Array, decoded: DecodedHeader): AuthenticPacket | undefined {
    const { handshake } = this.#parts
    const { header } = decoded
    if (header.kind === 'answer') {
      const opened = handshake.openAnswer(record, decoded, header.ephemeral)
      const settleKey = handshake.main?.toInitiator.settle
      return opened === undefined || settleKey === undefined ? undefined : { header, frames: opened, settleKey }
    }
    const keys = this.#keysFor(header)
    const frames = keys === undefined ? undefined : openPacket(record, decoded, keys)
    return keys === undefined || frames === undefined ? undefined : { header, frames, settleKey: keys.settle }
  }

  #keysFor(header: Header): DirectionKeys | undefined {
    const { handshake } = this.#parts
    switch (header.kind) {
      case 'early':
        return handshake.early
      case 'data':
        return handshake.main?.toResponder
      case 'reply':
        return handshake.main?.toInitiator
      case 'open':
      case 'answer':
        return undefined
    }
  }

  // spec §6.5: a copy of the OPEN that this connection came from.
  #receiveOpen(now: number, arrival: Arrival, attempt: number): Reception {
    const { ack, handshake, life } = this.#parts
    if (!handshake.isOwnOpen(arrival.record)) return this.#drop(arrival, Code.PROTOCOL)
    const settlement = this.openSettlement(arrival, attempt)
    if (settlement === undefined) return this.#drop(arrival, Code.PROTOCOL)
    // spec §6.5: it is over, or was refused.
    if (life.state === 'resetting') return this.#drop(arrival, Code.CLOSED)
    if (arrival.lane === 'phantom' && handshake.openPaysOnce) {
      if (this.#parts.tracer !== undefined) this.#traceRefused(arrival, Code.DUPLICATE)
      return { action: 'refuse', code: Code.DUPLICATE }
    }
    // spec §12.3: the money of each copy counts, and once, however often a node tells of it.
    const copy = attemptBit(attempt)
    if ((this.#openCopies & copy) === 0n) this.recordMoney(arrival)
    this.#openCopies |= copy
    this.#trace(arrival, 'again', 0, NO_FRAMES)
    this.#heard(now, arrival)
    if (arrival.lane === 'node') ack.received(now, 0, true, ACK_DELAY_MS)
    life.answerLate(now)
    return settlement
  }

  // spec §15.1: acknowledged again, otherwise ignored.
  #receiveAgain(now: number, arrival: Arrival, { frames, header }: AuthenticPacket, settlement: Reception): Reception {
    const { ack, life } = this.#parts
    // spec §12.3: the same payment, told of again.
    if (arrival.lane === 'phantom') this.recordMoney(arrival)
    this.#trace(arrival, 'again', header.number, NO_FRAMES)
    this.#heard(now, arrival)
    if (arrival.lane === 'node' && elicits(frames)) ack.received(now, header.number, true, ACK_DELAY_MS)
    life.answerLate(now)
    return settlement
  }

  #receiveFirst(now: number, arrival: Arrival, packet: AuthenticPacket, settlement: Reception): Reception {
    const { ack, handshake, life, money, paths } = this.#parts
    const { header } = packet
    let frames: Frame[]
    try {
      frames = decodeFrames(packet.frames)
      checkPlaces(header.kind, frames)
      const refusal = validate(this.#parts, arrival, frames)
      if (refusal !== undefined) return this.#drop(arrival, refusal)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      return this.#violated(now, arrival, error)
    }
    if (life.state === 'resetting' && !frames.some((frame) => frame.type === 'reset' || frame.type === 'refuse')) {
      // spec §15.1: it is over; the RESET says so. It also completes the handshake that the RESET waits for.
      return this.#drop(arrival, Code.CLOSED)
    }
    this.recordMoney(arrival)
    this.#heard(now, arrival)
    this.#received++
    // spec §9.4: no mere sign of life.
    const isMore = frames.some(({ type }) => type !== 'ack' && type !== 'ping')
    // spec §12.4: while this side decides about a price, nothing more is expected.
    if (isMore && !money.isUndecided) paths.expect(now)
    if (header.kind === 'data') handshake.dataOpened()
    ack.received(now, header.number, arrival.lane === 'node' && isEliciting(frames), ACK_DELAY_MS)
    applyFrames(this.#parts, now, frames, arrival)
    this.#trace(arrival, 'taken', header.number, frames)
    life.answerLate(now)
    life.settle(now)
    return settlement
  }

  // Whoever breaks the protocol is reset; on the phantom lane unpaid (spec §15.1).
  #violated(now: number, arrival: Arrival, error: ProtocolError): Reception {
    const failure = { code: 'ECONNRESET', message: `the peer broke the protocol: ${error.message}` }
    this.#parts.life.reset(now, { code: error.code, reason: error.message, failure })
    return this.#drop(arrival, error.code)
  }

  // Something authentic came: the peer lives (spec §8.8, §9.4).
  #heard(now: number, arrival: Arrival): void {
    this.#parts.probe.heard()
    this.#parts.paths.heard(now, arrival.pathId)
  }
}

// What answers an arrival that is taken; undefined when the preimage is not that of its hash (spec §2.4).
function settle(arrival: Arrival, settleKey: Uint8Array, number: number, attempt: number): Reception | undefined {
  if (arrival.lane === 'node') return { action: 'taken' }
  const preimage = derivePreimage(settleKey, number, attempt)
  return equalBytes(paymentHash(preimage), arrival.hash) ? { action: 'settle', preimage } : undefined
}

function elicits(bytes: Uint8Array): boolean {
  try {
    return isEliciting(decodeFrames(bytes))
  } catch {
    // It was taken before under the same number with frames that were sound, or is no packet of an honest peer.
    return false
  }
}
