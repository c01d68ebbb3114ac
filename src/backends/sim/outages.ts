import type { Channel, Link } from './channel.ts'
import type { Network } from './network.ts'
import type { SimNode } from './node.ts'
import type { OpenPath } from './open-paths.ts'

/** Nodes that go away and come back, streams that break, channels that end: and what processes are told of it. */
export class Outages {
  readonly #network: Network

  constructor(network: Network) {
    this.#network = network
  }

  /** The node is away until `comeOnline`, or for `forMs`. */
  goOffline(node: SimNode, forMs: number | undefined): void {
    if (!node.online) return
    const { process } = node
    node.interceptor.disconnect()
    node.online = false
    process?.tell({ type: 'offline', detail: `node '${node.name}' went away` })
    process?.loseSight()
    this.pathsOver((link) => link.from === node)
    if (forMs !== undefined) this.#network.after(forMs, () => this.comeOnline(node))
  }

  comeOnline(node: SimNode): void {
    if (node.online) return
    node.online = true
    for (const attempt of node.parked.splice(0)) attempt.unpark()
    this.#reconnect(node)
  }

  loseStream(node: SimNode, forMs: number): void {
    if (!node.streamUp) return
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

  /** New HTLCs fail. Those under way are decided; `onChain`: by the chain, which takes blocks. */
  closeChannel(channel: Channel, onChain: boolean): void {
    const network = this.#network
    channel.closed = true
    if (onChain && channel.onChainFrom === undefined) {
      channel.onChainFrom = network.height
      for (const node of channelEnds(network, channel)) node.interceptor.closedOnChain(channel)
    }
    this.pathsOver((link) => link.channel === channel)
  }

  /** Tells every process of its paths over such links that they no longer work. */
  pathsOver(broken: (link: Link) => boolean): void {
    const isBroken = (path: OpenPath): boolean => path.links.some(broken)
    for (const { process } of this.#network.nodes) process?.checkPaths(isBroken)
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
}

function channelEnds(network: Network, channel: Channel): SimNode[] {
  const link = network.links[channel.index * 2] as Link
  return [link.from, link.to]
}
