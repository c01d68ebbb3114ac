import { type Endpoint, KeysockError, type Socket } from '../../index.ts'
import { createRoundTrips } from '../round-trips.ts'
import type { BenchEvent } from '../events.ts'
import { every, type Time } from '../transfer/waiting.ts'
import { BENCH_PINGS, BLOCK_BYTES, MAX_BENCH_BYTES, SAMPLE_MS } from './limits.ts'

type Part = Extract<BenchEvent, { readonly event: 'bench' }>

export interface BenchOptions {
  readonly endpoint: Endpoint
  readonly address: string
  readonly port: number
  /** Each way; with `seconds` at most. */
  readonly bytes: number
  /** Ends each way after so long. */
  readonly seconds: number | undefined
  readonly time: Time
  readonly signal: AbortSignal
}

/** The parts of a bench, one connection each, so that the money of each is known (spec/bench.md). */
export class BenchRun {
  readonly #options: BenchOptions
  /** A cap stood against a packet. */
  isPaused = false

  constructor(options: BenchOptions) {
    this.#options = options
  }

  /** Round trips through the process at the other end. */
  async latency(): Promise<Part> {
    return await this.#part('latency', 'ping', async (socket) => {
      const times = createRoundTrips()
      for (let i = 0; i < BENCH_PINGS; i++) times.add(await socket.ping())
      socket.end()
      return { bytes: 0, latency: times.summary() }
    })
  }

  async up(): Promise<Part> {
    return await this.#part('up', 'up', async (socket, isOver) => {
      const block = Buffer.alloc(BLOCK_BYTES)
      for (let left = this.#options.bytes; left > 0 && !isOver(); left -= BLOCK_BYTES) {
        const isRoom = socket.write(left < BLOCK_BYTES ? block.subarray(0, left) : block)
        if (!isRoom) await next(socket, 'drain')
      }
      socket.end()
      let answer = ''
      for await (const chunk of socket) answer += String(chunk)
      return { bytes: Number(answer) }
    })
  }

  async down(): Promise<Part> {
    const { bytes } = this.#options
    return await this.#part('down', `down ${Math.min(bytes, MAX_BENCH_BYTES)}`, async (socket, isOver) => {
      let taken = 0
      for await (const chunk of socket) {
        taken += (chunk as Buffer).length
        if (isOver()) socket.end()
      }
      socket.end()
      return { bytes: taken }
    })
  }

  async #part(
    part: Part['part'],
    question: string,
    measure: (socket: Socket, isOver: () => boolean) => Promise<Pick<Part, 'bytes'> & Partial<Pick<Part, 'latency'>>>,
  ): Promise<Part> {
    const { endpoint, address, port, time, signal, seconds } = this.#options
    const socket = await endpoint.connect(address, port, { signal, allowHalfOpen: true, noDelay: true })
    const failed = Promise.withResolvers<never>()
    failed.promise.catch(() => undefined)
    socket.on('error', failed.reject)
    socket.on('paused', () => {
      this.isPaused = true
      failed.reject(new KeysockError('ERR_KEYSOCK_COST', 'the cap is reached'))
    })
    const before = endpoint.stats.spentMsat
    const beganMs = time.now()
    const limits = new Limits(socket)
    const stopLooking = every(time, SAMPLE_MS, () => limits.look())
    const isOver = (): boolean => seconds !== undefined && time.now() - beganMs >= seconds * 1_000
    try {
      socket.write(`${question}\n`)
      const { bytes, latency = null } = await Promise.race([measure(socket, isOver), failed.promise])
      const tookMs = time.now() - beganMs
      const sat = Number(endpoint.stats.spentMsat - before) / 1_000
      const { failedAttempts, hedgedAttempts, roundTripMs = null } = socket.stats
      return {
        event: 'bench',
        part,
        bytes,
        seconds: tookMs / 1_000,
        bytesPerSecond: bytes === 0 ? 0 : Math.round((bytes / tookMs) * 1_000),
        sat,
        satPerMegabyte: bytes === 0 ? null : Math.round((sat / bytes) * 1e9) / 1e3,
        latency,
        paymentMs: roundTripMs === null ? null : Math.round(roundTripMs),
        failed: failedAttempts,
        copies: hedgedAttempts,
        limit: part === 'latency' ? null : limits.limit,
      }
    } finally {
      stopLooking()
      socket.destroy()
    }
  }
}

/** What stood against more speed most of the time, as far as this side can see. */
class Limits {
  readonly #socket: Socket
  readonly #counts: Record<NonNullable<Part['limit']>, number> = { money: 0, window: 0, slots: 0, routes: 0 }

  constructor(socket: Socket) {
    this.#socket = socket
  }

  look(): void {
    const { limitedBy } = this.#socket.stats
    if (limitedBy !== undefined) this.#counts[limitedBy]++
  }

  get limit(): Part['limit'] {
    const [most] = Object.entries(this.#counts).toSorted(([, a], [, b]) => b - a)
    return most === undefined || most[1] === 0 ? null : (most[0] as NonNullable<Part['limit']>)
  }
}

function next(socket: Socket, event: 'drain'): Promise<void> {
  return new Promise((resolve) => {
    socket.once(event, resolve)
    socket.once('close', () => resolve())
  })
}
