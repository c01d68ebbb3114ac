/**
 * Bytes of films from one port of a publisher, over one connection that is made anew where it is lost: what came is
 * not asked for, nor paid for, again.
 */
import { once } from 'node:events'
import type { Endpoint, Socket } from 'keysock'
import { PACKET_SHARE, type Span } from './film.ts'
import type { Purse } from './purse.ts'
import { requestLine } from './requests.ts'

/** Waits so many ms: an argument, so that a simulation can let its own time pass. */
export type Wait = (ms: number) => Promise<void>

export interface SourceOptions {
  readonly endpoint: Endpoint
  readonly purse: Purse
  readonly wait: Wait
  readonly address: string
  readonly port: number
  /** What 1,000 bytes may cost, msat; a publisher that asks more gets nothing. */
  readonly kilobyteMsat: number
  /** What it may spend, msat; undefined: all that the purse has left. */
  readonly wishMsat?: bigint
}

/** 'capped': the purse has nothing left for it. 'away': it is tried again. */
export type SourceState = 'idle' | 'connecting' | 'open' | 'away' | 'capped' | 'failed'

interface Job extends Span {
  readonly film: string
  readonly bytes: Buffer
  done: number
  /** It was asked for over the connection that there is. */
  isAsked: boolean
  readonly resolve: (bytes: Buffer) => void
  readonly reject: (error: Error) => void
}

/** Asked at once, at most: what is asked is bought. The second keeps the way full. */
const ASKED_AT_ONCE = 2
/** Reads that wait, at most. */
const MAX_JOBS = 64
/** Between two tries to connect, ms: the first, doubling to the last; and when it is given up. */
const RETRY_FIRST_MS = 500
const RETRY_LAST_MS = 8_000
const GIVE_UP_MS = 180_000
/** A connection of a silent publisher is made anew when what was asked for does not move for so long, ms. */
const SILENT_MS = 20_000
const LOOK_MS = 1_000
const CONNECT_MS = 30_000
const LEAVE_MS = 5_000
/** Nothing that is tried again would end otherwise. */
const FINAL_CODES = new Set([
  'ERR_KEYSOCK_PRICE',
  'ERR_KEYSOCK_FEE',
  'ERR_KEYSOCK_POLICY',
  'ERR_KEYSOCK_INVALID_OPTION',
])

/** No bytes come any more, and why. */
export class SourceError extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.name = 'SourceError'
    this.code = code
  }
}

export class Source {
  readonly #options: SourceOptions
  readonly #onState: (state: SourceState) => void
  readonly #jobs: Job[] = []
  #socket: Socket | undefined
  #state: SourceState = 'idle'
  #isClosed = false
  /** It waits for a yes, and makes no connection. */
  #isSuspended = false
  /** Tries without a byte, and the time they took so far. */
  #tries = 0
  #awayMs = 0
  #isRetrying = false
  /** The cap of the connection when it was reached. */
  #stoppedAtMsat = 0n
  #bytes = 0

  constructor(options: SourceOptions, onState: (state: SourceState) => void = () => undefined) {
    this.#options = options
    this.#onState = onState
  }

  get state(): SourceState {
    return this.#state
  }

  /** Bytes that came, over all its connections. */
  get bytes(): number {
    return this.#bytes
  }

  /** Makes the connection before anything is asked, so that the first read is quick. */
  warm(): void {
    this.#connect()
  }

  /**
   * Reads a stretch of a film. Aborted before the publisher was asked, it is not bought.
   *
   * @throws SourceError where it cannot be had, or with 'aborted'
   */
  read(film: string, { from, to }: Span, signal?: AbortSignal): Promise<Buffer> {
    if (this.#isClosed) return Promise.reject(new SourceError('closed', 'it was closed'))
    if (this.#jobs.length >= MAX_JOBS) return Promise.reject(new SourceError('busy', 'too much is asked at once'))
    return new Promise((resolve, reject) => {
      const bytes = Buffer.alloc(to - from)
      const job: Job = { film, from, to, bytes, done: 0, isAsked: false, resolve, reject }
      this.#jobs.push(job)
      signal?.addEventListener('abort', () => this.#abort(job), { once: true })
      this.#ask()
    })
  }

  /** Stops to pay: the connection goes, and what was asked for waits for `resume`. */
  suspend(): void {
    this.#isSuspended = true
    this.#drop()
  }

  /** There is money again. */
  resume(): void {
    this.#isSuspended = false
    this.#options.purse.refresh()
    if (this.#state === 'failed') return
    if (this.#socket === undefined) this.#setState('idle')
    else if (this.#state === 'capped') this.#setState('open')
    this.#ask()
  }

  /** Ends the connection while nothing is asked for; the next read makes another. */
  async rest(): Promise<void> {
    const socket = this.#socket
    if (socket === undefined || this.#jobs.length > 0) return
    this.#socket = undefined
    this.#setState('idle')
    await this.#end(socket)
  }

  /** Lets go of it; what still waits is rejected. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    const socket = this.#socket
    const isBusy = this.#jobs.length > 0
    for (const job of this.#jobs.splice(0)) job.reject(new SourceError('closed', 'it was closed'))
    this.#setState('idle')
    if (isBusy) this.#destroy(socket)
    else if (socket !== undefined) await this.#end(socket)
  }

  /** An end in good order brings back what was paid ahead. */
  async #end(socket: Socket): Promise<void> {
    if (socket.destroyed) return
    if (socket.connecting) return void socket.destroy()
    socket.end()
    // One that is lost now has closed, too.
    await Promise.race([once(socket, 'close').catch(() => undefined), this.#options.wait(LEAVE_MS)])
    socket.destroy()
  }

  #setState(state: SourceState): void {
    if (state === this.#state) return
    this.#state = state
    this.#onState(state)
  }

  #abort(job: Job): void {
    const at = this.#jobs.indexOf(job)
    if (at === -1 || job.isAsked) return
    this.#jobs.splice(at, 1)
    job.reject(new SourceError('aborted', 'it is not wanted any more'))
  }

  #drop(): void {
    const socket = this.#socket
    this.#socket = undefined
    for (const job of this.#jobs) job.isAsked = false
    this.#destroy(socket)
  }

  #destroy(socket: Socket | undefined): void {
    if (socket === undefined || socket.destroyed) return
    this.#options.purse.farewell(socket)
    socket.destroy()
  }

  #ask(): void {
    if (this.#isClosed || this.#isSuspended || this.#state === 'failed') return
    const socket = this.#socket
    if (socket === undefined) {
      if (this.#jobs.length > 0) this.#connect()
      return
    }
    for (const job of this.#jobs.slice(0, ASKED_AT_ONCE)) {
      if (job.isAsked) continue
      job.isAsked = true
      socket.write(requestLine({ film: job.film, from: job.from + job.done, to: job.to }))
    }
  }

  #connect(): void {
    if (this.#socket !== undefined || this.#isRetrying || this.#isClosed || this.#isSuspended) return
    const { endpoint, purse, address, port, kilobyteMsat, wishMsat } = this.#options
    const socket = purse.open(wishMsat, (maxCost) =>
      endpoint.createConnection(address, port, {
        maxCost,
        maxTariff: { packet: 0, kilobyte: kilobyteMsat },
        // What the packets cost is the publisher's, out of the price.
        maxAnswer: Math.floor(kilobyteMsat * PACKET_SHARE),
        connectTimeout: CONNECT_MS,
        noDelay: true,
      }),
    )
    if (socket === undefined) return this.#setState('capped')
    this.#socket = socket
    if (this.#state !== 'away') this.#setState('connecting')
    let failure: NodeJS.ErrnoException | undefined
    socket.on('error', (error) => (failure = error))
    socket.on('connect', () => {
      if (socket === this.#socket && this.#state === 'connecting') this.#setState('open')
    })
    socket.on('data', (bytes) => {
      if (socket === this.#socket) this.#take(bytes)
    })
    socket.on('paused', () => {
      if (socket === this.#socket) this.#onPaused(socket)
    })
    socket.on('close', () => {
      if (socket !== this.#socket) return
      this.#drop()
      if (!this.#isClosed && !this.#isSuspended) void this.#onLost(failure)
    })
    void this.#watch(socket)
    this.#ask()
  }

  #take(bytes: Buffer): void {
    this.#tries = 0
    this.#awayMs = 0
    // What was paid for still comes after a pause, and is no sign that it goes on.
    const isStopped = this.#state === 'capped' && (this.#socket?.maxCost ?? 0n) <= this.#stoppedAtMsat
    if (!isStopped) this.#setState('open')
    this.#bytes += bytes.length
    for (let at = 0; at < bytes.length;) {
      const [job] = this.#jobs
      // More than was asked for: whoever answers so is no publisher.
      if (job === undefined || !job.isAsked) return this.#fail('wrong-bytes', 'it sent what nobody asked for')
      const taken = bytes.copy(job.bytes, job.done, at)
      job.done += taken
      at += taken
      if (job.done < job.bytes.length) break
      this.#jobs.shift()
      job.resolve(job.bytes)
    }
    this.#ask()
  }

  /** The cap of the connection is reached; others may have left it something meanwhile. */
  #onPaused(socket: Socket): void {
    const before = socket.maxCost
    this.#options.purse.refresh()
    this.#stoppedAtMsat = socket.maxCost
    if (socket.maxCost <= before) this.#setState('capped')
  }

  async #onLost(failure: NodeJS.ErrnoException | undefined): Promise<void> {
    const code = failure?.code ?? 'ECONNRESET'
    if (FINAL_CODES.has(code)) return this.#fail(code, failure?.message ?? code)
    // It waits for an answer, not for a connection.
    if (code === 'ERR_KEYSOCK_COST' || this.#state === 'capped') return this.#setState('capped')
    if (this.#jobs.length === 0) return this.#setState('idle')
    if (this.#awayMs >= GIVE_UP_MS) return this.#fail(code, failure?.message ?? 'the connection was lost')
    this.#setState('away')
    const delayMs = Math.min(RETRY_FIRST_MS * 2 ** this.#tries++, RETRY_LAST_MS)
    this.#isRetrying = true
    await this.#options.wait(delayMs)
    this.#isRetrying = false
    this.#awayMs += delayMs
    this.#ask()
  }

  /** Ends a connection on which what was asked for does not come, and counts the time of tries. */
  async #watch(socket: Socket): Promise<void> {
    let quietMs = 0
    while (socket === this.#socket && !socket.destroyed) {
      const before = socket.bytesRead
      const isWaiting = this.#jobs.some(({ isAsked }) => isAsked) && this.#state !== 'capped'
      await this.#options.wait(LOOK_MS)
      quietMs = isWaiting && socket.bytesRead === before && !socket.connecting ? quietMs + LOOK_MS : 0
      if (socket.bytesRead === before && this.#state === 'away') this.#awayMs += LOOK_MS
      if (quietMs >= SILENT_MS && socket === this.#socket) {
        this.#drop()
        await this.#onLost(undefined)
      }
    }
  }

  #fail(code: string, message: string): void {
    this.#setState('failed')
    this.#drop()
    for (const job of this.#jobs.splice(0)) job.reject(new SourceError(code, message))
  }

  /** After a failure: the next read tries again. */
  retry(): void {
    if (this.#state !== 'failed') return
    this.#tries = 0
    this.#awayMs = 0
    this.#setState('idle')
  }
}
