/**
 * Two machines joined by a seeded, adversarial medium in virtual time: payments that fail, hang for hours,
 * land late, overtake each other, come twice; packets that settle and are never read; verdicts and outcomes
 * that are lost. A stand-in for the peer object grants attempts. The same seed gives the same trace.
 */
import { randomFrom, type Random } from './random.ts'
import { toHex } from '../../src/floor/bytes.ts'
import { Code } from '../../src/wire/errors.ts'
import { ecdh, publicKey } from '../../src/wire/keys.ts'
import { NO_TARIFF } from '../../src/wire/tariffs.ts'
import { Budget } from '../../src/transport/connection/budget.ts'
import { Connection } from '../../src/transport/connection/connection.ts'
import type { PaymentFailure, PaymentOutcome } from '../../src/medium/payment.ts'
import type { ReplyPath } from '../../src/medium/reply-path.ts'
import type { Route } from '../../src/medium/route.ts'
import type { Arrival } from '../../src/medium/arrival.ts'
import type {
  Allowance,
  Attempt,
  ConnectionEvent,
  ConnectionSettings,
  Grant,
  Reception,
  Want,
} from '../../src/transport/connection/interface.ts'
import { openOpen } from '../../src/transport/connection/opening.ts'

/** 'phantom': over paths both ways; 'unblinded': to the phantom of the responder's node, and back over paths. */
export type Lanes = 'replies-phantom' | 'direct' | 'phantom' | 'unblinded'
export type Side = 'a' | 'b'

export interface Medium {
  /** ms from sending to the outcome: between these. */
  readonly latency: readonly [number, number]
  /** Shares of attempts, 0 to 1. */
  readonly fail: number
  readonly hang: number
  readonly repeat: number
  readonly unread: number
  readonly outcomeLost: number
  readonly verdictLost: number
  readonly refuse: number
  /** ms that a hanging attempt hangs: between these. It lands, or fails, at the end. */
  readonly hangs: readonly [number, number]
  readonly recordBytes: readonly [number, number]
  readonly inFlight: number
}

const CALM: Medium = {
  latency: [200, 400],
  fail: 0,
  hang: 0,
  repeat: 0,
  unread: 0,
  outcomeLost: 0,
  verdictLost: 0,
  refuse: 0,
  hangs: [60_000, 7_200_000],
  recordBytes: [900, 1_206],
  inFlight: 32,
}

export const SETTINGS: ConnectionSettings = {
  idleTimeoutMs: 1_800_000,
  connectTimeoutMs: 120_000,
  keepAliveMs: undefined,
  noDelay: false,
  capMsat: 10n ** 12n,
  initialWindow: 262_144,
  maxWindow: 16_777_216,
  maxTariff: NO_TARIFF,
  asksPrice: false,
  tariff: undefined,
  creditLimitMsat: 0n,
  maxAnswerMsat: 0n,
  answers: 'own',
}

/** A budget of the peer that stands against nothing: what is tried is the connection's own cap. */
export const RICH: Budget = new Budget(10n ** 30n, undefined)

const PORT = 7
const SECRET = new Uint8Array(32).fill(7)
const RESPONDER = publicKey(SECRET)
const DIRECT = publicKey(new Uint8Array(32).fill(9))
const HEDGE_AFTER_MS = 5_000

export const ROUTE: Route = {
  id: 'route',
  recordBytes: 1_100,
  minAmountMsat: 1_000n,
  maxAmountMsat: 10n ** 9n,
  feeBaseMsat: 1_000n,
  feePpm: 0,
  channels: ['x'],
  firstChannelSlots: 483,
  cltvDelta: 80,
}

/** The receiving process, or what cannot be told from it, turned the packet down. */
export const REFUSED: PaymentFailure = { status: 'failed', reason: 'refused', place: 'destination' }
/** A relay failed it. */
export const WENT_WRONG: PaymentFailure = { status: 'failed', reason: 'temporary-channel-failure', place: 'route' }

export interface JoinedOptions {
  readonly seed: number
  readonly lanes?: Lanes
  readonly medium?: Partial<Medium>
  readonly a?: Partial<ConnectionSettings>
  readonly b?: Partial<ConnectionSettings>
  readonly refuse?: { code: Code; reason: string }
  readonly identify?: { publicKey: Uint8Array; secret: (point: Uint8Array) => Uint8Array }
  /** Called for every attempt; may change what becomes of it. */
  readonly fate?: (attempt: Attempt, from: Side, joined: Joined) => Fate | undefined
  /** Invariants after every step; off for long bulk runs. */
  readonly check?: boolean
  readonly keepTrace?: boolean
  readonly noPaths?: boolean
  /** Fee of each packet of `b`'s, msat; that of the route of all tests where it is left out. */
  readonly feeBaseMsat?: bigint
  /** What the endpoint of `b` advances for answers; with `b: { answers: 'caller' }`. */
  readonly allowance?: Allowance
  /** Called after every step. */
  readonly watch?: (joined: Joined) => void
}

/** What becomes of an attempt. Times are ms after sending. */
export interface Fate {
  /** It reaches the other side. */
  readonly arrives: boolean
  readonly afterMs: number
  /** It settles but the process never reads it. */
  readonly unread?: boolean
  readonly repeated?: boolean
  /** Phantom lane: taken, but the payer sees it fail. */
  readonly verdictLost?: boolean
  /** 'unknown' first, the truth so much later. */
  readonly unknownForMs?: number
  readonly refused?: boolean
}

interface Step {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/** One end, and what its application saw. */
export class End {
  readonly side: Side
  machine: Connection | undefined
  readonly events: ConnectionEvent[] = []
  read: Uint8Array[] = []
  readBytes = 0
  inFlight = 0
  packets = 0
  hedges = 0
  /** Reads at once; false: only when told to. */
  reads = true
  /** The peer object grants nothing. */
  stopped = false
  paths = 0
  closedPaths: string[] = []
  verdicts: Map<string, Reception> = new Map()
  early: Arrival[] = []
  wakeAt: number | undefined

  constructor(side: Side) {
    this.side = side
  }

  has(type: ConnectionEvent['type']): boolean {
    return this.events.some((event) => event.type === type)
  }

  get ended(): Extract<ConnectionEvent, { type: 'ended' }> | undefined {
    return this.events.find((event) => event.type === 'ended')
  }

  get connection(): Connection {
    if (this.machine === undefined) throw new Error(`end ${this.side} does not exist yet`)
    return this.machine
  }
}

export class Joined {
  now = 1_000_000
  readonly random: Random
  readonly a: End = new End('a')
  readonly b: End = new End('b')
  readonly medium: Medium
  readonly lanes: Lanes
  readonly options: JoinedOptions
  readonly hashes: Set<string> = new Set()
  readonly attempts: { from: Side; attempt: Attempt; at: number }[] = []
  height = 800_000
  steps = 0
  trace: string[] = []
  traceHash = 0
  readonly #queue: Step[] = []
  #order = 0
  #pumping = false

  constructor(options: JoinedOptions) {
    this.options = options
    this.random = randomFrom(options.seed)
    this.medium = { ...CALM, ...options.medium }
    this.lanes = options.lanes ?? 'replies-phantom'
    const connectionId = this.random.bytes(8)
    this.a.machine = Connection.connect({
      now: this.now,
      random: (length) => this.random.bytes(length),
      grow: () => true,
      settings: { ...SETTINGS, ...options.a },
      peerBudget: RICH,
      responderKey: RESPONDER,
      connectionId,
      port: PORT,
      lane: this.lanes === 'unblinded' ? 'phantom' : 'node',
      replies:
        this.lanes === 'direct'
          ? { lane: 'direct', publicKey: DIRECT }
          : { lane: 'phantom', paths: options.noPaths === true ? [] : this.makePaths(this.a) },
      blockHeight: this.height,
      ...(options.identify === undefined ? {} : { identify: { publicKey: options.identify.publicKey } }),
    })
    this.pump()
  }

  end(side: Side): End {
    return side === 'a' ? this.a : this.b
  }

  note(line: string): void {
    if (this.options.keepTrace === true) this.trace.push(`${this.now} ${line}`)
    let hash = this.traceHash
    for (let i = 0; i < line.length; i++) hash = (Math.imul(hash, 31) + line.charCodeAt(i) + this.now) | 0
    this.traceHash = hash
  }

  makePaths(end: End): ReplyPath[] {
    return [0, 1].map(() => {
      const pathId = `${end.side}${end.paths++}`
      return { pathId, bytes: this.random.bytes(240), expiryHeight: this.height + 144 }
    })
  }

  /** Runs `run` after `ms`. */
  after(ms: number, run: () => void): void {
    const step = { at: this.now + ms, order: this.#order++, run }
    const queue = this.#queue
    queue.push(step)
    let index = queue.length - 1
    while (index > 0) {
      const parent = (index - 1) >>> 1
      if (!before(step, queue[parent])) break
      queue[index] = queue[parent] ?? step
      index = parent
    }
    queue[index] = step
  }

  #next(): Step | undefined {
    const queue = this.#queue
    const head = queue[0]
    const tail = queue.pop()
    if (head === undefined || tail === undefined || queue.length === 0) return head
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= queue.length) break
      if (child + 1 < queue.length && before(queue[child + 1], queue[child])) child++
      if (!before(queue[child], tail)) break
      queue[index] = queue[child] ?? tail
      index = child
    }
    queue[index] = tail
    return head
  }

  /** Goes on until `until` holds, nothing is left, or `ms` have passed. True when `until` held. */
  run(ms: number, until: () => boolean = () => false): boolean {
    const stop = this.now + ms
    while (!until()) {
      const wakeAt = Math.min(this.#wakeTime(this.a), this.#wakeTime(this.b))
      const stepAt = this.#queue[0]?.at ?? Infinity
      const at = Math.min(wakeAt, stepAt)
      if (at > stop) {
        this.now = stop
        return until()
      }
      this.now = Math.max(this.now, at)
      if (stepAt <= wakeAt) this.#next()?.run()
      else for (const end of [this.a, this.b]) if (this.#wakeTime(end) <= this.now) end.connection.wake(this.now)
      if (++this.steps > 3_000_000) throw new Error('the run does not end')
      this.pump()
    }
    return true
  }

  #wakeTime(end: End): number {
    return end.machine?.deadline() ?? Infinity
  }

  /** Does what both machines want, until they want nothing. */
  pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    let moved = true
    for (let rounds = 0; moved; rounds++) {
      if (rounds > 10_000) throw new Error('the machines never come to rest')
      moved = false
      for (const end of [this.a, this.b]) if (end.machine !== undefined && this.#pumpEnd(end, end.machine)) moved = true
    }
    this.#pumping = false
    this.options.watch?.(this)
    if (this.options.check === false) return
    for (const end of [this.a, this.b]) {
      end.machine?.checkInvariant(this.now)
      const account = end.machine?.account
      if (account !== undefined && account.spentMsat + account.reservedMsat > account.capMsat)
        throw new Error('over the cap')
    }
  }

  #pumpEnd(end: End, machine: Connection): boolean {
    let moved = false
    for (let event = machine.pollEvent(); event !== undefined; event = machine.pollEvent()) {
      moved = true
      if (event.type !== 'readable' && event.type !== 'writable' && event.type !== 'activity') {
        end.events.push(event)
        this.note(`${end.side} ${event.type}`)
      }
    }
    for (let request = machine.pollRequest(); request !== undefined; request = machine.pollRequest()) {
      moved = true
      if (request.type === 'paths') this.after(50, () => machine.providePaths(this.now, this.makePaths(end)))
      else if (request.type === 'close-paths') end.closedPaths.push(...request.pathIds)
      else {
        const { point } = request
        this.after(10, () => machine.provideSecret(this.now, this.options.identify?.secret(point) ?? point))
      }
    }
    if (end.reads) {
      for (let data = machine.read(this.now); data !== undefined; data = machine.read(this.now)) {
        moved = true
        this.took(end, data)
      }
    }
    if (this.#send(end, machine)) moved = true
    return moved
  }

  took(end: End, data: Uint8Array): void {
    end.readBytes += data.length
    end.read.push(data.slice())
  }

  #send(end: End, machine: Connection): boolean {
    let moved = false
    for (;;) {
      const want = machine.want(this.now)
      if (want === undefined) return moved
      const grant = this.#grant(end, want)
      if (grant === undefined) return moved
      const attempt = machine.transmit(this.now, grant)
      if (attempt === undefined) return moved
      moved = true
      this.#pay(end, attempt)
    }
  }

  #grant(end: End, want: Want): Grant | undefined {
    if (end.stopped) return undefined
    const limit =
      want.reason === 'control' || want.reason === 'urgent' ? this.medium.inFlight + 4 : this.medium.inFlight
    if (end.inFlight >= limit) return undefined
    // spec §8.5: 5 %, and 8 to begin with.
    if (want.reason === 'hedge' && end.hedges >= 8 + end.packets / 20) return undefined
    const [least, most] = this.medium.recordBytes
    return {
      lane: want.target.lane,
      route: {
        ...ROUTE,
        id: `${end.side}-route`,
        recordBytes: this.random.between(least, most),
        feePpm: 100,
        ...(end.side === 'b' && this.options.feeBaseMsat !== undefined && { feeBaseMsat: this.options.feeBaseMsat }),
        channels: ['x', 'y'],
      },
      hedgeAfterMs: HEDGE_AFTER_MS,
    }
  }

  #pay(end: End, attempt: Attempt): void {
    const hash = toHex(attempt.hash)
    if (this.hashes.has(hash)) throw new Error('a hash was offered twice')
    this.hashes.add(hash)
    this.attempts.push({ from: end.side, attempt, at: this.now })
    end.packets++
    if (attempt.reason === 'hedge') end.hedges++
    end.inFlight++
    this.note(`${end.side} sends ${attempt.id} ${attempt.reason} ${attempt.record.length}`)
    const fate = this.options.fate?.(attempt, end.side, this) ?? this.#fate()
    // What hangs leaves the window, as the peer object does it.
    const inWindowMs = Math.min(fate.afterMs, 2 * HEDGE_AFTER_MS)
    this.after(inWindowMs, () => end.inFlight--)
    this.after(fate.afterMs, () => this.#land(end, attempt, fate))
  }

  #fate(): Fate {
    const { medium, random } = this
    const hangs = random.chance(medium.hang)
    const [least, most] = hangs ? medium.hangs : medium.latency
    return {
      afterMs: random.between(least, most),
      arrives: !random.chance(hangs ? 0.5 : medium.fail),
      unread: random.chance(medium.unread),
      repeated: random.chance(medium.repeat),
      verdictLost: random.chance(medium.verdictLost),
      refused: random.chance(medium.refuse),
      ...(random.chance(medium.outcomeLost) ? { unknownForMs: random.between(1_000, 600_000) } : {}),
    }
  }

  #land(end: End, attempt: Attempt, fate: Fate): void {
    // spec §2.10: what is refused there says why.
    const says = this.lanes === 'unblinded' && end.side === 'a'
    const refused = (code: number): PaymentOutcome => ({ ...REFUSED, ...(says && { refusal: code }) })
    let outcome: PaymentOutcome = fate.refused === true ? refused(Code.BUSY) : WENT_WRONG
    if (fate.arrives) {
      const other = end.side === 'a' ? this.b : this.a
      if (attempt.lane === 'node') {
        outcome = { status: 'settled', feeMsat: attempt.feeMsat }
        // The node hands packets to the process in the order in which they settled.
        if (fate.unread !== true) this.deliver(other, attempt)
        if (fate.repeated === true) this.deliver(other, attempt)
      } else {
        const reception = this.deliver(other, attempt)
        if (fate.repeated === true) this.deliver(other, attempt)
        if (reception.action === 'settle' && fate.verdictLost !== true)
          outcome = { status: 'delivered', feeMsat: attempt.feeMsat }
        if (reception.action === 'refuse') outcome = refused(reception.code)
      }
    }
    this.note(`${end.side} ${attempt.id} ${outcome.status}`)
    const { machine } = end
    if (fate.unknownForMs === undefined) machine?.resolve(this.now, attempt.id, outcome)
    else {
      machine?.resolve(this.now, attempt.id, { status: 'unknown' })
      this.after(fate.unknownForMs, () => machine?.resolve(this.now, attempt.id, outcome))
    }
  }

  /** What the endpoint of `end` does with a payment that comes. */
  deliver(end: End, attempt: Attempt): Reception {
    const hash = toHex(attempt.hash)
    const known = attempt.lane === 'phantom' ? end.verdicts.get(hash) : undefined
    if (known !== undefined) return known
    const own = attempt.lane === 'phantom' && end.machine !== undefined && (attempt.record[0] ?? 0) < 0x18
    const arrival: Arrival = {
      lane: attempt.lane,
      record: attempt.record,
      amountMsat: attempt.amountMsat,
      hash: attempt.hash,
      ...(own ? { pathId: `${end.side}${end.paths - 1}` } : {}),
    }
    const reception = this.arrive(end, arrival)
    if (attempt.lane === 'phantom') end.verdicts.set(hash, reception)
    if (reception.action === 'settle') end.machine?.arrivalConfirmed(this.now, attempt.amountMsat, attempt.hash)
    this.note(`${end.side} ${reception.action}`)
    return reception
  }

  arrive(end: End, arrival: Arrival): Reception {
    if (end.machine !== undefined) return end.machine.arrive(this.now, arrival)
    const kind = (arrival.record[0] ?? 0) & 7
    if (kind !== 0) {
      // spec §6.6
      if (arrival.lane === 'phantom') return { action: 'refuse', code: Code.STALE }
      end.early.push(arrival)
      return { action: 'taken' }
    }
    const sharedSecret = ecdh(SECRET, arrival.record.subarray(10, 43))
    const open = openOpen({ record: arrival.record, responderKey: RESPONDER, sharedSecret })
    if (open === undefined) return { action: 'dropped' }
    const options = {
      now: this.now,
      random: (length: number) => this.random.bytes(length),
      grow: () => true,
      settings: { ...SETTINGS, ...this.options.b },
      peerBudget: RICH,
      responderKey: RESPONDER,
      open,
      arrival,
      blockHeight: this.height,
    }
    const { allowance, refuse } = this.options
    const advance = allowance === undefined ? {} : { allowance }
    end.machine =
      refuse === undefined
        ? Connection.accept({ ...options, ...advance })
        : Connection.refuse({ ...options, ...advance, ...refuse })
    if (this.lanes === 'phantom') end.machine.providePaths(this.now, this.makePaths(end))
    for (const each of end.early.splice(0)) end.machine.arrive(this.now, each)
    return end.machine.openReception ?? { action: 'dropped' }
  }
}

function before(a: Step | undefined, b: Step | undefined): boolean {
  if (a === undefined || b === undefined) return a !== undefined
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

/** Bytes that tell their own offset, so that any mix-up shows. */
export function pattern(start: number, length: number, salt: number): Uint8Array {
  const data = new Uint8Array(length)
  for (let i = 0; i < length; i++) data[i] = patternAt(start + i, salt)
  return data
}

function patternAt(offset: number, salt: number): number {
  return (Math.imul(offset ^ (salt << 20), 0x9e3779b1) >>> 24) & 0xff
}

/** Throws unless `read` is a prefix of the pattern. */
export function checkPrefix(read: readonly Uint8Array[], salt: number): void {
  let offset = 0
  for (const data of read) {
    for (const byte of data) {
      if (byte !== patternAt(offset, salt)) throw new Error(`byte ${offset} is wrong`)
      offset++
    }
  }
}
