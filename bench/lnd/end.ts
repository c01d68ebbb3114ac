import { createHash, type Hash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { createEndpoint, type Endpoint, type Socket } from '../../src/index.ts'
import { createLndBackend } from '../../src/lnd.ts'
import { median } from '../sim/statistics.ts'
import { watch, type WatchedPayment } from '../sim/watch.ts'
import type { Arrived } from './arrivals.ts'
import type { NodeAddress } from './bare-node.ts'
import { CpuTime } from './cpu-time.ts'
import { now } from './now.ts'
import { PLENTY_MSAT, SMALL_WRITE_BYTES, STEP_MS } from './settings.ts'
import { Tally } from './tally.ts'

/** Takes what comes, gives as much as the first bytes ask for, or says it back. */
const PORTS = { sink: 7, source: 8, echo: 9 } as const
const PIECE_BYTES = 65_536
/** All that may go before the connection is open (spec §7.2): the buffer of a stream is a quarter of it. */
const EARLY_BYTES = 262_144
/** Between two looks whether payments are under way. */
const LOOK_MS = 5
const QUESTION = 'are you there?'

/** Payments of one end since a moment. */
export interface Paid {
  readonly payments: number
  readonly failed: number
  readonly recordBytes: number
  readonly costMsat: bigint
  /** Payments without outcome, every STEP_MS from that moment to the other. */
  readonly inFlight: readonly number[]
  /** Median of what settled. */
  readonly latencyMs: number
}

/** The lane over which packets go to who listens (spec §2). */
export type Lane = 'node' | 'phantom'

/**
 * One end of keysock: an endpoint on a node, watched from below and read from above. `lane`: over which it connects;
 * `phantomLane`: it also takes what comes to its node's phantom.
 */
export async function openEnd({
  node,
  lane,
  phantomLane,
}: {
  readonly node: NodeAddress
  readonly lane: Lane
  readonly phantomLane: boolean
}): Promise<End> {
  const { socket, cert, macaroon } = node
  const { backend, payments } = watch(createLndBackend({ socket, cert, macaroon }), now)
  const caps = { peer: PLENTY_MSAT, process: PLENTY_MSAT }
  return new End(await createEndpoint({ backend, caps, maxCost: PLENTY_MSAT, phantomLane }), payments, lane)
}

class End {
  readonly #endpoint: Endpoint
  readonly #payments: readonly WatchedPayment[]
  readonly #lane: Lane
  readonly #tally = new Tally()
  readonly #cpu = new CpuTime()
  #written: Hash = createHash('sha256')
  #read: Hash = createHash('sha256')
  #gaveMs = Number.NaN
  #held: Socket | undefined
  readonly #failed = Promise.withResolvers<never>()

  constructor(endpoint: Endpoint, payments: readonly WatchedPayment[], lane: Lane) {
    this.#endpoint = endpoint
    this.#payments = payments
    this.#lane = lane
    // Told to whoever asks.
    this.#failed.promise.catch(() => undefined)
  }

  async listen(): Promise<void> {
    const servers = [
      [PORTS.sink, (socket: Socket) => this.#receive(socket)],
      [PORTS.source, (socket: Socket) => this.#send(socket)],
      [PORTS.echo, (socket: Socket) => socket.pipe(socket)],
    ] as const
    for (const [port, serve] of servers) {
      const server = this.#endpoint.createServer((socket) => {
        this.#guard(socket)
        serve(socket)
      })
      await server.listen(port)
    }
  }

  clear(): void {
    this.#tally.clear()
    this.#cpu.clear()
    this.#written = createHash('sha256')
    this.#read = createHash('sha256')
  }

  /** Connects and writes so many bytes, the first of them before the connection stands. When it began to. */
  sendTo(publicKey: string, bytes: number): number {
    const startMs = now()
    const socket = this.#connect(publicKey, PORTS.sink)
    this.#writeAll(socket, bytes)
    return startMs
  }

  /** Connects and asks for so many bytes. When it began to. */
  askFor(publicKey: string, bytes: number): number {
    const startMs = now()
    const socket = this.#connect(publicKey, PORTS.source)
    socket.on('data', (chunk: Uint8Array) => this.#count(chunk))
    // Its own end waits for the other's: it would end both.
    socket.write(String(bytes))
    return startMs
  }

  /** When it wrote the first byte of what it was last asked for. */
  gaveMs(): number {
    return this.#gaveMs
  }

  until(bytes: number): Promise<number> {
    return Promise.race([this.#tally.until(bytes), this.#failed.promise])
  }

  /** Rejects when a socket or a write fails; never resolves. */
  failed(): Promise<never> {
    return this.#failed.promise
  }

  arrived(fromMs: number): Arrived {
    const { bytes, firstMs } = this.#tally
    return { bytes, firstMs: firstMs ?? Number.NaN, series: this.#tally.series(fromMs, STEP_MS) }
  }

  digests(): { readonly written: string; readonly read: string } {
    return { written: this.#written.copy().digest('hex'), read: this.#read.copy().digest('hex') }
  }

  cpuMs(): number {
    return this.#cpu.ms()
  }

  /** A connection that stays. Resolves when it stands. */
  async connect(publicKey: string): Promise<void> {
    const socket = this.#connect(publicKey, PORTS.sink)
    await once(socket, 'connect')
    this.#held = socket
  }

  /** Writes a little on the connection that stays. When it began to. */
  writeSmall(): number {
    const piece = randomBytes(SMALL_WRITE_BYTES)
    const atMs = now()
    this.#held?.write(piece)
    return atMs
  }

  /** Waits until no payment is under way. */
  async quiet(): Promise<void> {
    while (this.#endpoint.stats.paymentsUnresolved > 0) await sleep(LOOK_MS)
  }

  async disconnect(): Promise<void> {
    const socket = this.#held
    this.#held = undefined
    socket?.end()
    if (socket !== undefined && !socket.closed) await once(socket, 'close')
  }

  /** Connects, asks at once, and waits for the first byte of the answer. */
  async firstByte(publicKey: string): Promise<{ readonly startMs: number; readonly answeredMs: number }> {
    const startMs = now()
    const socket = this.#connect(publicKey, PORTS.echo)
    socket.write(QUESTION)
    await once(socket, 'data')
    const answeredMs = now()
    socket.resume()
    socket.end()
    await once(socket, 'close')
    return { startMs, answeredMs }
  }

  /** What was paid for between two moments. */
  paid(fromMs: number, toMs: number): Paid {
    const payments = this.#payments.filter(({ sentMs }) => sentMs >= fromMs && sentMs <= toMs)
    const settled = payments.filter((payment) => payment.settled)
    const inFlight: number[] = []
    for (let at = fromMs; at <= toMs; at += STEP_MS)
      inFlight.push(payments.filter(({ sentMs, endedMs }) => sentMs <= at && (endedMs ?? Infinity) > at).length)
    return {
      payments: payments.length,
      failed: payments.filter(({ endedMs, settled: well }) => endedMs !== undefined && !well).length,
      recordBytes: payments.reduce((sum, { bytes }) => sum + bytes, 0),
      costMsat: settled.reduce((sum, { costMsat }) => sum + costMsat, 0n),
      inFlight,
      latencyMs: median(settled.map(({ sentMs, endedMs }) => (endedMs ?? sentMs) - sentMs)),
    }
  }

  /** Of the record of the last payment. */
  lastRecordBytes(): number {
    return this.#payments.at(-1)?.bytes ?? Number.NaN
  }

  async close(): Promise<void> {
    await this.#endpoint.close()
  }

  #connect(publicKey: string, port: number): Socket {
    const socket = this.#endpoint.createConnection(publicKey, port, {
      highWaterMark: EARLY_BYTES,
      lane: this.#lane,
    })
    this.#guard(socket)
    return socket
  }

  #receive(socket: Socket): void {
    socket.on('data', (chunk: Uint8Array) => this.#count(chunk))
  }

  #count(chunk: Uint8Array): void {
    this.#tally.add(chunk.length)
    this.#read.update(chunk)
  }

  #send(socket: Socket): void {
    socket.once('data', (asked: Uint8Array) => {
      this.#gaveMs = now()
      this.#writeAll(socket, Number(String(asked)))
    })
  }

  #writeAll(socket: Socket, bytes: number): void {
    const write = async (): Promise<void> => {
      for (let left = bytes; left > 0;) {
        const piece = randomBytes(Math.min(left, PIECE_BYTES))
        left -= piece.length
        this.#written.update(piece)
        if (left === 0) socket.end(piece)
        else if (!socket.write(piece)) await once(socket, 'drain')
      }
    }
    write().catch((error: unknown) => this.#fail(error))
  }

  #guard(socket: Socket): void {
    socket.on('error', (error) => this.#fail(error))
  }

  #fail(error: unknown): void {
    this.#failed.reject(error)
  }
}
