import { createEndpoint, type Endpoint, type Socket } from '../../src/index.ts'
import type { Simulation } from '../../src/sim.ts'
import { Random } from '../../src/backends/sim/random.ts'
import type { PreparedNetwork } from '../network/networks.ts'
import {
  ANSWER_BYTES,
  BULK_PIECE_BYTES,
  BULK_SHARE,
  HOUR_MS,
  KEEPALIVE_MS,
  type Load,
  OPENING_MS,
  PAYMENTS_A_CALL,
  PAYMENTS_A_KILOBYTE,
  QUESTION_BYTES,
  REOPEN_MS,
} from './settings.ts'

const PORT = 7
/** Far above what a day may cost, so that money never holds a connection back. */
const PLENTY_MSAT = 10n ** 15n
const BULK_PORT = 8

/** What became of the connections. */
export interface LoadCounts {
  opened: number
  /** Ended by an error, and opened again; how often by which code. */
  readonly lost: Map<string, number>
  answers: number
  bulkBytes: number
}

/** What a connection is for: of ten, six ask now and then, three say nothing, and one moves bytes. */
type Kind = 'calls' | 'idle' | 'bulk'
const KINDS: readonly Kind[] = ['calls', 'calls', 'idle', 'calls', 'bulk', 'calls', 'idle', 'calls', 'calls', 'idle']

/** Programs on random nodes of a network, with connections between random pairs of them. */
export class LoadRun {
  readonly counts: LoadCounts = { opened: 0, lost: new Map(), answers: 0, bulkBytes: 0 }
  readonly #sim: Simulation
  readonly #load: Load
  readonly #programs: { readonly name: string; readonly endpoint: Endpoint }[] = []
  readonly #random: Random
  readonly #question = new Uint8Array(QUESTION_BYTES).fill(0x3f)
  readonly #piece = new Uint8Array(BULK_PIECE_BYTES).fill(0x61)

  private constructor(sim: Simulation, load: Load) {
    this.#sim = sim
    this.#load = load
    this.#random = new Random(load.seed, 'load')
  }

  /** Starts the programs: they listen. */
  static async start(network: PreparedNetwork, sim: Simulation, load: Load): Promise<LoadRun> {
    const run = new LoadRun(sim, load)
    for (const name of network.someNodes(load.programs)) {
      const endpoint = await createEndpoint({
        backend: sim.backend(name),
        caps: { peer: PLENTY_MSAT, process: PLENTY_MSAT },
        maxCost: PLENTY_MSAT,
      })
      run.#programs.push({ name, endpoint })
      await run.#listen(endpoint)
    }
    return run
  }

  /** Opens the connections, one after the other within OPENING_MS, and lets them work for as long as the load says. */
  begin(): void {
    const { connections } = this.#load
    for (let i = 0; i < connections; i++) {
      const from = this.#random.below(this.#programs.length)
      const to = (from + 1 + this.#random.below(this.#programs.length - 1)) % this.#programs.length
      const kind = KINDS[i % KINDS.length] as Kind
      this.#after((OPENING_MS * i) / connections, () => this.#open(kind, from, to))
    }
  }

  async #listen(endpoint: Endpoint): Promise<void> {
    const answer = new Uint8Array(ANSWER_BYTES).fill(0x21)
    const answering = endpoint.createServer({ idleTimeout: 0 }, (socket) => {
      let bytes = 0
      socket.on('error', () => {})
      socket.on('data', (chunk: Uint8Array) => {
        for (bytes += chunk.length; bytes >= QUESTION_BYTES; bytes -= QUESTION_BYTES) socket.write(answer)
      })
    })
    const taking = endpoint.createServer({ idleTimeout: 0 }, (socket) => {
      socket.on('error', () => {})
      socket.on('data', (chunk: Uint8Array) => (this.counts.bulkBytes += chunk.length))
    })
    await Promise.all([answering.listen(PORT), taking.listen(BULK_PORT)])
  }

  #open(kind: Kind, from: number, to: number): void {
    const key = this.#sim.keyOf((this.#programs[to] as { readonly name: string }).name)
    const socket = (this.#programs[from] as { readonly endpoint: Endpoint }).endpoint.createConnection(
      key,
      kind === 'bulk' ? BULK_PORT : PORT,
      { idleTimeout: 0, ...(kind === 'idle' && { keepAlive: true, keepAliveInitialDelay: KEEPALIVE_MS }) },
    )
    let isOver = false
    socket.on('connect', () => this.counts.opened++)
    socket.on('error', (error) => {
      const code = String((error as { readonly code?: unknown }).code)
      this.counts.lost.set(code, (this.counts.lost.get(code) ?? 0) + 1)
    })
    socket.on('close', () => {
      isOver = true
      this.#after(REOPEN_MS, () => this.#open(kind, from, to))
    })
    if (kind === 'idle') return
    this.#repeat(kind === 'calls' ? this.#callEveryMs : this.#pieceEveryMs, () => {
      if (!isOver) this.#use(kind, socket)
      return !isOver
    })
    if (kind === 'calls') {
      let bytes = 0
      socket.on('data', (chunk: Uint8Array) => {
        for (bytes += chunk.length; bytes >= ANSWER_BYTES; bytes -= ANSWER_BYTES) this.counts.answers++
      })
    } else socket.resume()
  }

  #use(kind: Kind, socket: Socket): void {
    // A program does not write more while what it wrote before is not through.
    if (socket.writableLength > BULK_PIECE_BYTES) return
    socket.write(kind === 'calls' ? this.#question : this.#piece)
  }

  get #callEveryMs(): number {
    const { connections, payments, hours } = this.#load
    const calls = (payments * (1 - BULK_SHARE)) / PAYMENTS_A_CALL
    return (hours * HOUR_MS * connections * share('calls')) / calls
  }

  get #pieceEveryMs(): number {
    const { connections, payments, hours } = this.#load
    const pieces = (payments * BULK_SHARE) / ((PAYMENTS_A_KILOBYTE * BULK_PIECE_BYTES) / 1_000)
    return (hours * HOUR_MS * connections * share('bulk')) / pieces
  }

  #repeat(everyMs: number, work: () => boolean): void {
    const next = (): void => {
      if (work()) this.#after(everyMs, next)
    }
    // Anywhere within the first interval, so that not all do it at once.
    this.#after(everyMs * this.#random.fraction(), next)
  }

  #after(ms: number, work: () => void): void {
    this.#sim.clock.schedule(this.#sim.clock.now() + ms, work)
  }
}

function share(kind: Kind): number {
  return KINDS.filter((each) => each === kind).length / KINDS.length
}
