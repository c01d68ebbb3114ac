import { sha256 } from '@noble/hashes/sha2.js'
import { isPoint } from '../../../wire/curve.ts'
import { hmacSha256 } from '../../../wire/keys.ts'
import { concat, fromHex, toHex } from '../../../floor/bytes.ts'
import type { PathRequest, RelayWish } from '../../../medium/reply-path.ts'
import type { Clock } from '../../../floor/clock.ts'
import { BackendError } from '../../backend.ts'
import { fits, type PathOption, relaysInOrder, SecondBest } from '../../paths/guard-rule.ts'
import {
  classOf,
  entranceCost,
  packetCostMsat,
  PHANTOM_DELTA_BLOCKS,
  totalCost,
  withInboundCost,
  type InboundCost,
  type RelayCost,
} from '../../paths/path-classes.ts'
import {
  CHANNELS_AGE_MS,
  GUARD_SEARCH_MS,
  INBOUND_ROOM_MSAT,
  MAX_CHAINS_KEPT,
  MAX_FRONTS,
  MAX_FRONTS_ASKED,
} from '../limits.ts'
import { blindsRoutes, type RawChannel, type RawEdge, type RawNodeInfo } from '../rpc/raw-messages.ts'
import { graphId, inboundMsat, isUnconfirmed, type OwnChannels } from '../routes/own-channels.ts'
import { hopPolicy, type HopPolicy } from '../routes/policies.ts'
import { inboundCost } from '../routes/public-graph.ts'
import type { Crowd } from './crowd.ts'

/** A chain of blinded channels to this node, introduction node first. */
export interface Introduction extends PathOption {
  readonly links: readonly HopPolicy[]
  /** What each relay keeps, in the order of `links`: what it asks at the channel in front of it is part of that. */
  readonly costs: readonly RelayCost[]
  /** What the introduction node asks for what comes in to it, whoever pays. */
  readonly entrance: InboundCost
}

type Chain = Omit<Introduction, 'crowd'>

export interface IntroductionNeeds {
  readonly crowd: Crowd
  readonly clock: Clock
  readonly channels: OwnChannels
  /** Hex. */
  readonly ownKey: string
  /** 32 bytes that only this node can know and that last as long as its key. */
  readonly orderKey: Uint8Array
}

/** A search for the chain behind which this node hides. */
interface ChainSearch {
  /** Hex. */
  readonly payer: string
  readonly avoidGuards: readonly string[]
  readonly own: readonly RawChannel[]
  /** Why peers are none that introduce us, by peer. */
  readonly reasons: Map<string, string>
  /** Chains of these relays alone, in hexadecimal, introduction node first. */
  readonly only?: readonly string[]
}

/** A peer that can be a relay, with its channel to us. */
interface Peer {
  readonly info: RawNodeInfo
  readonly link: HopPolicy
}

/**
 * Chooses the chain behind which this node hides by the rule of spec §9.12: the first that fits, in an order of peers
 * that follows from a secret of the node, so that the same one is chosen after a restart and nobody else can tell whom
 * a node would choose; where none fits, what hides best. What was chosen once is chosen again while it works: how far a
 * search gets depends on how fast lnd answers, and a payer that sees two guards intersects their crowds.
 */
export class Introductions {
  readonly #needs: IntroductionNeeds
  /** The relays of chains that were chosen, in hexadecimal, first ones first: MAX_CHAINS_KEPT for each wish. */
  readonly #chosen: Map<RelayWish, (readonly string[])[]> = new Map()

  constructor(needs: IntroductionNeeds) {
    this.#needs = needs
  }

  /** @throws BackendError 'no-path' with what is missing, RpcError */
  async choose(request: Omit<PathRequest, 'count' | 'lifetimeBlocks'>): Promise<Introduction> {
    const { relays, maxCostMsat, avoidGuards = [] } = request
    const own = await this.#needs.channels.list(CHANNELS_AGE_MS)
    const search = { payer: toHex(request.payer), avoidGuards, own, reasons: new Map<string, string>() }
    const before = await this.#again(search, relays, maxCostMsat)
    if (before !== undefined) return before
    const found = await this.#search(search, relays, maxCostMsat)
    // Another search, that began at the same time, may have ended first.
    const meanwhile = await this.#again(search, relays, maxCostMsat)
    if (meanwhile !== undefined) return meanwhile
    const chosen = this.#chosen.get(relays) ?? []
    this.#chosen.set(relays, [...chosen, found.links.map(({ from }) => from)].slice(-MAX_CHAINS_KEPT))
    return found
  }

  /** The first of those that were chosen before which this payer can pay over now. */
  async #again(search: ChainSearch, wish: RelayWish, maxCostMsat?: bigint): Promise<Introduction | undefined> {
    for (const only of this.#chosen.get(wish) ?? []) {
      const kept = { ...search, only, reasons: new Map<string, string>() }
      for await (const chain of only.length === 1 ? this.#single(kept) : this.#double(kept))
        if (maxCostMsat === undefined || packetCostMsat(chain.totals) <= maxCostMsat) return chain
    }
    return undefined
  }

  async #search(search: ChainSearch, relays: RelayWish, maxCostMsat?: bigint): Promise<Introduction> {
    const { clock, orderKey } = this.#needs
    const rest = new SecondBest<Introduction>(maxCostMsat === undefined ? Infinity : Number(maxCostMsat), relays)
    const untilMs = clock.now() + GUARD_SEARCH_MS
    for (const count of relaysInOrder(relays, hmacSha256(orderKey, COVER))) {
      for await (const chain of count === 1 ? this.#single(search) : this.#double(search)) {
        if (fits(chain)) return chain
        rest.consider(chain)
        if (clock.now() > untilMs && rest.best !== undefined) return rest.best
      }
      if (rest.wished !== undefined) return rest.wished
    }
    if (rest.best !== undefined) return rest.best
    throw rest.cheapest === undefined ? noPeer(search) : tooDear(rest.cheapest, maxCostMsat as bigint)
  }

  async *#single(search: ChainSearch): AsyncGenerator<Introduction> {
    for await (const { info, link } of this.#peers(search)) {
      const chain = chainOf([link], entranceTo(info, link))
      if (chain !== undefined) yield await this.#counted(chain, search.payer)
      else search.reasons.set(link.from, 'asks for more than the published classes hold')
    }
  }

  /** Chains of two: another node in front of a peer. */
  async *#double(search: ChainSearch): AsyncGenerator<Introduction> {
    let left = MAX_FRONTS
    let asked = 0
    for await (const { info, link: inner } of this.#peers(search)) {
      const fronts = info.channels
        .map((edge) => ({ edge, key: otherEnd(edge, inner.from) }))
        .filter(({ key }) => key !== this.#needs.ownKey && key !== search.payer && !search.avoidGuards.includes(key))
        .filter(({ key }) => search.only === undefined || search.only[0] === key)
      for (const { edge, key } of this.#inOrder(fronts, (front) => front.key)) {
        const link = isDisabled(edge, key) ? undefined : hopPolicy(edge, key)
        if (link === undefined) continue
        if (left === 0 || asked++ === MAX_FRONTS_ASKED) return
        const node = await this.#needs.crowd.node(key)
        if (node === undefined || missing(node, link) !== undefined) continue
        left--
        const chain = chainOf([link, inner], entranceTo(node, link))
        if (chain !== undefined) yield await this.#counted(chain, search.payer)
      }
    }
  }

  /** Those that can be a relay before us, in the node's order. */
  async *#peers({ own, payer, avoidGuards, reasons, only }: ChainSearch): AsyncGenerator<Peer> {
    const wanted = only === undefined ? own : own.filter((each) => each.remote_pubkey === only.at(-1))
    for (const channel of this.#inOrder(wanted, (each) => each.remote_pubkey)) {
      const key = channel.remote_pubkey
      const reason = unfit(channel, payer, avoidGuards)
      const info = reason === undefined ? await this.#needs.crowd.node(key) : undefined
      const link = info && linkTo(info, channel)
      const lacking = reason ?? missing(info, link)
      if (lacking !== undefined || info === undefined || link === undefined)
        reasons.set(key, lacking ?? 'has no policy')
      else yield { info, link }
    }
  }

  async #counted(chain: Chain, payer: string): Promise<Introduction> {
    const { links, relays, totals } = chain
    const introduction = (links[0] as HopPolicy).from
    const between = links.slice(1).map(({ from }) => from)
    const crowd = await this.#needs.crowd.size({ introduction, relays, totals }, between, payer)
    return { ...chain, crowd }
  }

  #inOrder<T>(items: readonly T[], keyOf: (item: T) => string): T[] {
    const ranked = items.map((item) => ({ item, rank: toHex(hmacSha256(this.#needs.orderKey, fromHex(keyOf(item)))) }))
    return ranked.toSorted((a, b) => (a.rank < b.rank ? -1 : Number(a.rank > b.rank))).map(({ item }) => item)
  }
}

/** What a node's secret is asked whether it takes two relays for the sake of others (spec §9.12). */
const COVER: Uint8Array = new TextEncoder().encode('two relays as cover')

function noPeer({ reasons }: ChainSearch): BackendError {
  const each = [...reasons].map(([key, reason]) => `${shortKey(key)} ${reason}`)
  const seen = each.length === 0 ? 'it has no channel' : each.join('; ')
  return new BackendError(
    'no-path',
    `no peer of this node can introduce it to this payer (${seen}). It takes an active public channel, with room towards us, with a node other than the payer that relays blinded payments and has other public channels. Open one, or answer without blinded paths.`,
  )
}

function tooDear({ links, totals }: Introduction, maxCostMsat: bigint): BackendError {
  const { channel, from } = links.at(-1) as HopPolicy
  return new BackendError(
    'no-path',
    `every way to this node costs its payer too much: the cheapest, over channel ${channel} of ${shortKey(from)}, ${packetCostMsat(totals)} msat a packet, amount and fee together, and the other side takes ${maxCostMsat} msat by default. Open a channel with a peer that asks less, or answer without blinded paths.`,
  )
}

/** Why a node can't introduce over this link. */
function missing(node: RawNodeInfo | undefined, link: HopPolicy | undefined): string | undefined {
  if (node?.node === undefined || node.node === null) return 'is not in the public graph'
  if (!blindsRoutes(node.node.features)) return 'does not relay blinded payments'
  if (link === undefined) return 'has published no policy towards us, or has disabled the channel'
  const others = node.channels.some((edge) => otherEnd(edge, link.from) !== link.to)
  return others ? undefined : 'has no public channel with anybody else'
}

/**
 * A point whose discrete logarithm nobody knows: the node's key times this point is a secret that lasts as long as the
 * key and needs no file.
 */
export function orderPoint(): Uint8Array {
  const text = new TextEncoder()
  for (let i = 0; ; i++) {
    const point = concat(Uint8Array.of(2), sha256(text.encode(`keysock order of introduction nodes ${i}`)))
    if (isPoint(point)) return point
  }
}

function unfit(channel: RawChannel, payer: string, avoid: readonly string[] = []): string | undefined {
  if (channel.remote_pubkey === payer) return 'is the payer itself'
  if (avoid.includes(channel.remote_pubkey)) return 'passed nothing on to us'
  if (channel.private) return 'has a private channel with us only'
  if (!channel.active) return 'is offline'
  if (isUnconfirmed(channel)) return 'has a channel with us that waits for its first confirmation'
  return inboundMsat(channel) < INBOUND_ROOM_MSAT ? 'has no balance towards us' : undefined
}

function linkTo(peer: RawNodeInfo, channel: RawChannel): HopPolicy | undefined {
  const edge = peer.channels.find((each) => each.channel_id === graphId(channel))
  const key = peer.node?.pub_key
  return edge === undefined || key === undefined || isDisabled(edge, key) ? undefined : hopPolicy(edge, key)
}

function isDisabled(edge: RawEdge, from: string): boolean {
  return (edge.node1_pub === from ? edge.node1_policy : edge.node2_policy)?.disabled ?? true
}

function otherEnd(edge: RawEdge, key: string): string {
  return edge.node1_pub === key ? edge.node2_pub : edge.node1_pub
}

/** What a node asks at most for what comes in to it and goes on over a link. */
export function entranceTo(node: RawNodeInfo, link: HopPolicy): InboundCost {
  const others = node.channels.filter((edge) => otherEnd(edge, link.from) !== link.to)
  return entranceCost(others.map((edge) => inboundCost(edge, link.from)))
}

function chainOf(links: readonly HopPolicy[], entrance: InboundCost): Chain | undefined {
  const costs = links.map((link, i) => {
    const before = links[i - 1]?.inbound
    const cost = {
      baseFeeMsat: Number(link.feeBaseMsat),
      feePpm: Number(link.feePpm),
      cltvDelta: link.cltvDelta,
      minHtlcMsat: Number(link.minHtlcMsat),
    }
    const inbound = { baseFeeMsat: Number(before?.baseMsat ?? 0n), feePpm: Number(before?.ppm ?? 0n) }
    return withInboundCost(cost, i === 0 ? entrance : inbound)
  })
  const totals = classOf(totalCost(costs, PHANTOM_DELTA_BLOCKS))
  return totals && { relays: links.length === 1 ? 1 : 2, links, costs, totals, entrance }
}

/** Enough of a key for a person to recognize it. */
function shortKey(key: string): string {
  return `${key.slice(0, 10)}..`
}
