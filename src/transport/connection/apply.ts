/** The effect of frames that were found valid. Each is idempotent (spec §5.12). */
import type { Arrival } from '../../medium/arrival.ts'
import type { Lane } from '../../medium/payment.ts'
import { Code } from '../../wire/errors.ts'
import type { Frame, PriceFrame, StreamFrame } from '../../wire/frames.ts'
import { packetPrice } from './credit.ts'
import type { Parts } from './parts.ts'
import { peerFailure } from './peer-failure.ts'

export function applyFrames(parts: Parts, now: number, frames: readonly Frame[], arrival: Arrival): void {
  const { life, money } = parts
  const creditMsat = frames.reduce((sum, frame) => (frame.type === 'credit' ? sum + frame.amountMsat : sum), 0n)
  let streamBytes = 0
  for (const frame of frames) {
    // A RESET or REFUSE among them ended it.
    const isLast = frame.type === 'reset' || frame.type === 'refuse'
    if (life.isClosed || (life.state === 'resetting' && !isLast)) return
    if (frame.type === 'stream') streamBytes += frame.data.length
    // spec §12.4: less money than it says; the rest of the packet counts all the same.
    if (frame.type === 'credit' && creditMsat > arrival.amountMsat) continue
    applyFrame(parts, now, frame, arrival.lane)
  }
  money.buyer?.consumed(streamBytes)
}

function applyFrame(parts: Parts, now: number, frame: Frame, lane: Lane): void {
  const { ack, handshake, idle, life, messages, money, outputs, reach, receive, recovery, refusals, send } = parts
  switch (frame.type) {
    case 'stream':
      applyStream(parts, now, frame)
      break
    case 'ack':
      recovery.acknowledged(now, frame)
      break
    case 'max-data':
      if (send.raiseLimit(frame.limit)) idle.active(now)
      break
    case 'blocked':
      receive.blocked(now, frame.limit)
      break
    case 'reply-paths':
      if (reach.learn(frame)) refusals.forget()
      break
    case 'ping':
      // spec §8.4: PING(1) on the phantom lane is answered by its settlement; PING(0) asks about earlier packets, too.
      if (lane === 'node' || !frame.keepalive) ack.hurry(now)
      if (frame.keepalive) idle.active(now)
      break
    case 'reset':
      life.peerReset(frame.code, frame.reason)
      break
    case 'refuse':
      life.close(peerFailure(frame.code, 'refuse', frame.reason))
      break
    case 'message':
      if (!messages.receive(frame.id)) break
      idle.active(now)
      outputs.emit({ type: 'message', id: frame.id.slice(), data: frame.data.slice() })
      break
    case 'price':
      applyPrice(parts, now, frame)
      break
    case 'credit':
      if (money.count(frame.id, frame.amountMsat)) idle.active(now)
      break
    case 'identify':
      handshake.identified(frame.key)
      break
    case 'accept':
      handshake.accepted(now, frame.parameters)
      break
    case 'open':
      break
  }
}

function applyStream({ life, receive }: Parts, now: number, frame: StreamFrame): void {
  if (receive.receive(now, frame)) return
  // spec §7.9: who reads no more is sent no more.
  const failure = { code: 'ECONNRESET', message: 'bytes came after this side stopped reading' }
  life.reset(now, { code: Code.CLOSED, reason: 'nobody reads', failure })
}

function applyPrice({ life, money, outputs, settings }: Parts, now: number, frame: PriceFrame): void {
  const { packetMsat, kilobyteMsat } = frame
  const price = { packetMsat, kilobyteMsat }
  if (money.buyer?.learn(frame.serial, price) !== true) return
  outputs.emit({ type: 'price', packetMsat, kilobyteMsat })
  if (packetMsat <= settings.maxPacketPriceMsat && kilobyteMsat <= settings.maxKilobytePriceMsat) return
  // spec §12.6: who does not pay the price resets.
  const message = `the peer asks ${packetPrice(price, 1_000)} msat for a packet of 1,000 bytes, which is more than is allowed`
  life.reset(now, { code: Code.PRICE, reason: 'too dear', failure: { code: 'ERR_KEYSOCK_PRICE', message } })
}
