/** Builds one packet for a grant: what is most urgent first, then stream data until it is full. */
import { routeFeeMsat } from '../../medium/route.ts'
import { Code } from '../../wire/errors.ts'
import { FrameWriter, fitAck, lastStreamDataRoom, streamDataRoom } from '../../wire/frame-writer.ts'
import type { Frame } from '../../wire/frames.ts'
import { frameCapacity, type Header, type Kind, sealPacket } from '../../wire/packets.ts'
import { Control } from './controls.ts'
import { complete } from './completion.ts'
import type { CopyJob, Core } from './core.ts'
import { type BuildOptions, type Draft, emptyDraft, NO_MESSAGES } from './draft.ts'
import type { Attempt, Grant } from './interface.ts'
import { reset } from './lifecycle.ts'
import { ACK_PIGGYBACK_PACKETS, LAST_PACKET_NUMBER, MAX_CREDIT_MSAT, SEND_LOW_BYTES } from './limits.ts'
import { acceptFrame, buildOpen, ownsOpenDue } from './opening.ts'
import { avoidShort } from './recovery.ts'
import { creditDue, dueControls, finDue, hasData, nextCopy, sendable, want } from './sending.ts'

const NO_DATA = new Uint8Array()

/** Makes one attempt with a grant; undefined when nothing is to be sent after all. */
export function transmit(core: Core, now: number, grant: Grant): Attempt | undefined {
  if (core.state === 'closed' || core.paused) return undefined
  core.copyAsked = 0
  // spec §12.2: the least that any packet costs.
  const leastMsat = grant.route.minAmountMsat
  const feeMsat = routeFeeMsat(grant.route, leastMsat)
  if (!core.account.allows(leastMsat, feeMsat)) {
    core.paused = true
    reportPause(core, leastMsat + feeMsat)
    return undefined
  }
  const stuckJob = core.wanted === 'stuck' ? nextCopy(core, now, core.stuck) : undefined
  const job = stuckJob ?? (core.wanted === 'hedge' ? nextCopy(core, now, core.hedges) : undefined)
  const reason = job === undefined ? (core.wanted === 'control' ? 'control' : 'data') : (core.wanted ?? 'data')
  if (core.state === 'opening' && (ownsOpenDue(core) || job?.origin.open === true)) {
    return buildOpen(core, now, { grant, reason, job })
  }
  if (core.nextNumber >= LAST_PACKET_NUMBER) {
    // spec §3.4: the last number is kept for the RESET.
    const failure = { code: 'ECONNRESET', message: 'the packet numbers of this connection are used up' }
    reset(core, now, { code: Code.INTERNAL, reason: failure.message, failure })
    if (core.nextNumber > LAST_PACKET_NUMBER) return undefined
  }
  return buildPacket(core, now, { grant, reason, job })
}

function reportPause(core: Core, priceMsat: bigint): void {
  if (core.pauseReported) return
  core.pauseReported = true
  const { capMsat, spentMsat, reservedMsat } = core.account.view()
  // What was paid, or may have been, can still be answered.
  const isFinal = core.state === 'opening' && spentMsat + reservedMsat === 0n
  core.emit({ type: 'paused', reason: 'cost', pause: { priceMsat, capMsat, isFinal } })
}

function kindOf(core: Core): Kind {
  if (core.state === 'opening') return 'early'
  if (core.role === 'initiator') return 'data'
  return core.confirmed ? 'reply' : 'answer'
}

function buildPacket(core: Core, now: number, options: BuildOptions): Attempt | undefined {
  const { grant, reason, job } = options
  const kind = kindOf(core)
  const number = core.nextNumber
  // spec §3.3
  const ownPath = grant.lane === 'phantom' && core.peerPaths.target(core.height) !== undefined
  const addressing = ownPath && kind !== 'early' ? 'path' : 'cid'
  const capacity = frameCapacity(kind, addressing, number, grant.route.recordBytes)
  if (capacity <= 0) {
    avoidShort(core, now, grant)
    return undefined
  }
  const draft = emptyDraft({ reason, kind, number, job })
  const writer = new FrameWriter(capacity)
  const { unsent } = core.out
  const preface = kind === 'answer' ? addPreface(core, writer, draft) : 0
  addAck(core, now, writer, draft)
  addControls(core, writer, draft)
  addCredit(core, grant, writer, draft)
  addMessages(core, writer, draft)
  core.capacity = Math.max(1, lastStreamDataRoom(core.out.sentEnd, capacity))
  addStream(core, now, writer, draft)
  if (writer.length === preface && (core.controls.due & draft.controls) === 0) {
    if (want(core, now) !== undefined) avoidShort(core, now, grant)
    return undefined
  }
  const keys =
    kind === 'early' ? core.early : core.role === 'initiator' ? core.main?.toResponder : core.main?.toInitiator
  if (keys === undefined) throw new Error(`no keys for ${kind}`)
  core.nextNumber++
  if (unsent >= SEND_LOW_BYTES && core.out.unsent < SEND_LOW_BYTES) {
    core.emit({ type: 'writable', bufferedBytes: core.out.buffered })
  }
  const record = sealPacket(headerOf(core, kind, number, addressing === 'cid'), keys, writer.bytes())
  return complete(core, now, { grant, draft, record, settleKey: keys.settle })
}

function headerOf(core: Core, kind: Kind, number: number, withCid: boolean): Exclude<Header, { kind: 'open' }> {
  const cid = withCid ? core.connectionId : undefined
  switch (kind) {
    case 'early':
      return { kind, cid: core.connectionId, number }
    case 'answer':
      if (core.responderEphemeral === undefined) throw new Error('an ANSWER without e_r')
      return { kind, cid, ephemeral: core.responderEphemeral, number }
    case 'data':
    case 'reply':
      return { kind, cid, number }
    case 'open':
      throw new Error('an OPEN is built in opening.ts')
  }
}

// spec §4.6: every ANSWER begins with ACCEPT or REFUSE. Returns the bytes that it took.
function addPreface(core: Core, writer: FrameWriter, draft: Draft): number {
  const refuses = core.controls.isOpen(Control.REFUSE)
  const frame: Frame = refuses ? { type: 'refuse', code: core.resetCode, reason: core.resetReason } : acceptFrame(core)
  if (!writer.add(frame)) return 0
  draft.controls |= refuses ? Control.REFUSE : Control.ACCEPT
  draft.eliciting = true
  return writer.length
}

function addAck(core: Core, now: number, writer: FrameWriter, draft: Draft): void {
  const { ack } = core
  if (!ack.hasNews || draft.kind === 'early' || core.state === 'resetting') return
  const due = ack.dueAt !== undefined && ack.dueAt <= now
  // spec §8.4: a packet that data fills anyhow carries it when it is worth the room.
  const full = core.out.hasAgain || sendable(core) >= core.capacity
  if (full && !due && ack.waiting < ACK_PIGGYBACK_PACKETS) return
  const frame = ack.frame(core.deliveredOffset)
  const fitting = frame === undefined ? undefined : fitAck(frame, writer.remaining)
  if (fitting === undefined || !writer.add(fitting)) return
  draft.ackNews = ack.sent()
}

const ORDER = [
  Control.RESET,
  Control.PING,
  Control.KEEPALIVE,
  Control.MAX_DATA,
  Control.PRICE,
  Control.PATHS,
  Control.IDENTIFY,
  Control.BLOCKED,
] as const

function addControls(core: Core, writer: FrameWriter, draft: Draft): void {
  const { job } = draft
  const copied = job === undefined ? 0 : core.controls.waiting(job.origin.controls, job.origin.number)
  const due = (dueControls(core) | copied) & ~draft.controls
  if (due === 0) return
  for (const kind of ORDER) {
    if ((due & kind) === 0) continue
    const frame = controlFrame(core, kind)
    if (frame === undefined) {
      core.controls.drop(kind)
    } else if (writer.add(frame)) {
      draft.controls |= kind
      draft.eliciting = true
    }
  }
}

function controlFrame(core: Core, kind: (typeof ORDER)[number]): Frame | undefined {
  switch (kind) {
    case Control.RESET:
      return { type: 'reset', code: core.resetCode, reason: core.resetReason }
    case Control.PING:
      return { type: 'ping', keepalive: false }
    case Control.KEEPALIVE:
      return { type: 'ping', keepalive: true }
    case Control.MAX_DATA:
      // spec §7.8
      return core.finalOffset === undefined ? { type: 'max-data', limit: core.window.limit } : undefined
    case Control.PRICE:
      return core.seller === undefined ? undefined : { type: 'price', serial: 1, ...core.seller.price }
    case Control.PATHS:
      return core.ownPaths.frame()
    case Control.IDENTIFY:
      if (core.identifyKey === undefined || core.identifyProof === undefined) return undefined
      return { type: 'identify', key: core.identifyKey, proof: core.identifyProof }
    case Control.BLOCKED:
      return { type: 'blocked', limit: core.sendLimit }
  }
}

function addCredit(core: Core, grant: Grant, writer: FrameWriter, draft: Draft): void {
  const { buyer } = core
  const { route } = grant
  if (buyer === undefined || !creditDue(core) || !core.isLive || core.noSign) return
  // The packet pays the route's least amount in any case: all of it is credit.
  const wished = buyer.dueMsat > route.minAmountMsat ? buyer.dueMsat : route.minAmountMsat
  const mostMsat = route.maxAmountMsat < MAX_CREDIT_MSAT ? route.maxAmountMsat : MAX_CREDIT_MSAT
  const amountMsat = wished < mostMsat ? wished : mostMsat
  const feeMsat = routeFeeMsat(route, amountMsat)
  if (!core.account.allows(amountMsat, feeMsat)) {
    // spec §12.2: what else there is to send may still be within the cap.
    core.creditPaused = true
    reportPause(core, amountMsat + feeMsat)
    return
  }
  // The id is not known before it is paid: room is looked for with the largest.
  if (writer.remaining < 20) return
  writer.add({ type: 'credit', id: buyer.pay(amountMsat), amountMsat })
  draft.creditMsat = amountMsat
  draft.eliciting = true
}

function addMessages(core: Core, writer: FrameWriter, draft: Draft): void {
  if (core.messages.open === 0 || !core.isLive || core.noSign) return
  const copied = draft.job?.origin.messages.filter((message) => message.state === 'sent') ?? NO_MESSAGES
  for (const message of [...copied, ...core.messages.due()]) {
    if (!writer.add({ type: 'message', id: message.id, data: message.data })) continue
    if (draft.messages === NO_MESSAGES) draft.messages = []
    draft.messages.push(message)
    message.state = 'sent'
    message.lastNumber = draft.number
    draft.eliciting = true
  }
}

function addStream(core: Core, now: number, writer: FrameWriter, draft: Draft): void {
  if (!core.isLive || core.noSign) return
  const { job } = draft
  const finCopied =
    job !== undefined && core.controls.waiting(job.origin.controls & Control.FIN, job.origin.number) !== 0
  draft.finWaits = finDue(core) || finCopied
  if (job !== undefined) copyRest(core, job, writer, draft)
  // A hedge stays a copy and nothing else: what it is made from is watched in its place.
  const fills = job === undefined ? hasData(core, now) : draft.reason === 'stuck'
  if (fills) fillUp(core, writer, draft)
  if (!draft.finWaits || core.out.unsent > 0) return
  if (writer.add({ type: 'stream', offset: core.out.written, data: NO_DATA, fin: true })) noteFin(core, draft)
  else core.controls.want(Control.FIN)
}

function noteFin(core: Core, draft: Draft): void {
  draft.controls |= Control.FIN
  draft.finWaits = false
  draft.eliciting = true
  core.finSent = true
}

// The bytes of the attempt that is copied, as far as they fit; the rest goes in a further copy.
function copyRest(core: Core, job: CopyJob, writer: FrameWriter, draft: Draft): void {
  const rest = job.rest ?? job.origin.ranges
  const left: number[] = []
  for (let i = 0; i < rest.length; i += 2) {
    const parts = core.out.undelivered(rest[i] ?? 0, rest[i + 1] ?? 0)
    for (let k = 0; k < parts.length; k += 2) {
      const start = parts[k] ?? 0
      const end = parts[k + 1] ?? 0
      const stop = Math.min(end, start + Math.max(0, lastStreamDataRoom(start, writer.remaining)))
      if (stop > start) {
        core.out.covered(start, stop)
        addPiece(core, { start, end: stop }, writer, draft)
      }
      if (stop < end) left.push(stop, end)
    }
  }
  job.rest = left
}

function fillUp(core: Core, writer: FrameWriter, draft: Draft): void {
  const { out } = core
  const limit = Math.max(out.sentEnd, out.sentEnd + sendable(core))
  for (;;) {
    const { hasAgain } = out
    const offset = hasAgain ? out.againStart : out.sentEnd
    const affordable = core.seller === undefined ? Infinity : core.seller.affordableBytes() - draft.streamBytes
    const room = Math.min(lastStreamDataRoom(offset, writer.remaining), affordable)
    const piece = out.take(room, limit)
    if (piece === undefined) return
    if (hasAgain) draft.again = true
    addPiece(core, piece, writer, draft)
  }
}

function addPiece(core: Core, piece: { start: number; end: number }, writer: FrameWriter, draft: Draft): void {
  const data = core.out.bytes(piece)
  const fin = draft.finWaits && piece.end === core.out.written
  const frame = { type: 'stream', offset: piece.start, data, fin } as const
  // A frame that fills the packet needs no length.
  const last = data.length >= streamDataRoom(piece.start, writer.remaining)
  if (!(last ? writer.addLast(frame) : writer.add(frame))) throw new Error('a piece that does not fit')
  draft.ranges.push(piece.start, piece.end)
  draft.streamBytes += data.length
  draft.eliciting = true
  if (fin) noteFin(core, draft)
}
