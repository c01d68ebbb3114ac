import type { Blocks } from './blocks.ts'
import { INTERCEPTOR_RECONNECT_MS } from './bounds.ts'
import type { Channel, Link } from './channel.ts'
import type { RandomFault } from './description.ts'
import { SimulationError } from './errors.ts'
import type { Due } from './event-queue.ts'
import { FAULTS, type Fault, type FaultArguments, type FaultName } from './fault-table.ts'
import type { Network } from './network.ts'
import type { SimNode } from './node.ts'
import type { OpenPath } from './open-paths.ts'
import type { Random } from './random.ts'
import { changePolicy } from './resolve.ts'

const HOUR_MS = 3_600_000
/** Base fees that change by chance stay below this, so that a long run doesn't price everybody out. */
const MOST_DRAWN_BASE_MSAT = 20_000

/** Carries faults out: those that wait for a payment are armed, all others happen. */
export class FaultEffects {
  readonly #network: Network
  readonly #blocks: Blocks
  readonly #random: Random

  constructor(network: Network, blocks: Blocks) {
    this.#network = network
    this.#blocks = blocks
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
    this.#network.trace('fault', this.#network.word(fault.name))
    if (FAULTS[fault.name] === 'time') this.#happen(fault)
    else this.#network.faults.arm(fault)
  }

  #happen(fault: Fault): void {
    switch (fault.name) {
      case 'node-offline':
        return this.#goOffline(this.#node(fault.node), fault.forMs)
      case 'node-restart':
        return this.#goOffline(this.#node(fault.node), fault.forMs ?? 3_000)
      case 'node-online':
        return this.#comeOnline(this.#node(fault.node))
      case 'process-crash':
        return this.#attached(fault.node)?.process?.crash()
      case 'interceptor-drops':
        return this.#attached(fault.node)?.interceptor.drop(fault.forMs ?? INTERCEPTOR_RECONNECT_MS)
      case 'stream-lost':
        return this.#loseStream(this.#attached(fault.node), fault.forMs ?? 5_000)
      case 'arrivals-replayed':
        return this.#attached(fault.node)?.process?.replayArrivals(fault.count ?? 1)
      case 'routes-forgotten':
        return this.#attached(fault.node)?.process?.forgetRoutes()
      case 'blocks-found':
        for (let i = 0; i < (fault.count ?? 1); i++) this.#blocks.found()
        return
      case 'block-interval':
        return this.#blocks.setInterval(Math.max(1, fault.intervalMs ?? HOUR_MS))
      case 'channel-drained':
      case 'channel-closed':
      case 'policy-change':
      case 'liquidity-shift':
        return this.#changeChannel(fault)
      case 'payment-fails':
      case 'payment-hangs':
      case 'relay-keeps':
      case 'verdict-lost':
      case 'duplicate-offer':
      case 'offered-again':
        this.#network.faults.arm(fault)
    }
  }

  #changeChannel(
    fault: Extract<Fault, { name: 'channel-drained' | 'channel-closed' | 'policy-change' | 'liquidity-shift' }>,
  ): void {
    const network = this.#network
    const channel = this.#channel(fault.channel)
    if (fault.name === 'channel-closed') {
      channel.closed = true
      this.#pathsOver((link) => link.channel === channel)
      return
    }
    const link = this.#direction(channel, fault.from)
    if (fault.name === 'policy-change') {
      const change = fault.policy ?? { baseFeeMsat: (link.policy.baseFeeMsat + 1_000) % MOST_DRAWN_BASE_MSAT }
      link.policy = changePolicy(`fault on ${channel.id}`, link.policy, change, channel.capacityMsat)
      this.#pathsOver((other) => other === link)
      return
    }
    const most = fault.name === 'channel-drained' ? link.balanceMsat : (fault.msat ?? Math.floor(link.balanceMsat / 2))
    network.trace('traffic', link.index, link.shift(most))
  }

  #goOffline(node: SimNode, forMs: number | undefined): void {
    if (!node.online) return
    const { process } = node
    node.interceptor.disconnect()
    node.online = false
    process?.tell({ type: 'offline', detail: `node '${node.name}' went away` })
    process?.loseSight()
    this.#pathsOver((link) => link.from === node)
    if (forMs !== undefined) this.#network.after(forMs, () => this.#comeOnline(node))
  }

  #comeOnline(node: SimNode): void {
    if (node.online) return
    node.online = true
    for (const attempt of node.parked.splice(0)) attempt.unpark()
    this.#reconnect(node)
  }

  #loseStream(node: SimNode | undefined, forMs: number): void {
    if (node === undefined || !node.streamUp) return
    const { process } = node
    node.interceptor.disconnect()
    node.streamUp = false
    process?.tell({ type: 'offline', detail: `the streams of node '${node.name}' are lost` })
    process?.loseSight()
    this.#network.after(forMs, () => {
      if (node.process !== process) return
      node.streamUp = true
      if (node.online) this.#reconnect(node)
    })
  }

  /** What a process hears when its node is there again: that it is, what was decided, what arrived, what is held. */
  #reconnect(node: SimNode): void {
    const { process } = node
    if (process === undefined || !node.canTell) return
    process.tell({ type: 'online', detail: `node '${node.name}' is back` })
    for (const { hash, outcome } of node.untold.splice(0)) process.tell({ type: 'payment-resolved', hash, outcome })
    process.arrivalsWaiting()
    node.interceptor.connect()
  }

  #pathsOver(broken: (link: Link) => boolean): void {
    const isBroken = (path: OpenPath): boolean => path.links.some(broken)
    for (const { process } of this.#network.nodes) process?.checkPaths(isBroken)
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

  #channel(id: string | undefined): Channel {
    if (id !== undefined) return this.#network.channel(id)
    const open = this.#network.channels.filter((channel) => !channel.closed)
    const channel = open[this.#random.below(open.length)]
    if (channel === undefined) throw new SimulationError('bad-fault', 'no channel is left for a fault of a channel')
    return channel
  }

  #direction(channel: Channel, from: string | undefined): Link {
    const link = this.#network.links[channel.index * 2 + (from === undefined ? this.#random.below(2) : 0)] as Link
    if (from === undefined || link.from.name === from) return link
    if (link.to.name !== from)
      throw new SimulationError('bad-fault', `'${from}' is not an end of channel ${channel.id}`)
    return link.reverse
  }
}

/** A fault that comes by itself, so many times an hour. */
class RandomOccurrence implements Due {
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
    this.#effects.apply(this.#fault)
    this.wait()
  }

  wait(): void {
    const { engine } = this.#network
    engine.push(engine.nowMs + this.#random.exponential(this.#meanMs), this, 0)
  }
}
