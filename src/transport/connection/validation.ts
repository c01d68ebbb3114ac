/** Whether a packet's frames may take effect, all of them (spec §15.2). Nothing is changed here. */
import { equalBytes } from '../../floor/bytes.ts'
import { Code, malformed, ProtocolError } from '../../wire/errors.ts'
import type { AckFrame, CreditFrame, Frame, IdentifyFrame, StreamFrame } from '../../wire/frames.ts'
import { ecdh, identifyProof } from '../../wire/keys.ts'
import type { Parameters } from '../../wire/parameters.ts'
import type { Core } from './core.ts'
import type { Arrival } from '../../medium/arrival.ts'
import { INITIAL_LIMIT, MAX_SEGMENTS } from './limits.ts'

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
export function judge(core: Core, arrival: Arrival, frames: readonly Frame[]): Code | undefined {
  const stream: StreamView = { end: core.receivedEnd, final: core.finalOffset }
  let { segments } = core.in
  let refusal: Code | undefined
  let creditMsat = 0n
  for (const frame of frames) {
    switch (frame.type) {
      case 'stream':
        followStream(stream, frame, core.window.limit)
        if (frame.data.length === 0) break
        refusal ??= checkRoom(core, segments, frame)
        segments++
        break
      case 'ack':
        checkAck(core, frame)
        break
      case 'accept':
        if (core.peerParameters !== undefined && !equalParameters(core.peerParameters, frame.parameters)) {
          throw malformed('another ACCEPT than before')
        }
        break
      case 'refuse':
        // spec §15.1
        if (core.peerParameters !== undefined) throw malformed('REFUSE after ACCEPT')
        break
      case 'credit':
        creditMsat += frame.amountMsat
        refusal ??= checkCredit(core, arrival, frame)
        break
      case 'identify':
        checkIdentify(core, frame)
        break
      case 'open':
        throw malformed('OPEN in another packet')
      case 'max-data':
      case 'blocked':
      case 'reply-paths':
      case 'ping':
      case 'reset':
      case 'message':
      case 'price':
        break
    }
  }
  // spec §12.4; on the node lane the frames are ignored when they are applied.
  if (creditMsat > arrival.amountMsat && arrival.lane === 'phantom') refusal ??= Code.PRICE
  return refusal
}

/** spec §6.2: the code of the rule of streams that an OPEN breaks. It has no connection yet that could be reset. */
export function judgeOpen(frames: readonly Frame[]): Code | undefined {
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
  const end = frame.offset + frame.data.length
  // spec §7.3
  if (end > limit) throw new ProtocolError(Code.FLOW_CONTROL, `bytes up to ${end}, limit ${limit}`)
  // spec §7.4
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
function checkRoom(core: Core, segments: number, frame: StreamFrame): Code | undefined {
  const isFull = !core.in.hasRoom(frame.offset) || segments >= MAX_SEGMENTS
  return isFull && frame.offset > core.in.contiguous ? Code.NO_ROOM : undefined
}

// spec §5.4
function checkAck(core: Core, frame: AckFrame): void {
  const largest = frame.ranges[0]?.largest ?? 0
  if (largest >= core.nextNumber) throw malformed(`an ACK of packet ${largest}, which was never sent`)
  const most = core.finSent ? core.out.written + 1 : core.out.sentEnd
  if (frame.delivered > most) throw malformed(`an ACK of byte ${frame.delivered}, which was never sent`)
}

// spec §12.4
function checkCredit(core: Core, arrival: Arrival, frame: CreditFrame): Code | undefined {
  return arrival.lane === 'phantom' && core.seller?.hasCounted(frame.id) === true ? Code.DUPLICATE : undefined
}

// spec §12.7
function checkIdentify(core: Core, frame: IdentifyFrame): void {
  if (core.identified || core.ephemeralSecret === undefined || core.main === undefined) return
  const proof = identifyProof(ecdh(core.ephemeralSecret, frame.key), core.main.toResponder.transcript)
  if (!equalBytes(proof, frame.proof)) throw malformed('an IDENTIFY with a wrong proof')
}

function equalParameters(a: Parameters, b: Parameters): boolean {
  return a.maxData === b.maxData && a.idleTimeoutMs === b.idleTimeoutMs && a.ackDelayMs === b.ackDelayMs
}
