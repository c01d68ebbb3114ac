/**
 * Live connections in each state, before a peer who has the right keys and means harm: the input says which packets
 * with which frames come, what becomes of payments, what the application does and how time goes.
 */
import { fromHex } from '../../../src/floor/bytes.ts'
import { Budget } from '../../../src/transport/connection/budget.ts'
import type { Connection } from '../../../src/transport/connection/connection.ts'
import type {
  Allowance,
  Attempt,
  ConnectionEvent,
  ConnectionRequest,
  ConnectionSettings,
  Reception,
} from '../../../src/transport/connection/interface.ts'
import { MAX_REQUESTS } from '../../../src/transport/connection/limits.ts'
import { openOpen } from '../../../src/transport/connection/opening.ts'
import { Code, ProtocolError } from '../../../src/wire/errors.ts'
import { encodeFrames } from '../../../src/wire/frame-writer.ts'
import type { Frame, Tariff } from '../../../src/wire/frames.ts'
import { completeResponder, initiate, respond } from '../../../src/wire/handshake.ts'
import { type DirectionKeys, ecdh, paymentHash, preimage, publicKey } from '../../../src/wire/keys.ts'
import { sealPacket } from '../../../src/wire/packets.ts'
import { NO_TARIFF } from '../../../src/wire/tariffs.ts'
import { must, onlyThrows, type Target } from '../../../tools/fuzz/target.ts'
import { SETTINGS } from '../../connection/joined.ts'
import { accept, arrivalOf, connect, grant, START, Stranger } from '../../connection/pair.ts'
import { validFrames } from '../../wire/frame-cases.ts'
import { frameStarts } from './wire.ts'

/** Attempts that a machine may make at one time and place: more is a loop. */
const MAX_AT_ONCE = 64
/** At the end, without any input: deadlines one after the other, and then hours, after which it has to be closed. */
const LAST_DEADLINES = 40
const LAST_HOURS = 72
const HOUR_MS = 3_600_000
const CAP_MSAT = 3_000_000n
/** Of the route of these tests, and what its least amount adds to a payment below it. */
const PAYMENT_FEE_MSAT = 2_000n
const DAY_MS = 86_400_000

/** Reads what the input says; zeros when it is used up. */
class Script {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isOver(): boolean {
    return this.#at >= this.#bytes.length
  }

  byte(): number {
    return this.#bytes[this.#at++] ?? 0
  }

  /** 0 to 2^16 - 1. */
  word(): number {
    return this.byte() * 256 + this.byte()
  }

  /** A byte says how many. */
  piece(): Uint8Array {
    const length = this.byte()
    const piece = this.#bytes.slice(this.#at, this.#at + length)
    this.#at += length
    return piece
  }

  /** Large and small ones: a mantissa of a byte and an exponent. */
  number(): number {
    return this.byte() * 2 ** (this.byte() % 46)
  }
}

const PRICED: Tariff = { ...NO_TARIFF, openingMsat: 2_000n, kilobyteMsat: 1_500n, packetMsat: 10n, secondMsat: 3n }

/** The settings that a byte stands for. */
function settingsOf(byte: number): ConnectionSettings {
  const isPriced = (byte & 1) !== 0
  return {
    ...SETTINGS,
    capMsat: (byte & 2) !== 0 ? CAP_MSAT : 10n ** 12n,
    tariff: isPriced ? PRICED : undefined,
    maxTariff: isPriced ? PRICED : NO_TARIFF,
    asksPrice: (byte & 4) !== 0,
    answers: (byte & 8) !== 0 ? 'caller' : 'own',
    maxAnswerMsat: (byte & 8) !== 0 ? 10_000n : 0n,
    creditLimitMsat: (byte & 16) !== 0 ? 5_000n : 0n,
    keepAliveMs: (byte & 32) !== 0 ? 60_000 : undefined,
    maxWindow: 1_048_576,
  }
}

/** What an endpoint advances (spec §12.11), counted. */
class CountedAllowance implements Allowance {
  leftMsat = 100_000n
  lentMsat = 0n

  draw(msat: bigint): boolean {
    if (msat > this.leftMsat) return false
    this.leftMsat -= msat
    this.lentMsat += msat
    return true
  }

  giveBack(msat: bigint): void {
    this.leftMsat += msat
    this.lentMsat -= msat
  }

  earned(): void {}
}

/** What the peer has to do with a machine: make packets of any frames under the right keys. */
interface Peer {
  readonly machine: Connection
  /** A record of these frames; undefined while the keys are not there. */
  packet(
    kind: number,
    number: number,
    frames: Uint8Array,
  ): { readonly record: Uint8Array; readonly settle: Uint8Array } | undefined
  /** The path that a packet comes over. */
  readonly pathId: string | undefined
  /** Keys can be read out of what it sends. */
  saw(attempt: Attempt): void
}

class Play {
  readonly #script: Script
  readonly #settings: ConnectionSettings
  readonly #allowance: CountedAllowance | undefined
  readonly #peer: Peer
  readonly #machine: Connection
  readonly #open: Attempt[] = []
  readonly #prices: number[] = []
  readonly #requests: ConnectionRequest[] = []
  #requested: number[] = []
  #now = START + 20
  #number = 1
  #hashes = 0
  /** All that came, also what was refused: the most that a caller can have paid. */
  #receivedMsat: bigint
  readonly #openMsat: bigint
  /** What the application paid, with fees. */
  #ownMsat = 0n
  #hasEnded = false
  #hasFinished = false
  #isClosed = false
  #paths = 0

  constructor(
    script: Script,
    {
      peer,
      settings,
      allowance,
      openMsat,
    }: { peer: Peer; settings: ConnectionSettings; allowance?: CountedAllowance; openMsat: bigint },
  ) {
    this.#script = script
    this.#peer = peer
    this.#machine = peer.machine
    this.#settings = settings
    this.#allowance = allowance
    this.#receivedMsat = openMsat
    this.#openMsat = openMsat
  }

  run(): void {
    this.#after()
    while (!this.#script.isOver) {
      this.#act()
      this.#after()
    }
    this.#end()
  }

  #act(): void {
    const script = this.#script
    const op = script.byte()
    switch (op % 16) {
      case 0:
      case 1:
      case 2:
      case 3:
        return this.#packet(op >> 4, script.piece())
      case 4:
        return this.#arrive(script.piece(), undefined, 1_000n, 'node')
      case 5:
        return this.#outcome(op >> 4)
      case 6:
        return this.#pass(
          op >> 4 === 0 ? script.number() : Math.max(0, (this.#machine.deadline() ?? this.#now) - this.#now),
        )
      case 7:
        return this.#write(script.word())
      case 8:
        this.#hasFinished = true
        return this.#machine.finish(this.#now)
      case 9:
        return this.#read(op >> 4)
      case 10:
        return this.#money(op >> 4)
      case 11:
        return this.#answer()
      case 12:
        return this.#application(op >> 4)
      case 13:
        return this.#machine.blockHeight(this.#now, 800_000 + script.byte())
      case 14:
        return this.#machine.configure(this.#now, { capMsat: BigInt(script.number()) })
      default:
        for (const { id } of this.#open.splice(0)) this.#resolve(id, 'settled')
    }
  }

  /** A packet of any frames, with the number that is next, or another one. */
  #packet(how: number, frames: Uint8Array): void {
    if ((how & 1) !== 0) this.#number = Math.max(0, this.#number + ((this.#script.byte() << 24) >> 24))
    const amountMsat = (how & 2) === 0 ? 1_000n : BigInt(this.#script.number())
    const number = this.#number++
    const made = this.#peer.packet(how >> 2, number, frames)
    if (made === undefined) return
    const hash = (how & 4) === 0 ? paymentHash(preimage(made.settle, number, 0)) : undefined
    this.#arrive(made.record, hash, amountMsat, (how & 8) === 0 ? 'node' : 'phantom')
  }

  #arrive(record: Uint8Array, hash: Uint8Array | undefined, amountMsat: bigint, lane: 'node' | 'phantom'): void {
    const { pathId } = this.#peer
    const before = this.#machine.stats.packetsReceived
    const reception: Reception = this.#machine.arrive(this.#now, {
      lane: pathId === undefined ? lane : 'phantom',
      record,
      amountMsat,
      hash: hash ?? new Uint8Array(32).fill(this.#hashes++),
      ...(pathId === undefined ? {} : { pathId }),
    })
    if (reception.action === 'refuse') must(this.#machine.stats.packetsReceived === before, 'refused, and counted')
    // What came counts at most once here; the machine knows copies better.
    this.#receivedMsat += amountMsat
  }

  #resolve(id: number, how: 'settled' | 'delivered' | 'failed' | 'unknown'): void {
    const machine = this.#machine
    if (how === 'failed') {
      machine.resolve(this.#now, id, { status: 'failed', reason: 'temporary-channel-failure', place: 'route' })
    } else if (how === 'unknown') machine.resolve(this.#now, id, { status: 'unknown' })
    else machine.resolve(this.#now, id, { status: how, feeMsat: 0n })
  }

  #outcome(how: number): void {
    const [attempt] = this.#open.splice(this.#script.byte() % Math.max(1, this.#open.length), 1)
    if (attempt === undefined) return
    const { id, lane } = attempt
    if (how === 1) {
      const code = this.#script.number()
      const refusal = { status: 'failed', reason: 'refused', place: 'destination', code } as const
      return this.#machine.resolve(this.#now, id, refusal)
    }
    if (how === 2) {
      this.#resolve(id, 'unknown')
      this.#open.push(attempt)
    } else this.#resolve(id, how === 3 ? 'failed' : lane === 'node' ? 'settled' : 'delivered')
  }

  #pass(ms: number): void {
    this.#now += Math.min(Math.ceil(ms), DAY_MS)
    this.#machine.wake(this.#now)
  }

  #write(bytes: number): void {
    const { unsentBytes, sendAheadBytes } = this.#machine
    // As the socket does: it holds its writers back.
    if (!this.#hasEnded && !this.#hasFinished && unsentBytes < sendAheadBytes)
      this.#machine.write(this.#now, new Uint8Array(bytes))
  }

  #read(most: number): void {
    for (let i = 0; i <= most && this.#machine.read(this.#now) !== undefined; i++);
  }

  #money(how: number): void {
    const machine = this.#machine
    const amountMsat = BigInt(this.#script.number())
    if (this.#hasEnded) return
    if (how === 0) {
      this.#ownMsat += amountMsat + PAYMENT_FEE_MSAT
      machine.pay(this.#now, { kind: 0, reference: 0, amountMsat, note: 'x' })
    } else if (how === 1) onlyThrows([RangeError], () => machine.request(this.#now, amountMsat, 'y'))
    else if (how === 2) machine.decline(this.#now, this.#requested.shift() ?? 1, 'no')
    else if (how === 3 && machine.role === 'responder')
      machine.setTariff(this.#now, { ...PRICED, kilobyteMsat: amountMsat })
    else machine.arrivalConfirmed(this.#now, 0n, new Uint8Array(32))
  }

  /** Answers a question that the machine has asked. */
  #answer(): void {
    const isYes = this.#script.byte() % 2 === 0
    const serial = this.#prices.shift()
    if (serial !== undefined) this.#machine.answerPrice(this.#now, serial, isYes)
    const request = this.#requests.shift()
    if (request?.type === 'paths' && isYes) {
      const path = { pathId: `b${this.#paths++}`, bytes: new Uint8Array(240), expiryHeight: 800_144 }
      this.#machine.providePaths(this.#now, [path], 2_000n)
    } else if (request?.type === 'paths') this.#machine.pathsFailed(this.#now, 'none can be made')
    if (request?.type === 'shared-secret') this.#machine.provideSecret(this.#now, new Uint8Array(32).fill(3))
  }

  #application(how: number): void {
    const machine = this.#machine
    if (how === 0) machine.reset(this.#now, Code.CANCELLED, '')
    else if (how === 1) machine.stopReading(this.#now)
    else if (how === 2) machine.ping(this.#now)
    else if (how === 3) machine.pathsStale(this.#now, ['a0'])
    else
      onlyThrows([RangeError], () =>
        machine.sendMessage(this.#now, new Uint8Array(16).fill(this.#script.byte()), this.#script.piece()),
      )
  }

  /** What its owner does after every input, and what must hold then. */
  #after(): void {
    const machine = this.#machine
    machine.checkInvariant(this.#now)
    this.#drain()
    for (let sent = 0; ; sent++) {
      must(sent < MAX_AT_ONCE || this.#open.length > 0, 'it sends without end')
      if (sent >= MAX_AT_ONCE) break
      const want = machine.want(this.#now)
      const attempt = want === undefined ? undefined : machine.transmit(this.#now, grant(want.target.lane))
      if (attempt === undefined) break
      must(attempt.record.length <= 1_100, 'a record that is larger than its route takes')
      this.#open.push(attempt)
      this.#peer.saw(attempt)
    }
    this.#drain()
    machine.checkInvariant(this.#now)
    this.#checkMoney()
    const deadline = machine.deadline()
    must(deadline === undefined || Number.isFinite(deadline), 'a deadline that is no time')
    must(
      !this.#isClosed || (machine.want(this.#now) === undefined && deadline === undefined),
      'closed, and not at rest',
    )
    must(machine.readableBytes <= 2 * 1_048_576 + 262_144, 'more is kept than the window lets come')
  }

  #drain(): void {
    for (let event = this.#machine.pollEvent(); event !== undefined; event = this.#machine.pollEvent())
      this.#told(event)
    for (let asked = this.#machine.pollRequest(); asked !== undefined; asked = this.#machine.pollRequest()) {
      if (asked.type !== 'close-paths') this.#requests.push(asked)
    }
    must(this.#requests.length <= MAX_AT_ONCE, 'questions without end')
  }

  #told(event: ConnectionEvent): void {
    must(!this.#isClosed, `'${event.type}' after 'closed'`)
    must(!this.#hasEnded || event.type === 'closed', `'${event.type}' after 'ended'`)
    if (event.type === 'ended') this.#hasEnded = true
    if (event.type === 'closed') this.#isClosed = true
    if (event.type === 'price-asked') this.#prices.push(event.serial)
    if (event.type === 'requested') {
      this.#requested.push(event.id)
      this.#requested = this.#requested.slice(-MAX_REQUESTS)
    }
  }

  /** spec §12.2, §12.11: no cap is passed, and what a caller has not paid for is not said. */
  #checkMoney(): void {
    const { spentMsat, reservedMsat, capMsat } = this.#machine.account
    must(spentMsat >= 0n && reservedMsat >= 0n, 'an account below nothing')
    if (this.#machine.role === 'responder' && this.#allowance !== undefined) {
      const { leftMsat, lentMsat } = this.#allowance
      must(leftMsat >= 0n && lentMsat >= 0n && leftMsat + lentMsat === 100_000n, 'an advance that is not accounted for')
      must(lentMsat <= this.#openMsat, 'an advance beyond what the OPEN paid')
      const most = this.#receivedMsat + this.#ownMsat + this.#settings.creditLimitMsat + lentMsat
      const isCallers = this.#settings.answers === 'caller'
      must(!isCallers || spentMsat + reservedMsat <= most, 'more is said than was paid for')
    }
    // A cap may be set below what was spent.
    if (capMsat === this.#settings.capMsat) must(spentMsat + reservedMsat <= capMsat, 'a cap was passed')
  }

  /** The peer is gone: whatever was, it comes to its end by its timers, and gives back what it reserved. */
  #end(): void {
    for (let i = 0; i < LAST_DEADLINES + LAST_HOURS && !this.#isClosed; i++) {
      for (const { id } of this.#open.splice(0)) this.#resolve(id, 'failed')
      while (this.#prices.length + this.#requests.length > 0) {
        const serial = this.#prices.shift()
        if (serial !== undefined) this.#machine.answerPrice(this.#now, serial, false)
        const request = this.#requests.shift()
        if (request?.type === 'paths') this.#machine.pathsFailed(this.#now, 'none can be made')
        if (request?.type === 'shared-secret') this.#machine.secretFailed(this.#now, 'none')
      }
      this.#after()
      const deadline = this.#machine.deadline()
      if (deadline === undefined) break
      this.#now = i < LAST_DEADLINES ? deadline : Math.max(deadline, this.#now + HOUR_MS)
      this.#machine.wake(this.#now)
      this.#after()
    }
    for (const { id } of this.#open.splice(0)) this.#resolve(id, 'failed')
    this.#drain()
    must(this.#isClosed, `it never ends: ${this.#machine.state}`)
    must(this.#machine.account.reservedMsat === 0n, 'something is still reserved')
    must(this.#allowance === undefined || this.#allowance.lentMsat >= 0n, 'an advance below nothing')
  }
}

const PATH = fromHex('aa'.repeat(240))
const FRAMES: readonly Uint8Array[] = [
  ...validFrames.map(({ hex }) => fromHex(hex)),
  encodeFrames([{ type: 'stream', offset: 0, data: new Uint8Array(50), fin: true }]),
  encodeFrames([{ type: 'stream', offset: 100, data: new Uint8Array(50), fin: false }]),
  encodeFrames([{ type: 'reply-paths', generation: 2, paths: [{ bytes: PATH.slice(0, 30), expiryHeight: 800_144 }] }]),
  encodeFrames([{ type: 'ack', delivered: 0, ranges: [{ smallest: 0, largest: 1 }] }]),
].filter((frames) => frames.length < 200)

function step(code: number, how: number, ...bytes: readonly (number | Uint8Array)[]): Uint8Array {
  return Buffer.concat([
    Uint8Array.of((how << 4) | code),
    ...bytes.map((each) =>
      typeof each === 'number' ? Uint8Array.of(each) : Buffer.concat([Uint8Array.of(each.length), each]),
    ),
  ])
}

/** Ways through a connection, one step after the other; the first byte is that of the settings. */
function seedsOf(): readonly Uint8Array[] {
  const settle = step(15, 0)
  const quiet = [step(7, 0, 4, 0), settle, step(9, 3), step(6, 1), settle, step(8, 0), settle, step(6, 1), step(6, 1)]
  const conversations = [0, 1, 2, 4, 8, 9, 24, 32, 63].map((byte) => [
    Uint8Array.of(byte),
    ...quiet,
    step(0, 0, FRAMES[0] ?? PATH),
    step(10, 0, 9, 9),
    step(10, 1, 9, 9),
    step(11, 0, 0),
    step(12, 4, 1, new Uint8Array(5)),
    step(12, 0),
  ])
  const each = FRAMES.map((frames, i) => [
    Uint8Array.of(i % 64),
    settle,
    step(0, 0, frames),
    settle,
    step(0, 2, frames, 9, 9),
    step(11, 0, 0),
  ])
  return [...conversations, ...each].map((parts) => Buffer.concat(parts))
}

/** Where steps begin, about: at what looks like one. */
function stepStarts(input: Uint8Array): readonly number[] {
  const starts: number[] = []
  for (let at = 1; at < input.length;) {
    starts.push(at)
    const code = (input[at] ?? 0) % 16
    at +=
      code < 5
        ? 2 + (input[at + 1] ?? 0)
        : code === 7 || code === 10 || code === 14
          ? 3
          : code === 5 || code === 11 || code === 13
            ? 2
            : 1
    if (code < 4) for (const start of frameStarts(input.subarray(at, at))) starts.push(start)
  }
  return starts
}

const OPEN_MSAT = 9_000n

/** One who listens; the peer is whoever connected to it. */
const responder: Target = {
  name: 'responder',
  maxBytes: 600,
  runsInCi: 250,
  seeds: seedsOf,
  fields: stepStarts,
  run(input) {
    const script = new Script(input)
    const settings = settingsOf(script.byte())
    const allowance = new CountedAllowance()
    const stranger = new Stranger([], settings, { allowance, openMsat: OPEN_MSAT })
    const { initiation, machine } = stranger
    const CID = initiation.packet.slice(1, 9)
    const peer: Peer = {
      machine,
      pathId: undefined,
      packet(kind, number, frames) {
        const isEarly = kind % 2 === 1 || stranger.keys === undefined
        const keys = isEarly ? initiation.early : stranger.keys?.toResponder
        return keys === undefined
          ? undefined
          : sealed(keys, { kind: isEarly ? 'early' : 'data', cid: CID, number }, frames)
      },
      saw(attempt) {
        if (stranger.keys === undefined && (attempt.record[0] ?? 0) % 8 === 3) stranger.learn(attempt)
      },
    }
    new Play(script, { peer, settings, allowance, openMsat: OPEN_MSAT }).run()
  },
}

type Header = Parameters<typeof sealPacket>[0]

function sealed(
  keys: DirectionKeys,
  header: Header,
  frames: Uint8Array,
): { record: Uint8Array; settle: Uint8Array } | undefined {
  const record = onlyThrows([RangeError], () => sealPacket(header, keys, frames))
  return record === undefined ? undefined : { record, settle: keys.settle }
}

const SECRET = new Uint8Array(32).fill(7)
const KEY = publicKey(SECRET)
const EPHEMERAL = new Uint8Array(32).fill(5)

/** One who connects; the peer is the one that it connects to. */
const initiator: Target = {
  name: 'initiator',
  maxBytes: 600,
  runsInCi: 250,
  seeds: seedsOf,
  fields: stepStarts,
  run(input) {
    const script = new Script(input)
    const settings = settingsOf(script.byte())
    const machine = connect({ ...settings, peerBudget: new Budget(10n ** 30n, undefined) })
    let main: ReturnType<typeof completeResponder> | undefined
    const peer: Peer = {
      machine,
      pathId: 'a0',
      packet(kind, number, frames) {
        if (main === undefined) return undefined
        const { toInitiator } = main.main
        const header: Header =
          kind % 2 === 1
            ? { kind: 'reply', cid: undefined, number }
            : { kind: 'answer', cid: undefined, ephemeral: main.ephemeral, number }
        return sealed(toInitiator, header, frames)
      },
      saw({ record }) {
        if (main !== undefined || (record[0] ?? 0) % 8 !== 0) return
        const ephemeral = record.slice(10, 43)
        const response = respond({
          responderKey: KEY,
          cid: record.slice(1, 9),
          ephemeral,
          sharedSecret: ecdh(SECRET, ephemeral),
          sealed: record.subarray(43),
        })
        if (response === undefined) throw new Error('finding: an OPEN that does not open')
        main = completeResponder(response, EPHEMERAL)
      },
    }
    new Play(script, { peer, settings, openMsat: 0n }).run()
  },
}

const CID = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)

/** The frames of an OPEN under the right key; then the connection that it makes, to its end. */
const opening: Target = {
  name: 'opening',
  maxBytes: 1_200,
  runsInCi: 250,
  fields: frameStarts,
  seeds: () => {
    const parameters = { maxData: 262_144, idleTimeoutMs: 1_800_000, ackDelayMs: 30_000 }
    const open: Frame = { type: 'open', port: 7, height: 800_000, parameters }
    const paths: Frame = { type: 'reply-paths', generation: 1, paths: [{ bytes: PATH, expiryHeight: 800_144 }] }
    return [
      encodeFrames([open, paths, { type: 'stream', offset: 0, data: new Uint8Array(9), fin: true }]),
      encodeFrames([{ ...open, parameters: { ...parameters, directReply: KEY, maxData: 300_000 } }]),
      encodeFrames([{ ...open, parameters: { ...parameters, identity: { key: KEY, proof: SECRET } } }, paths]),
      encodeFrames([open]),
    ]
  },
  run(input) {
    const initiation = onlyThrows([RangeError], () =>
      initiate({ responderKey: KEY, cid: CID, ephemeralSecret: EPHEMERAL, frames: input }),
    )
    if (initiation === undefined) return
    const record = initiation.packet
    const shared = ecdh(SECRET, record.subarray(10, 43))
    const open = onlyThrows([ProtocolError], () => openOpen({ record, responderKey: KEY, sharedSecret: shared }))
    if (open === undefined) return
    const attempt = {
      id: 1,
      lane: 'node',
      reason: 'control',
      routeId: 'r',
      record,
      amountMsat: OPEN_MSAT,
      feeMsat: 0n,
      hash: new Uint8Array(32),
    } as const
    must(arrivalOf(attempt).record === record, 'another record')
    const settings = settingsOf(input.length % 64)
    const machine = accept(attempt, settings)
    const peer: Peer = { machine, pathId: undefined, packet: () => undefined, saw: () => undefined }
    new Play(new Script(new Uint8Array()), { peer, settings, openMsat: OPEN_MSAT }).run()
  },
}

export const targets: readonly Target[] = [responder, initiator, opening]
