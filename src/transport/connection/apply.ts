/** The effect of frames that were judged sound. Each is idempotent (spec §5.12). */
import { Code } from '../../wire/errors.ts'
import type { Frame, PriceFrame, StreamFrame } from '../../wire/frames.ts'
import type { Parameters } from '../../wire/parameters.ts'
import { Control } from './controls.ts'
import type { Core } from './core.ts'
import { packetPrice } from './credit.ts'
import type { Lane } from '../../medium/payment.ts'
import type { Arrival } from '../../medium/arrival.ts'
import { close, reset } from './lifecycle.ts'
import { armProbe, deliver, forgetRefusals, onAck } from './recovery.ts'
import { endReset, peerFailure } from './refused.ts'

export interface Application {
  readonly frames: readonly Frame[]
  readonly arrival: Arrival
}

export function applyFrames(core: Core, now: number, application: Application): void {
  const { frames, arrival } = application
  const creditMsat = frames.reduce((sum, frame) => (frame.type === 'credit' ? sum + frame.amountMsat : sum), 0n)
  let streamBytes = 0
  for (const frame of frames) {
    // A RESET or REFUSE among them ended it.
    if (core.state === 'closed' || (core.state === 'resetting' && frame.type !== 'reset' && frame.type !== 'refuse'))
      return
    if (frame.type === 'stream') streamBytes += frame.data.length
    // spec §12.4: less money than it says; the rest of the packet counts all the same.
    if (frame.type === 'credit' && creditMsat > arrival.amountMsat) continue
    applyFrame(core, now, frame, arrival.lane)
  }
  core.buyer?.consumed(streamBytes)
}

function applyFrame(core: Core, now: number, frame: Frame, lane: Lane): void {
  switch (frame.type) {
    case 'stream':
      applyStream(core, now, frame)
      break
    case 'ack':
      onAck(core, now, frame)
      break
    case 'max-data':
      applyMaxData(core, now, frame.limit)
      break
    case 'blocked':
      applyBlocked(core, now, frame.limit)
      break
    case 'reply-paths':
      if (core.peerPaths.learn(frame)) forgetRefusals(core)
      break
    case 'ping':
      // spec §8.4: PING(1) on the phantom lane is answered by its settlement; PING(0) asks about earlier packets, too.
      if (lane === 'node' || !frame.keepalive) core.ack.hurry(now)
      if (frame.keepalive) core.touch(now)
      break
    case 'reset':
      // spec §13.4
      endReset(core, frame.code, frame.reason)
      break
    case 'refuse':
      close(core, peerFailure(frame.code, 'refuse', frame.reason))
      break
    case 'message':
      if (!core.messages.receive(frame.id)) break
      core.touch(now)
      core.emit({ type: 'message', id: frame.id.slice(), data: frame.data.slice() })
      break
    case 'price':
      applyPrice(core, now, frame)
      break
    case 'credit':
      if (core.seller?.count(frame.id, frame.amountMsat) === true) core.touch(now)
      break
    case 'identify':
      if (core.identified) break
      core.identified = true
      core.emit({ type: 'identified', publicKey: frame.key.slice() })
      break
    case 'accept':
      establish(core, now, frame.parameters)
      break
    case 'open':
      break
  }
}

function applyStream(core: Core, now: number, frame: StreamFrame): void {
  const end = frame.offset + frame.data.length
  core.receivedEnd = Math.max(core.receivedEnd, end)
  const before = core.in.contiguous
  const fresh = core.in.insert(frame.offset, frame.data)
  const finNews = frame.fin && core.finalOffset === undefined
  if (finNews) {
    core.finalOffset = end
    // spec §7.8
    core.controls.drop(Control.MAX_DATA)
  }
  if (fresh > 0 || finNews) core.touch(now)
  if (fresh > 0 && core.readingStopped) {
    // spec §7.9
    const failure = { code: 'ECONNRESET', message: 'bytes came after this side stopped reading' }
    reset(core, now, { code: Code.CLOSED, reason: 'nobody reads', failure })
    return
  }
  if (core.in.contiguous > before) core.emit({ type: 'readable' })
  // spec §7.5
  const { contiguous, readOffset } = core.in
  if (core.finalOffset === undefined && core.window.widen(now, core.receivedEnd, readOffset, contiguous - readOffset)) {
    core.controls.want(Control.MAX_DATA)
  }
  // spec §8.4
  if (core.in.contiguous === core.finalOffset && (fresh > 0 || finNews) && core.ack.hasNews) core.ack.hurry(now)
}

function applyMaxData(core: Core, now: number, limit: number): void {
  if (limit <= core.sendLimit) return
  core.sendLimit = limit
  core.blockedAt = undefined
  core.controls.drop(Control.BLOCKED)
  core.touch(now)
}

function applyBlocked(core: Core, now: number, limit: number): void {
  if (core.finalOffset !== undefined || core.readingStopped) return
  // spec §7.5, §7.8: room that there is, or that the peer has not heard of.
  if (core.window.unblock(now, core.in.readOffset, core.in.readable)) core.controls.want(Control.MAX_DATA)
  else if (limit < core.window.limit) core.controls.ensure(Control.MAX_DATA)
}

function applyPrice(core: Core, now: number, frame: PriceFrame): void {
  const { packetMsat, kilobyteMsat } = frame
  const price = { packetMsat, kilobyteMsat }
  if (core.buyer?.learn(frame.serial, price) !== true) return
  core.emit({ type: 'price', packetMsat, kilobyteMsat })
  const { maxPacketPriceMsat, maxKilobytePriceMsat } = core.settings
  if (packetMsat <= maxPacketPriceMsat && kilobyteMsat <= maxKilobytePriceMsat) return
  // spec §12.6
  const message = `the peer asks ${packetPrice(price, 1_000)} msat for a packet of 1,000 bytes, which is more than is allowed`
  reset(core, now, { code: Code.PRICE, reason: 'too dear', failure: { code: 'ERR_KEYSOCK_PRICE', message } })
}

/** The peer's parameters are known: an initiator is connected (spec §6.1). */
function establish(core: Core, now: number, parameters: Parameters): void {
  if (core.peerParameters !== undefined) return
  learnParameters(core, parameters)
  if (core.state !== 'opening') return
  core.state = 'open'
  core.touch(now)
  core.emit({ type: 'connected' })
  deliverOpen(core, now)
  if (core.attempts.unconfirmed > 0) armProbe(core, now)
  if (core.identifyKey !== undefined && core.responderEphemeral !== undefined) {
    core.ask({ type: 'shared-secret', point: core.responderEphemeral })
  }
}

export function learnParameters(core: Core, parameters: Parameters): void {
  core.peerParameters = parameters
  core.peerAckDelayMs = parameters.ackDelayMs
  core.sendLimit = Math.max(core.sendLimit, parameters.maxData)
}

// An ANSWER tells that the OPEN was taken, with all that is in it.
function deliverOpen(core: Core, now: number): void {
  const { opening } = core
  if (opening === undefined) return
  opening.due = false
  opening.againAt = undefined
  opening.initiation = undefined
  if (opening.hasFin) core.finDelivered = true
  if (opening.hasFin) core.controls.drop(Control.FIN)
  core.out.markDelivered(0, opening.earlyEnd)
  for (const sent of [...core.attempts.flying(), ...core.attempts.settled()]) if (sent.open) deliver(core, now, sent)
  core.emit({ type: 'writable', bufferedBytes: core.out.buffered })
}
