/** The form of spec/vectors/scripts.json (spec/vectors/README.md), and how a script is written down. */
import { fromHex, toHex } from '../../src/floor/bytes.ts'
import { encodeFrames } from '../../src/wire/frame-writer.ts'
import type { Frame } from '../../src/wire/frames.ts'
import { DEFAULT_PARAMETERS } from '../../src/wire/parameters.ts'
import { NO_TARIFF } from '../../src/wire/tariffs.ts'
import { varintSize, Writer } from '../../src/wire/writer.ts'
import * as noise from '../wire/noise.ts'
import { toJson } from '../wire/vectors-json.ts'

type Kind = 'early' | 'data' | 'answer' | 'reply'

/** A packet that comes in. */
export interface ScriptPacket {
  readonly kind: Kind | 'open'
  readonly lane: 'node' | 'phantom'
  /** Over which of the paths that this side gave; null: none, so that a connection id stands in the packet. */
  readonly over: string | null
  readonly number: number
  readonly amountMsat: number
  readonly frames: string
  /** Copies of OPEN. */
  readonly attempt?: number
  /** What is changed after it was sealed: the last byte, or the payment hash. */
  readonly damage?: 'tag' | 'hash'
  /** Responder: the whole packet and its payment hash, since its secrets are fixed. */
  readonly packet?: string
  readonly hash?: string
}

/** What must be found among the packets that go out. Whatever is not named is free. */
export interface ScriptPattern {
  readonly kind?: Kind | 'open'
  readonly attempt?: number
  /** A frame as in frames.json; fields that are left out are free. */
  readonly frame?: Readonly<Record<string, unknown>>
  /** What the payment brings to the peer. */
  readonly amountMsat?: number
  /** A name for the packet that carries it, for `outcome`. */
  readonly as?: string
}

export interface ScriptStep {
  /** ms since the start. */
  readonly at: number
  /** What is sent after the step before settles at once, or has no outcome; to begin with it settles. */
  readonly medium?: 'settles' | 'hangs'
  readonly in?: ScriptPacket
  readonly call?:
    | { readonly write: { readonly byte: string; readonly count: number } }
    | { readonly finish: true }
    | { readonly stopReading: true }
    | { readonly reset: number }
    | { readonly givePath: string }
    | { readonly pay: number; readonly answers?: number }
    | { readonly request: number }
    | { readonly decline: number }
  readonly outcome?: { readonly of: string; readonly is: 'settled' | 'failed' | { readonly refused: string } }
  // What is expected of this step, and of the time since the step before.
  /** 'taken', 'dropped', 'settle', or the code of a refusal. */
  readonly reaction?: string
  /** Empty: nothing is sent. */
  readonly sends?: readonly ScriptPattern[]
  readonly sendsNot?: readonly string[]
  /** The highest offset of stream that was ever sent. */
  readonly streamEnd?: number
  /** What the application reads. */
  readonly reads?: string
  /** What the application is told, in this order among other things. */
  readonly told?: readonly string[]
  readonly toldNot?: readonly string[]
  readonly state?: string
}

export interface Script {
  readonly name: string
  readonly clauses: readonly string[]
  readonly role: 'responder' | 'initiator'
  readonly settings: Readonly<Record<string, number | 'caller' | Readonly<Record<string, number>>>>
  /** Responder: the OPEN that it is made from. */
  readonly open?: ScriptPacket
  /** Initiator: what it is to do. */
  readonly connect?: { readonly port: number; readonly lane: 'node' | 'phantom'; readonly replies: 'direct' | 'path' }
  readonly steps: readonly ScriptStep[]
}

const SECRETS = {
  responderSecret: new Uint8Array(32).fill(0x11),
  initiatorEphemeralSecret: new Uint8Array(32).fill(0x22),
  responderEphemeralSecret: new Uint8Array(32).fill(0x33),
  cid: fromHex('0102030405060708'),
}
const HEIGHT = 900_000

/** What all scripts share. */
export function scriptHead(): object {
  return {
    responderSecret: toHex(SECRETS.responderSecret),
    responderKey: toHex(noise.publicKey(SECRETS.responderSecret)),
    initiatorEphemeralSecret: toHex(SECRETS.initiatorEphemeralSecret),
    responderEphemeralSecret: toHex(SECRETS.responderEphemeralSecret),
    cid: toHex(SECRETS.cid),
    directReply: toHex(noise.publicKey(new Uint8Array(32).fill(0x66))),
    height: HEIGHT,
    route: { recordBytes: 1_100, leastMsat: 1_000, feeMsat: 1_000 },
  }
}

/** Frames as hexadecimal. */
function hexFrames(frames: readonly Frame[] | string): string {
  return typeof frames === 'string' ? frames : toHex(encodeFrames(frames))
}

export const stream = (offset: number, text: string, fin = false): Frame => ({
  type: 'stream',
  offset,
  data: new TextEncoder().encode(text),
  fin,
})
export const PING: Frame = { type: 'ping', keepalive: false }
export const KEEPALIVE: Frame = { type: 'ping', keepalive: true }
export const reset = (code: number): Frame => ({ type: 'reset', code, reason: '' })
export const payment = (id: number, amountMsat: number, note = ''): Frame => ({
  type: 'payment',
  id,
  kind: 0,
  reference: 0,
  amountMsat: BigInt(amountMsat),
  note,
})
/** A PRICE of these components; the others are 0. */
export const price = (serial: number, tariff: Readonly<Record<string, number>>, from = 0): Frame => ({
  type: 'price',
  serial,
  from,
  tariff: { ...NO_TARIFF, ...Object.fromEntries(Object.entries(tariff).map(([key, msat]) => [key, BigInt(msat)])) },
})
export const bill = (dueMsat: number): Frame => ({ type: 'bill', dueMsat: BigInt(dueMsat) })
export const agree = (serial: number): Frame => ({ type: 'agree', serial })
export const accept = (changes: Partial<typeof DEFAULT_PARAMETERS> = {}): Frame => ({
  type: 'accept',
  parameters: { ...DEFAULT_PARAMETERS, ...changes },
})
/** [smallest, largest], the highest first. */
export const ack = (delivered: number, ...ranges: readonly (readonly [number, number])[]): Frame => ({
  type: 'ack',
  delivered,
  ranges: ranges.map(([smallest, largest]) => ({ smallest, largest })),
})

interface PacketOptions {
  readonly lane?: 'node' | 'phantom'
  readonly over?: string
  readonly amountMsat?: number
  readonly attempt?: number
  readonly damage?: 'tag' | 'hash'
}

const KIND_NUMBERS = { open: 0, early: 1, data: 2, answer: 3, reply: 4 }

/** Packets for a responder: sealed at once, since its keys follow from the secrets and the OPEN. */
export class ToResponder {
  readonly #transcript: noise.Transcript
  readonly #open: string

  /** `more`: what follows OPEN and REPLY_PATHS. */
  constructor(more: readonly Frame[] = []) {
    const frames: readonly Frame[] = [
      { type: 'open', port: 7, height: HEIGHT, parameters: DEFAULT_PARAMETERS },
      { type: 'reply-paths', generation: 1, paths: [{ bytes: Uint8Array.of(0xaa), expiryHeight: HEIGHT + 144 }] },
      ...more,
    ]
    this.#open = hexFrames(frames)
    this.#transcript = noise.handshake({ ...SECRETS, frames: fromHex(this.#open) })
  }

  open(options: PacketOptions & { readonly otherBytes?: boolean } = {}): ScriptPacket {
    const { otherBytes = false, attempt = 0 } = options
    const record = Uint8Array.from(this.#transcript.open)
    record[9] = attempt
    if (otherBytes) record[record.length - 1] = (record.at(-1) ?? 0) ^ 1
    return this.#packet('open', 0, this.#open, { ...options, attempt }, record)
  }

  packet(kind: Kind, number: number, frames: readonly Frame[] | string, options: PacketOptions = {}): ScriptPacket {
    const { early, ...keys } = {
      early: { seal: this.#transcript.earlySeal, hash: this.#transcript.h1 },
      data: { seal: this.#transcript.mainSealToResponder, hash: this.#transcript.h2 },
      back: { seal: this.#transcript.mainSealToInitiator, hash: this.#transcript.h2 },
    }
    const { seal, hash } = kind === 'early' ? early : kind === 'data' ? keys.data : keys.back
    const varint = new Uint8Array(varintSize(number))
    new Writer(varint).varint(number)
    const withCid = options.over === undefined
    const header = Buffer.concat([
      Buffer.of(0x10 | (withCid ? 8 : 0) | KIND_NUMBERS[kind]),
      withCid ? SECRETS.cid : Buffer.alloc(0),
      varint,
    ])
    const sealed = noise.encrypt(seal, number, Buffer.concat([hash, header]), fromHex(hexFrames(frames)))
    return this.#packet(kind, number, hexFrames(frames), options, Buffer.concat([header, sealed]))
  }

  /** The proof that the holder of `nodeSecret` sends in IDENTIFY (spec §12.7). */
  identityProof(nodeSecret: Uint8Array): Uint8Array {
    const { responderEphemeral, h2 } = this.#transcript
    return noise.hmac(noise.ecdh(nodeSecret, responderEphemeral), Buffer.from('keysock identify'), h2)
  }

  /** A DATA packet. */
  data(number: number, frames: readonly Frame[] | string, options: PacketOptions = {}): ScriptPacket {
    return this.packet('data', number, frames, options)
  }

  #packet(
    kind: Kind | 'open',
    number: number,
    frames: string,
    { lane = 'node', over, amountMsat = 1_000, attempt, damage }: PacketOptions,
    record: Uint8Array,
  ): ScriptPacket {
    const settle = kind === 'data' ? this.#transcript.mainSettleToResponder : this.#transcript.earlySettle
    const message = Buffer.alloc(9)
    message.writeBigUInt64BE(BigInt(number))
    message[8] = attempt ?? 0
    const hash = noise.sha256(noise.hmac(settle, message))
    if (damage === 'tag') record[record.length - 1] = (record.at(-1) ?? 0) ^ 1
    if (damage === 'hash') hash[0] = (hash[0] ?? 0) ^ 1
    return {
      kind,
      lane: over === undefined ? lane : 'phantom',
      over: over ?? null,
      number,
      amountMsat,
      frames,
      ...(attempt !== undefined && { attempt }),
      ...(damage && { damage }),
      packet: toHex(record),
      hash: toHex(hash),
    }
  }
}

/** A packet for an initiator: its keys follow from its OPEN, so whoever runs the script seals it. */
export function toInitiator(
  kind: 'answer' | 'reply',
  number: number,
  frames: readonly Frame[] | string,
  { lane = 'node', over, amountMsat = 1_000, damage }: PacketOptions = {},
): ScriptPacket {
  return {
    kind,
    lane: over === undefined ? lane : 'phantom',
    over: over ?? null,
    number,
    amountMsat,
    frames: hexFrames(frames),
    ...(damage && { damage }),
  }
}

/** A frame that is expected. */
export const sent = (
  frame: Readonly<Record<string, unknown>>,
  rest: Omit<ScriptPattern, 'frame'> = {},
): ScriptPattern => ({
  ...rest,
  frame: toJson(frame) as Readonly<Record<string, unknown>>,
})
