/** How a connection comes about: OPEN on one side, its acceptance or refusal on the other (spec §4, §6). */
import { equalBytes } from '../../floor/bytes.ts'
import { Code } from '../../wire/errors.ts'
import { decodeFrames, UnsupportedError, checkPlaces } from '../../wire/frame-reader.ts'
import { FrameWriter, frameSize, lastStreamDataRoom } from '../../wire/frame-writer.ts'
import type { AcceptFrame, Frame, OpenFrame } from '../../wire/frames.ts'
import { completeResponder, initiate, respond, type Response, withAttempt } from '../../wire/handshake.ts'
import { hmacSha256 } from '../../wire/keys.ts'
import type { Parameters } from '../../wire/parameters.ts'
import { decodeHeader, frameCapacity } from '../../wire/packets.ts'
import { complete } from './completion.ts'
import { Control } from './controls.ts'
import type { Core } from './core.ts'
import { type BuildOptions, emptyDraft } from './draft.ts'
import type { Attempt, RandomBytes } from './interface.ts'
import { ACK_DELAY_MS, INITIAL_LIMIT, MAX_OPEN_COPIES, OPEN_SLACK_BYTES } from './limits.ts'
import { avoidShort } from './recovery.ts'
import { finDue } from './sending.ts'
import { judgeOpen } from './validation.ts'

/** An OPEN that is authentic and well-formed: what the endpoint decides on (spec §6.2). */
export interface OpenedPacket {
  readonly frames: readonly Frame[]
  readonly port: number
  readonly height: number
  readonly parameters: Parameters
  readonly connectionId: Uint8Array
  /** e_i, 33 bytes: what the table of OPENs seen is about. */
  readonly ephemeral: Uint8Array
  /** The keys so far, for `Connection.accept` and `Connection.refuse`. */
  readonly session: Response
  /** It has to be refused with this code: an unknown even frame or parameter, or a stream that breaks a rule. */
  readonly refusal: Code | undefined
}

/**
 * Opens an OPEN with ECDH(node key, e_i). Undefined: it is to be dropped (wrong tag, malformed frames, or
 * no way to answer; spec §6.2). `record` may come over either lane.
 */
export function openOpen(options: {
  readonly record: Uint8Array
  readonly responderKey: Uint8Array
  readonly sharedSecret: Uint8Array
}): OpenedPacket | undefined {
  const { record, responderKey, sharedSecret } = options
  try {
    const { header, sealedOffset } = decodeHeader(record, 'cid')
    if (header.kind !== 'open') return undefined
    const { cid, ephemeral } = header
    const session = respond({ responderKey, cid, ephemeral, sharedSecret, sealed: record.subarray(sealedOffset) })
    if (session === undefined) return undefined
    const { frames, refusal } = readOpen(session.frames)
    checkPlaces('open', frames)
    const open = frames[0]
    if (open?.type !== 'open') return undefined
    const answerable = open.parameters.directReply !== undefined || frames.some((frame) => frame.type === 'reply-paths')
    if (!answerable) return undefined
    const { port, height, parameters } = open
    const asked = { port, height, parameters, connectionId: cid, ephemeral }
    return { ...asked, frames, session, refusal: refusal ?? judgeOpen(frames) }
  } catch {
    // A malformed OPEN has no effect but a count, which is the endpoint's.
    return undefined
  }
}

function readOpen(bytes: Uint8Array): { frames: readonly Frame[]; refusal: Code | undefined } {
  try {
    return { frames: decodeFrames(bytes), refusal: undefined }
  } catch (error) {
    if (error instanceof UnsupportedError) return { frames: error.frames, refusal: Code.UNSUPPORTED }
    throw error
  }
}

/** What this side tells the other about itself (spec §5.9). */
function ownParameters(core: Core): Parameters {
  const directReply = core.opening?.directKey
  return {
    maxData: core.firstLimit,
    idleTimeoutMs: core.parameterIdleMs,
    ackDelayMs: ACK_DELAY_MS,
    ...(directReply === undefined ? {} : { directReply }),
  }
}

/** The ACCEPT that is the first frame of an ANSWER; always the same. */
export function acceptFrame(core: Core): AcceptFrame {
  return { type: 'accept', parameters: ownParameters(core) }
}

/** Whether an OPEN, or a copy, is what has to go now. */
export function ownsOpenDue(core: Core): boolean {
  return core.opening?.due === true
}

/** Sends the OPEN: made for the first route that comes, copied ever after (spec §4.5). */
export function buildOpen(core: Core, now: number, options: BuildOptions): Attempt | undefined {
  const { opening } = core
  if (opening === undefined) throw new Error('an OPEN from a responder')
  if (opening.copies >= MAX_OPEN_COPIES) {
    // spec §3.8: the connect timeout ends it.
    opening.due = false
    return undefined
  }
  if (opening.initiation === undefined) {
    if (!makeOpen(core, options)) {
      avoidShort(core, now, options.grant)
      return undefined
    }
    core.nextNumber = 1
  }
  const { initiation } = opening
  if (initiation === undefined) throw new Error('an OPEN was not made')
  if (initiation.packet.length > options.grant.route.recordBytes) {
    avoidShort(core, now, options.grant)
    return undefined
  }
  const attempt = opening.copies++
  opening.due = false
  opening.againAt = undefined
  const draft = emptyDraft({ reason: options.reason, kind: 'open', number: 0, job: options.job })
  draft.eliciting = true
  if (opening.earlyEnd > 0) draft.ranges.push(0, opening.earlyEnd)
  draft.streamBytes = opening.earlyEnd
  if (options.job !== undefined) options.job.rest = []
  const record = attempt === 0 ? initiation.packet : withAttempt(initiation.packet, attempt)
  return complete(core, now, { grant: options.grant, draft, record, settleKey: initiation.early.settle, attempt })
}

// spec §4.3; the frames are OPEN, REPLY_PATHS, and as much early data as there is and fits.
function makeOpen(core: Core, options: BuildOptions): boolean {
  const { opening } = core
  if (opening === undefined) return false
  const frame: OpenFrame = {
    type: 'open',
    port: opening.port,
    height: core.height,
    parameters: ownParameters(core),
  }
  const paths = core.ownPaths.frame()
  const least = frameSize(frame) + (paths === undefined ? 0 : frameSize(paths))
  const capacity = frameCapacity('open', 'cid', 0, options.grant.route.recordBytes)
  if (least > capacity) return false
  const writer = new FrameWriter(Math.max(least, capacity - OPEN_SLACK_BYTES))
  writer.add(frame)
  if (paths !== undefined && writer.add(paths)) core.controls.drop(Control.PATHS)
  addEarlyData(core, writer)
  opening.initiation = initiate({
    responderKey: opening.responderKey,
    cid: core.connectionId,
    ephemeralSecret: opening.ephemeralSecret,
    frames: writer.bytes(),
  })
  core.early = opening.initiation.early
  return true
}

function addEarlyData(core: Core, writer: FrameWriter): void {
  const { opening, out } = core
  const piece = out.take(lastStreamDataRoom(0, writer.remaining), INITIAL_LIMIT)
  if (piece === undefined || opening === undefined) return
  const fin = finDue(core) && piece.end === out.written
  if (!writer.addLast({ type: 'stream', offset: piece.start, data: out.bytes(piece), fin })) {
    throw new Error('early data that does not fit')
  }
  opening.earlyEnd = piece.end
  if (fin) {
    core.finSent = true
    core.controls.sent(Control.FIN, 0)
    opening.hasFin = true
  }
}

/** The responder's half of the handshake: e_r is made once per e_i (spec §4.6). */
export function answerOpen(core: Core, open: OpenedPacket, random: RandomBytes): void {
  core.ephemeralSecret = ephemeralSecret(random)
  const { ephemeral, main } = completeResponder(open.session, core.ephemeralSecret)
  core.early = open.session.early
  core.main = main
  core.responderEphemeral = ephemeral
}

/** A secret key: 32 bytes that are 1 .. n-1, which random bytes but for one in 2^127 are. */
export function ephemeralSecret(random: RandomBytes): Uint8Array {
  for (;;) {
    const secret = random(32)
    const high = secret.subarray(0, 16)
    if (!high.every((byte) => byte === 0xff) && !secret.every((byte) => byte === 0)) return secret
  }
}

/** What tells copies of one OPEN from others: all bytes but the attempt (spec §3.8). */
export function openDigest(record: Uint8Array, connectionId: Uint8Array): Uint8Array {
  return hmacSha256(connectionId, withAttempt(record, 0))
}

/** Whether `record` is a copy of the OPEN that this connection came from. */
export function isOwnOpen(core: Core, record: Uint8Array): boolean {
  return core.openDigest !== undefined && equalBytes(core.openDigest, openDigest(record, core.connectionId))
}
