/** Whether a packet's frames may take effect, all of them (spec §15.2). Nothing is changed here. */
import type { Arrival } from '../../medium/arrival.ts'
import { Code, malformed, ProtocolError } from '../../wire/errors.ts'
import type { AckFrame, Frame, PriceFrame, StreamFrame } from '../../wire/frames.ts'
import type { Parameters } from '../../wire/parameters.ts'
import { paymentsMsat } from './apply.ts'
import { INITIAL_LIMIT, MAX_SEGMENTS } from './limits.ts'
import { isRaise } from './tariff.ts'
import type { Parts } from './parts.ts'
import type { Reassembly } from './reassembly.ts'
import { isEmpty } from './receive-stream.ts'

// The stream as it would be after the frames checked so far.
interface StreamView {
  end: number
  final: number | undefined
}

/**
 * Undefined: the frames may be applied. A code: the packet is turned down, unacknowledged, without further
 * consequence.
 *
 * @throws ProtocolError when the peer broke the protocol: the connection is reset
 */
export function validate(parts: Parts, arrival: Arrival, frames: readonly Frame[]): Code | undefined {
  const { handshake, receive } = parts
  const stream: StreamView = { end: receive.receivedEnd, final: receive.finalOffset }
  let { segments } = receive.reassembly
  let refusal: Code | undefined
  for (const frame of frames) {
    switch (frame.type) {
      case 'stream':
        followStream(stream, frame, receive.limit)
        if (frame.data.length === 0) break
        refusal ??= checkRoom(receive.reassembly, segments, frame)
        segments++
        break
      case 'ack':
        checkAck(parts, frame)
        break
      case 'receipt':
        checkSent(parts, frame.largest)
        break
      case 'accept':
        if (handshake.parameters !== undefined && !equalParameters(handshake.parameters, frame.parameters)) {
          throw malformed('another ACCEPT than before')
        }
        break
      case 'refuse':
        // spec §15.1: it is one or the other.
        if (handshake.parameters !== undefined) throw malformed('REFUSE after ACCEPT')
        break
      case 'price':
        checkPrice(parts, frame)
        break
      case 'agree':
        // spec §12.4, §12.11: only to what was offered; or to nothing, with money for answers.
        if (frame.serial === 0) break
        if (parts.money.seller?.knows(frame.serial) !== true) throw malformed(`an AGREE to tariff ${frame.serial}`)
        break
      case 'identify':
        if (!handshake.isProof(frame)) throw malformed('an IDENTIFY with a wrong proof')
        break
      case 'open':
        throw malformed('OPEN in another packet')
      case 'max-data':
      case 'blocked':
      case 'reply-paths':
      case 'ping':
      case 'reset':
      case 'message':
      case 'bill':
      case 'cost':
      case 'payment':
      case 'request':
      case 'decline':
      case 'surplus':
        break
    }
  }
  return refusal ?? checkPayments(parts, arrival, frames)
}

// spec §12.9; on the node lane the frames are ignored when they are applied.
function checkPayments({ payments }: Parts, arrival: Arrival, all: readonly Frame[]): Code | undefined {
  if (arrival.lane === 'node') return undefined
  const frames = all.filter((frame) => frame.type === 'payment')
  if (frames.length === 0) return undefined
  return payments.refusal(frames) ?? (paymentsMsat(frames) > arrival.amountMsat ? Code.PRICE : undefined)
}

/** spec §6.2: the code of the rule of streams that an OPEN breaks. It has no connection yet that could be reset. */
export function validateOpen(frames: readonly Frame[]): Code | undefined {
  const stream: StreamView = { end: 0, final: undefined }
  try {
    // spec §7.2: its sender knows no other limit.
    for (const frame of frames) if (frame.type === 'stream') followStream(stream, frame, INITIAL_LIMIT)
    return undefined
  } catch (error) {
    if (error instanceof ProtocolError) return error.code
    throw error
  }
}

function followStream(stream: StreamView, frame: StreamFrame, limit: number): void {
  // spec §5.5: no rule looks at it.
  if (isEmpty(frame)) return
  const end = frame.offset + frame.data.length
  // spec §7.3: nothing beyond the limit.
  if (end > limit) throw new ProtocolError(Code.FLOW_CONTROL, `bytes up to ${end}, limit ${limit}`)
  // spec §7.4: the end does not move.
  if (stream.final !== undefined && (end > stream.final || (frame.fin && end !== stream.final))) {
    throw new ProtocolError(Code.FINAL_OFFSET, `the stream ended at ${stream.final}, not ${end}`)
  }
  if (frame.fin) {
    if (end < stream.end) throw new ProtocolError(Code.FINAL_OFFSET, `an end at ${end} before ${stream.end}`)
    stream.final = end
  }
  stream.end = Math.max(stream.end, end)
}

// spec §14; what continues the stream is always taken.
function checkRoom(reassembly: Readonly<Reassembly>, segments: number, frame: StreamFrame): Code | undefined {
  const isFull = !reassembly.hasRoom(frame.offset) || segments >= MAX_SEGMENTS
  return isFull && frame.offset > reassembly.contiguous ? Code.NO_ROOM : undefined
}

// spec §5.4: nothing is acknowledged that was never sent.
function checkAck(parts: Parts, frame: AckFrame): void {
  const { send } = parts
  checkSent(parts, frame.ranges[0]?.largest ?? 0)
  const max = send.isFinSent ? send.buffer.written + 1 : send.buffer.sentEnd
  if (frame.delivered > max) throw malformed(`an ACK of byte ${frame.delivered}, which was never sent`)
}

// spec §5.4, §12.6
function checkSent({ packets }: Parts, largest: number): void {
  if (largest >= packets.nextNumber) throw malformed(`packet ${largest} was never sent, and is said to have come`)
}

// spec §12.4: nothing that came already gets dearer, and the first tariff holds from the beginning.
function checkPrice({ money, receive }: Parts, { from, serial, tariff }: PriceFrame): void {
  const { buyer } = money
  if (buyer === undefined || serial <= buyer.serial) return
  if (serial === 0 || (serial === 1 && from !== 0)) throw malformed(`tariff ${serial} from byte ${from} on`)
  if (serial > 1 && from < receive.receivedEnd && isRaise(buyer.tariff, tariff))
    throw malformed('a tariff for bytes that came')
}

function equalParameters(a: Parameters, b: Parameters): boolean {
  return a.maxData === b.maxData && a.idleTimeoutMs === b.idleTimeoutMs && a.ackDelayMs === b.ackDelayMs
}
