import { BoundedMap } from '../../floor/bounded.ts'
import { toHex } from '../../floor/bytes.ts'
import type { Endpoint, Server, Socket } from '../../index.ts'
import type { CliEvent, TransferName } from '../events.ts'
import { bytesInWords, durationInWords, percentOf, satOf } from '../words.ts'
import { codeOf, ConnectionLost, messageOf, TransferError } from './errors.ts'
import {
  ADVANCE_MSAT,
  ADVANCE_PARTS,
  CAP_REACHED_MS,
  ENDING_MS,
  LAST_WORD_MS,
  MAX_PARTS,
  MAX_TRANSFERS,
  SILENT_MS,
  TICK_MS,
} from './limits.ts'
import type { TransferOffer } from './messages.ts'
import { RateMeter } from './progress.ts'
import type { FileCount } from './receive-set.ts'
import { type Received, receiveFrom, type ReceiveWatcher } from './receive-session.ts'
import type { Storage } from './storage.ts'
import { TransferQueue } from './transfer-queue.ts'
import { closed, every, sleep, type Time } from './waiting.ts'

export interface ReceiveServerOptions {
  readonly endpoint: Endpoint
  readonly storage: Storage
  readonly port: number
  readonly maxSizeBytes: number
  /** Ends after so many files; undefined: never by itself. */
  readonly count: number | undefined
  /** What a person allowed to be spent in all, msat; undefined: what the packets bring in, and a little in advance. */
  readonly maxCostMsat: bigint | undefined
  /** One output for one transfer: what fails in it cannot be made good. */
  readonly isStream: boolean
  readonly time: Time
  readonly emit: (event: CliEvent) => void
}

/** How it ended, where it was not by a signal. */
export type ReceiveEnd =
  | { readonly type: 'count' }
  | { readonly type: 'cost'; readonly capMsat: bigint }
  | { readonly type: 'failed'; readonly error: Error }

interface Pause {
  readonly atMs: number
  /** What does not fit. */
  readonly priceMsat: bigint
}

/** Receives files from whoever connects. */
export class ReceiveServer {
  readonly #options: ReceiveServerOptions
  readonly #server: Server
  readonly #queue: TransferQueue
  readonly #sockets: Set<Socket> = new Set()
  readonly #transfers: Map<Socket, IncomingTransfer> = new Map()
  readonly #running: Set<Promise<void>> = new Set()
  readonly #ended: PromiseWithResolvers<ReceiveEnd> = Promise.withResolvers()
  #offered = 0
  #done = 0
  /** Connections whose answers wait for their sender to pay: since when, what it had paid, and what the next costs. */
  readonly #unpaid: Map<Socket, Pause & { readonly incomeMsat: bigint }> = new Map()
  /** Since when the person's cap stops it, and how much was there. */
  #paused: (Pause & { readonly bytes: number }) | undefined
  readonly #unfinished: UnfinishedTransfers = new UnfinishedTransfers()
  #isStopping = false
  readonly #ending: AbortController = new AbortController()
  #stopTicking = (): void => undefined

  constructor(options: ReceiveServerOptions) {
    this.#options = options
    this.#queue = new TransferQueue(options.time)
    this.#server = options.endpoint.createServer(
      { allowHalfOpen: true, answers: options.maxCostMsat === undefined ? 'caller' : 'own' },
      (socket) => this.#accept(socket),
    )
    this.#server.maxConnections = MAX_TRANSFERS
    this.#server.on('drop', () => this.#queue.makeRoom())
  }

  /** What it ends with by itself. */
  get ended(): Promise<ReceiveEnd> {
    return this.#ended.promise
  }

  /** Whether anybody sends at the moment. */
  get isReceiving(): boolean {
    return this.#transfers.size > 0
  }

  /** What is kept of transfers that did not end, in words: what the storage has of it, so after `stop`. */
  async unfinished(): Promise<readonly string[]> {
    return await this.#unfinished.inWords(this.#options.storage)
  }

  /** @throws KeysockError EADDRINUSE and others of listen */
  async start(): Promise<void> {
    this.#followIncome()
    await this.#server.listen(this.#options.port)
    this.#stopTicking = every(this.#options.time, TICK_MS, () => this.#tick())
  }

  /**
   * Ends what runs: senders are told, and what is on its way is taken for some seconds, since it is paid for whether
   * anybody takes it or not (file-transfer §4.6). What came is on the disk when it resolves.
   */
  async stop(): Promise<void> {
    this.#isStopping = true
    this.#stopTicking()
    this.#server.close()
    this.#ending.abort()
    await this.#whileRunning(ENDING_MS)
    for (const socket of this.#sockets) {
      // What has said its last word may still deliver it, unless its sender does not end.
      if (!socket.writableEnded || this.#transfers.has(socket)) socket.resetAndDestroy()
    }
    await Promise.all(this.#running)
    await Promise.all([...this.#sockets].map((socket) => closed(socket, this.#options.time, LAST_WORD_MS)))
  }

  /** Resolves when no transfer runs, or after so many ms. */
  async #whileRunning(ms: number): Promise<void> {
    const over = new AbortController()
    void Promise.allSettled(this.#running).then(() => over.abort())
    await sleep(this.#options.time, ms, over.signal)
  }

  #tick(): void {
    const { time, maxCostMsat } = this.#options
    let bytes = 0
    for (const transfer of this.#transfers.values()) {
      transfer.tick()
      bytes += transfer.bytes
    }
    this.#followIncome()
    if (this.#paused === undefined || maxCostMsat === undefined) return
    // What is under way may come back, and make room.
    if (this.#hasRoom(this.#paused)) this.#paused = undefined
    else if (bytes !== this.#paused.bytes) this.#paused = { ...this.#paused, atMs: time.now(), bytes }
    else if (time.now() - this.#paused.atMs >= CAP_REACHED_MS) {
      this.#ended.resolve({ type: 'cost', capMsat: maxCostMsat })
    }
  }

  #accept(socket: Socket): void {
    // The error reaches whoever reads or writes at the moment.
    socket.on('error', () => undefined)
    socket.on('paused', (_reason: string, { priceMsat }: { readonly priceMsat: bigint }) => {
      this.#meetCap(socket, priceMsat)
    })
    this.#sockets.add(socket)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      this.#unpaid.delete(socket)
    })
    const running = this.#receive(socket).finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  async #receive(socket: Socket): Promise<void> {
    const { time, emit, storage, maxSizeBytes } = this.#options
    const transfer = new IncomingTransfer({
      socket,
      emit,
      time,
      onBegin: (offer, bytes) => this.#unfinished.add(offer, bytes),
      nextNumber: () => ++this.#offered,
    })
    this.#transfers.set(socket, transfer)
    try {
      const received = await receiveFrom(socket, {
        storage,
        queue: this.#queue,
        maxSizeBytes,
        time,
        watcher: transfer,
        ending: this.#ending.signal,
      })
      this.#transfers.delete(socket)
      this.#unfinished.remove(received.offer)
      transfer.done(received)
      if (++this.#done === this.#options.count) this.#ended.resolve({ type: 'count' })
    } catch (error) {
      this.#transfers.delete(socket)
      this.#failed(transfer, error as Error)
    }
    void this.#leave(socket)
  }

  /** After a last word, the other side has to end as well, and to say that it knows. */
  async #leave(socket: Socket): Promise<void> {
    await closed(socket, this.#options.time, LAST_WORD_MS)
    if (!socket.closed) socket.resetAndDestroy()
  }

  #failed(transfer: IncomingTransfer, error: Error): void {
    const { isStream } = this.#options
    // A person who ends it is told what is unfinished in one line.
    if (this.#isStopping) return
    if (error instanceof ConnectionLost) return transfer.lost()
    transfer.failed(error)
    const isOurs = !(error instanceof TransferError) || error.reason === 'STORAGE' || error.reason === 'NO_SPACE'
    if (isStream && (isOurs || transfer.bytes > 0)) this.#ended.resolve({ type: 'failed', error })
  }

  /** A cap was met: the person's own, or what the sender's packets have paid for so far. */
  #meetCap(socket: Socket, priceMsat: bigint): void {
    const { maxCostMsat, time } = this.#options
    const pause: Pause = { atMs: time.now(), priceMsat }
    if (maxCostMsat !== undefined) this.#paused ??= { ...pause, bytes: -1 }
    else if (!this.#unpaid.has(socket)) this.#unpaid.set(socket, { ...pause, incomeMsat: socket.stats.receivedMsat })
  }

  /** Whether what did not fit fits by now: under the cap of all, and by what the caller has paid. */
  #hasRoom({ priceMsat }: Pause, socket?: Socket): boolean {
    const { spentMsat, reservedMsat, capMsat } = this.#options.endpoint.stats
    return spentMsat + reservedMsat + priceMsat <= capMsat && socket?.stats.awaitsMoney !== true
  }

  /**
   * Without a cap of the person's: what packets bring in may be spent on answers, and what the endpoint advances
   * (spec §12.11), no less: else callers that are refused, whose money comes on no connection of this server, would use
   * up what the next sender needs.
   */
  #followIncome(): void {
    const { maxCostMsat, endpoint, emit, time } = this.#options
    if (maxCostMsat !== undefined) return
    const { receivedMsat } = endpoint.stats
    const all = receivedMsat + receivedMsat / ADVANCE_PARTS + ADVANCE_MSAT
    for (const socket of this.#sockets) if (socket.stats.awaitsMoney) this.#meetCap(socket, 0n)
    if (all !== endpoint.stats.capMsat) endpoint.setCaps({ process: all })
    for (const [socket, pause] of this.#unpaid) {
      const hasPaid = socket.stats.receivedMsat > pause.incomeMsat
      if (hasPaid || this.#hasRoom(pause, socket)) this.#unpaid.delete(socket)
      else if (time.now() - pause.atMs >= CAP_REACHED_MS) {
        this.#unpaid.delete(socket)
        emit({
          event: 'warning',
          code: 'ERR_CLI_COST',
          message: 'answers to a sender cost more than it pays; its connection is closed',
        })
        socket.resetAndDestroy()
      }
    }
  }
}

/** What one connection sends to us, as it is reported. */
export class IncomingTransfer implements ReceiveWatcher {
  readonly #options: IncomingTransferOptions
  #bytes = 0
  /** From where this connection began. */
  #meter: RateMeter | undefined
  #name: TransferName | undefined
  #offer: TransferOffer | undefined
  #offset = 0
  #files: FileCount | undefined
  #file: string | undefined
  #startMs: number
  /** When the last byte came, ms. */
  #heardMs = 0
  #isSilent = false

  constructor(options: IncomingTransferOptions) {
    this.#options = options
    this.#startMs = options.time.now()
  }

  /** So many bytes of the whole are there. */
  get bytes(): number {
    return this.#bytes
  }

  offered(offer: TransferOffer): void {
    const { nextNumber, time } = this.#options
    const { name, content } = offer
    this.#name = { transfer: nextNumber(), name, size: content?.size ?? null }
    this.#startMs = time.now()
    this.#offer = offer
  }

  waits(): void {
    const { name } = this.#known()
    this.#options.emit({
      event: 'warning',
      code: 'ERR_TRANSFER_BUSY',
      message: `${name}: offered by a second sender, which waits for the first`,
    })
  }

  started(offset: number, files?: FileCount): void {
    const { onBegin, time, emit } = this.#options
    this.#files = files
    this.#offset = offset
    this.#bytes = offset
    this.#startMs = time.now()
    this.#heardMs = this.#startMs
    this.#meter = new RateMeter()
    if (this.#offer !== undefined) onBegin(this.#offer, () => this.#bytes)
    emit({ event: 'start', ...this.#known(), offset })
    this.tick()
  }

  fileDone(path: string, fileSize: number, files: FileCount): void {
    this.#files = files
    this.#file = path
    const { done: filesDone, all } = files
    this.#options.emit({ event: 'file', ...this.#known(), path, fileSize, filesDone, files: all })
  }

  received(bytes: number): void {
    this.#bytes = bytes
    this.#heardMs = this.#options.time.now()
    this.#isSilent = false
  }

  tick(): void {
    if (this.#meter === undefined) return
    const { socket, time, emit } = this.#options
    if (this.#isSilent) return
    if (time.now() - this.#heardMs >= SILENT_MS) return this.#fallSilent()
    const name = this.#known()
    this.#meter.add(time.now(), this.#bytes)
    const rate = this.#meter.bytesPerSecond
    const { stats } = socket
    emit({
      event: 'progress',
      ...name,
      bytes: this.#bytes,
      bytesSettled: this.#bytes,
      bytesPerSecond: Math.round(rate),
      inFlight: stats.unresolvedAttempts,
      failed: stats.failedAttempts,
      sat: stats.satPaid,
      reservedSat: satOf(stats.reservedMsat),
      secondsLeft: name.size === null || rate <= 0 ? null : Math.round((name.size - this.#bytes) / rate),
      ...(this.#files !== undefined && { filesDone: this.#files.done, files: this.#files.all }),
      ...(this.#file !== undefined && { file: this.#file }),
    })
  }

  /** Its sender is dead or away: its line would stand for as long as it is waited for (file-transfer §4.5). */
  #fallSilent(): void {
    this.#isSilent = true
    if (this.#offer === undefined) return
    const kept = keptInWords(this.#offer, this.#bytes)
    const message = `${kept}: nothing came for ${durationInWords(SILENT_MS / 1_000)}; what came is kept, and the sender is waited for`
    this.#options.emit({ event: 'silent', ...this.#known(), bytes: this.#bytes, message })
  }

  done({ path, size, sha256, wasThere, files }: Received): void {
    const { socket, time, emit } = this.#options
    const { stats } = socket
    emit({
      event: 'done',
      ...this.#known(),
      size,
      bytes: size,
      bytesMoved: wasThere ? 0 : size - this.#offset,
      sha256: toHex(sha256),
      path,
      seconds: Number(((time.now() - this.#startMs) / 1_000).toFixed(3)),
      failed: stats.failedAttempts,
      sat: stats.satPaid,
      feesSat: satOf(stats.feesMsat),
      receivedSat: stats.satReceived,
      wasThere,
      ...(files !== undefined && { files }),
    })
  }

  /** The connection went; what came is kept. */
  lost(): void {
    // Whoever connects and offers nothing is of no interest.
    if (this.#offer === undefined) return
    const kept = this.#meter === undefined ? this.#offer.name : keptInWords(this.#offer, this.#bytes)
    this.#options.emit({
      event: 'stopped',
      ...this.#known(),
      reason: 'lost',
      bytes: this.#bytes,
      sat: this.#options.socket.stats.satPaid,
      message: `${kept}: the sender went away; what came is kept until it comes back`,
      resume: null,
    })
  }

  failed(error: Error): void {
    // The cause holds what the sender need not know: a path of ours.
    const message = typeof error.cause === 'string' ? `${messageOf(error)}; ${error.cause}` : messageOf(error)
    this.#options.emit({ event: 'error', ...this.#name, code: codeOf(error), message })
  }

  #known(): TransferName {
    if (this.#name === undefined) throw new Error('nothing was offered yet')
    return this.#name
  }
}

interface IncomingTransferOptions {
  readonly socket: Socket
  readonly emit: (event: CliEvent) => void
  readonly time: Time
  /** Hears of each transfer of which bytes will come. */
  readonly onBegin: (offer: TransferOffer, bytes: () => number) => void
  /** The number of a transfer, once it is one. */
  readonly nextNumber: () => number
}

/** Transfers of this run that began and did not end; as many as there may be parts in a folder. */
export class UnfinishedTransfers {
  readonly #offers: BoundedMap<string, { readonly offer: TransferOffer; readonly bytes: () => number }> =
    new BoundedMap(MAX_PARTS)

  /** @param bytes how much of it came; of a set, the storage does not tell */
  add(offer: TransferOffer, bytes: () => number = () => 0): void {
    this.#offers.set(keyOf(offer), { offer, bytes })
  }

  remove(offer: TransferOffer): void {
    this.#offers.delete(keyOf(offer))
  }

  /** What the storage has of them. */
  async inWords(storage: Pick<Storage, 'parts'>): Promise<readonly string[]> {
    const kept: string[] = []
    for (const { offer, bytes } of this.#offers.values()) {
      if (offer.set !== undefined) {
        if (bytes() > 0) kept.push(keptInWords(offer, bytes()))
        continue
      }
      const [longest] = await storage.parts(offer).catch(() => [])
      if (longest !== undefined && longest.size > 0) kept.push(keptInWords(offer, longest.size))
    }
    return kept
  }
}

/** What is there of an offer. */
function keptInWords({ name, content }: TransferOffer, bytes: number): string {
  if (content === undefined) return `${name} (${bytesInWords(bytes)})`
  return `${name} (${percentOf(bytes, content.size)} of ${bytesInWords(content.size)})`
}

function keyOf({ name, content }: TransferOffer): string {
  return content === undefined ? name : `${name}/${toHex(content.sha256)}`
}
