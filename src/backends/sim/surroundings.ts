import { BoundedMap } from '../../floor/bounded.ts'
import { crowdBehind, type GraphView, type Outward, type PathShape } from '../paths/candidates.ts'
import type { ChannelLink } from './channel.ts'
import { Crowds, holds } from './crowds.ts'
import { MAX_REMEMBERED_CROWDS } from './limits.ts'
import type { SimNode } from './node.ts'

/** A node's public channels as gossip has them now. */
interface NodeSurroundings {
  readonly outward: readonly Outward<SimNode>[]
  /** Those over which it asks something for what comes in. */
  readonly asking: readonly Outward<SimNode>[]
  readonly neighbours: ReadonlySet<SimNode>
}

/**
 * What everybody knows of the nodes around a node, as gossip has it: kept from one search for a reply path to the next
 * until a policy changes or a channel is closed, since of a node with a thousand channels it takes a while to collect.
 */
export class Surroundings implements GraphView<SimNode> {
  /** By index of the node. */
  readonly #nodes: (NodeSurroundings | undefined)[] = []
  readonly #sizes = new BoundedMap<string, number>(MAX_REMEMBERED_CROWDS)
  /** For a payer who is none of them, and no relay either. */
  readonly #crowds = new Crowds()

  blinds({ plan }: SimNode): boolean {
    return plan.public && plan.routeBlinding
  }

  outward(node: SimNode): readonly Outward<SimNode>[] {
    return this.of(node).outward
  }

  of(node: SimNode): NodeSurroundings {
    return (this.#nodes[node.index] ??= look(node))
  }

  /** How many could stand behind a path of this shape for this payer. */
  crowd(shape: PathShape<SimNode>, payer: SimNode | undefined): number {
    const { introduction, relays, totals } = shape
    const { baseFeeMsat, feePpm, cltvDelta, minHtlcMsat } = totals
    const key = [introduction.index, relays, baseFeeMsat, feePpm, cltvDelta, minHtlcMsat].join(' ')
    // A payer who could be the relay next to the introduction node changes who else could stand there.
    if (payer !== undefined && this.of(introduction).neighbours.has(payer))
      return this.#sizeFor(`${key} ${payer.index}`, shape, payer)
    const crowd = this.#crowds.get(key) ?? this.#crowds.add(key, this.#indexesBehind(shape))
    if (payer === introduction) return 0
    return payer !== undefined && holds(crowd, payer.index) ? crowd.length - 1 : crowd.length
  }

  #indexesBehind(shape: PathShape<SimNode>): number[] {
    return [...crowdBehind(this, shape, undefined)].map(({ index }) => index)
  }

  #sizeFor(key: string, shape: PathShape<SimNode>, payer: SimNode): number {
    let size = this.#sizes.get(key)
    if (size === undefined) {
      size = crowdBehind(this, shape, payer).size
      this.#sizes.set(key, size)
    }
    return size
  }

  /** What is asked over this link has changed, or its channel was closed. */
  forget({ from, to }: ChannelLink): void {
    this.#nodes[from.index] = undefined
    this.#nodes[to.index] = undefined
    this.#sizes.clear()
    this.#crowds.clear()
  }
}

/** Whether gossip lets payments go over this link. */
export function isAnnounced({ channel, policy }: ChannelLink): boolean {
  return !channel.private && !channel.closed && !policy.disabled
}

function look({ links }: SimNode): NodeSurroundings {
  const outward = links.filter(isAnnounced).map((link) => ({
    to: link.to,
    cost: link.policy,
    inbound: link.reverse.inbound,
    inboundThere: link.inbound,
  }))
  const asking = outward.filter(({ inbound }) => inbound.baseFeeMsat > 0 || inbound.feePpm > 0)
  return { outward, asking, neighbours: new Set(outward.map(({ to }) => to)) }
}
