import type { Due } from './event-queue.ts'
import type { Network } from './network.ts'
import type { Random } from './random.ts'

/** The chain: it grows with the time, and every process hears of it. */
export class Blocks implements Due {
  readonly background = true
  readonly #network: Network
  readonly #random: Random
  /** Events of an older schedule are let pass. */
  #schedule = 0

  constructor(network: Network) {
    this.#network = network
    this.#random = network.random('blocks')
  }

  start(): void {
    this.#next()
  }

  fire(schedule: number): void {
    if (schedule !== this.#schedule) return
    this.found()
    this.#next()
  }

  /** A block is found now. */
  found(): void {
    const network = this.#network
    network.height++
    network.trace('block', network.height)
    for (const { process, canTell } of network.nodes) {
      if (process === undefined) continue
      process.dropExpiredPaths()
      if (canTell) process.tell({ type: 'block', height: network.height })
    }
  }

  /** From now on blocks come at this mean interval. */
  setInterval(intervalMs: number): void {
    this.#network.blockIntervalMs = intervalMs
    this.#next()
  }

  #next(): void {
    const { engine, plan, blockIntervalMs } = this.#network
    const wait = plan.blocks.random ? this.#random.exponential(blockIntervalMs) : blockIntervalMs
    this.#network.nextBlockMs = engine.nowMs + wait
    engine.push(this.#network.nextBlockMs, this, ++this.#schedule)
  }
}
