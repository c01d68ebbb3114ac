import { secp256k1 } from '@noble/curves/secp256k1.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { hmacSha256 } from '../../../wire/keys.ts'
import { concat, fromHex, toHex } from '../../../floor/bytes.ts'
import type { PathRequest } from '../../../medium/reply-path.ts'
import { BackendError } from '../../backend.ts'
import {
  classOf,
  entranceCost,
  PHANTOM_DELTA_BLOCKS,
  totalCost,
  withInboundCost,
  type InboundCost,
  type PathTotals,
  type RelayCost,
} from '../../paths/path-classes.ts'
import { INBOUND_ROOM_MSAT, CHANNELS_AGE_MS } from '../limits.ts'
import type { LndClient } from '../rpc/client.ts'
import { blindsRoutes, type RawChannel, type RawEdge, type RawNodeInfo } from '../rpc/raw-messages.ts'
import { graphId, inboundMsat, isUnconfirmed, type OwnChannels } from '../routes/own-channels.ts'
import { hopPolicy, type HopPolicy } from '../routes/policies.ts'
import { inboundCost, nodeInfo } from '../routes/public-graph.ts'

/** A chain of blinded channels to this node, introduction node first. */
export interface Introduction {
  readonly links: readonly HopPolicy[]
  /** What each relay keeps, in the order of `links`: what it asks at the channel in front of it is part of that. */
  readonly costs: readonly RelayCost[]
  readonly totals: PathTotals
  /** What the introduction node asks for what comes in to it, whoever pays. */
  readonly entrance: InboundCost
}

export interface IntroductionNeeds {
  readonly client: LndClient
  readonly channels: OwnChannels
  /** Hex. */
  readonly ownKey: string
  /** 32 bytes that only this node can know and that last as long as its key. */
  readonly orderKey: Uint8Array
}

/**
 * Chooses the chain behind which this node hides: its guard where that works, else the
 * next best. The order of peers follows from a secret of the node, so that the same one is
 * chosen after a restart and nobody else can tell whom a node would choose.
 */
export class Introductions {
  readonly #needs: IntroductionNeeds

  constructor(needs: IntroductionNeeds) {
    this.#needs = needs
  }

  /** @throws BackendError 'no-path' with what is missing, RpcError */
  async choose(request: Pick<PathRequest, 'payer' | 'relays' | 'avoidGuards'>): Promise<Introduction> {
    const payer = toHex(request.payer)
    const own = await this.#needs.channels.list(CHANNELS_AGE_MS)
    const reasons: string[] = []
    let single: Introduction | undefined
    for (const channel of this.#inOrder(own, (each) => each.remote_pubkey)) {
      const reason = unfit(channel, payer, request.avoidGuards)
      const peer = reason === undefined ? await nodeInfo(this.#needs.client, channel.remote_pubkey) : undefined
      const link = peer && linkTo(peer, channel)
      const missing = reason ?? this.#missing(peer, link)
      if (missing !== undefined || link === undefined) {
        reasons.push(`${shortKey(channel.remote_pubkey)} ${missing ?? 'has no policy'}`)
        continue
      }
      single ??= introduction([link], entranceTo(peer as RawNodeInfo, link))
      if (request.relays === 1) {
        if (single !== undefined) return single
        reasons.push(`${shortKey(channel.remote_pubkey)} asks for more than the published classes hold`)
        continue
      }
      const double = await this.#behind(peer as RawNodeInfo, link, payer)
      if (double !== undefined) return double
    }
    // Two relays fall back to one where the graph has no second.
    if (single !== undefined) return single
    const seen = reasons.length === 0 ? 'it has no channel' : reasons.join('; ')
    throw new BackendError(
      'no-path',
      `no peer of this node can introduce it to this payer (${seen}). It takes an active public channel, with room towards us, with a node other than the payer that relays blinded payments and has other public channels. Open one, or answer without blinded paths.`,
    )
  }

  /** A chain of two: another node in front of this peer. */
  async #behind(peer: RawNodeInfo, inner: HopPolicy, payer: string): Promise<Introduction | undefined> {
    const fronts = peer.channels
      .map((edge) => ({ edge, key: otherEnd(edge, inner.from) }))
      .filter(({ key }) => key !== this.#needs.ownKey && key !== payer)
    for (const { edge, key } of this.#inOrder(fronts, (front) => front.key)) {
      const node = await nodeInfo(this.#needs.client, key)
      const link = isDisabled(edge, key) ? undefined : hopPolicy(edge, key)
      if (link === undefined || this.#missing(node, link) !== undefined) continue
      const found = introduction([link, inner], entranceTo(node as RawNodeInfo, link))
      if (found !== undefined) return found
    }
    return undefined
  }

  /** Why a node can't introduce over this link. */
  #missing(node: RawNodeInfo | undefined, link: HopPolicy | undefined): string | undefined {
    if (node?.node === undefined || node.node === null) return 'is not in the public graph'
    if (!blindsRoutes(node.node.features)) return 'does not relay blinded payments'
    if (link === undefined) return 'has published no policy towards us, or has disabled the channel'
    const others = node.channels.some((edge) => otherEnd(edge, link.from) !== link.to)
    return others ? undefined : 'has no public channel with anybody else'
  }

  #inOrder<T>(items: readonly T[], keyOf: (item: T) => string): T[] {
    const ranked = items.map((item) => ({ item, rank: toHex(hmacSha256(this.#needs.orderKey, fromHex(keyOf(item)))) }))
    return ranked.toSorted((a, b) => (a.rank < b.rank ? -1 : Number(a.rank > b.rank))).map(({ item }) => item)
  }
}

/**
 * A point whose discrete logarithm nobody knows: the node's key times this point is a secret that lasts as long as the
 * key and needs no file.
 */
export function orderPoint(): Uint8Array {
  const text = new TextEncoder()
  for (let i = 0; ; i++) {
    const point = concat(Uint8Array.of(2), sha256(text.encode(`keysock order of introduction nodes ${i}`)))
    if (secp256k1.utils.isValidPublicKey(point, true)) return point
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

function introduction(links: readonly HopPolicy[], entrance: InboundCost): Introduction | undefined {
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
  return totals && { links, costs, totals, entrance }
}

/** Enough of a key for a person to recognize it. */
function shortKey(key: string): string {
  return `${key.slice(0, 10)}..`
}
