import type { Duplex } from 'node:stream'
import { type Backend, BackendError } from '../../src/backends/backend.ts'
import { createEndpoint, type Policy } from '../../src/index.ts'
import { ProgramsPurse } from '../../src/transport/driver/programs-purse.ts'
import { checkPolicy } from '../../src/transport/policy/policy.ts'
import { DaemonBackend } from '../../src/backends/daemon/client/daemon-backend.ts'
import { DaemonServer } from '../../src/backends/daemon/server/daemon-server.ts'
import { streamPair } from '../../src/backends/daemon/protocol/socket.ts'
import type { Simulation } from '../../src/sim.ts'
import type { Endpoint, EndpointOptions } from '../../src/transport/sockets/endpoint.ts'
import { MemoryStore } from '../../src/transport/store/memory.ts'

interface Program {
  readonly endpoint: Endpoint
  kill(): Promise<void>
  /** Breaks its connection, which it makes again. */
  cut(): void
}

/** A daemon on a simulated node, in memory and virtual time: programs attach over pairs of streams. */
export class MemoryDaemon {
  readonly log: string[] = []
  /** The daemon's ends of all connections so far. */
  readonly streams: Duplex[] = []
  settleIndex: bigint | undefined
  readonly #sim: Simulation
  readonly #name: string
  readonly #store: MemoryStore = new MemoryStore()
  readonly #phantomLane: boolean
  readonly #policy: Policy | undefined
  readonly #kept: MemoryStore = new MemoryStore()
  #purse: ProgramsPurse | undefined
  #server: DaemonServer | undefined
  #refuser: Endpoint | undefined

  /** @param phantomLane whether it takes packets at the node's phantom (spec §2.9) */
  constructor(sim: Simulation, name: string, phantomLane = true, policy?: Policy) {
    this.#policy = policy
    this.#sim = sim
    this.#phantomLane = phantomLane
    this.#name = name
  }

  /** What it has of its programs' payments since it runs, and what it may still pay. */
  get purse(): ProgramsPurse {
    if (this.#purse === undefined) throw new Error('the daemon is not up')
    return this.#purse
  }

  /** The one that runs. */
  get server(): DaemonServer {
    if (this.#server === undefined) throw new Error('the daemon is not up')
    return this.#server
  }

  async start(): Promise<void> {
    const { clock, entropy } = this.#sim
    const rules = this.#policy === undefined ? undefined : checkPolicy(this.#policy)
    const log = (message: string): void => void this.log.push(message)
    const purse = await ProgramsPurse.open({ store: this.#kept, clock, rules, log })
    this.#purse = purse
    const node = this.#sim.backend(this.#name)
    const starting = DaemonServer.start({
      backend: node,
      clock,
      purse,
      settleIndex: this.settleIndex,
      passed: (index) => {
        this.settleIndex = index
      },
      phantomLane: this.#phantomLane,
      log,
    })
    // A node that is away: the next try opens the purse again.
    starting.catch(() => purse.close())
    this.#server = await starting
    purse.follow((hash) => node.track(hash))
    const backend = new DaemonBackend({ open: () => this.open('refuser'), clock, entropy })
    this.#refuser = await createEndpoint({ backend, store: this.#store })
  }

  /** Ends the process: what it has not kept is lost. */
  async kill(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    for (const stream of this.streams.splice(0)) stream.destroy()
    await this.#refuser?.close()
    await server?.stop()
    await this.#purse?.close()
  }

  /** Starts again, as often as a supervisor has to. */
  async restart(): Promise<void> {
    await this.kill()
    for (;;) {
      try {
        return await this.start()
      } catch (error) {
        if (!(error instanceof BackendError) || error.code !== 'offline') throw error
        const { clock } = this.#sim
        await new Promise<void>((resolve) => {
          clock.schedule(clock.now() + 1_000, resolve)
        })
      }
    }
  }

  /** A program's backend. */
  attach(program?: string): Backend {
    const { clock, entropy } = this.#sim
    const named = program === undefined ? {} : { program }
    return new DaemonBackend({ open: () => this.open(), clock, entropy, ...named })
  }

  /** A program's endpoint. */
  endpoint(options: Partial<EndpointOptions> = {}, program?: string): Promise<Endpoint> {
    return this.#sim.drive(createEndpoint({ backend: this.attach(program), ...options }))
  }

  /** A program that can be killed: its connection breaks, and it never comes back. */
  async program(options: Partial<EndpointOptions> = {}): Promise<Program> {
    let stream: Duplex | undefined
    let isDead = false
    const open = async (): Promise<Duplex> => {
      if (isDead) throw new Error('this program is dead')
      stream = await this.open()
      return stream
    }
    const backend = new DaemonBackend({ open, clock: this.#sim.clock, entropy: this.#sim.entropy })
    const endpoint = await this.#sim.drive(createEndpoint({ backend, ...options }))
    const kill = async (): Promise<void> => {
      isDead = true
      stream?.destroy()
      await this.#sim.runFor(1)
      // A process that ends lets go of its store, too.
      await this.#sim.drive(endpoint.close())
    }
    return { endpoint, kill, cut: () => stream?.destroy() }
  }

  /** A program's end of a new connection. */
  open(role: 'program' | 'refuser' = 'program'): Promise<Duplex> {
    if (this.#server === undefined) return Promise.reject(new Error('the daemon is not up'))
    const [program, daemon] = streamPair()
    this.streams.push(daemon)
    this.#server.serve(daemon, role)
    return Promise.resolve(program)
  }
}
