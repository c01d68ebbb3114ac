/** Messages, as an endpoint's application meets them (spec §18). */
import { fromHex, toHex } from '../../floor/bytes.ts'
import type { CustomRecord, Lane } from '../../medium/payment.ts'
import type { RoutePreference } from '../../medium/route.ts'
import { KEY_BYTES } from '../../wire/keys.ts'
import { NOTE_ID_BYTES } from '../../wire/notes.ts'
import type { SocketHost } from '../driver/connection-handle.ts'
import { invalidOption, kindOf } from '../errors.ts'
import type { KeysendFeed } from '../messages/keysends.ts'
import {
  DEFAULT_MAX_LARGE_MESSAGE_BYTES,
  DEFAULT_MESSAGE_TIMEOUT_MS,
  DEFAULT_PROBE_TIMEOUT_MS,
  MAX_LARGE_MESSAGE_BYTES,
} from '../messages/limits.ts'
import type { Mailbox, MessageFeed } from '../messages/message-feed.ts'
import type { Messages, PortClaim } from '../messages/messages.ts'
import type { ProbeResult } from '../messages/node-probe.ts'
import { defaultMaxFeeMsat, type NoteOrder, preimageOf } from '../messages/note-sender.ts'
import {
  checkAllNames,
  checkBoolean,
  checkLane,
  checkMs,
  checkMsat,
  checkPort,
  checkReplies,
  checkSignal,
  checkTarget,
  type ConnectTarget,
  type Msat,
  optionalMsat,
  type PublicKey,
} from '../options/options.ts'
import type { PaidNote } from '../store/store.ts'
import { bringContent, contentServer } from './content-stream.ts'

/** How a payment that is sent alone goes. */
export interface PaymentOptions {
  /**
   * What the receiver gets, msat. Default: the least that the route lets pass. More is paid only where a route lets no
   * less pass, and then counts against `maxFee`.
   */
  readonly amount?: Msat
  /** What it may cost beyond the amount, msat. Default: the endpoint's, or a hundredth of the amount. */
  readonly maxFee?: Msat
  /** ms until ETIMEDOUT, or ERR_KEYSOCK_UNDECIDED where a payment has no outcome. Default 120,000. */
  readonly timeout?: number
  readonly signal?: AbortSignal
}

export interface MessageOptions extends PaymentOptions {
  /**
   * 'phantom': the receiver's application takes or refuses it before it is paid; 'node': by keysend, paid at once.
   * Default: what the address says, else 'node'.
   */
  readonly lane?: 'node' | 'phantom'
  /**
   * 16 bytes, or 32 hexadecimal digits. Whoever sends again under the same id pays no second time, and hears what
   * became of it; where there is a folder, also in a later process. Default: drawn at random.
   */
  readonly id?: Uint8Array | string
  /** A hash that the receiver issued, 32 bytes: its application settles with the preimage. On the phantom lane only. */
  readonly hash?: Uint8Array
  /** Lets the receiver see which messages are this endpoint's: the next ones cost its node less. Default false. */
  readonly linkable?: boolean
  /** Of a message that goes as a stream: how answers come back, and what the stream may cost; as for a connection. */
  readonly replies?: 'phantom' | 'direct'
  readonly maxCost?: Msat
}

/** How a probe goes. */
export interface ProbeOptions {
  /** A way on which amount and fee together are more, msat, is not taken. Default: the endpoint's `maxFee`. */
  readonly maxFee?: Msat
  /** ms until ETIMEDOUT. Default 30,000. */
  readonly timeout?: number
  readonly signal?: AbortSignal
}

/** A payment that went through. */
export interface SentPayment {
  /** 32 bytes. */
  readonly hash: Uint8Array
  /**
   * 32 bytes. It proves the payment where the receiver issued the hash; else this side knew it before. Undefined where
   * a former process sent it, and the node does not tell.
   */
  readonly preimage: Uint8Array | undefined
  readonly amountMsat: bigint
  readonly feeMsat: bigint
  /** The channels that it took. */
  readonly route: readonly string[]
  /** How many attempts it took. */
  readonly attempts: number
}

export interface SentMessage extends SentPayment {
  /** 32 hexadecimal digits. */
  readonly id: string
  readonly lane: Lane
}

export interface MessagesOptions {
  /** The largest message that is taken, bytes. Default 1,048,576; 16,777,216 at most. */
  readonly maxBytes?: number
}

/** A custom record of a plain keysend, by its type. */
export type KeysendRecords = ReadonlyMap<bigint, Uint8Array> | Readonly<Record<string, Uint8Array>>

interface MessagingParts {
  readonly host: SocketHost
  readonly messages: Messages
  readonly now: () => number
  /** @throws KeysockError ERR_KEYSOCK_POLICY */
  readonly checkAllowed: (target: ConnectTarget) => void
  readonly prefer: RoutePreference
  readonly maxFeeMsat: bigint
  readonly tellsKeysends: boolean
}

/** What `Endpoint` hands its calls about messages to. */
export class Messaging {
  readonly #parts: MessagingParts

  constructor(parts: MessagingParts) {
    this.#parts = parts
  }

  /** @throws KeysockError, or the signal's reason */
  async send(
    publicKey: PublicKey,
    port: number,
    bytes: Uint8Array | string,
    options: MessageOptions,
  ): Promise<SentMessage> {
    const target = this.#targetOf(publicKey, port)
    checkAllNames(options, MESSAGE_NAMES)
    const order = this.#orderOf(target, bytesOf(bytes), options)
    const { host, messages } = this.#parts
    const { replies, maxCost, signal } = options
    const { id, paid, attempts } = await messages.sender.send(order, (messageId, content) =>
      bringContent(
        host,
        target,
        {
          lane: order.lane,
          connectTimeout: Math.max(0, order.untilMs - this.#parts.now()),
          ...(replies === undefined ? {} : { replies }),
          ...(maxCost === undefined ? {} : { maxCost }),
          ...(signal === undefined ? {} : { signal }),
        },
        { id: messageId, content, bytes: order.bytes },
      ),
    )
    return { id: toHex(id), lane: paid.lane, ...sentPayment(paid, attempts) }
  }

  /** @throws KeysockError, or the signal's reason */
  async sendKeysend(publicKey: PublicKey, records: KeysendRecords, options: PaymentOptions): Promise<SentPayment> {
    const target = this.#targetOf(publicKey, 1)
    checkAllNames(options, PAYMENT_NAMES)
    const order = { ...this.#paymentOf(target, options), records: recordsOf(records) }
    const { paid, attempts } = await this.#parts.messages.sender.sendKeysend(order)
    return sentPayment(paid, attempts)
  }

  /** @throws KeysockError, or the signal's reason */
  async probe(publicKey: PublicKey, options: ProbeOptions): Promise<ProbeResult> {
    checkAllNames(options, PROBE_NAMES)
    const target = this.#targetOf(publicKey, 1)
    const { signal, timeout, maxFee } = options
    checkSignal(signal)
    const { messages, prefer, maxFeeMsat, now } = this.#parts
    return await messages.probe({
      target,
      prefer,
      maxFeeMsat: optionalMsat(maxFee, 'maxFee', maxFeeMsat),
      untilMs: now() + (timeout === undefined ? DEFAULT_PROBE_TIMEOUT_MS : checkMs(timeout, 'timeout')),
      signal,
    })
  }

  feed(port: number, options: MessagesOptions): MessageFeed {
    return this.#open(port, options, (number, claim) => this.#parts.messages.feed(number, claim))
  }

  mailbox(port: number, options: MessagesOptions): Mailbox {
    return this.#open(port, options, (number, claim) => this.#parts.messages.mailbox(number, claim))
  }

  keysends(): KeysendFeed {
    if (!this.#parts.tellsKeysends)
      throw invalidOption('this endpoint does not hear plain keysends: give createEndpoint the option keysends')
    return this.#parts.messages.keysends(this.#parts.host.hold())
  }

  #open<Reader extends { stop(): void }>(
    given: number,
    options: MessagesOptions,
    open: (port: number, claim: PortClaim) => Reader,
  ): Reader {
    const port = checkPort(given, 1)
    checkAllNames(options, { maxBytes: true })
    const maxBytes = checkMaxBytes(options.maxBytes)
    const { host, messages } = this.#parts
    const server = contentServer(host, {
      maxBytes,
      isKnown: (id) => messages.isKnown(port, id),
      keep: (id, content, bytes) => messages.keepContent(port, id, content, bytes),
    })
    // The reader is there before the port is claimed: messages may come at once.
    const { promise: claimed, resolve, reject } = Promise.withResolvers<number>()
    const forget = host.onClose(() => reader.stop())
    const reader = open(port, {
      maxBytes,
      claimed,
      release: () => {
        forget()
        if (server.listening) server.close()
        else
          claimed.then(
            () => server.close(),
            () => undefined,
          )
      },
    })
    server.listen(port).then(
      () => resolve(port),
      (error: unknown) => {
        reader.stop()
        reject(error)
      },
    )
    return reader
  }

  #targetOf(publicKey: PublicKey, port: number): ConnectTarget {
    const target = checkTarget(publicKey, port)
    if (target.publicKeyHex === this.#parts.host.publicKeyHex)
      throw invalidOption("this is this endpoint's own node; payments to oneself are not possible")
    this.#parts.checkAllowed(target)
    return target
  }

  #orderOf(target: ConnectTarget, bytes: Uint8Array, options: MessageOptions): NoteOrder {
    const { lane: wanted, hash, linkable, replies, maxCost } = options
    if (wanted !== undefined) checkLane(wanted)
    if (replies !== undefined) checkReplies(replies)
    if (maxCost !== undefined) checkMsat(maxCost, 'maxCost')
    if (linkable !== undefined) checkBoolean(linkable, 'linkable')
    const lane = wanted ?? (target.phantomLane === true ? 'phantom' : 'node')
    if (hash !== undefined && lane !== 'phantom') throw invalidOption("hash needs lane: 'phantom'")
    if (hash !== undefined && (!(hash instanceof Uint8Array) || hash.length !== KEY_BYTES))
      throw invalidOption('hash must be a Uint8Array of 32 bytes')
    return {
      ...this.#paymentOf(target, options),
      lane,
      bytes,
      id: idOf(options.id),
      hash: hash?.slice(),
      isLinkable: linkable === true,
    }
  }

  #paymentOf(
    target: ConnectTarget,
    { amount, maxFee, timeout, signal }: PaymentOptions,
  ): Pick<NoteOrder, 'target' | 'amountMsat' | 'maxFeeMsat' | 'prefer' | 'untilMs' | 'signal'> {
    checkSignal(signal)
    signal?.throwIfAborted()
    const amountMsat = optionalMsat(amount, 'amount', 0n)
    const { maxFeeMsat, prefer, now } = this.#parts
    return {
      target,
      amountMsat,
      maxFeeMsat: optionalMsat(maxFee, 'maxFee', defaultMaxFeeMsat(amountMsat, maxFeeMsat)),
      prefer,
      untilMs: now() + (timeout === undefined ? DEFAULT_MESSAGE_TIMEOUT_MS : checkMs(timeout, 'timeout')),
      signal,
    }
  }
}

function sentPayment(paid: PaidNote, attempts: number): SentPayment {
  const { hash, amountMsat, feeMsat, route } = paid
  return { hash: fromHex(hash), preimage: preimageOf(paid), amountMsat, feeMsat, route, attempts }
}

function bytesOf(given: unknown): Uint8Array {
  const bytes = typeof given === 'string' ? new TextEncoder().encode(given) : given
  if (!(bytes instanceof Uint8Array)) throw invalidOption(`a message is a Uint8Array or a text; got ${kindOf(given)}`)
  if (bytes.length > MAX_LARGE_MESSAGE_BYTES)
    throw invalidOption(`a message has ${MAX_LARGE_MESSAGE_BYTES} bytes at most`)
  return bytes.slice()
}

function idOf(given: Uint8Array | string | undefined): Uint8Array | undefined {
  if (given === undefined) return undefined
  const id = typeof given === 'string' && /^[0-9a-fA-F]{32}$/.test(given) ? fromHex(given) : given
  if (id instanceof Uint8Array && id.length === NOTE_ID_BYTES) return id.slice()
  throw invalidOption('id must be 16 bytes, or 32 hexadecimal digits')
}

function recordsOf(given: KeysendRecords): CustomRecord[] {
  const entries = given instanceof Map ? [...given] : Object.entries(given as Readonly<Record<string, Uint8Array>>)
  return entries.map(([type, value]) => {
    const isType = typeof type === 'bigint' || /^[0-9]{1,20}$/.test(type as string)
    if (!isType || !(value instanceof Uint8Array))
      throw invalidOption('records are Uint8Arrays by their types, which are whole numbers')
    return { type: BigInt(type as bigint | string), value: value.slice() }
  })
}

function checkMaxBytes(value: number | undefined): number {
  if (value === undefined) return DEFAULT_MAX_LARGE_MESSAGE_BYTES
  if (Number.isSafeInteger(value) && value >= 0 && value <= MAX_LARGE_MESSAGE_BYTES) return value
  throw invalidOption(`maxBytes must be a whole number of bytes, ${MAX_LARGE_MESSAGE_BYTES} at most`)
}

const PAYMENT_NAMES: Readonly<Record<keyof PaymentOptions, true>> = {
  amount: true,
  maxFee: true,
  timeout: true,
  signal: true,
}
const PROBE_NAMES: Readonly<Record<keyof ProbeOptions, true>> = { maxFee: true, timeout: true, signal: true }
const MESSAGE_NAMES: Readonly<Record<keyof MessageOptions, true>> = {
  ...PAYMENT_NAMES,
  lane: true,
  id: true,
  hash: true,
  linkable: true,
  replies: true,
  maxCost: true,
}
