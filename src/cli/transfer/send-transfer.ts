import { toHex } from '../../floor/bytes.ts'
import type { Endpoint, Socket } from '../../index.ts'
import type { CliEvent, TransferName } from '../events.ts'
import { publicKeyOf, satOf } from '../words.ts'
import { codeOf, ConnectionLost, messageOf, TransferError } from './errors.ts'
import { CAP_REACHED_MS, CONNECT_MS, LAST_WORD_MS, MIN_TRY_MS, NO_ANSWER_MS, QUIET_MS, TICK_MS } from './limits.ts'
import { pauseMs, Reach, type Silence } from './reaching.ts'
import { SendProgress, StallTimer } from './progress.ts'
import { type FileAt, sendOver, type SendWatcher, type Sent } from './send-session.ts'
import { sendSetOver } from './send-set.ts'
import type { SetSource } from './set-source.ts'
import type { Source } from './source.ts'
import { closed, every, sleep, type Time } from './waiting.ts'
import { waitsFor } from './waits-for.ts'

/** Where to send. */
export interface SendTarget {
  /** A public key, or an address with route hints, as the library takes it. */
  readonly address: string
  readonly port: number
}

export interface SendTransferOptions {
  readonly endpoint: Endpoint
  readonly target: SendTarget
  readonly source: Source | SetSource
  /** Which of the command's transfers it is, from 1. */
  readonly number?: number
  /** One of several at once: it reports what its own connections cost, not all that the endpoint spent. */
  readonly isOneOfMany?: boolean
  /** Why this node itself could send nothing lately; undefined: it could. */
  readonly ownTrouble?: () => string | undefined
  /** 16 bytes that tell this run from others (file-transfer §2.1). */
  readonly session: Uint8Array
  readonly maxCostMsat: bigint
  /** How long there may be no progress before it stops, ms. */
  readonly waitMs: number
  readonly time: Time
  /** What the own node says of the way to the receiver, and back; undefined where it says nothing. */
  readonly look?: WayLook
  /** Ends the transfer. */
  readonly signal: AbortSignal
  readonly emit: (event: CliEvent) => void
}

/** A look at the ways between the own node and the receiver's. It takes a while: only where nothing goes forward. */
export interface WayLook {
  /** Why nobody can answer this node, in words; undefined where nothing is known against it. */
  noWayBack(): Promise<string | undefined>
  /** Whether another program holds what hidden answers need. */
  isHeld(): Promise<boolean>
  /** Whether the own node has heard of the receiver's. */
  knows(publicKeyHex: string): Promise<boolean | undefined>
}

/** How it ended, where it was not an error. */
export type SendEnd =
  | { readonly type: 'done' }
  | { readonly type: 'interrupted' }
  | { readonly type: 'cost' }
  | { readonly type: 'wait'; readonly error: Error; readonly why: string }

/** The code of a connection that we ended because the other side was silent. */
const SILENT = 'ERR_CLI_SILENT'

/** Sends one source, over as many connections as it takes, and reports how far it is. */
export class SendTransfer {
  readonly #options: SendTransferOptions
  readonly #name: TransferName
  #socket: Socket | undefined
  /** The tries to connect; the last ones, where there is a connection. */
  #reach: Reach | undefined
  /** Of the connection that is open. */
  #stallTimer: StallTimer | undefined
  /** Of the last connection on which anything was sent. */
  #progress: SendProgress | undefined
  /** Counts of the connections that are over. */
  #pastFailed = 0
  #pastCopies = 0
  #pastSat = 0
  #pastFeesSat = 0
  /** The file of a set that is sent. */
  #fileAt: FileAt | undefined
  /** Payments of this connection that had failed when it last went forward. */
  #failedBefore = 0
  #isNodeAway = false
  #isConnecting = false
  /** Whether we ended this connection, since the other side was silent. */
  #isSilent = false
  /** When a person last heard that there is no answer, ms. */
  #toldMs = 0
  #isStarted = false
  /** What was acknowledged of this connection before there was a file to send. */
  #listAcknowledged = 0
  /** Where this run began: the lowest offset at which a connection of it started. */
  #minOffset = Infinity
  /** When there was progress last, ms. */
  #forwardMs: number
  /** When the receiver was there last, as far as is known, ms. */
  #thereMs: number
  #pausedMs: number | undefined
  #isCostReached = false
  /** What a packet carries on the best route; 0: not known. */
  #packetBytes = 0
  #hashFailures = 0
  #farewell: Promise<void> = Promise.resolve()

  constructor(options: SendTransferOptions) {
    this.#options = options
    this.#name = nameOf(options.source, options.number)
    this.#forwardMs = options.time.now()
    this.#thereMs = this.#forwardMs
  }

  /** As events name it. */
  get name(): TransferName {
    return this.#name
  }

  /** Bytes that the receiver has, as far as this side knows for certain. */
  get bytes(): number {
    return this.#progress?.acknowledged ?? 0
  }

  /** Those of them that this run has brought. */
  get broughtBytes(): number {
    return Math.max(0, this.bytes - Math.min(this.#minOffset, this.bytes))
  }

  /** Whether the receiver ever accepted the offer, so that there is something to go on from. */
  get isBegun(): boolean {
    return this.#minOffset < Infinity
  }

  /** After a run that is done: resolves when the other side has acknowledged our end of the connection, or is gone. */
  get farewell(): Promise<void> {
    return this.#farewell
  }

  /** @throws TransferError, KeysockError: what trying again does not mend */
  async run(): Promise<SendEnd> {
    const { time, signal, target, emit, endpoint } = this.#options
    const startMs = time.now()
    const publicKey = publicKeyOf(target)
    emit({ event: 'connecting', ...this.#name, publicKey, port: target.port, network: endpoint.info.network })
    const away = (): void => {
      this.#isNodeAway = true
    }
    const back = (): void => {
      this.#isNodeAway = false
    }
    endpoint.on('offline', away).on('online', back)
    const stopTicking = every(time, TICK_MS, () => this.#tick())
    try {
      while (!signal.aborted) {
        const outcome = await this.#try()
        if ('size' in outcome) {
          this.#emitDone(outcome, (time.now() - startMs) / 1_000)
          return { type: 'done' }
        }
        const end = await this.#endOf(outcome)
        if (end !== undefined) return end
        const leftMs = this.#leftMs()
        this.#emitWaiting(codeOf(outcome), await this.#whyNot(outcome), leftMs)
        await sleep(time, Math.min(pauseMs(time.now() - this.#thereMs), leftMs), signal)
      }
      return { type: 'interrupted' }
    } finally {
      stopTicking()
      endpoint.off('offline', away).off('online', back)
    }
  }

  /** How the transfer ends with a failed connection; undefined: not yet. @throws what trying again does not mend */
  async #endOf(failure: Error): Promise<SendEnd | undefined> {
    if (this.#options.signal.aborted) return { type: 'interrupted' }
    if (this.#isCostReached || codeOf(failure) === 'ERR_KEYSOCK_COST') return { type: 'cost' }
    if (!this.#mayTryAgain(failure) && !(await this.#isHeld(failure))) throw failure
    return this.#leftMs() <= 0 ? { type: 'wait', error: failure, why: await this.#whyNot(failure) } : undefined
  }

  /** One connection: what was sent, or why not. */
  async #try(): Promise<Sent | Error> {
    const { endpoint, target, source, session, maxCostMsat, signal, time } = this.#options
    // What is written already would still be sent, and paid for, after a mere destroy().
    const interrupt = (): void => void this.#socket?.resetAndDestroy()
    signal.addEventListener('abort', interrupt, { once: true })
    const timeoutMs = Math.min(CONNECT_MS, Math.max(MIN_TRY_MS, this.#leftMs()))
    const reach = new Reach({ endpoint, target, maxCostMsat, timeoutMs, sinceMs: this.#thereMs, time, signal })
    this.#reach = reach
    this.#isConnecting = true
    this.#toldMs = time.now()
    try {
      const socket = await reach.connect()
      this.#use(socket)
      const over = { session, watcher: this.#watcher() }
      const sent = 'list' in source ? await sendSetOver(socket, source, over) : await sendOver(socket, source, over)
      this.#progress ??= new SendProgress({ offset: sent.size, before: 0, nowMs: time.now() })
      this.#progress.complete(sent.size)
      this.#farewell = closed(socket.end(), time, LAST_WORD_MS)
      return sent
    } catch (error) {
      if (this.#isSilent) {
        const trouble = this.#options.ownTrouble?.()
        return new ConnectionLost(SILENT, trouble ?? 'the receiver gave no sign any more', error)
      }
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
    this.#stallTimer = new StallTimer(time.now())
    this.#isConnecting = false
    this.#forwardMs = time.now()
    this.#pausedMs = undefined
    this.#failedBefore = socket.stats.failedAttempts
    this.#isStarted = false
    this.#isSilent = false
    this.#listAcknowledged = 0
    // The error reaches whoever reads or writes at the moment.
    socket.on('error', () => undefined)
    socket.on('paused', () => (this.#pausedMs ??= time.now()))
    // Needed only to show progress between two acknowledgements.
    endpoint.quote(target.address, 1, { answers: false }).then(
      ({ packetBytes }) => (this.#packetBytes = packetBytes),
      () => undefined,
    )
  }

  /** Watches one connection: what is written to it never counts for the next one. */
  #watcher(): SendWatcher {
    let progress: SendProgress | undefined
    return {
      started: (offset, before) => {
        progress = this.#start(offset, before)
      },
      mayWrite: async (bytes) => progress?.mayWrite(bytes),
      sent: (bytes, ofSet) => progress?.recordWritten(bytes, ofSet),
      file: (at) => {
        this.#fileAt = at
      },
      waits: () => {
        this.#forwardMs = this.#options.time.now()
        this.#emitWaiting('ERR_TRANSFER_BUSY', OTHER_FIRST, this.#leftMs())
      },
    }
  }

  #start(offset: number, before: number): SendProgress {
    const { time, emit } = this.#options
    this.#endProgress()
    const progress = new SendProgress({ offset, before, nowMs: time.now() })
    this.#minOffset = Math.min(this.#minOffset, offset)
    this.#progress = progress
    this.#isStarted = true
    this.#forwardMs = time.now()
    emit({ event: 'start', ...this.#name, offset })
    return progress
  }

  #dropSocket(): void {
    const socket = this.#socket
    if (socket === undefined) return
    this.#tick()
    this.#thereMs = this.#options.time.now()
    this.#socket = undefined
    this.#endProgress()
    this.#pastFailed += socket.stats.failedAttempts
    this.#pastCopies += socket.stats.hedgedAttempts
    this.#pastSat += socket.stats.satPaid
    this.#pastFeesSat += satOf(socket.stats.feesMsat)
    // An ended socket still delivers our last message; on any other, nothing more may be paid for.
    if (!socket.writableEnded) socket.resetAndDestroy()
  }

  #endProgress(): void {
    if (this.#isStarted) this.#progress?.end()
    this.#isStarted = false
  }

  /** Four times a second: how far it is, and whether it still goes. */
  #tick(): void {
    const socket = this.#socket
    if (socket === undefined) return this.#tellNoAnswer()
    const progress = this.#isStarted ? this.#progress : undefined
    const nowMs = this.#options.time.now()
    progress?.update(socket.stats, { nowMs, packetBytes: this.#packetBytes })
    if (progress !== undefined) {
      this.#emitProgress(socket, progress)
      if (progress.forwardMs > this.#forwardMs) {
        this.#forwardMs = progress.forwardMs
        this.#failedBefore = socket.stats.failedAttempts
        if (this.#pausedMs !== undefined) this.#pausedMs = nowMs
      }
    }
    this.#hearList(socket, progress, nowMs)
    this.#checkCap(socket, progress, nowMs)
    this.#stallTimer?.update({ written: socket.bytesWritten, acknowledged: socket.stats.bytesAcknowledged, nowMs })
    if (this.#pausedMs !== undefined) this.#stallTimer?.excuse(nowMs)
    const isOwed = progress?.isAllAcknowledged !== true
    const isStuck = nowMs - this.#forwardMs >= Math.max(MIN_TRY_MS, this.#options.waitMs)
    if ((isOwed && isStuck) || this.#stallTimer?.isStalled(nowMs) === true) {
      this.#isSilent = true
      socket.resetAndDestroy()
    }
  }

  /** Before the first byte of a set goes its list, which may be long: it counts as progress where it arrives. */
  #hearList({ stats }: Socket, progress: SendProgress | undefined, nowMs: number): void {
    if (progress !== undefined || stats.bytesAcknowledged <= this.#listAcknowledged) return
    this.#listAcknowledged = stats.bytesAcknowledged
    this.#forwardMs = nowMs
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

  /** Connecting takes long, and each try is paid for: a person hears every 15 seconds that there is no answer. */
  #tellNoAnswer(): void {
    const nowMs = this.#options.time.now()
    if (!this.#isConnecting || nowMs - this.#toldMs < NO_ANSWER_MS) return
    this.#toldMs = nowMs
    const noAnswer = new ConnectionLost('ETIMEDOUT', 'no answer')
    const { silence } = this.#reach ?? {}
    const failure = silence === 'unpaid' ? new ConnectionLost('EHOSTUNREACH', 'no way') : noAnswer
    void this.#whyNot(failure).then((why) => {
      if (this.#isConnecting) this.#emitWaiting(failure.code, why, this.#leftMs())
    })
  }

  /** Whether another program has the node, or the interceptor that hidden answers need, and may let it go. */
  async #isHeld(failure: Error): Promise<boolean> {
    const code = codeOf(failure)
    return code === 'node-in-use' || (code === 'ERR_KEYSOCK_NO_PATH' && (await this.#options.look?.isHeld()) === true)
  }

  /** Why there is no connection, by all that the payments and the own node tell. */
  async #whyNot(failure: Error): Promise<string> {
    const { target, look, ownTrouble } = this.#options
    switch (codeOf(failure)) {
      case 'ERR_KEYSOCK_NO_PATH':
        return HELD
      case 'EHOSTUNREACH':
        return ownTrouble?.() ?? whyNoWay(await look?.knows(publicKeyOf(target)))
      case 'ETIMEDOUT': {
        const silence = this.#reach?.silence ?? 'unanswered'
        const trouble = silence === 'unanswered' ? undefined : ownTrouble?.()
        if (trouble !== undefined) return trouble
        const noWayBack = silence === 'unanswered' ? await look?.noWayBack() : undefined
        return noWayBack === undefined ? whySilent(silence) : `the answers cannot reach this node: ${noWayBack}`
      }
      default:
        return whyNot(failure, target.port)
    }
  }

  /** Payments that failed, on connections that are over and on this one. */
  get #failed(): number {
    return this.#pastFailed + (this.#socket?.stats.failedAttempts ?? 0)
  }

  /** Copies of packets, as `#failed`. */
  get #copies(): number {
    return this.#pastCopies + (this.#socket?.stats.hedgedAttempts ?? 0)
  }

  /** What it has cost: payments of a lost connection settle after it, and those of tries that nobody answered. */
  get spentSat(): number {
    const { endpoint, isOneOfMany = false } = this.#options
    return isOneOfMany ? this.#pastSat + (this.#socket?.stats.satPaid ?? 0) : satOf(endpoint.stats.spentMsat)
  }

  get #feesSat(): number {
    const { endpoint, isOneOfMany = false } = this.#options
    if (!isOneOfMany) return satOf(endpoint.stats.feesMsat)
    return this.#pastFeesSat + satOf(this.#socket?.stats.feesMsat ?? 0n)
  }

  get #reservedSat(): number {
    const { endpoint, isOneOfMany = false } = this.#options
    return satOf(isOneOfMany ? (this.#socket?.stats.reservedMsat ?? 0n) : endpoint.stats.reservedMsat)
  }

  get #filesNow(): { readonly file?: string; readonly filesDone?: number; readonly files?: number } {
    const at = this.#fileAt
    return at === undefined ? {} : { file: at.path, filesDone: this.#progress?.files ?? at.before, files: at.all }
  }

  #emitProgress(socket: Socket, progress: SendProgress): void {
    const { endpoint, emit, time } = this.#options
    const { stats } = socket
    const { acknowledged, settled, bytesPerSecond, isAllAcknowledged } = progress
    const quietMs = time.now() - progress.forwardMs
    const { size } = this.#name
    const { isOneOfMany = false } = this.#options
    const inFlight = isOneOfMany ? stats.unresolvedAttempts : endpoint.stats.paymentsUnresolved
    emit({
      event: 'progress',
      ...this.#name,
      bytes: acknowledged,
      bytesSettled: settled,
      bytesPerSecond: Math.round(bytesPerSecond),
      inFlight,
      failed: this.#failed,
      sat: this.spentSat,
      reservedSat: this.#reservedSat,
      secondsLeft: size === null || bytesPerSecond <= 0 ? null : Math.round((size - settled) / bytesPerSecond),
      hung: stats.hungAttempts,
      copies: this.#copies,
      waitsFor:
        quietMs < QUIET_MS
          ? null
          : waitsFor({
              stats,
              isNodeAway: this.#isNodeAway,
              isPaused: this.#pausedMs !== undefined,
              isAllAcknowledged,
              failedBefore: this.#failedBefore,
            }),
      quietSeconds: Math.round(quietMs / 1_000),
      ...this.#filesNow,
      ...(isOneOfMany && { publicKey: publicKeyOf(this.#options.target) }),
    })
  }

  /** There is no connection, or none that goes on; `message` says why. */
  #emitWaiting(code: string, message: string, leftMs: number): void {
    const { emit, isOneOfMany = false } = this.#options
    const sat = this.spentSat
    const { attempts = 0, failed = 0, hung = 0 } = this.#reach?.counts ?? {}
    const secondsLeft = Math.max(0, Math.round(leftMs / 1_000))
    const which = isOneOfMany ? { ...this.#name, publicKey: publicKeyOf(this.#options.target) } : {}
    emit({ event: 'waiting', code, message, sat, secondsLeft, attempts, failed, hung, ...which })
  }

  #emitDone({ size, sha256 }: Sent, seconds: number): void {
    const { emit, isOneOfMany = false, source, target } = this.#options
    const bytesMoved = Math.max(0, size - this.#minOffset)
    emit({
      event: 'done',
      ...this.#name,
      size,
      bytes: size,
      bytesMoved,
      sha256: toHex(sha256),
      path: null,
      seconds: Number(seconds.toFixed(3)),
      failed: this.#failed,
      copies: this.#copies,
      sat: this.spentSat,
      feesSat: this.#feesSat,
      receivedSat: 0,
      wasThere: bytesMoved === 0 && size > 0,
      ...('list' in source && { files: source.entries.filter(({ kind }) => kind === 'file').length }),
      ...(isOneOfMany && { publicKey: publicKeyOf(target) }),
    })
  }
}

const LOST: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'EHOSTUNREACH', 'EPIPE'])
/** Its own node's HTLC interceptor, in the words of somebody who types commands. */
const HELD =
  "another program on this node, perhaps another keysock send, has what hidden answers need, and this one waits for it; keysock daemon lets both run at once, and --replies direct needs no waiting, but shows the receiver this node's public key"
/** file-transfer §3.5: the receiver answers WAIT while another connection has the same offer. */
const OTHER_FIRST =
  'the receiver is taking the same file over another connection at the moment, which may be an interrupted run of yours'

export function nameOf({ name, content }: Pick<Source, 'name' | 'content'>, transfer = 1): TransferName {
  return { transfer, name, size: content?.size ?? null }
}

/** Why there is no connection, or none that goes on, for a person. */
function whyNot(error: Error, port: number): string {
  switch (codeOf(error)) {
    case 'ECONNREFUSED':
      return `nobody receives on port ${port} there, or there is no room`
    case SILENT:
    case 'node-in-use':
    case 'ERR_TRANSFER_BUSY':
    case 'ERR_TRANSFER_HASH':
      return error.message
    default:
      return 'the connection was lost'
  }
}

/** Why nothing could be sent at all. `isKnown`: whether the own node has heard of the receiver's. */
export function whyNoWay(isKnown: boolean | undefined): string {
  if (isKnown === false)
    return 'this node has not heard of that one: the key may be wrong, or it has no public channel; the address that keysock receive prints there leads to it'
  if (isKnown === true)
    return 'no way to that node was found within --max-fee: this node, or the channels on the way, have no room for a packet'
  return 'no way to that node was found within --max-fee, or it is unknown'
}

/** Why nobody answers, by what became of the packets. */
function whySilent(silence: Silence): string {
  switch (silence) {
    case 'unanswered':
      return 'no answer; keysock receive does not run there, or its answers do not get through'
    case 'failing':
      return 'no payment reaches that node: it is offline, or no channel has room towards it (keysock doctor there tells)'
    case 'hanging':
      return 'payments to that node hang on their way'
    case 'unpaid':
      return 'nothing could be sent to that node yet'
  }
}
