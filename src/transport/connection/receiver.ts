/** What comes in: opened, checked as a whole, then applied (spec §15). */
import { equalBytes } from '../../floor/bytes.ts'
import { Code, ProtocolError } from '../../wire/errors.ts'
import { checkPlaces, decodeFrames, isEliciting } from '../../wire/frame-reader.ts'
import type { Frame } from '../../wire/frames.ts'
import { completeInitiator } from '../../wire/handshake.ts'
import { type DirectionKeys, type MainKeys, paymentHash, preimage as derivePreimage } from '../../wire/keys.ts'
import { type DecodedHeader, decodeHeader, type Header, openPacket } from '../../wire/packets.ts'
import { applyFrames } from './apply.ts'
import { Control } from './controls.ts'
import type { Core } from './core.ts'
import type { Arrival } from '../../medium/arrival.ts'
import type { Reception } from './interface.ts'
import { advance, reset } from './lifecycle.ts'
import { ACK_DELAY_MS, LINGER_MS, MAX_WRONG_TAGS, SILENCE_LEAST_MS } from './limits.ts'
import { isOwnOpen } from './opening.ts'
import { judge } from './validation.ts'

/** A packet that is authentic, with its number and preimage. */
interface Opened {
  readonly header: Header
  readonly frames: Uint8Array
  readonly settleKey: Uint8Array
}

/** spec §15.1 */
export function arrive(core: Core, now: number, arrival: Arrival): Reception {
  const decoded = readHeader(core, arrival)
  if (decoded === undefined) return drop(core, arrival, Code.PROTOCOL)
  if (core.state === 'closed') return drop(core, arrival, Code.CLOSED)
  if (decoded.header.kind === 'open') return arriveOpen(core, now, arrival, decoded.header.attempt)
  let opened: Opened | undefined
  try {
    opened = open(core, arrival.record, decoded)
  } catch (error) {
    // An e_r that is no point: nothing authentic.
    if (!(error instanceof ProtocolError)) throw error
  }
  if (opened === undefined) {
    countWrongTag(core, now)
    return drop(core, arrival, Code.PROTOCOL)
  }
  const settlement = settle(arrival, opened.settleKey, opened.header.number, 0)
  if (settlement === undefined) return drop(core, arrival, Code.PROTOCOL)
  return take(core, now, { arrival, opened, settlement })
}

function readHeader(core: Core, arrival: Arrival): DecodedHeader | undefined {
  const ownPath = arrival.lane === 'phantom' && arrival.pathId !== undefined && core.ownPaths.owns(arrival.pathId)
  try {
    const decoded = decodeHeader(arrival.record, ownPath ? 'path' : 'cid')
    const { header } = decoded
    if (header.cid !== undefined && !equalBytes(header.cid, core.connectionId)) return undefined
    const fromInitiator = header.kind === 'open' || header.kind === 'early' || header.kind === 'data'
    return fromInitiator === (core.role === 'responder') ? decoded : undefined
  } catch (error) {
    if (error instanceof ProtocolError) return undefined
    throw error
  }
}

function drop(core: Core, arrival: Arrival, code: Code): Reception {
  core.packetsDropped++
  return arrival.lane === 'phantom' ? { action: 'refuse', code } : { action: 'dropped' }
}

// spec §4.7
function countWrongTag(core: Core, now: number): void {
  core.wrongTags++
  if (core.wrongTags < MAX_WRONG_TAGS) return
  const failure = { code: 'ECONNRESET', message: 'too many packets that are not authentic' }
  reset(core, now, { code: Code.INTERNAL, reason: failure.message, failure })
}

// Opens the sealed frames with the keys of the packet's kind; undefined when it is not authentic.
function open(core: Core, record: Uint8Array, decoded: DecodedHeader): Opened | undefined {
  const { header } = decoded
  if (header.kind === 'answer') return openAnswer(core, record, decoded, header.ephemeral)
  const keys = keysFor(core, header)
  const frames = keys === undefined ? undefined : openPacket(record, decoded, keys)
  if (keys === undefined || frames === undefined) return undefined
  return { header, frames, settleKey: keys.settle }
}

function keysFor(core: Core, header: Header): DirectionKeys | undefined {
  switch (header.kind) {
    case 'early':
      return core.early
    case 'data':
      return core.main?.toResponder
    case 'reply':
      return core.main?.toInitiator
    case 'open':
    case 'answer':
      return undefined
  }
}

// Any ANSWER that opens completes the handshake (spec §4.6).
function openAnswer(core: Core, record: Uint8Array, decoded: DecodedHeader, ephemeral: Uint8Array): Opened | undefined {
  let main: MainKeys
  if (core.main !== undefined) {
    if (core.responderEphemeral === undefined || !equalBytes(core.responderEphemeral, ephemeral)) return undefined
    main = core.main
  } else {
    if (core.opening?.initiation === undefined) return undefined
    main = completeInitiator(core.opening.initiation, ephemeral)
  }
  const frames = openPacket(record, decoded, main.toInitiator)
  if (frames === undefined) return undefined
  core.main = main
  core.responderEphemeral = ephemeral
  return { header: decoded.header, frames, settleKey: main.toInitiator.settle }
}

// What answers an arrival that is taken; undefined when the preimage is not that of its hash (spec §2.4).
function settle(arrival: Arrival, settleKey: Uint8Array, number: number, attempt: number): Reception | undefined {
  if (arrival.lane === 'node') return { action: 'taken' }
  const preimage = derivePreimage(settleKey, number, attempt)
  return equalBytes(paymentHash(preimage), arrival.hash) ? { action: 'settle', preimage } : undefined
}

/** The answer to the OPEN that a connection was made from, or to a copy of it. */
export function openSettlement(core: Core, arrival: Arrival, attempt: number): Reception | undefined {
  return core.early === undefined ? undefined : settle(arrival, core.early.settle, 0, attempt)
}

// spec §6.5
function arriveOpen(core: Core, now: number, arrival: Arrival, attempt: number): Reception {
  if (!isOwnOpen(core, arrival.record)) return drop(core, arrival, Code.PROTOCOL)
  const settlement = openSettlement(core, arrival, attempt)
  if (settlement === undefined) return drop(core, arrival, Code.PROTOCOL)
  if (arrival.lane === 'phantom' && core.openHadCredit) return { action: 'refuse', code: Code.DUPLICATE }
  noteMoney(core, arrival)
  noteSign(core, now, arrival)
  if (arrival.lane === 'node') core.ack.note(now, 0, true, ACK_DELAY_MS)
  if (core.state === 'lingering') answerLate(core, now)
  return settlement
}

function elicits(bytes: Uint8Array): boolean {
  try {
    return isEliciting(decodeFrames(bytes))
  } catch {
    // It was taken before under the same number with frames that were sound, or is no packet of an honest peer.
    return false
  }
}

interface Taking {
  readonly arrival: Arrival
  readonly opened: Opened
  readonly settlement: Reception
}

function take(core: Core, now: number, taking: Taking): Reception {
  const { arrival, opened, settlement } = taking
  const { header } = opened
  if (core.ack.has(header.number)) {
    // spec §15.1: acknowledged again, otherwise ignored.
    noteMoney(core, arrival)
    noteSign(core, now, arrival)
    if (arrival.lane === 'node' && elicits(opened.frames)) core.ack.note(now, header.number, true, ACK_DELAY_MS)
    if (core.state === 'lingering') answerLate(core, now)
    return settlement
  }
  let frames: Frame[]
  try {
    frames = decodeFrames(opened.frames)
    checkPlaces(header.kind, frames)
    const refusal = judge(core, arrival, frames)
    if (refusal !== undefined) return drop(core, arrival, refusal)
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    return violated(core, now, arrival, error)
  }
  if (core.state === 'resetting' && !frames.some((frame) => frame.type === 'reset' || frame.type === 'refuse')) {
    // spec §15.1: it is over; the RESET says so. It also completes the handshake that the RESET waits for.
    return drop(core, arrival, Code.CLOSED)
  }
  noteMoney(core, arrival)
  noteSign(core, now, arrival)
  core.packetsReceived++
  if (header.kind === 'data') core.confirmInitiator()
  core.ack.note(now, header.number, arrival.lane === 'node' && isEliciting(frames), ACK_DELAY_MS)
  applyFrames(core, now, { frames, arrival })
  if (core.state === 'lingering') answerLate(core, now)
  advance(core, now)
  return settlement
}

// Whoever breaks the protocol is reset; on the phantom lane unpaid (spec §15.1).
function violated(core: Core, now: number, arrival: Arrival, error: ProtocolError): Reception {
  const failure = { code: 'ECONNRESET', message: `the peer broke the protocol: ${error.message}` }
  reset(core, now, { code: error.code, reason: error.message, failure })
  return drop(core, arrival, error.code)
}

function noteMoney(core: Core, arrival: Arrival): void {
  // spec §12.1: on the phantom lane the money is certain only when the endpoint says so.
  if (arrival.lane === 'phantom') core.account.expect(arrival.amountMsat)
  else core.account.receive(arrival.amountMsat)
}

// Something authentic came: the peer lives (spec §8.8, §9.4).
function noteSign(core: Core, now: number, arrival: Arrival): void {
  core.signWaitSince = undefined
  // What settled meanwhile may be lost at the process: its answer tells (spec §8.7).
  if (core.noSign && core.attempts.unconfirmed > 0) core.controls.want(Control.PING)
  core.noSign = false
  core.silenceFrom = now
  core.silenceDelayMs = SILENCE_LEAST_MS
  core.probeDelayMs = 0
  if (arrival.pathId !== undefined) core.ownPaths.used(now, arrival.pathId)
}

// spec §6.1: the peer has not heard that all is done.
function answerLate(core: Core, now: number): void {
  core.lingerUntil = Math.min(now + LINGER_MS, core.lingerEnd)
  if (core.ack.hasNews) core.ack.hurry(now)
}
