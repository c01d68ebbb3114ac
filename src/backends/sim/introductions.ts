import { sha256 } from '@noble/hashes/sha2.js'
import type { PathRequest } from '../../medium/reply-path.ts'
import { BackendError } from '../backend.ts'
import { fits, type PathOption, relaysInOrder, SecondBest } from '../paths/guard-rule.ts'
import { MAX_CHAINS_OF_TWO } from '../paths/limits.ts'
import {
  classOf,
  entranceCost,
  packetCostMsat,
  PHANTOM_DELTA_BLOCKS,
  type RelayCost,
  totalCost,
  withInboundCost,
} from '../paths/path-classes.ts'
import type { ChannelLink } from './channel.ts'
import type { Network } from './network.ts'
import type { SimNode } from './node.ts'
import { isAnnounced, type Surroundings } from './surroundings.ts'

/** What a peer must be able to send us before it is chosen as introduction node: some packets' worth, in msat. */
export const INTRODUCTION_ROOM_MSAT = 100_000

/** A chain of blinded links to a node, introduction node first. */
export interface Introduction extends PathOption {
  readonly links: readonly ChannelLink[]
  /** What each relay keeps: what it asks at the channel in front of it is part of that (spec/lnd.md §5). */
  readonly costs: readonly RelayCost[]
}

/** A search for the chain behind which a node hides. */
interface ChainSearch {
  readonly surroundings: Surroundings
  readonly node: SimNode
  readonly payer: SimNode | undefined
  readonly avoidGuards: readonly string[]
  /** Links of peers towards the node, in its lasting order. */
  readonly peers: readonly ChannelLink[]
}

/**
 * Chooses the chain behind which a node hides by the rule of spec §9.12: the first that fits in an order that is drawn
 * once per node, so that the same peer is kept as long as it can be; else what hides best.
 *
 * @throws BackendError 'no-path'
 */
export function chooseIntroduction(network: Network, node: SimNode, request: PathRequest): Introduction {
  const { avoidGuards = [], relays, maxCostMsat } = request
  const payer = network.nodeByKey(request.payer)
  const towardsUs = node.links.map((link) => link.reverse)
  const peers = towardsUs.filter((link) => canRelay(link, payer) && !isAvoided(link, avoidGuards))
  const search = { surroundings: network.surroundings, node, payer, avoidGuards, peers: byPreference(node, peers) }
  const rest = new SecondBest<Introduction>(maxCostMsat === undefined ? Infinity : Number(maxCostMsat), relays)
  for (const count of relaysInOrder(relays, sha256(node.secretKey))) {
    for (const chain of count === 1 ? single(search) : double(search)) {
      if (fits(chain)) return chain
      rest.consider(chain)
    }
    if (rest.wished !== undefined) return rest.wished
  }
  if (rest.best !== undefined) return rest.best
  if (rest.cheapest !== undefined) throw tooDear(node, rest.cheapest, maxCostMsat as bigint)
  throw new BackendError(
    'no-path',
    `no peer of '${node.name}' can introduce it to this payer: it takes a public channel with another node, online, with route blinding, room towards us, and a way to it that isn't through us. Open a channel with another peer, or answer without blinded paths.`,
  )
}

function tooDear(node: SimNode, { totals, links }: Introduction, maxCostMsat: bigint): BackendError {
  const { channel, from } = links.at(-1) as ChannelLink
  return new BackendError(
    'no-path',
    `every way to '${node.name}' costs its payer too much: the cheapest, over channel ${channel.id} of '${from.name}', ${packetCostMsat(totals)} msat a packet, amount and fee together, and the other side takes ${maxCostMsat} msat by default. Open a channel with a peer that asks less, or answer without blinded paths.`,
  )
}

function* single({ surroundings, peers, payer }: ChainSearch): Generator<Introduction> {
  for (const link of peers) {
    const found = introduction(surroundings, [link], payer)
    if (found !== undefined) yield found
  }
}

function* double({ surroundings, node, peers, payer, avoidGuards }: ChainSearch): Generator<Introduction> {
  let left = MAX_CHAINS_OF_TWO
  for (const inner of peers) {
    const fronts = inner.from.links
      .map((link) => link.reverse)
      .filter((link) => link.from !== node && canRelay(link, payer) && !isAvoided(link, avoidGuards))
    for (const link of byPreference(node, fronts)) {
      if (left-- === 0) return
      const found = introduction(surroundings, [link, inner], payer)
      if (found !== undefined) yield found
    }
  }
}

function introduction(
  surroundings: Surroundings,
  links: readonly ChannelLink[],
  payer: SimNode | undefined,
): Introduction | undefined {
  const first = links[0] as ChannelLink
  const { outward, asking } = surroundings.of(first.from)
  // Nobody could reach an introduction node without another public channel.
  if (first.from !== payer && outward.every(({ to }) => to === first.to)) return undefined
  const entrance = entranceCost(asking.filter(({ to }) => to !== first.to).map(({ inbound }) => inbound))
  const costs = links.map(({ policy }, i) => withInboundCost(policy, links[i - 1]?.inbound ?? entrance))
  const totals = classOf(totalCost(costs, PHANTOM_DELTA_BLOCKS))
  if (totals === undefined) return undefined
  const relays = links.length === 1 ? 1 : 2
  return {
    relays,
    links,
    costs,
    totals,
    crowd: surroundings.crowd({ introduction: first.from, relays, totals }, payer),
  }
}

/** Whether a peer may introduce or relay over this link, which leads towards us. */
function canRelay(link: ChannelLink, payer: SimNode | undefined): boolean {
  const relay = link.from
  return (
    relay !== payer &&
    relay.plan.public &&
    relay.plan.routeBlinding &&
    relay.online &&
    isAnnounced(link) &&
    link.balanceMsat >= INTRODUCTION_ROOM_MSAT &&
    link.slotsUsed < link.policy.maxHtlcs
  )
}

/** spec §9.5. A node's key in hexadecimal is made where it is asked for. */
function isAvoided({ from }: ChannelLink, avoidGuards: readonly string[]): boolean {
  return avoidGuards.length > 0 && avoidGuards.includes(from.publicHex)
}

/** Every node has a lasting order of links, drawn from its key: a guard, and standbys after it. */
function byPreference(node: SimNode, links: readonly ChannelLink[]): ChannelLink[] {
  const salt = new DataView(node.secretKey.buffer, node.secretKey.byteOffset).getUint32(0)
  const rank = (link: ChannelLink): number => {
    const mixed = Math.imul(salt ^ Math.imul(link.index + 1, 0x9e3779b1), 0x85ebca6b)
    return (mixed ^ (mixed >>> 15)) >>> 0
  }
  return links.toSorted((a, b) => rank(a) - rank(b) || a.index - b.index)
}
