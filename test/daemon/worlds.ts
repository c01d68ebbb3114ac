import { duplexPair, type Duplex } from 'node:stream'
import type { Backend } from '../../src/backends/backend.ts'
import { DaemonBackend } from '../../src/backends/daemon/daemon-backend.ts'
import { SharedNode } from '../../src/backends/daemon/shared-node.ts'
import type { Simulation } from '../../src/sim.ts'

/** A daemon on a simulated node, in memory and virtual time: programs attach over pairs of streams. */
export class MemoryDaemon {
  readonly log: string[] = []
  /** The daemon's ends of all connections so far. */
  readonly streams: Duplex[] = []
  node: SharedNode
  settleIndex: bigint | undefined
  readonly #sim: Simulation
  readonly #name: string
  #isUp = false

  constructor(sim: Simulation, name: string) {
    this.#sim = sim
    this.#name = name
    this.node = this.#make()
  }

  async start(): Promise<void> {
    await this.node.start()
    this.#isUp = true
  }

  /** Ends the process: what it has not kept is lost. */
  async kill(): Promise<void> {
    this.#isUp = false
    for (const stream of this.streams.splice(0)) stream.destroy()
    await this.node.stop()
  }

  async restart(): Promise<void> {
    await this.kill()
    this.node = this.#make()
    await this.start()
  }

  /** A program's backend. */
  attach(): Backend {
    return new DaemonBackend({ open: () => this.open(), clock: this.#sim.clock, entropy: this.#sim.entropy })
  }

  /** A program's end of a new connection. */
  open(): Promise<Duplex> {
    if (!this.#isUp) return Promise.reject(new Error('the daemon is not up'))
    const [program, daemon] = duplexPair()
    this.streams.push(daemon)
    this.node.serve(daemon)
    return Promise.resolve(program)
  }

  #make(): SharedNode {
    return new SharedNode({
      backend: this.#sim.backend(this.#name),
      clock: this.#sim.clock,
      settleIndex: this.settleIndex,
      passed: (index) => {
        this.settleIndex = index
      },
      phantomLane: true,
      log: (message) => this.log.push(message),
    })
  }
}
