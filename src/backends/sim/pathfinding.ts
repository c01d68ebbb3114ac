import type { RouteHint, RoutePreference } from '../../medium/route.ts'
import { areClearOf, type FoundRoutes } from './known-routes.ts'
import { COMMON_LEAST_MSAT } from './least-costs.ts'
import { MAX_SEARCHED_HOPS, MISSION_CONTROL_MS, SEARCHED_AMOUNTS_MSAT } from './limits.ts'
import type { Channel, ChannelLink } from './channel.ts'
import { inboundFeeMsat, outboundFeeMsat, relayFeeMsat, type FeePolicy } from './fees.ts'
import type { Network } from './network.ts'
import type { SimNode } from './node.ts'
import {
  BASE_FEE_MSAT,
  DELTA_BLOCKS,
  FEE_PPM,
  FROM,
  INBOUND_BASE_MSAT,
  INBOUND_PPM,
  LEAST_MSAT,
  LINK_FIELDS,
  MOST_MSAT,
} from './searched-links.ts'

/** Cost of a block of delay per msat under way, as lnd's risk factor: 15 billionths. */
const RISK_PER_BLOCK = 15e-9
/** Every hop takes time and may fail: worth this many msat, by what the sender prefers. */
const HOP_COST_MSAT: Readonly<Record<RoutePreference, number>> = { cheap: 1, balanced: 100, fast: 2_000 }
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
  /** What all relays together may ask, in msat. Default: no bound. */
  readonly maxFeeMsat?: number
  readonly count: number
  readonly avoid: ReadonlySet<string>
  readonly hints: readonly RouteHint[]
  readonly prefer: RoutePreference
  /** As if nothing had refused and nothing was to be avoided. */
  readonly isCarefree?: boolean
}

/** A search for ways over which one amount can go. */
interface AmountSearch extends Search {
  /** Channels with a higher least amount are taken for want of others. */
  readonly isLenient?: boolean
  /** Only a way that costs no more, the amount included. */
  readonly limit?: number | undefined
}

interface FoundWay {
  readonly hops: Hop[]
  /** As the search weighs it, with the amount. */
  readonly cost: number
  readonly search: AmountSearch
}

/** The hops of up to `count` routes, cheapest and most reliable first, as disjoint as the graph allows. */
export function findRouteHops(network: Network, search: Search): FoundRoutes {
  const dear = dearChannels(network, search)
  const { knownRoutes } = network
  if (!knownRoutes.keeps(search)) return findAnew(network, search, dear)
  let routes = knownRoutes.routesFor(search)
  if (routes === undefined) {
    routes = findAnew(network, { ...search, isCarefree: true }, [])
    knownRoutes.keep(search, routes)
  }
  return areClearOf(routes, new Set(dear)) ? routes : findAnew(network, search, dear)
}

/** `dear`: channels that cost something beside what they ask; others join them as they are used. */
function findAnew(network: Network, search: Search, dear: Channel[]): Hop[][] {
  for (const { index } of dear) network.dearChannels[index] = 1
  const found = findWays(network, search, (channel) => {
    network.dearChannels[channel.index] = 1
    dear.push(channel)
  })
  for (const { index } of dear) network.dearChannels[index] = 0
  return found
}

/** `used` is told of each channel that costs more from now on. */
function findWays(network: Network, search: Search, used: (channel: Channel) => void): Hop[][] {
  const hinted = hintedHops(network, search)
  const uses = new Map<Channel, number>()
  const found = new Map<string, { readonly hops: Hop[]; readonly cost: number }>()
  // What a search finds costs more in the next one, so that a second repetition means that there is no other route.
  for (let repeats = 0; found.size < search.count && repeats < 2;) {
    const way = bestWay(network, search, hinted, uses)
    if (way === undefined) break
    const { hops } = way
    const key = hops.map((hop) => hop.link.index).join(',')
    if (found.has(key)) repeats++
    else found.set(key, { hops, cost: way.search.amountMsat + ownCost(network, way.search, hops) })
    for (const { link } of hops) {
      uses.set(link.channel, (uses.get(link.channel) ?? 0) + 1)
      used(link.channel)
    }
  }
  return [...found.values()].toSorted((a, b) => a.cost - b.cost).map(({ hops }) => hops)
}

/** Channels that cost something beside what they ask: those to go around, and those that refused lately. */
function dearChannels(network: Network, { avoid, from }: Search): Channel[] {
  const dear: Channel[] = []
  for (const id of avoid) {
    const channel = network.channelById(id)
    if (channel !== undefined) dear.push(channel)
  }
  for (const [channel, refusedMs] of from.refusals) {
    if (network.engine.nowMs - refusedMs < MISSION_CONTROL_MS) dear.push(channel)
    else from.refusals.delete(channel)
  }
  return dear
}

/** Of the ways for one amount and another, that which costs least, the amount itself included. */
function bestWay(
  network: Network,
  search: Search,
  hinted: ReadonlyMap<ChannelLink, Hop>,
  uses: ReadonlyMap<Channel, number>,
): FoundWay | undefined {
  let best: FoundWay | undefined
  const look = (amountMsat: number): void => {
    const way = cheapest(network, { ...search, amountMsat, limit: best?.cost }, hinted, uses)
    if (way === undefined) return
    // Of two that are alike, that of the lower amount.
    if (best === undefined || way.cost < best.cost || amountMsat < best.search.amountMsat) best = way
  }
  const [least = 0, ...higher] = SEARCHED_AMOUNTS_MSAT
  // Few channels pass less, and a search that has to go around the others ends where it costs more than this.
  if (search.amountMsat < least) look(least)
  look(search.amountMsat)
  for (const amountMsat of higher) {
    if (best !== undefined && best.cost < REFUSAL_COST_MSAT) break
    if (amountMsat > search.amountMsat) look(amountMsat)
  }
  return best ?? cheapest(network, { ...search, isLenient: true }, hinted, uses)
}

/**
 * From the destination back to the sender, since fees depend on what is to arrive. It looks at each channel once at
 * most, nearest to the sender first, and goes no further than the fees that the sender would pay.
 */
function cheapest(
  network: Network,
  search: AmountSearch,
  hinted: ReadonlyMap<ChannelLink, Hop>,
  uses: ReadonlyMap<Channel, number>,
): FoundWay | undefined {
  const { from: sender, to: destination, maxFeeMsat = Infinity } = search
  const space = network.searchSpace
  const { costs, amounts, fees, lengths, done, next } = space
  const { fields, offsets, indexes, isPrivate } = network.searchedLinks
  const mostMsat = search.amountMsat + maxFeeMsat
  const isStrict = search.isLenient !== true
  const hopCost = HOP_COST_MSAT[search.prefer]
  const { dearChannels: dear } = network
  if (!startSearch(network, search, uses)) return undefined
  for (;;) {
    const at = space.nearest()
    if (at < 0) return undefined
    if (at === sender.index) break
    const amountMsat = amounts[at] as number
    const length = lengths[at] as number
    if (length === MAX_SEARCHED_HOPS) continue
    const ownFeeMsat = fees[at] as number
    const costHere = costs[at] as number
    const end = offsets[at + 1] as number
    for (let row = offsets[at] as number; row < end; row++) {
      const field = row * LINK_FIELDS
      const before = fields[field + FROM] as number
      if (done[before] === 1) continue
      const inboundMsat = at === destination.index ? 0 : askedInbound(fields, field, amountMsat, ownFeeMsat)
      const sentMsat = amountMsat + inboundMsat
      if (sentMsat > mostMsat || sentMsat > (fields[field + MOST_MSAT] as number)) continue
      if (isStrict && sentMsat < (fields[field + LEAST_MSAT] as number)) continue
      let delta = fields[field + DELTA_BLOCKS] as number
      let feeMsat = 0
      if (before === sender.index) {
        const link = network.links[indexes[row] as number] as ChannelLink
        if (!link.to.online || link.balanceMsat < sentMsat) continue
      } else if (isPrivate[row] === 1) {
        const hint = hinted.get(network.links[indexes[row] as number] as ChannelLink)
        if (hint === undefined) continue
        delta = hint.cltvDelta
        feeMsat = outboundFeeMsat(hint.baseFeeMsat, hint.feePpm, sentMsat)
      } else {
        feeMsat = outboundFeeMsat(fields[field + BASE_FEE_MSAT] as number, fields[field + FEE_PPM] as number, sentMsat)
      }
      let cost = costHere + (hopCost + sentMsat * delta * RISK_PER_BLOCK) + inboundMsat + feeMsat
      if (cost >= (costs[before] as number)) continue
      if (!isStrict || dear[(indexes[row] as number) >>> 1] === 1) {
        const link = network.links[indexes[row] as number] as ChannelLink
        const used = uses.get(link.channel) ?? 0
        cost =
          costHere + linkCost(network, search, link, delta, sentMsat) + inboundMsat + feeMsat + used * REUSE_COST_MSAT
        if (cost >= (costs[before] as number)) continue
      }
      amounts[before] = sentMsat + feeMsat
      fees[before] = feeMsat
      lengths[before] = length + 1
      next[before] = indexes[row] as number
      space.reach(before, cost)
    }
  }
  const hops = foundHops(network, search, hinted)
  return hops.length === 0 ? undefined : { hops, cost: (costs[sender.index] as number) + search.amountMsat, search }
}

/** Prepares the search space; false where no channel of the sender can carry the amount. */
function startSearch(network: Network, search: AmountSearch, uses: ReadonlyMap<Channel, number>): boolean {
  const { from, to, amountMsat, maxFeeMsat = Infinity, limit = Infinity } = search
  const hopCost = HOP_COST_MSAT[search.prefer]
  const price = { hopCost, riskPerBlock: RISK_PER_BLOCK }
  // What is known is of channels that pass the amount.
  const isKnown = search.isLenient !== true
  const known = isKnown ? network.leastCosts.from(from, amountMsat, amountMsat + maxFeeMsat, price) : undefined
  const firstCosts = firstLinkCosts(network, search, uses, known?.ways ?? 1)
  if (firstCosts.every((cost) => cost === Infinity)) return false
  if (known === undefined || amountMsat < COMMON_LEAST_MSAT) network.searchSpace.aim(from.index, to.index)
  network.searchSpace.start(to.index, amountMsat, from.index, { hopCost, firstCosts, known, limit: limit - amountMsat })
  return true
}

/** The way that the search space shows, from the sender on. */
function foundHops(network: Network, { from, to }: Search, hinted: ReadonlyMap<ChannelLink, Hop>): Hop[] {
  const { next } = network.searchSpace
  const hops: Hop[] = []
  for (let node = from; node !== to;) {
    const link = network.links[next[node.index] as number] as ChannelLink
    const isHinted = link.channel.private && link.from !== from
    hops.push((isHinted ? hinted.get(link) : undefined) ?? network.searchedLinks.hopOver(link))
    node = link.to
  }
  return hops
}

/** What a node asks for what comes in over the link of this row: a discount takes no more than its own fee. */
function askedInbound(fields: Float64Array, field: number, amountMsat: number, ownFeeMsat: number): number {
  const baseFeeMsat = fields[field + INBOUND_BASE_MSAT] as number
  const feePpm = fields[field + INBOUND_PPM] as number
  if (baseFeeMsat === 0 && feePpm === 0) return 0
  return Math.max(-ownFeeMsat, inboundFeeMsat({ baseFeeMsat, feePpm }, amountMsat))
}

/**
 * What the sender's own channels cost at least; Infinity where one cannot carry the amount. `ways`: 1 for the cheapest
 * alone, else the number of channels.
 */
function firstLinkCosts(
  network: Network,
  search: Search,
  uses: ReadonlyMap<Channel, number>,
  ways: number,
): readonly number[] {
  const costs = search.from.links.map((link) => {
    if (!canSend(link, search.amountMsat)) return Infinity
    // A least amount may be met by what is to be paid to relays.
    const amountMsat = Math.max(search.amountMsat, link.policy.minHtlcMsat)
    return linkCost(network, search, link, 0, amountMsat) + (uses.get(link.channel) ?? 0) * REUSE_COST_MSAT
  })
  // A node may have more channels than a call has room for.
  return ways === 1 ? [costs.reduce((least, cost) => Math.min(least, cost), Infinity)] : costs
}

/** Whether the sender can send this amount over a link of its own. */
function canSend({ channel, policy, to, balanceMsat }: ChannelLink, amountMsat: number): boolean {
  if (channel.closed || policy.disabled || amountMsat > policy.maxHtlcMsat) return false
  return to.online && balanceMsat >= amountMsat
}

/** What a link costs beside its fee. */
function linkCost(network: Network, search: Search, link: ChannelLink, cltvDelta: number, amountMsat: number): number {
  const { avoid, from, isCarefree, prefer } = search
  const { channel, policy } = link
  let cost = HOP_COST_MSAT[prefer] + amountMsat * cltvDelta * RISK_PER_BLOCK
  if (amountMsat < policy.minHtlcMsat) cost += BELOW_MINIMUM_COST_MSAT
  if (isCarefree === true) return cost
  if (avoid.size > 0 && avoid.has(channel.id)) cost += AVOID_COST_MSAT
  if (from.refusals.size === 0) return cost
  const refusedMs = from.refusals.get(channel)
  if (refusedMs !== undefined && network.engine.nowMs - refusedMs < MISSION_CONTROL_MS) cost += REFUSAL_COST_MSAT
  return cost
}

function ownCost(network: Network, search: Search, hops: readonly Hop[]): number {
  let cost = 0
  let amountMsat = search.amountMsat
  for (const [i, hop] of [...hops.entries()].toReversed()) {
    cost += linkCost(network, search, hop.link, hop.cltvDelta, amountMsat)
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
