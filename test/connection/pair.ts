/** Two machines without a medium: a test decides by hand what arrives and what becomes of each attempt. */
import { decodeFrames } from '../../src/wire/frame-reader.ts'
import { encodeFrames } from '../../src/wire/frame-writer.ts'
import type { Frame } from '../../src/wire/frames.ts'
import { completeInitiator, initiate, type Initiation } from '../../src/wire/handshake.ts'
import { ecdh, type MainKeys, paymentHash, preimage, publicKey } from '../../src/wire/keys.ts'
import { decodeHeader, openPacket, sealPacket } from '../../src/wire/packets.ts'
import type { Budget } from '../../src/transport/connection/budget.ts'
import { Connection } from '../../src/transport/connection/connection.ts'
import type { Lane } from '../../src/medium/payment.ts'
import type { Arrival } from '../../src/medium/arrival.ts'
import type {
  Allowance,
  Attempt,
  ConnectionEvent,
  ConnectionSettings,
  Grant,
  GrowWindow,
  Reception,
} from '../../src/transport/connection/interface.ts'
import { openOpen } from '../../src/transport/connection/opening.ts'
import { REFUSED, RICH, ROUTE, SETTINGS, WENT_WRONG } from './joined.ts'
import { randomFrom } from './random.ts'

const SECRET: Uint8Array = new Uint8Array(32).fill(7)
const RESPONDER: Uint8Array = publicKey(SECRET)
const CID: Uint8Array = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
export const START = 1_000_000
const HEIGHT = 800_000

const random = randomFrom(42)

export function grant(lane: Lane, recordBytes = 1_100, minAmountMsat = 1_000n): Grant {
  return {
    lane,
    route: { ...ROUTE, recordBytes, minAmountMsat },
    hedgeAfterMs: 5_000,
  }
}

/** Everything that a machine wants to send now, as attempts without an outcome. */
export function send(machine: Connection, now: number, most = 1_000, recordBytes = 1_100): Attempt[] {
  const attempts: Attempt[] = []
  while (attempts.length < most) {
    const want = machine.want(now)
    const attempt = want === undefined ? undefined : machine.transmit(now, grant(want.target.lane, recordBytes))
    if (attempt === undefined) return attempts
    attempts.push(attempt)
  }
  return attempts
}

/** A pair whose streams are done: `b` lingers. `data`: the packet of `a` with its last byte. */
export function lingeringPair(bytes: number): { readonly pair: Pair; readonly data: Attempt } {
  const pair = openPair()
  pair.a.write(pair.now, new Uint8Array(bytes))
  pair.a.finish(pair.now)
  const data = only(send(pair.a, pair.now))
  deliver(pair, 'a', data)
  readAll(pair.b, pair.now)
  pair.b.finish(pair.now)
  exchange(pair)
  return { pair, data }
}

/** The one attempt that these are. */
export function only(attempts: readonly Attempt[]): Attempt {
  const [attempt] = attempts
  if (attempt === undefined || attempts.length !== 1) throw new Error(`${attempts.length} attempts instead of one`)
  return attempt
}

export function arrivalOf(attempt: Attempt, pathId?: string): Arrival {
  const { lane, record, amountMsat, hash } = attempt
  return { lane, record, amountMsat, hash, ...(pathId === undefined ? {} : { pathId }) }
}

export function events(machine: Connection): ConnectionEvent[] {
  const found: ConnectionEvent[] = []
  for (let event = machine.pollEvent(); event !== undefined; event = machine.pollEvent()) found.push(event)
  return found
}

export function types(machine: Connection): string[] {
  return events(machine).map((event) => event.type)
}

/** Settings of a machine, who gives its window room, and in whose budget it pays. */
interface Settings extends Partial<ConnectionSettings> {
  readonly grow?: GrowWindow
  readonly peerBudget?: Budget
  readonly allowance?: Allowance
}

export function connect({ grow = () => true, peerBudget = RICH, ...settings }: Settings = {}): Connection {
  return Connection.connect({
    now: START,
    random: (length) => random.bytes(length),
    grow,
    settings: { ...SETTINGS, ...settings },
    peerBudget,
    responderKey: RESPONDER,
    connectionId: CID,
    port: 7,
    replies: { lane: 'phantom', paths: [{ pathId: 'a0', bytes: random.bytes(240), expiryHeight: HEIGHT + 144 }] },
    blockHeight: HEIGHT,
  })
}

export function accept(attempt: Attempt, options: Settings = {}, now: number = START): Connection {
  const { grow = () => true, peerBudget = RICH, allowance, ...settings } = options
  const sharedSecret = ecdh(SECRET, attempt.record.subarray(10, 43))
  const open = openOpen({ record: attempt.record, responderKey: RESPONDER, sharedSecret })
  if (open === undefined) throw new Error('the OPEN does not open')
  return Connection.accept({
    now,
    random: (length) => random.bytes(length),
    grow,
    settings: { ...SETTINGS, ...settings },
    peerBudget,
    responderKey: RESPONDER,
    open,
    arrival: arrivalOf(attempt),
    blockHeight: HEIGHT,
    ...(allowance === undefined ? {} : { allowance }),
  })
}

export interface Pair {
  readonly a: Connection
  readonly b: Connection
  /** Later than anything that happened. */
  now: number
}

/** Both open, nothing under way; data flows a to b on the node lane and back on the phantom lane. */
export function openPair(a: Settings = {}, b: Settings = {}): Pair {
  const initiator = connect(a)
  const [open] = send(initiator, START)
  if (open === undefined) throw new Error('no OPEN')
  const responder = accept(open, b)
  initiator.resolve(START, open.id, { status: 'settled', feeMsat: 0n })
  const pair = { a: initiator, b: responder, now: START + 20 }
  responder.wake(pair.now)
  exchange(pair)
  events(initiator)
  events(responder)
  return pair
}

/** Delivers one attempt and settles it. */
export function deliver(pair: Pair, from: 'a' | 'b', attempt: Attempt): Reception {
  const to = from === 'a' ? pair.b : pair.a
  const reception = to.arrive(pair.now, arrivalOf(attempt, from === 'b' ? 'a0' : undefined))
  const sender = from === 'a' ? pair.a : pair.b
  if (attempt.lane === 'node') sender.resolve(pair.now, attempt.id, { status: 'settled', feeMsat: 0n })
  else if (reception.action === 'settle') sender.resolve(pair.now, attempt.id, { status: 'delivered', feeMsat: 0n })
  else sender.resolve(pair.now, attempt.id, REFUSED)
  return reception
}

export function fail(pair: Pair, from: 'a' | 'b', attempt: Attempt): void {
  const sender = from === 'a' ? pair.a : pair.b
  sender.resolve(pair.now, attempt.id, WENT_WRONG)
}

/** Lets both send all they want, until they want nothing; what a reads and b reads. */
export function exchange(pair: Pair): { a: number; b: number } {
  const read = { a: 0, b: 0 }
  for (let rounds = 0; rounds < 100_000; rounds++) {
    const fromA = send(pair.a, pair.now, 16)
    for (const attempt of fromA) deliver(pair, 'a', attempt)
    const fromB = send(pair.b, pair.now, 16)
    for (const attempt of fromB) deliver(pair, 'b', attempt)
    if (fromA.length + fromB.length === 0) return read
  }
  throw new Error('the machines never come to rest')
}

export function readAll(machine: Connection, now: number): number {
  let bytes = 0
  for (let data = machine.read(now); data !== undefined; data = machine.read(now)) bytes += data.length
  return bytes
}

/** Goes to the next deadline of either, and lets them send; false when there is none. */
export function pass(pair: Pair, ms: number): void {
  const stop = pair.now + ms
  for (;;) {
    const next = Math.min(pair.a.deadline() ?? Infinity, pair.b.deadline() ?? Infinity)
    if (next > stop) break
    pair.now = next
    pair.a.wake(next)
    pair.b.wake(next)
    exchange(pair)
  }
  pair.now = stop
  pair.a.wake(stop)
  pair.b.wake(stop)
}

/** A peer made of wire functions alone, so that a test can send what no machine would. */
export class Stranger {
  readonly initiation: Initiation
  readonly machine: Connection
  keys: MainKeys | undefined
  number = 1

  /** Opens a connection to a fresh responder. */
  constructor(
    frames: readonly Frame[] = [],
    settings: Partial<ConnectionSettings> = {},
    { allowance, openMsat }: { readonly allowance?: Allowance; readonly openMsat?: bigint } = {},
  ) {
    const parameters = { maxData: 262_144, idleTimeoutMs: 1_800_000, ackDelayMs: 30_000 }
    const paths = [{ bytes: new Uint8Array(240), expiryHeight: HEIGHT + 144 }]
    this.initiation = initiate({
      responderKey: RESPONDER,
      cid: CID,
      ephemeralSecret: random.bytes(32),
      frames: encodeFrames([
        { type: 'open', port: 7, height: HEIGHT, parameters },
        { type: 'reply-paths', generation: 1, paths },
        ...frames,
      ]),
    })
    const open = openOpen({
      record: this.initiation.packet,
      responderKey: RESPONDER,
      sharedSecret: ecdh(SECRET, this.initiation.packet.subarray(10, 43)),
    })
    if (open === undefined) throw new Error('the OPEN does not open')
    this.machine = Connection.accept({
      now: START,
      random: (length) => random.bytes(length),
      grow: () => true,
      settings: { ...SETTINGS, ...settings },
      peerBudget: RICH,
      responderKey: RESPONDER,
      open,
      arrival: this.node(this.initiation.packet, openMsat),
      ...(allowance === undefined ? {} : { allowance }),
      blockHeight: HEIGHT,
    })
  }

  node(record: Uint8Array, amountMsat = 1_000n): Arrival {
    return { lane: 'node', record, amountMsat, hash: new Uint8Array(32) }
  }

  /** Reads e_r out of the first ANSWER. */
  handshake(now: number): MainKeys {
    if (this.keys !== undefined) return this.keys
    this.machine.wake(now)
    const [answer] = send(this.machine, now)
    if (answer === undefined) throw new Error('no ANSWER')
    this.keys = completeInitiator(this.initiation, answer.record.slice(1, 34))
    return this.keys
  }

  /** Reads e_r out of this ANSWER. */
  learn(answer: Attempt): void {
    this.keys = completeInitiator(this.initiation, answer.record.slice(1, 34))
  }

  /** An authentic DATA packet with any bytes as frames. */
  data(
    now: number,
    frames: Uint8Array | readonly Frame[],
    number: number = this.number++,
    amountMsat?: bigint,
  ): Arrival {
    const keys = this.handshake(now).toResponder
    const bytes = frames instanceof Uint8Array ? frames : encodeFrames(frames)
    return this.node(sealPacket({ kind: 'data', cid: CID, number }, keys, bytes), amountMsat)
  }

  /** The same packet as it would come over a path of the responder's. */
  phantom(now: number, frames: readonly Frame[], pathId: string): Arrival {
    const keys = this.handshake(now).toResponder
    const number = this.number++
    const record = sealPacket({ kind: 'data', cid: undefined, number }, keys, encodeFrames(frames))
    return { lane: 'phantom', record, amountMsat: 1_000n, hash: paymentHash(preimage(keys.settle, number, 0)), pathId }
  }

  /** The frames of an ANSWER or a REPLY. */
  read({ record }: Attempt): readonly Frame[] {
    if (this.keys === undefined) throw new Error('no keys yet')
    const header = decodeHeader(record, 'path')
    const opened = openPacket(record, header, this.keys.toInitiator)
    return opened === undefined ? [] : decodeFrames(opened)
  }
}
