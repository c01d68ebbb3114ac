import type { RouteHint } from '../../medium/route.ts'
import { MAX_SEARCHED_HOPS, MISSION_CONTROL_MS } from './limits.ts'
import type { Channel, ChannelLink } from './channel.ts'
import { inboundFeeMsat, relayFeeMsat, type FeePolicy } from './fees.ts'
import type { Network } from './network.ts'
import type { SimNode } from './node.ts'

/** Cost of a block of delay per msat under way, as lnd's risk factor: 15 billionths. */
const RISK_PER_BLOCK = 15e-9
/** Every hop may fail: worth this many msat. */
const HOP_COST_MSAT = 100
/** A link whose least amount is above what is sent: the route's own minimum will be higher. */
const BELOW_MINIMUM_COST_MSAT = 1e6
/** A channel that refused lately. */
const REFUSAL_COST_MSAT = 1e8
/** A channel of a route that was found before, per use: routes come out as disjoint as the graph allows. */
const REUSE_COST_MSAT = 1e10
/** A channel that the caller wants to go around. */
const AVOID_COST_MSAT = 1e12

/** A link to be used, with the policy that the sender believes in. */
export interface Hop {
  readonly link: ChannelLink
  readonly baseFeeMsat: number
  readonly feePpm: number
  readonly cltvDelta: number
  /** What the node behind the link asks for what comes in over it and goes on. */
  readonly inbound: FeePolicy
}

export interface Search {
  readonly from: SimNode
  readonly to: SimNode
  /** What is to arrive at `to`. */
  readonly amountMsat: number
  readonly count: number
  readonly avoid: ReadonlySet<string>
  readonly hints: readonly RouteHint[]
}

/** The hops of up to `count` routes, cheapest and most reliable first, as disjoint as the graph allows. */
export function findRouteHops(network: Network, search: Search): Hop[][] {
  const hinted = hintedHops(network, search)
  const uses = new Map<Channel, number>()
  const found = new Map<string, { readonly hops: Hop[]; readonly cost: number }>()
  // What a search finds costs more in the next one, so that a second repetition means that there is no other route.
  for (let repeats = 0; found.size < search.count && repeats < 2;) {
    const hops = cheapest(network, search, hinted, uses)
    if (hops === undefined) break
    const key = hops.map((hop) => hop.link.index).join(',')
    if (found.has(key)) repeats++
    else found.set(key, { hops, cost: ownCost(network, search, hops) })
    for (const { link } of hops) uses.set(link.channel, (uses.get(link.channel) ?? 0) + 1)
  }
  return [...found.values()].toSorted((a, b) => a.cost - b.cost).map(({ hops }) => hops)
}

/** Dijkstra from the destination back to the sender, since fees depend on what is to arrive. */
function cheapest(
  network: Network,
  search: Search,
  hinted: ReadonlyMap<ChannelLink, Hop>,
  uses: ReadonlyMap<Channel, number>,
): Hop[] | undefined {
  const size = network.nodes.length
  const costs = new Float64Array(size).fill(Infinity)
  const amounts = new Float64Array(size)
  /** What each node asks for sending on over the link that was found. */
  const fees = new Float64Array(size)
  const lengths = new Int32Array(size)
  const done = new Uint8Array(size)
  const next: (Hop | undefined)[] = []
  costs[search.to.index] = 0
  amounts[search.to.index] = search.amountMsat
  for (;;) {
    const at = nearest(costs, done)
    if (at === undefined) return undefined
    if (at === search.from.index) break
    done[at] = 1
    const amountMsat = amounts[at] as number
    if (lengths[at] === MAX_SEARCHED_HOPS) continue
    for (const outward of (network.nodes[at] as SimNode).links) {
      const link = outward.reverse
      const inboundMsat =
        at === search.to.index ? 0 : Math.max(-(fees[at] as number), inboundFeeMsat(link.inbound, amountMsat))
      const sentMsat = amountMsat + inboundMsat
      const hop = usableHop(link, search, hinted, sentMsat)
      if (hop === undefined || done[link.from.index] === 1) continue
      const feeMsat = link.from === search.from ? 0 : relayFeeMsat(hop, sentMsat)
      const cost =
        (costs[at] as number) +
        linkCost(network, search, hop, sentMsat) +
        inboundMsat +
        feeMsat +
        (uses.get(link.channel) ?? 0) * REUSE_COST_MSAT
      if (cost >= (costs[link.from.index] as number)) continue
      costs[link.from.index] = cost
      amounts[link.from.index] = sentMsat + feeMsat
      fees[link.from.index] = feeMsat
      lengths[link.from.index] = (lengths[at] as number) + 1
      next[link.from.index] = hop
    }
  }
  const hops: Hop[] = []
  for (let node = search.from; node !== search.to;) {
    const hop = next[node.index] as Hop
    hops.push(hop)
    node = hop.link.to
  }
  return hops.length === 0 ? undefined : hops
}

function nearest(costs: Float64Array, done: Uint8Array): number | undefined {
  let best: number | undefined
  let bestCost = Infinity
  for (let i = 0; i < costs.length; i++) {
    if (done[i] === 0 && (costs[i] as number) < bestCost) {
      best = i
      bestCost = costs[i] as number
    }
  }
  return best
}

/** The hop over this link, if the sender knows it and it can carry the amount. */
function usableHop(
  link: ChannelLink,
  search: Search,
  hinted: ReadonlyMap<ChannelLink, Hop>,
  amountMsat: number,
): Hop | undefined {
  const { channel, policy } = link
  if (channel.closed || amountMsat > policy.maxHtlcMsat) return undefined
  const own = link.from === search.from
  if (own && (!link.to.online || link.balanceMsat < amountMsat)) return undefined
  if (channel.private && !own) return hinted.get(link)
  const { baseFeeMsat, feePpm, cltvDelta } = policy
  return { link, baseFeeMsat, feePpm, cltvDelta, inbound: link.inbound }
}

/** What a link costs beside its fee. */
function linkCost(network: Network, search: Search, hop: Hop, amountMsat: number): number {
  const { channel, policy } = hop.link
  let cost = HOP_COST_MSAT + amountMsat * hop.cltvDelta * RISK_PER_BLOCK
  if (amountMsat < policy.minHtlcMsat) cost += BELOW_MINIMUM_COST_MSAT
  if (search.avoid.has(channel.id)) cost += AVOID_COST_MSAT
  const refusedMs = search.from.refusals.get(channel)
  if (refusedMs !== undefined && network.engine.nowMs - refusedMs < MISSION_CONTROL_MS) cost += REFUSAL_COST_MSAT
  return cost
}

function ownCost(network: Network, search: Search, hops: readonly Hop[]): number {
  let cost = 0
  let amountMsat = search.amountMsat
  for (const [i, hop] of [...hops.entries()].toReversed()) {
    cost += linkCost(network, search, hop, amountMsat)
    if (i === 0) continue
    const feeMsat = relayFeeMsat(hop, amountMsat, hops[i - 1]?.inbound)
    cost += feeMsat
    amountMsat += feeMsat
  }
  return cost
}

/** Private channels that the destination told of. One that the network doesn't have is left out. */
function hintedHops(network: Network, search: Search): Map<ChannelLink, Hop> {
  const hops = new Map<ChannelLink, Hop>()
  for (const hint of search.hints) {
    const from = network.nodeByKey(hint.publicKey)
    const link = from?.links.find((other) => other.channel.id === hint.channelId && other.to === search.to)
    if (link === undefined) continue
    const { feeBaseMsat, feePpm, cltvDelta } = hint
    hops.set(link, { link, baseFeeMsat: Number(feeBaseMsat), feePpm, cltvDelta, inbound: link.inbound })
  }
  return hops
}
