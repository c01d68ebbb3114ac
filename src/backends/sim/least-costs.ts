import { BoundedMap } from '../../floor/bounded.ts'
import { inboundFeeMsat, outboundFeeMsat } from './fees.ts'
import { LEAST_RECKONED_NODES, MAX_COSTS, MAX_COUNTED_SENDERS } from './limits.ts'
import type { SimNode } from './node.ts'
import type { SearchSpace } from './search-space.ts'
import {
  BASE_FEE_MSAT,
  DELTA_BLOCKS,
  FEE_PPM,
  INBOUND_BASE_MSAT,
  INBOUND_PPM,
  LEAST_MSAT,
  LINK_FIELDS,
  MOST_MSAT,
  type SearchedLinks,
} from './searched-links.ts'

/** What a sender's costs take to be reckoned is what so many of its searches take without them. */
const SEARCHES_BEFORE = 8
/** Where there is no room, costs that served none of so many searches make place. */
const IDLE_SEARCHES = 100_000
/** A sender with so few channels has costs for each: where one was used, the next may lead another way. */
const MAX_OWN_CHANNELS = 4
/** Amounts at which costs are reckoned: they grow with the amount, by little below some thousand msat. */
const AMOUNTS_MSAT = [1, 10_000, 100_000, 1_000_000]
/** ... and the amounts that are not exceeded, for what may be taken off fees. */
const MOST_AMOUNTS_MSAT = [20_000, 200_000, 2_000_000, 20_000_000, 200_000_000, 2_000_000_000]
/** What most channels pass at least. */
export const COMMON_LEAST_MSAT = 1_000
/** A cost of this or more, or no way at all. */
const MAX_COST = 65_535
/** Sums of many numbers are not exact: no bound may be too high for that. */
const ROUNDING = 1 - 1e-9
/** The goal of a search to all nodes. */
const NOWHERE = -1

/** What ways from one sender cost at least, in whole msat; all by node. */
export interface KnownCosts {
  /** As many as each node has costs: one for each of the sender's channels, in order, or one for all of them. */
  readonly ways: number
  /** What lies between the sender's own channel and the node. */
  readonly rest: Uint16Array
  /** The same for amounts below COMMON_LEAST_MSAT, over channels that pass so little; undefined for others alone. */
  readonly low: Uint16Array | undefined
  /** What of the node's fee may still be taken off, for what comes in (bLIP 18). */
  readonly discounts: Float64Array
}

/** What searches of one sender, at one price of a hop and from one amount on, have in common. */
interface SenderCosts {
  readonly version: number
  searches: number
  /** Of all searches, the latest one of these. */
  latest: number
  costs: KnownCosts | undefined
}

/** What a hop costs by its delay and in all, as the search has it. */
interface HopPrice {
  readonly hopCost: number
  /** Cost of a block of delay per msat under way. */
  readonly riskPerBlock: number
}

interface Sending extends HopPrice {
  readonly sender: number
  readonly leastMsat: number
  /** Channels with a higher least amount are not for it. */
  readonly upToMsat: number
  readonly discounts: Float64Array
}

/** Numbers that are kept for it. */
function sizeOf(sends: SenderCosts | undefined): number {
  return (sends?.costs?.rest.length ?? 0) + (sends?.costs?.low?.length ?? 0)
}

/**
 * What ways from a sender to each node cost at least beyond the sender's own channel: by a search from the sender to
 * all nodes, at fees that no way is below. Searches for routes of that sender, which come from the destination, look at
 * little else than what lies on their way, then (A* with a consistent bound). What was reckoned holds until a policy
 * becomes cheaper.
 */
export class LeastCosts {
  readonly #nodes: readonly SimNode[]
  readonly #links: SearchedLinks
  readonly #space: SearchSpace
  readonly #senders: BoundedMap<string, SenderCosts> | undefined
  #searches = 0
  /** Costs that are kept. */
  #kept = 0
  /** By the largest amount. */
  readonly #discountsUpTo = new Map<number, Float64Array>()
  #discountsVersion = -1
  /** Rows of the links that node i sends over: #rows from #offsets[i] to #offsets[i + 1], and where each leads to. */
  #offsets: Int32Array | undefined
  #rows: Int32Array = new Int32Array(0)
  #ends: Int32Array = new Int32Array(0)

  constructor(nodes: readonly SimNode[], links: SearchedLinks, space: SearchSpace) {
    this.#nodes = nodes
    this.#links = links
    this.#space = space
    if (nodes.length >= LEAST_RECKONED_NODES) this.#senders = new BoundedMap(MAX_COUNTED_SENDERS)
  }

  /**
   * For searches of amounts from `amountMsat` on, of which no more is sent than `mostMsat`. Undefined: it is not worth
   * its while yet, or there is no room.
   */
  from(sender: SimNode, amountMsat: number, mostMsat: number, price: HopPrice): KnownCosts | undefined {
    if (this.#senders === undefined) return undefined
    const leastMsat = AMOUNTS_MSAT.findLast((each) => each <= amountMsat)
    const upToMsat = MOST_AMOUNTS_MSAT.find((each) => each >= mostMsat)
    if (leastMsat === undefined || upToMsat === undefined) return undefined
    const key = `${sender.index} ${leastMsat} ${upToMsat} ${price.hopCost}`
    let sends = this.#senders.get(key)
    if (sends?.version !== this.#links.version) {
      this.#kept -= sizeOf(sends)
      sends = { version: this.#links.version, searches: 0, latest: 0, costs: undefined }
      this.#senders.set(key, sends)
    }
    sends.latest = ++this.#searches
    if (sends.costs === undefined && ++sends.searches > SEARCHES_BEFORE) {
      sends.searches = 0
      sends.costs = this.#costsOf(sender, { leastMsat, upToMsat, discounts: this.#discounts(upToMsat), ...price })
    }
    return sends.costs
  }

  /** Undefined where there is no room for them. */
  #costsOf(sender: SimNode, sending: Omit<Sending, 'sender'>): KnownCosts | undefined {
    const channels = sender.links.length
    const ways = channels <= MAX_OWN_CHANNELS ? channels : 1
    const hasLow = sending.leastMsat < COMMON_LEAST_MSAT
    const size = this.#space.costs.length * ways * (hasLow ? 2 : 1)
    if (this.#kept + size > MAX_COSTS) this.#dropIdle()
    if (this.#kept + size > MAX_COSTS) return undefined
    this.#kept += size
    const all = { sender: sender.index, ...sending }
    const low = hasLow ? this.#reckon({ ...all, upToMsat: COMMON_LEAST_MSAT - 1 }, ways) : undefined
    return { ways, rest: this.#reckon(all, ways), low, discounts: sending.discounts }
  }

  #dropIdle(): void {
    this.#kept = 0
    for (const sends of this.#senders?.values() ?? []) {
      const isOld = sends.version !== this.#links.version
      if (isOld || sends.latest < this.#searches - IDLE_SEARCHES) sends.costs = undefined
      this.#kept += sizeOf(sends)
    }
  }

  #reckon(sending: Sending, ways: number): Uint16Array {
    const { costs } = this.#space
    const least = new Uint16Array(costs.length * ways).fill(MAX_COST)
    for (let way = 0; way < ways; way++) {
      this.#search(sending, ways === 1 ? undefined : way)
      for (let node = 0; node < costs.length; node++) {
        const cost = costs[node] as number
        if (cost < MAX_COST) least[node * ways + way] = Math.floor(cost * ROUNDING)
      }
    }
    return least
  }

  /** Leaves the least costs of all nodes in the space. `way`: the only one of the sender's channels that is used. */
  #search({ sender, leastMsat, upToMsat, discounts, hopCost, riskPerBlock }: Sending, way: number | undefined): void {
    const { fields, isPrivate } = this.#links
    const { costs, done } = this.#space
    const space = this.#space
    const offsets = (this.#offsets ??= this.#sort())
    space.start(sender, 0, NOWHERE, { hopCost: 0, firstCosts: [0] })
    for (let at = space.nearest(); at >= 0; at = space.nearest()) {
      const costHere = costs[at] as number
      if (costHere >= MAX_COST) return
      for (let i = offsets[at] as number; i < (offsets[at + 1] as number); i++) {
        const to = this.#ends[i] as number
        if (done[to] === 1) continue
        const row = this.#rows[i] as number
        const field = row * LINK_FIELDS
        if ((fields[field + MOST_MSAT] as number) < leastMsat) continue
        if ((fields[field + LEAST_MSAT] as number) > upToMsat) continue
        let cost = 0
        if (at === sender) {
          if (way !== undefined && way !== i - (offsets[at] as number)) continue
        } else {
          if (isPrivate[row] === 1) continue
          const baseFeeMsat = fields[field + BASE_FEE_MSAT] as number
          const feeMsat = outboundFeeMsat(baseFeeMsat, fields[field + FEE_PPM] as number, leastMsat)
          const riskBlocks = leastMsat * (fields[field + DELTA_BLOCKS] as number)
          cost = costHere + hopCost + riskBlocks * riskPerBlock + Math.max(0, feeMsat - (discounts[at] as number))
        }
        if (cost < (costs[to] as number)) space.reach(to, cost)
      }
    }
  }

  /** The most that each node takes off its fee, of such amounts. */
  #discounts(mostMsat: number): Float64Array {
    const { fields, offsets, version } = this.#links
    if (this.#discountsVersion !== version) this.#discountsUpTo.clear()
    this.#discountsVersion = version
    let discounts = this.#discountsUpTo.get(mostMsat)
    if (discounts !== undefined) return discounts
    discounts = new Float64Array(this.#space.costs.length)
    for (let node = 0; node < discounts.length; node++) {
      let most = 0
      for (let row = offsets[node] as number; row < (offsets[node + 1] as number); row++) {
        const baseFeeMsat = fields[row * LINK_FIELDS + INBOUND_BASE_MSAT] as number
        const feePpm = fields[row * LINK_FIELDS + INBOUND_PPM] as number
        if (baseFeeMsat >= 0 && feePpm >= 0) continue
        for (const amountMsat of [0, mostMsat])
          most = Math.max(most, -inboundFeeMsat({ baseFeeMsat, feePpm }, amountMsat))
      }
      discounts[node] = most
    }
    this.#discountsUpTo.set(mostMsat, discounts)
    return discounts
  }

  /** Sorts the rows, which stand by the node that they lead to, by the node that sends over them: in its own order. */
  #sort(): Int32Array {
    const offsets = new Int32Array(this.#nodes.length + 1)
    this.#rows = new Int32Array(this.#links.indexes.length)
    this.#ends = new Int32Array(this.#links.indexes.length)
    let at = 0
    for (const [node, { links }] of this.#nodes.entries()) {
      for (const link of links) {
        this.#rows[at] = this.#links.rowOf(link)
        this.#ends[at++] = link.to.index
      }
      offsets[node + 1] = at
    }
    return offsets
  }
}
