import type { Channel, ChannelLink } from './channel.ts'
import type { Network } from './network.ts'
import type { SimNode } from './node.ts'
import type { OpenPath } from './blinded-paths.ts'

/** Nodes that go away and come back, streams that break, channels that end, and the events that processes get of it. */
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
    node.goOffline()
    process?.emit({ type: 'offline', detail: `node '${node.name}' went away` })
    process?.loseSight()
    this.reportStalePaths((link) => link.from === node)
    if (forMs !== undefined) this.#network.after(forMs, () => this.comeOnline(node))
  }

  comeOnline(node: SimNode): void {
    if (node.online) return
    for (const attempt of node.comeOnline()) attempt.unpark()
    this.#reconnect(node)
  }

  loseStream(node: SimNode, forMs: number): void {
    if (!node.streamUp) return
    const { process } = node
    node.interceptor.disconnect()
    node.loseStream()
    process?.emit({ type: 'offline', detail: `the streams of node '${node.name}' are lost` })
    process?.loseSight()
    this.#network.after(forMs, () => {
      if (node.process !== process) return
      node.restoreStream()
      if (node.online) this.#reconnect(node)
    })
  }

  /** New HTLCs fail. Those under way are decided; `onChain`: by the chain, which takes blocks. */
  closeChannel(channel: Channel, onChain: boolean): void {
    const network = this.#network
    if (!onChain) channel.close()
    else if (channel.forceClose(network.height)) {
      for (const { from } of channel.links) from.interceptor.closedOnChain(channel)
    }
    this.reportStalePaths((link) => link.channel === channel)
  }

  /** Every process gets 'paths-stale' for its paths over links that no longer work. */
  reportStalePaths(broken: (link: ChannelLink) => boolean): void {
    const isBroken = (path: OpenPath): boolean => path.links.some(broken)
    for (const { process } of this.#network.nodes) process?.checkPaths(isBroken)
  }

  /**
   * The node is back: its process gets 'online', then what was decided and what arrived, then offers of what is held.
   */
  #reconnect(node: SimNode): void {
    const { process } = node
    if (process === undefined || !node.isListening) return
    process.emit({ type: 'online', detail: `node '${node.name}' is back` })
    for (const { hash, outcome } of node.takeUndelivered()) process.emit({ type: 'payment-resolved', hash, outcome })
    process.deliverArrivals()
    node.interceptor.connect()
  }
}
