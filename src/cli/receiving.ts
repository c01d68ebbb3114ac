import type { Endpoint, Server, Socket } from '../index.ts'
import type { Display } from './display/events.ts'
import { ReceivingRow } from './receiving-row.ts'
import { ADVANCE_ALL_MSAT, ADVANCE_MSAT, CAP_REACHED_MS, LAST_WORD_MS, MAX_TRANSFERS } from './transfer/bounds.ts'
import { ConnectionLost, TransferError } from './transfer/errors.ts'
import type { Offer } from './transfer/messages.ts'
import { receiveFrom } from './transfer/receiver.ts'
import type { Storage } from './transfer/storage.ts'
import { closed, every, type Time } from './transfer/time.ts'
import { Turns } from './transfer/turns.ts'
import { Unfinished } from './unfinished.ts'

export interface ReceivingOptions {
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
  readonly display: Display
}

/** How it ended, where it was not by a signal. */
export type ReceivingEnd =
  | { readonly type: 'count' }
  | { readonly type: 'cost' }
  | { readonly type: 'failed'; readonly error: Error }

const TICK_MS = 250

interface Pause {
  readonly atMs: number
  /** What does not fit. */
  readonly priceMsat: bigint
}

/** Takes files from whoever connects. */
export class Receiving {
  readonly #options: ReceivingOptions
  readonly #server: Server
  readonly #turns: Turns
  readonly #sockets: Set<Socket> = new Set()
  readonly #rows: Map<Socket, ReceivingRow> = new Map()
  readonly #running: Set<Promise<void>> = new Set()
  readonly #ended: PromiseWithResolvers<ReceivingEnd> = Promise.withResolvers()
  #transfers = 0
  #done = 0
  /** What connections that are over brought in, msat. */
  #pastIncomeMsat = 0n
  /** Connections whose answers wait for their sender to pay: since when, what it had paid, and what the next costs. */
  readonly #unpaid: Map<Socket, Pause & { readonly incomeMsat: bigint }> = new Map()
  /** Since when the person's cap stops it, and how much was there. */
  #paused: (Pause & { readonly bytes: number }) | undefined
  readonly #unfinished: Unfinished = new Unfinished()
  #isStopping = false
  #stopTicking = (): void => undefined

  constructor(options: ReceivingOptions) {
    this.#options = options
    this.#turns = new Turns(options.time)
    this.#server = options.endpoint.createServer(
      { allowHalfOpen: true, ...(options.maxCostMsat === undefined && { maxCost: ADVANCE_MSAT }) },
      (socket) => this.#take(socket),
    )
    this.#server.maxConnections = MAX_TRANSFERS
    this.#server.on('drop', () => this.#turns.makeRoom())
  }

  /** What it ends with by itself. */
  get ended(): Promise<ReceivingEnd> {
    return this.#ended.promise
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

  /** Ends what runs; what came is on the disk when it resolves. */
  async stop(): Promise<void> {
    this.#isStopping = true
    this.#stopTicking()
    this.#server.close()
    for (const socket of this.#sockets) if (!socket.writableEnded) socket.resetAndDestroy()
    await Promise.all(this.#running)
    await Promise.all([...this.#sockets].map((socket) => closed(socket, this.#options.time, LAST_WORD_MS)))
  }

  #tick(): void {
    const { time } = this.#options
    let bytes = 0
    for (const row of this.#rows.values()) {
      row.tick()
      bytes += row.bytes
    }
    this.#followIncome()
    if (this.#paused === undefined) return
    // What is under way may come back, and make room.
    if (this.#hasRoom(this.#paused)) this.#paused = undefined
    else if (bytes !== this.#paused.bytes) this.#paused = { ...this.#paused, atMs: time.now(), bytes }
    else if (time.now() - this.#paused.atMs >= CAP_REACHED_MS) this.#ended.resolve({ type: 'cost' })
  }

  #take(socket: Socket): void {
    // Whoever reads or writes hears it.
    socket.on('error', () => undefined)
    socket.on('paused', (_reason: string, { priceMsat }: { readonly priceMsat: bigint }) => {
      this.#meetCap(socket, priceMsat)
    })
    this.#sockets.add(socket)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      this.#unpaid.delete(socket)
      this.#pastIncomeMsat += socket.stats.receivedMsat
    })
    const running = this.#receive(socket).finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  async #receive(socket: Socket): Promise<void> {
    const { time, display, storage, maxSizeBytes } = this.#options
    const begun = (offer: Offer): void => this.#unfinished.add(offer)
    const row = new ReceivingRow({ socket, display, time, begun, nextNumber: () => ++this.#transfers })
    this.#rows.set(socket, row)
    try {
      const received = await receiveFrom(socket, { storage, turns: this.#turns, maxSizeBytes, time, watcher: row })
      this.#rows.delete(socket)
      this.#unfinished.remove(received.offer)
      row.done(received)
      if (++this.#done === this.#options.count) this.#ended.resolve({ type: 'count' })
    } catch (error) {
      this.#rows.delete(socket)
      this.#failed(row, error as Error)
    }
    void this.#leave(socket)
  }

  /** After a last word, the other side has to end as well, and to say that it knows. */
  async #leave(socket: Socket): Promise<void> {
    await closed(socket, this.#options.time, LAST_WORD_MS)
    if (!socket.closed) socket.resetAndDestroy()
  }

  #failed(row: ReceivingRow, error: Error): void {
    const { isStream } = this.#options
    // A person who ends it is told what is unfinished in one line.
    if (this.#isStopping) return
    if (error instanceof ConnectionLost) return row.lost()
    row.failed(error)
    const isOurs = !(error instanceof TransferError) || error.reason === 'STORAGE' || error.reason === 'NO_SPACE'
    if (isStream && (isOurs || row.bytes > 0)) this.#ended.resolve({ type: 'failed', error })
  }

  /** A cap was met: the person's own, or what the sender's packets have paid for so far. */
  #meetCap(socket: Socket, priceMsat: bigint): void {
    const { maxCostMsat, time } = this.#options
    const pause: Pause = { atMs: time.now(), priceMsat }
    if (maxCostMsat !== undefined) this.#paused ??= { ...pause, bytes: -1 }
    else if (!this.#unpaid.has(socket)) this.#unpaid.set(socket, { ...pause, incomeMsat: socket.stats.receivedMsat })
  }

  /** Whether what did not fit fits by now: under the cap of all, and of its connection. */
  #hasRoom({ priceMsat }: Pause, socket?: Socket): boolean {
    const { spentMsat, reservedMsat, capMsat } = this.#options.endpoint.stats
    if (spentMsat + reservedMsat + priceMsat > capMsat) return false
    return socket === undefined || socket.stats.paidMsat + socket.stats.reservedMsat + priceMsat <= socket.maxCost
  }

  /** Without a cap of the person's: what packets bring in may be spent on answers, and a little in advance. */
  #followIncome(): void {
    const { maxCostMsat, endpoint, display, time } = this.#options
    if (maxCostMsat !== undefined) return
    let all = this.#pastIncomeMsat + ADVANCE_ALL_MSAT
    for (const socket of this.#sockets) {
      const { receivedMsat } = socket.stats
      all += receivedMsat
      if (receivedMsat + ADVANCE_MSAT > socket.maxCost) socket.maxCost = receivedMsat + ADVANCE_MSAT
    }
    if (all !== endpoint.stats.capMsat) endpoint.setCaps({ process: all })
    for (const [socket, pause] of this.#unpaid) {
      const hasPaid = socket.stats.receivedMsat > pause.incomeMsat
      if (hasPaid || this.#hasRoom(pause, socket)) this.#unpaid.delete(socket)
      else if (time.now() - pause.atMs >= CAP_REACHED_MS) {
        this.#unpaid.delete(socket)
        display.emit({
          event: 'warning',
          code: 'ERR_CLI_COST',
          message: 'answers to a sender cost more than it pays; its connection is closed',
        })
        socket.resetAndDestroy()
      }
    }
  }
}
