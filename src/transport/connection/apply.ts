/** The effect of frames that were found valid. Each is idempotent (spec §5.12). */
import type { Arrival } from '../../medium/arrival.ts'
import type { Lane } from '../../medium/payment.ts'
import { Code } from '../../wire/errors.ts'
import type { Frame, StreamFrame } from '../../wire/frames.ts'
import type { Parts } from './parts.ts'
import { peerFailure } from './peer-failure.ts'
import { isEmpty } from './receive-stream.ts'

/** What a responder says of money. */
type BillingFrame = Extract<Frame, { readonly type: 'bill' | 'cost' | 'receipt' }>

export function applyFrames(parts: Parts, now: number, frames: readonly Frame[], arrival: Arrival): void {
  const { life, money, receive } = parts
  const { finalOffset, receivedBytes } = receive
  let hasStream = false
  for (const frame of frames) {
    // A RESET or REFUSE among them ended it.
    const isLast = frame.type === 'reset' || frame.type === 'refuse'
    if (life.isClosed || (life.state === 'resetting' && !isLast)) return
    if (frame.type === 'stream' && !isEmpty(frame)) hasStream = true
    applyFrame(parts, now, frame, arrival.lane)
  }
  applyPayments(parts, now, frames, arrival)
  money.seller?.uploaded(receive.receivedBytes)
  const isUseful = receive.receivedBytes > receivedBytes || receive.finalOffset !== finalOffset
  money.buyer?.answers.came(isUseful)
  // spec §12.3: what carries none of the stream costs nothing.
  if (hasStream) money.buyer?.packetCame(isUseful)
}

function applyFrame(parts: Parts, now: number, frame: Frame, lane: Lane): void {
  const { ack, handshake, idle, life, messages, money, payments, reach, receive, recovery, refusals, send } = parts
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
      if (!money.tell({ type: 'message', id: frame.id.slice(), data: frame.data.slice() })) leaveUnpaid(parts, now)
      break
    case 'price':
      money.learn(now, frame)
      break
    case 'agree':
      money.seller?.agree(frame.serial)
      break
    case 'bill':
    case 'cost':
    case 'receipt':
      applyBilling(parts, now, frame)
      break
    case 'request':
      payments.requested(now, frame)
      break
    case 'decline':
      payments.declined(frame)
      break
    case 'surplus':
      money.surplusClaimed(frame.amountMsat)
      break
    // All of a packet count together.
    case 'payment':
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

function applyBilling({ money }: Parts, now: number, frame: BillingFrame): void {
  if (frame.type === 'bill') money.billed(now, frame.dueMsat)
  else if (frame.type === 'cost') money.answersCost(now, frame.dueMsat)
  else money.buyer?.counted(frame)
}

// spec §12.9: where they say more than came, none of them counts.
function applyPayments({ life, payments }: Parts, now: number, all: readonly Frame[], arrival: Arrival): void {
  const frames = all.filter((frame) => frame.type === 'payment')
  if (frames.length === 0 || life.isClosed || life.state === 'resetting') return
  if (paymentsMsat(frames) <= arrival.amountMsat) payments.came(now, frames, arrival)
}

/** What the PAYMENTs among them say together. */
export function paymentsMsat(frames: readonly Frame[]): bigint {
  return frames.reduce((sum, frame) => (frame.type === 'payment' ? sum + frame.amountMsat : sum), 0n)
}

function applyStream({ life, receive }: Parts, now: number, frame: StreamFrame): void {
  if (receive.receive(now, frame)) return
  // spec §7.9: who reads no more is sent no more.
  const failure = { code: 'ECONNRESET', message: 'bytes came after this side stopped reading' }
  life.reset(now, { code: Code.CLOSED, reason: 'nobody reads', failure })
}

// spec §12.4: who pays for no datagram is not kept waiting for ever.
function leaveUnpaid({ life }: Parts, now: number): void {
  const failure = { code: 'ERR_KEYSOCK_PRICE', message: 'the other side did not pay for its messages' }
  life.reset(now, { code: Code.PRICE, reason: 'not paid', failure })
}
