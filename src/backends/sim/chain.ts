import type { EventHandler } from './event-queue.ts'
import type { Network } from './network.ts'
import type { Random } from './random.ts'

/** The chain: it grows with the time, and every process hears of it. */
export class Chain implements EventHandler {
  readonly background = true
  readonly #network: Network
  readonly #random: Random
  #height: number
  #intervalMs: number
  #nextBlockMs = 0
  /** Number of the block that is scheduled; events with an older number are ignored. */
  #schedule = 0

  constructor(network: Network) {
    const { startHeight, intervalMs } = network.plan.blocks
    this.#network = network
    this.#random = network.random('blocks')
    this.#height = startHeight
    this.#intervalMs = intervalMs
  }

  get height(): number {
    return this.#height
  }

  start(): void {
    this.#scheduleNext()
  }

  fire(schedule: number): void {
    if (schedule !== this.#schedule) return
    this.findBlock()
    this.#scheduleNext()
  }

  /** A block is found now. */
  findBlock(): void {
    const network = this.#network
    this.#height++
    network.trace('block', this.#height)
    for (const { process, isListening, interceptor } of network.nodes) {
      if (process === undefined) continue
      interceptor.block(this.#height)
      process.dropExpiredPaths()
      if (isListening) process.emit({ type: 'block', height: this.#height })
    }
  }

  /** From now on blocks come at this mean interval. */
  setInterval(intervalMs: number): void {
    this.#intervalMs = intervalMs
    this.#scheduleNext()
  }

  /** About how long until the chain is this high. */
  msUntilHeight(height: number): number {
    if (height <= this.#height) return 0
    const untilNextMs = Math.max(0, this.#nextBlockMs - this.#network.engine.nowMs)
    return untilNextMs + (height - this.#height - 1) * this.#intervalMs
  }

  #scheduleNext(): void {
    const { engine, plan } = this.#network
    const wait = plan.blocks.random ? this.#random.exponential(this.#intervalMs) : this.#intervalMs
    this.#nextBlockMs = engine.nowMs + wait
    engine.push(this.#nextBlockMs, this, ++this.#schedule)
  }
}
