import type { Endpoint, Socket } from '../index.ts'
import type { TargetArgument } from './arguments.ts'
import type { Display, TransferName } from './display/events.ts'
import { RateMeter } from './display/rate-meter.ts'
import { satOf } from './money.ts'
import type { StopSignal } from './stop-signal.ts'
import { CAP_REACHED_MS, CONNECT_MS, DATA_BYTES, LAST_WORD_MS, RETRY_MAX_MS, RETRY_MS } from './transfer/bounds.ts'
import { codeOf, ConnectionLost, messageOf, TransferError } from './transfer/errors.ts'
import { HEAD_BYTES } from './transfer/messages.ts'
import { sendOver, type Sent } from './transfer/sender.ts'
import type { Source } from './transfer/source.ts'
import { closed, every, sleep, type Time } from './transfer/time.ts'

export interface SendingOptions {
  readonly endpoint: Endpoint
  readonly target: TargetArgument
  readonly source: Source
  readonly session: Uint8Array
  readonly maxCostMsat: bigint
  /** How long nothing may go forward before it stops, ms. */
  readonly waitMs: number
  readonly time: Time
  readonly stop: StopSignal
  readonly display: Display
}

/** How it ended, where it was not an error. */
export type SendingEnd =
  | { readonly type: 'done'; readonly sent: Sent; readonly seconds: number }
  | { readonly type: 'interrupted' }
  | { readonly type: 'cost' }
  | { readonly type: 'wait'; readonly error: Error }

const TICK_MS = 250

/** Sends one source, over as many connections as it takes. */
export class Sending {
  readonly #options: SendingOptions
  readonly #meter: RateMeter = new RateMeter()
  #socket: Socket | undefined
  /** Of connections that are over. */
  readonly #past = { failed: 0, feesMsat: 0n, moved: 0 }
  /** The receiver has this much of the source, and `#before` bytes of protocol came first on this connection. */
  #offset = 0
  #before = 0
  #written = 0
  #isStarted = false
  #isWhole = false
  /** What a packet carries on the best route; 0: not known. */
  #packetBytes = 0
  /** When it last went forward, ms. */
  #forwardMs: number
  #pausedMs: number | undefined
  #isCostReached = false
  #hashFailures = 0
  #shownBytes = 0
  #settledBytes = 0
  #farewell: Promise<void> = Promise.resolve()

  constructor(options: SendingOptions) {
    this.#options = options
    this.#forwardMs = options.time.now()
  }

  /** Bytes that the receiver has, as far as this side knows. */
  get bytes(): number {
    return this.#shownBytes
  }

  get failed(): number {
    return this.#past.failed + (this.#socket?.stats.failedAttempts ?? 0)
  }

  get feesMsat(): bigint {
    return this.#past.feesMsat + (this.#socket?.stats.feesMsat ?? 0n)
  }

  /** Resolves when the other side knows that this one knows. */
  get farewell(): Promise<void> {
    return this.#farewell
  }

  /** @throws TransferError, KeysockError: what trying again does not mend */
  async run(): Promise<SendingEnd> {
    const { time, stop } = this.#options
    const startMs = time.now()
    const stopTicking = every(time, TICK_MS, () => this.#tick())
    try {
      for (let pauseMs = RETRY_MS; ; pauseMs = Math.min(RETRY_MAX_MS, pauseMs * 2)) {
        const tryMs = time.now()
        const failure = await this.#try()
        if ('size' in failure)
          return {
            type: 'done',
            sent: { ...failure, bytes: this.#past.moved },
            seconds: (time.now() - startMs) / 1_000,
          }
        if (stop.isGiven) return { type: 'interrupted' }
        if (this.#isCostReached || codeOf(failure) === 'ERR_KEYSOCK_COST') return { type: 'cost' }
        if (!this.#mayTryAgain(failure)) throw failure
        if (this.#forwardMs > tryMs) pauseMs = RETRY_MS
        const leftMs = this.#leftMs()
        if (leftMs <= 0) return { type: 'wait', error: failure }
        this.#sayWaiting(failure, leftMs)
        await sleep(time, Math.min(pauseMs, leftMs), stop.signal)
        if (stop.signal.aborted) return { type: 'interrupted' }
      }
    } finally {
      stopTicking()
    }
  }

  /** One connection: what was sent, or why not. */
  async #try(): Promise<Sent | Error> {
    const { endpoint, target, source, session, maxCostMsat, stop } = this.#options
    try {
      const socket = await endpoint.connect(target.address, target.port, {
        maxCost: maxCostMsat,
        allowHalfOpen: true,
        connectTimeout: Math.max(1, Math.min(CONNECT_MS, this.#leftMs())),
        signal: stop.signal,
      })
      this.#use(socket)
      const sent = await sendOver(socket, source, {
        session,
        watcher: {
          started: (offset, before) => this.#started(offset, before),
          sent: (bytes) => (this.#written = bytes),
          waits: () => this.#sayOtherFirst(),
        },
      })
      this.#written = sent.size
      this.#shownBytes = sent.size
      this.#isWhole = true
      this.#farewell = closed(socket.end(), this.#options.time, LAST_WORD_MS)
      return sent
    } catch (error) {
      return error instanceof Error ? error : new Error(messageOf(error), { cause: error })
    } finally {
      this.#dropSocket()
    }
  }

  #use(socket: Socket): void {
    const { endpoint, target } = this.#options
    this.#socket = socket
    // Only for what is shown between two acknowledgements.
    endpoint.quote(target.address, 1).then(
      ({ packetBytes }) => (this.#packetBytes = packetBytes),
      () => undefined,
    )
    this.#pausedMs = undefined
    this.#isStarted = false
    // Whoever reads or writes hears it.
    socket.on('error', () => undefined)
    socket.on('paused', () => (this.#pausedMs ??= this.#options.time.now()))
  }

  #dropSocket(): void {
    const socket = this.#socket
    if (socket === undefined) return
    this.#tick()
    this.#socket = undefined
    if (this.#isStarted) this.#past.moved += Math.max(0, this.#shownBytes - this.#offset)
    this.#past.failed += socket.stats.failedAttempts
    this.#past.feesMsat += socket.stats.feesMsat
    // After a last word of ours, that is still on its way; otherwise nothing more is.
    if (!socket.writableEnded) socket.destroy()
  }

  #started(offset: number, before: number): void {
    const { display, source, time } = this.#options
    this.#offset = offset
    this.#before = before
    this.#written = offset
    this.#isStarted = true
    this.#settledBytes = offset
    this.#forwardMs = time.now()
    display.emit({ event: 'start', ...nameOf(source), offset })
  }

  /** Four times a second: how far it is, and whether the cap ended it. */
  #tick(): void {
    const socket = this.#socket
    if (socket === undefined) return
    const isOwed = !this.#isStarted || this.#shownBytes < this.#written
    if (isOwed && this.#leftMs() <= 0) socket.destroy()
    if (!this.#isStarted) return
    const { time, source, display, endpoint } = this.#options
    const now = time.now()
    const bytes = this.#acknowledged(socket)
    const settled = Math.max(bytes, this.#settled(socket))
    if (bytes > this.#shownBytes || settled > this.#settledBytes) {
      this.#forwardMs = now
      if (this.#pausedMs !== undefined) this.#pausedMs = now
    }
    this.#shownBytes = bytes
    this.#settledBytes = settled
    this.#meter.add(now, settled)
    const { spentMsat, reservedMsat, paymentsUnresolved } = endpoint.stats
    const rate = this.#meter.bytesPerSecond
    const size = source.content?.size ?? null
    display.emit({
      event: 'progress',
      ...nameOf(source),
      bytes,
      bytesSettled: settled,
      bytesPerSecond: Math.round(rate),
      inFlight: paymentsUnresolved,
      failed: this.failed,
      sat: satOf(spentMsat),
      reservedSat: satOf(reservedMsat),
      secondsLeft: size === null || rate <= 0 ? null : Math.round((size - settled) / rate),
    })
    const isDry = reservedMsat === 0n && bytes < this.#written
    if (this.#pausedMs !== undefined && (isDry || now - this.#pausedMs >= CAP_REACHED_MS)) {
      this.#isCostReached = true
      socket.destroy()
    }
  }

  /** Of the source: what is acknowledged, without the heads of messages. */
  #acknowledged(socket: Socket): number {
    const stream = Math.max(0, socket.stats.bytesAcknowledged - this.#before)
    const heads = Math.ceil(stream / (DATA_BYTES + HEAD_BYTES)) * HEAD_BYTES
    return this.#isWhole ? this.#written : Math.min(this.#written, this.#offset + Math.max(0, stream - heads))
  }

  /** Of the source, by payments that settled: about, since packets differ in length and some are copies. */
  #settled({ stats }: Socket): number {
    const packets = stats.attempts - stats.failedAttempts - stats.unresolvedAttempts
    return Math.min(this.#written, this.#offset + Math.max(0, packets * this.#packetBytes - this.#before))
  }

  #leftMs(): number {
    const { waitMs, time } = this.#options
    return this.#forwardMs + waitMs - time.now()
  }

  #mayTryAgain(error: Error): boolean {
    if (error instanceof TransferError) {
      if (error.reason === 'HASH' && error.isRemote) return this.#hashFailures++ === 0
      return error.reason === 'BUSY'
    }
    return error instanceof ConnectionLost || LOST.has(codeOf(error))
  }

  #sayWaiting(error: Error, leftMs: number): void {
    const { display, target, endpoint } = this.#options
    display.emit({
      event: 'waiting',
      code: codeOf(error),
      message: whyWaiting(error, target.port),
      sat: satOf(endpoint.stats.spentMsat),
      secondsLeft: Math.round(leftMs / 1_000),
    })
  }

  #sayOtherFirst(): void {
    this.#forwardMs = this.#options.time.now()
    this.#options.display.emit({
      event: 'waiting',
      code: 'ERR_TRANSFER_BUSY',
      message: 'the receiver is taking the same file from somebody else at the moment',
      sat: satOf(this.#options.endpoint.stats.spentMsat),
      secondsLeft: Math.round(this.#options.waitMs / 1_000),
    })
  }
}

export function nameOf({ name, content }: Source): TransferName {
  return { transfer: 1, name, size: content?.size ?? null }
}

const LOST: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'EHOSTUNREACH', 'EPIPE'])

function whyWaiting(error: Error, port: number): string {
  switch (codeOf(error)) {
    case 'ECONNREFUSED':
      return `nobody receives on port ${port} there yet, or there is no room`
    case 'ETIMEDOUT':
      return 'no answer yet: keysock receive does not run there, or its node is offline'
    case 'EHOSTUNREACH':
      return 'no route to that node at the moment'
    case 'ERR_TRANSFER_BUSY':
    case 'ERR_TRANSFER_HASH':
      return error.message
    default:
      return 'the connection was lost'
  }
}
