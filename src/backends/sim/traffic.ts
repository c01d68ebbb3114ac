import type { ChannelLink } from './channel.ts'
import type { EventHandler } from './event-queue.ts'
import type { Network } from './network.ts'
import type { Random } from './random.ts'
import { END_WORK } from './timing.ts'

/** Other people's payments: each moves balance over one channel and takes disk time at both ends. */
export class Traffic implements EventHandler {
  readonly background = true
  readonly #network: Network
  readonly #random: Random

  constructor(network: Network) {
    this.#network = network
    this.#random = network.random('traffic')
  }

  start(): void {
    if (this.#network.plan.traffic.perSecond > 0 && this.#network.links.length > 0) this.#next()
  }

  fire(): void {
    const network = this.#network
    const link = network.links[this.#random.below(network.links.length)] as ChannelLink
    const amountMsat = Math.ceil(this.#random.exponential(network.plan.traffic.meanMsat))
    if (!link.channel.closed && link.from.online && link.to.online && link.obstacle(amountMsat) === undefined) {
      link.shift(amountMsat)
      link.from.writeUntil(network.engine.nowMs, END_WORK)
      link.to.writeUntil(network.engine.nowMs, END_WORK)
      network.trace('traffic', link.index, amountMsat)
    }
    this.#next()
  }

  #next(): void {
    const { engine, plan } = this.#network
    engine.push(engine.nowMs + this.#random.exponential(1_000 / plan.traffic.perSecond), this, 0)
  }
}
