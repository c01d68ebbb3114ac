import type { Endpoint, Socket } from '../../index.ts'
import type { TargetArgument } from '../options.ts'
import type { Display } from '../display/display.ts'
import { SendProgress, StallTimer } from './progress.ts'
import { CAP_REACHED_MS, CONNECT_MS, LAST_WORD_MS, LEAST_TRY_MS, RETRY_MAX_MS, RETRY_MS } from './limits.ts'
import { codeOf, ConnectionLost, messageOf, TransferError } from './errors.ts'
import { sendOver, type SendWatcher, type Sent } from './send-session.ts'
import type { Source } from './source.ts'
import { closed, every, sleep, type Time } from './waiting.ts'
import type { TransferName } from '../events.ts'
import { satOf } from '../words.ts'

export interface SendTransferOptions {
  readonly endpoint: Endpoint
  readonly target: TargetArgument
  readonly source: Source
  readonly session: Uint8Array
  readonly maxCostMsat: bigint
  /** How long nothing may go forward before it stops, ms. */
  readonly waitMs: number
  readonly time: Time
  /** Ends it. */
  readonly signal: AbortSignal
  readonly display: Display
}

/** How it ended, where it was not an error. */
export type SendEnd =
  | { readonly type: 'done'; readonly sent: Sent; readonly seconds: number }
  | { readonly type: 'interrupted' }
  | { readonly type: 'cost' }
  | { readonly type: 'wait'; readonly error: Error }

const TICK_MS = 250
/** How long a person waits for an answer without a word. */
const NO_ANSWER_MS = 15_000

/** Sends one source, over as many connections as it takes. */
export class SendTransfer {
  readonly #options: SendTransferOptions
  readonly #row: SendingRow
  #socket: Socket | undefined
  /** Of this connection. */
  #silence: StallTimer | undefined
  /** Of the last connection on which anything was sent. */
  #progress: SendProgress | undefined
  /** Of connections that are over. */
  readonly #past = { failed: 0, feesMsat: 0n }
  #isConnecting = false
  /** This connection was ended by us, since the other side was silent. */
  #isSilent = false
  /** When a person last heard that there is no answer, ms. */
  #toldMs = 0
  #isStarted = false
  /** Where this run began: the least that the receiver had when a connection did. */
  #leastOffset = Infinity
  /** When it last went forward, ms. */
  #forwardMs: number
  #pausedMs: number | undefined
  #isCostReached = false
  /** What a packet carries on the best route; 0: not known. */
  #packetBytes = 0
  #hashFailures = 0
  #farewell: Promise<void> = Promise.resolve()

  constructor(options: SendTransferOptions) {
    this.#options = options
    this.#row = new SendingRow(options)
    this.#forwardMs = options.time.now()
  }

  /** Bytes that the receiver has, as far as this side knows for certain. */
  get bytes(): number {
    return this.#progress?.acknowledged ?? 0
  }

  /** Whether the receiver ever took the offer, so that there is something to go on from. */
  get isBegun(): boolean {
    return this.#leastOffset < Infinity
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
  async run(): Promise<SendEnd> {
    const { time, signal } = this.#options
    const startMs = time.now()
    this.#row.connecting()
    const stopTicking = every(time, TICK_MS, () => this.#tick())
    try {
      for (let pauseMs = RETRY_MS; !signal.aborted; pauseMs = Math.min(RETRY_MAX_MS, pauseMs * 2)) {
        const tryMs = time.now()
        const outcome = await this.#try()
        if ('size' in outcome) {
          const sent = { ...outcome, bytes: Math.max(0, outcome.size - this.#leastOffset) }
          return { type: 'done', sent, seconds: (time.now() - startMs) / 1_000 }
        }
        const end = this.#endOf(outcome)
        if (end !== undefined) return end
        if (this.#forwardMs > tryMs) pauseMs = RETRY_MS
        const leftMs = this.#leftMs()
        this.#row.waiting(outcome, leftMs)
        await sleep(time, Math.min(pauseMs, leftMs), signal)
      }
      return { type: 'interrupted' }
    } finally {
      stopTicking()
    }
  }

  /** Where a connection that failed was the last. @throws what trying again does not mend */
  #endOf(failure: Error): SendEnd | undefined {
    if (this.#options.signal.aborted) return { type: 'interrupted' }
    if (this.#isCostReached || codeOf(failure) === 'ERR_KEYSOCK_COST') return { type: 'cost' }
    if (!this.#mayTryAgain(failure)) throw failure
    return this.#leftMs() <= 0 ? { type: 'wait', error: failure } : undefined
  }

  /** One connection: what was sent, or why not. */
  async #try(): Promise<Sent | Error> {
    const { endpoint, target, source, session, maxCostMsat, signal, time } = this.#options
    const connecting = new AbortController()
    // What is written already would still be sent, and paid for, after a mere destroy().
    const interrupt = (): void => {
      if (this.#socket === undefined) connecting.abort()
      else this.#socket.resetAndDestroy()
    }
    signal.addEventListener('abort', interrupt, { once: true })
    this.#isConnecting = true
    this.#toldMs = time.now()
    try {
      const socket = await endpoint.connect(target.address, target.port, {
        maxCost: maxCostMsat,
        allowHalfOpen: true,
        connectTimeout: Math.min(CONNECT_MS, Math.max(LEAST_TRY_MS, this.#leftMs())),
        signal: connecting.signal,
      })
      this.#use(socket)
      const sent = await sendOver(socket, source, { session, watcher: this.#watcher() })
      this.#progress ??= new SendProgress({ offset: sent.size, before: 0, nowMs: time.now() })
      this.#progress.complete(sent.size)
      this.#farewell = closed(socket.end(), time, LAST_WORD_MS)
      return sent
    } catch (error) {
      if (this.#isSilent) return new ConnectionLost(SILENT, 'the receiver gave no sign any more', error)
      return error instanceof Error ? error : new Error(messageOf(error), { cause: error })
    } finally {
      signal.removeEventListener('abort', interrupt)
      this.#isConnecting = false
      this.#dropSocket()
    }
  }

  #use(socket: Socket): void {
    const { endpoint, target, time } = this.#options
    this.#socket = socket
    this.#silence = new StallTimer(time.now())
    this.#isConnecting = false
    this.#forwardMs = time.now()
    this.#pausedMs = undefined
    this.#isStarted = false
    this.#isSilent = false
    // Whoever reads or writes hears it.
    socket.on('error', () => undefined)
    socket.on('paused', () => (this.#pausedMs ??= time.now()))
    // Only for what is shown between two acknowledgements.
    endpoint.quote(target.address, 1).then(
      ({ packetBytes }) => (this.#packetBytes = packetBytes),
      () => undefined,
    )
  }

  /** Of one connection: what is written to it never counts for the next. */
  #watcher(): SendWatcher {
    let progress: SendProgress | undefined
    return {
      started: (offset, before) => {
        progress = this.#started(offset, before)
      },
      mayWrite: async (bytes) => progress?.mayWrite(bytes),
      sent: (bytes) => {
        if (progress !== undefined) progress.written = bytes
      },
      waits: () => {
        this.#forwardMs = this.#options.time.now()
        this.#row.otherFirst(this.#leftMs())
      },
    }
  }

  #started(offset: number, before: number): SendProgress {
    const { time } = this.#options
    this.#endProgress()
    const progress = new SendProgress({ offset, before, nowMs: time.now() })
    this.#leastOffset = Math.min(this.#leastOffset, offset)
    this.#progress = progress
    this.#isStarted = true
    this.#forwardMs = time.now()
    this.#row.started(offset)
    return progress
  }

  #dropSocket(): void {
    const socket = this.#socket
    if (socket === undefined) return
    this.#tick()
    this.#socket = undefined
    this.#endProgress()
    this.#past.failed += socket.stats.failedAttempts
    this.#past.feesMsat += socket.stats.feesMsat
    // After a last word of ours, that is still on its way; otherwise nothing more is.
    if (!socket.writableEnded) socket.resetAndDestroy()
  }

  #endProgress(): void {
    if (this.#isStarted) this.#progress?.end()
    this.#isStarted = false
  }

  /** Four times a second: how far it is, and whether it still goes. */
  #tick(): void {
    const socket = this.#socket
    if (socket === undefined) return this.#sayNoAnswer()
    const progress = this.#isStarted ? this.#progress : undefined
    const nowMs = this.#options.time.now()
    progress?.update(socket.stats, { nowMs, packetBytes: this.#packetBytes })
    if (progress !== undefined) {
      this.#row.progress(progress, this.failed)
      if (progress.forwardMs > this.#forwardMs) {
        this.#forwardMs = progress.forwardMs
        if (this.#pausedMs !== undefined) this.#pausedMs = nowMs
      }
    }
    this.#checkCap(socket, progress, nowMs)
    this.#silence?.update({ written: socket.bytesWritten, acknowledged: socket.stats.bytesAcknowledged, nowMs })
    if (this.#pausedMs !== undefined) this.#silence?.excuse(nowMs)
    const isOwed = progress?.isAllAcknowledged !== true
    const isStuck = nowMs - this.#forwardMs >= Math.max(LEAST_TRY_MS, this.#options.waitMs)
    if ((isOwed && isStuck) || this.#silence?.isTooLong(nowMs) === true) {
      this.#isSilent = true
      socket.resetAndDestroy()
    }
  }

  #checkCap(socket: Socket, progress: SendProgress | undefined, nowMs: number): void {
    if (this.#pausedMs === undefined) return
    const isDry = this.#options.endpoint.stats.reservedMsat === 0n && progress?.isAllAcknowledged === false
    if (!isDry && nowMs - this.#pausedMs < CAP_REACHED_MS) return
    this.#isCostReached = true
    socket.resetAndDestroy()
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

  /** A connection that takes long: each try is paid for, so nobody waits in silence. */
  #sayNoAnswer(): void {
    const nowMs = this.#options.time.now()
    if (!this.#isConnecting || nowMs - this.#toldMs < NO_ANSWER_MS) return
    this.#toldMs = nowMs
    this.#row.waiting(new ConnectionLost('ETIMEDOUT', 'no answer'), this.#leftMs())
  }
}

const LOST: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'EHOSTUNREACH', 'EPIPE'])

/** The code of a connection that we ended, since the other side was silent. */
export const SILENT = 'ERR_CLI_SILENT'

const PUBLIC_KEY_DIGITS = 66

/** What is shown of a source that is sent. */
export class SendingRow {
  readonly #name: TransferName
  readonly #endpoint: Endpoint
  readonly #target: TargetArgument
  readonly #display: Display

  constructor(options: {
    readonly source: Source
    readonly endpoint: Endpoint
    readonly target: TargetArgument
    readonly display: Display
  }) {
    this.#name = nameOf(options.source)
    this.#endpoint = options.endpoint
    this.#target = options.target
    this.#display = options.display
  }

  connecting(): void {
    const { address, port } = this.#target
    const publicKey = address.slice(0, PUBLIC_KEY_DIGITS).toLowerCase()
    this.#display.emit({ event: 'connecting', ...this.#name, publicKey, port })
  }

  started(offset: number): void {
    this.#display.emit({ event: 'start', ...this.#name, offset })
  }

  /** @param failed payments that failed on connections that are over, and on this one */
  progress({ acknowledged, settled, bytesPerSecond }: SendProgress, failed: number): void {
    const { size } = this.#name
    const { spentMsat, reservedMsat, paymentsUnresolved } = this.#endpoint.stats
    this.#display.emit({
      event: 'progress',
      ...this.#name,
      bytes: acknowledged,
      bytesSettled: settled,
      bytesPerSecond: Math.round(bytesPerSecond),
      inFlight: paymentsUnresolved,
      failed,
      sat: satOf(spentMsat),
      reservedSat: satOf(reservedMsat),
      secondsLeft: size === null || bytesPerSecond <= 0 ? null : Math.round((size - settled) / bytesPerSecond),
    })
  }

  /** There is no connection, or none that goes on; `error` says why. */
  waiting(error: Error, leftMs: number): void {
    this.#waiting(codeOf(error), whyNot(error, this.#target.port), leftMs)
  }

  /** file-transfer §3.5 */
  otherFirst(leftMs: number): void {
    const message =
      'the receiver is taking the same file over another connection at the moment, which may be an interrupted run of yours'
    this.#waiting('ERR_TRANSFER_BUSY', message, leftMs)
  }

  #waiting(code: string, message: string, leftMs: number): void {
    const sat = satOf(this.#endpoint.stats.spentMsat)
    this.#display.emit({ event: 'waiting', code, message, sat, secondsLeft: Math.max(0, Math.round(leftMs / 1_000)) })
  }
}

export function nameOf({ name, content }: Source): TransferName {
  return { transfer: 1, name, size: content?.size ?? null }
}

/** Why there is no connection, or none that goes on, for a person. */
export function whyNot(error: Error, port: number): string {
  switch (codeOf(error)) {
    case 'ECONNREFUSED':
      return `nobody receives on port ${port} there, or there is no room`
    case 'ETIMEDOUT':
      return 'no answer; keysock receive does not run there, or its node is offline'
    case 'EHOSTUNREACH':
      return 'no way to that node was found, or it is unknown'
    case SILENT:
    case 'ERR_TRANSFER_BUSY':
    case 'ERR_TRANSFER_HASH':
      return error.message
    default:
      return 'the connection was lost'
  }
}
