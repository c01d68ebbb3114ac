import { INTERCEPTOR_RECONNECT_MS, RESTART_MS } from './limits.ts'
import { HOUR_MS } from '../../floor/clock.ts'
import type { Channel, ChannelLink } from './channel.ts'
import type { RandomFault } from './description.ts'
import { SimulationError } from './errors.ts'
import type { EventHandler } from './event-queue.ts'
import { FAULTS, type Fault, type FaultArguments, type FaultName } from './fault-table.ts'
import { ForeignPayments } from './foreign.ts'
import type { Network } from './network.ts'
import type { SimNode } from './node.ts'
import type { Outages } from './outages.ts'
import type { Random } from './random.ts'
import { checkFaultNames } from './option-names.ts'
import { changePolicy } from './resolve.ts'

/** Base fees that change by chance stay below this, so that a long run doesn't price everybody out. */
const MAX_DRAWN_BASE_MSAT = 20_000

type ChannelFault = 'channel-drained' | 'channel-closed' | 'channel-force-closed' | 'policy-change' | 'liquidity-shift'

/** Carries faults out: those that hit a payment, an offer or a verdict are armed, all others happen at once. */
export class FaultEffects {
  readonly #network: Network
  readonly #random: Random
  readonly #outages: Outages
  readonly #foreign: ForeignPayments

  constructor(network: Network) {
    this.#network = network
    this.#outages = network.outages
    this.#foreign = new ForeignPayments(network)
    this.#random = network.random('fault targets')
    for (const fault of network.plan.faults) {
      const perHour = fault.perHour ?? 0
      if (FAULTS[fault.name as FaultName] === 'time' && perHour > 0) new RandomOccurrence(network, this, fault).wait()
    }
  }

  /** Throws SimulationError 'bad-fault' or 'unknown-name'. Targets that are left out are drawn. */
  apply(fault: Fault): void {
    if (!Object.hasOwn(FAULTS, fault.name)) {
      throw new SimulationError(
        'bad-fault',
        `there is no fault '${fault.name}'; there are ${Object.keys(FAULTS).join(', ')}`,
      )
    }
    checkFaultNames(fault)
    this.#network.trace('fault', this.#network.word(fault.name))
    if (FAULTS[fault.name] === 'time') this.#happen(fault)
    else this.#network.faults.arm(fault)
  }

  #happen(fault: Fault): void {
    switch (fault.name) {
      case 'node-offline':
        return this.#outages.goOffline(this.#node(fault.node), fault.forMs)
      case 'node-restart':
        return this.#outages.goOffline(this.#node(fault.node), fault.forMs ?? RESTART_MS)
      case 'node-online':
        return this.#outages.comeOnline(this.#node(fault.node))
      case 'process-crash':
        return this.#attached(fault.node)?.process?.crash()
      case 'interceptor-drops':
        return this.#attached(fault.node)?.interceptor.drop(fault.forMs ?? INTERCEPTOR_RECONNECT_MS)
      case 'stream-lost':
        return this.#loseStream(fault)
      case 'process-blocked':
        return this.#attached(fault.node)?.process?.block(fault.forMs ?? 300_000)
      case 'foreign-payments':
        return this.#foreign.pay(fault)
      case 'foreign-bytes':
        return this.#foreign.forge(fault)
      case 'arrivals-replayed':
        return this.#attached(fault.node)?.process?.replayArrivals(fault.count ?? 1)
      case 'routes-forgotten':
        return this.#attached(fault.node)?.process?.forgetRoutes()
      case 'blocks-found':
        for (let i = 0; i < (fault.count ?? 1); i++) this.#network.chain.findBlock()
        return
      case 'block-interval':
        return this.#network.chain.setInterval(Math.max(1, fault.intervalMs ?? HOUR_MS))
      case 'channel-drained':
      case 'channel-closed':
      case 'channel-force-closed':
      case 'policy-change':
      case 'liquidity-shift':
        return this.#changeChannel(fault)
      case 'payment-fails':
      case 'payment-hangs':
      case 'relay-keeps':
      case 'verdict-lost':
      case 'duplicate-offer':
      case 'offered-again':
      case 'zombie-offers':
      case 'killed-after-settle':
      case 'killed-after-send':
        this.#network.faults.arm(fault)
    }
  }

  #loseStream(fault: FaultArguments['stream-lost']): void {
    const node = this.#attached(fault.node)
    if (node !== undefined) this.#outages.loseStream(node, fault.forMs ?? 5_000)
  }

  #changeChannel(fault: Extract<Fault, { name: ChannelFault }>): void {
    const network = this.#network
    const channel = this.#channel(fault.channel)
    if (channel === undefined) return
    if (fault.name === 'channel-closed' || fault.name === 'channel-force-closed') {
      return this.#outages.closeChannel(channel, fault.name === 'channel-force-closed')
    }
    const link = this.#direction(channel, fault.from)
    if (fault.name === 'policy-change') {
      const change = fault.policy ?? { baseFeeMsat: (link.policy.baseFeeMsat + 1_000) % MAX_DRAWN_BASE_MSAT }
      link.setPolicy(changePolicy(`fault on ${channel.id}`, link.policy, change, channel.capacityMsat))
      this.#outages.reportStalePaths((other) => other === link)
      return
    }
    const shiftMsat =
      fault.name === 'channel-drained' ? link.balanceMsat : (fault.msat ?? Math.floor(link.balanceMsat / 2))
    network.trace('traffic', link.index, link.shift(shiftMsat))
  }

  #node(name: string | undefined): SimNode {
    const { nodes } = this.#network
    return name === undefined ? (nodes[this.#random.below(nodes.length)] as SimNode) : this.#network.node(name)
  }

  /** A node with a process; without a name any, if there is one. */
  #attached(name: string | undefined): SimNode | undefined {
    if (name !== undefined) return this.#network.node(name)
    const nodes = this.#network.nodes.filter((node) => node.process !== undefined)
    return nodes[this.#random.below(nodes.length)]
  }

  /** Without an id any open one, if there is one. */
  #channel(id: string | undefined): Channel | undefined {
    if (id !== undefined) return this.#network.channel(id)
    const open = this.#network.channels.filter((channel) => !channel.closed)
    return open[this.#random.below(open.length)]
  }

  #direction(channel: Channel, from: string | undefined): ChannelLink {
    if (from === undefined) return channel.links[this.#random.below(2)] as ChannelLink
    const link = channel.links.find((each) => each.from.name === from)
    if (link === undefined) throw new SimulationError('bad-fault', `'${from}' is not an end of channel ${channel.id}`)
    return link
  }
}

/** A fault that comes by itself, so many times an hour. */
class RandomOccurrence implements EventHandler {
  readonly background = true
  readonly #network: Network
  readonly #effects: FaultEffects
  readonly #fault: Fault
  readonly #meanMs: number
  readonly #random: Random

  constructor(network: Network, effects: FaultEffects, fault: RandomFault) {
    this.#network = network
    this.#effects = effects
    this.#fault = { ...(fault.with as FaultArguments[FaultName]), name: fault.name } as Fault
    this.#meanMs = HOUR_MS / (fault.perHour ?? 0)
    this.#random = network.random(`fault/${fault.name}`)
  }

  fire(): void {
    if (this.#network.faults.isLifted) return
    this.#effects.apply(this.#fault)
    this.wait()
  }

  wait(): void {
    const { engine } = this.#network
    engine.push(engine.nowMs + this.#random.exponential(this.#meanMs), this, 0)
  }
}
