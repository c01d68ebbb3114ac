/**
 * All that the tests of this folder know of src/transport, and the only file of theirs that imports it: what a
 * vector or a script says, in the terms of the spec.
 */
import type { Route } from '../../src/medium/route.ts'
import { toHex } from '../../src/floor/bytes.ts'
import type { Lane, PaymentFailure } from '../../src/medium/payment.ts'
import { Budget } from '../../src/transport/connection/budget.ts'
import { Connection } from '../../src/transport/connection/connection.ts'
import { Meter } from '../../src/transport/connection/meter.ts'
import type { Attempt, ConnectionSettings, Grant } from '../../src/transport/connection/interface.ts'
import { openOpen } from '../../src/transport/connection/opening.ts'
import {
  checkAddress,
  formatAddress,
  fromHostName,
  toHostName,
  type Address,
} from '../../src/transport/options/address.ts'
import { Code, codeName } from '../../src/wire/errors.ts'
import { ecdh } from '../../src/wire/keys.ts'
import type { Tariff } from '../../src/wire/frames.ts'
import { NO_TARIFF } from '../../src/wire/tariffs.ts'

/** An address as text, read (spec §1.6). @throws for what is none */
export function readAddress(text: string): Address {
  return checkAddress(text)
}

/** An address as this implementation writes it. */
export function writeAddress(address: Address): string {
  return formatAddress(address)
}

/** The public key of a host name, in hexadecimal (spec §1.7). @throws for what is none */
export function readHostName(text: string): string {
  return fromHostName(text)
}

/** A host name as this implementation writes it. */
export function writeHostName(publicKey: string): string {
  return toHostName(publicKey)
}

/** A tariff by its components that are not 0. */
function tariffFrom(components: Readonly<Record<string, number>>): Tariff {
  return { ...NO_TARIFF, ...Object.fromEntries(Object.entries(components).map(([key, msat]) => [key, BigInt(msat)])) }
}

export interface PriceStep {
  readonly tariff?: Readonly<Record<string, number>>
  readonly from?: number
  readonly packets?: number
  readonly messages?: number
  readonly uploadBytes?: number
  readonly streamBytes?: number
  readonly atMs?: number
}

/** What a connection costs after each of these (spec §12.3). */
export function costsOf(steps: readonly PriceStep[]): number[] {
  const meter = new Meter(0)
  let stream = 0
  let now = 0
  return steps.map(({ tariff, from = 0, packets = 0, messages = 0, uploadBytes, streamBytes, atMs }) => {
    now = atMs ?? now
    if (tariff !== undefined) {
      meter.change(now, tariffFrom(tariff))
      meter.stretch(from, tariffFrom(tariff).kilobyteMsat)
    }
    for (let i = 0; i < packets; i++) meter.packet()
    for (let i = 0; i < messages; i++) meter.message()
    if (uploadBytes !== undefined) meter.upload(uploadBytes)
    stream = streamBytes ?? stream
    return Number(meter.costMsat(now, stream))
  })
}

/** A packet that comes in. */
export interface Incoming {
  readonly lane: Lane
  readonly record: Uint8Array
  readonly amountMsat: bigint
  readonly hash: Uint8Array
  /** Over which of the paths that this side gave. */
  readonly pathId?: string
}

/** What becomes of a payment, in the words of spec §8.2; `refused` names the code, or is '' where none came. */
export type Fate = 'delivered' | 'settled' | 'failed' | { readonly refused: string }

/** What a script may set. */
export interface EndSettings {
  /** What a responder asks, and an initiator pays at most: components that are not 0. */
  readonly tariff?: Readonly<Record<string, number>>
  readonly maxTariff?: Readonly<Record<string, number>>
  readonly creditLimitMsat?: number
  /** Who pays for what a responder says; absent: it does. */
  readonly answers?: 'caller'
}

/** Room of a packet, least amount and base fee of every route that a script is run on. */
const ROUTE = { recordBytes: 1_100, leastMsat: 1_000n, feeMsat: 1_000n }

const SETTINGS: ConnectionSettings = {
  idleTimeoutMs: 1_800_000,
  connectTimeoutMs: 120_000,
  keepAliveMs: undefined,
  noDelay: true,
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

function settings(script: EndSettings): ConnectionSettings {
  return {
    ...SETTINGS,
    tariff: script.tariff === undefined ? undefined : tariffFrom(script.tariff),
    maxTariff: tariffFrom(script.maxTariff ?? {}),
    creditLimitMsat: BigInt(script.creditLimitMsat ?? 0),
    answers: script.answers ?? 'own',
  }
}

/** Randomness that gives `first`, and then counts. */
function randomFrom(first: Uint8Array): (length: number) => Uint8Array {
  let count = 0
  return (length) => {
    count++
    if (count === 1) return first.slice()
    const bytes = new Uint8Array(length).fill(0xa5)
    bytes.set([count >>> 8, count & 0xff])
    return bytes
  }
}

/** One end of a connection under a script: packets, times and calls go in, packets and words come out. */
export class End {
  readonly #machine: Connection
  #samples = 0

  private constructor(machine: Connection) {
    this.#machine = machine
  }

  static responder(options: {
    readonly nodeSecret: Uint8Array
    readonly nodeKey: Uint8Array
    readonly ephemeralSecret: Uint8Array
    readonly open: Incoming
    readonly height: number
    readonly settings: EndSettings
  }): End {
    const { nodeSecret, nodeKey, open, height } = options
    const sharedSecret = ecdh(nodeSecret, open.record.subarray(10, 43))
    const opened = openOpen({ record: open.record, responderKey: nodeKey, sharedSecret })
    if (opened === undefined) throw new Error('the OPEN of a script does not open')
    return new End(
      Connection.accept({
        now: 0,
        random: randomFrom(options.ephemeralSecret),
        grow: () => true,
        settings: settings(options.settings),
        peerBudget: new Budget(10n ** 30n, undefined),
        responderKey: nodeKey,
        open: opened,
        arrival: open,
        blockHeight: height,
      }),
    )
  }

  static initiator(options: {
    readonly responderKey: Uint8Array
    readonly connectionId: Uint8Array
    readonly ephemeralSecret: Uint8Array
    readonly port: number
    readonly lane: Lane
    /** This side's node key: replies go there. Without it they come over one path, named 'own'. */
    readonly directReply: Uint8Array | undefined
    readonly identify: Uint8Array | undefined
    readonly height: number
    readonly settings: EndSettings
  }): End {
    const { directReply, identify, height, ...rest } = options
    const own = { pathId: 'own', bytes: Uint8Array.of(0xaa), expiryHeight: height + 144 }
    return new End(
      Connection.connect({
        ...rest,
        now: 0,
        random: randomFrom(new Uint8Array(32).fill(1)),
        grow: () => true,
        settings: settings(options.settings),
        peerBudget: new Budget(10n ** 30n, undefined),
        replies:
          directReply === undefined ? { lane: 'phantom', paths: [own] } : { lane: 'direct', publicKey: directReply },
        ...(identify && { identify: { publicKey: identify } }),
        blockHeight: height,
      }),
    )
  }

  /** 'taken', 'settle', 'dropped', or the name of the code of a refusal. */
  arrive(now: number, incoming: Incoming): { readonly reaction: string; readonly preimage?: string } {
    const reception = this.#machine.arrive(now, incoming)
    // What is settled is there.
    if (reception.action === 'settle') this.#machine.arrivalConfirmed(now, incoming.amountMsat, incoming.hash)
    switch (reception.action) {
      case 'refuse':
        return { reaction: codeName(reception.code) }
      case 'settle':
        return { reaction: 'settle', preimage: toHex(reception.preimage) }
      case 'taken':
      case 'dropped':
        return { reaction: reception.action }
    }
  }

  write(now: number, data: Uint8Array): void {
    this.#machine.write(now, data)
  }

  finish(now: number): void {
    this.#machine.finish(now)
  }

  reset(now: number, code: number): void {
    this.#machine.reset(now, code as Parameters<Connection['reset']>[1], '')
  }

  stopReading(now: number): void {
    this.#machine.stopReading(now)
  }

  pay(now: number, amountMsat: number, reference: number | undefined): void {
    const kind = reference === undefined ? 0 : 2
    this.#machine.pay(now, { kind, reference: reference ?? 0, amountMsat: BigInt(amountMsat), note: 'x' })
  }

  request(now: number, amountMsat: number): void {
    this.#machine.request(now, BigInt(amountMsat), 'x')
  }

  decline(now: number, id: number): void {
    this.#machine.decline(now, id, 'no')
  }

  message(now: number, id: Uint8Array, data: Uint8Array): void {
    this.#machine.sendMessage(now, id, data)
  }

  /** This side's backend has made a path, by this name. */
  givePath(now: number, pathId: string, bytes: Uint8Array, expiryHeight: number): void {
    this.#machine.providePaths(now, [{ pathId, bytes, expiryHeight }])
  }

  read(now: number): Uint8Array[] {
    const pieces: Uint8Array[] = []
    for (let data = this.#machine.read(now); data !== undefined; data = this.#machine.read(now)) pieces.push(data)
    return pieces
  }

  /** The next payment that it makes now; undefined: none. */
  send(now: number): Attempt | undefined {
    const want = this.#machine.want(now)
    return want === undefined ? undefined : this.#machine.transmit(now, this.#grant(want.target.lane))
  }

  resolve(now: number, attempt: Attempt, fate: Fate): void {
    if (fate === 'failed' || typeof fate === 'object') {
      this.#machine.resolve(now, attempt.id, failureOf(fate))
      return
    }
    this.#samples++
    this.#machine.resolve(now, attempt.id, { status: fate, feeMsat: 0n })
  }

  wake(now: number): void {
    this.#machine.wake(now)
  }

  deadline(): number | undefined {
    return this.#machine.deadline()
  }

  /** What the application is told: names of events, an end with an error as its code. */
  told(): string[] {
    const words: string[] = []
    for (let event = this.#machine.pollEvent(); event !== undefined; event = this.#machine.pollEvent()) {
      if (event.type === 'ended') words.push(event.error?.code ?? 'ended')
      else if (event.type === 'activity' || event.type === 'readable' || event.type === 'writable') continue
      else if (event.type === 'message') words.push(`message ${toHex(event.data)}`)
      else if (event.type === 'payment') words.push(`payment ${event.amountMsat} ${event.note}`)
      else if (event.type === 'requested') words.push(`requested ${event.amountMsat} ${event.note}`)
      else words.push(event.type)
    }
    while (this.#machine.pollRequest() !== undefined);
    return words
  }

  get state(): string {
    return this.#machine.state
  }

  check(now: number): void {
    this.#machine.checkInvariant(now)
  }

  /** spec §8.5: 10 s before the first sample; scripts settle at once or late, so 5 s afterwards. */
  #grant(lane: Lane): Grant {
    const route: Route = {
      id: 'route',
      recordBytes: ROUTE.recordBytes,
      minAmountMsat: ROUTE.leastMsat,
      maxAmountMsat: 10n ** 9n,
      feeBaseMsat: ROUTE.feeMsat,
      feePpm: 0,
      channels: ['channel'],
      firstChannelSlots: 483,
      cltvDelta: 40,
    }
    return { lane, route, hedgeAfterMs: this.#samples === 0 ? 10_000 : 5_000 }
  }
}

/** A failed payment in the words of the backend contract: on the way, or at the destination with its code. */
function failureOf(fate: 'failed' | { readonly refused: string }): PaymentFailure {
  if (fate === 'failed') return { status: 'failed', reason: 'temporary-channel-failure', place: 'route' }
  const refusal = fate.refused === '' ? {} : { refusal: Code[fate.refused as keyof typeof Code] }
  return { status: 'failed', reason: 'refused', place: 'destination', ...refusal }
}
