import { toHex } from '../../floor/bytes.ts'
import {
  classOf,
  entranceCost,
  PATH_CLASSES,
  type PathClasses,
  PHANTOM_DELTA_BLOCKS,
  totalCost,
  withInboundCost,
  type InboundCost,
  type PathTotals,
  type RelayCost,
} from './path-classes.ts'

/** What gossip tells everybody. Public keys are hex. */
export interface CandidateGraph {
  readonly nodes: readonly { readonly publicKey: string; readonly routeBlinding: boolean }[]
  /** `policies` in the order of `ends`: what the first asks, what the second asks. */
  readonly channels: readonly {
    readonly ends: readonly [string, string]
    readonly policies: readonly [PublishedPolicy, PublishedPolicy]
    /** In the order of `ends`: what each asks for what comes in over the channel. Absent: nothing. */
    readonly inbound?: readonly [InboundCost, InboundCost]
  }[]
}

/** What an end asks, and whether it has taken its direction out of use. */
interface PublishedPolicy extends RelayCost {
  readonly disabled?: boolean
}

/** As much of the public graph as tells who could stand behind a path. `N` is what a node goes by there. */
export interface GraphView<N> {
  /** Whether a node is public and relays blinded payments. */
  blinds(node: N): boolean
  /** Where its public channels lead, and what it asks there. A direction that is disabled is left out. */
  outward(node: N): readonly Outward<N>[]
}

/** A channel from one of its ends. */
export interface Outward<N> {
  readonly to: N
  /** What this end asks for sending on over it. */
  readonly cost: RelayCost
  /** What this end asks for what comes in over it. */
  readonly inbound: InboundCost
  /** What the other end asks for what comes in over it. */
  readonly inboundThere: InboundCost
}

/** What a payer sees of a path: where it begins, how many relays it has before its maker, and what it costs. */
export interface PathShape<N> {
  readonly introduction: N
  readonly relays: number
  readonly totals: PathTotals
  /** The node behind the introduction node, where somebody found it out: with one relay the maker. */
  readonly through?: N
}

/** What a path's payer reads from its bytes. */
export interface PublishedPath {
  /** 33 bytes. */
  readonly introduction: Uint8Array
  /** One for each hop after the introduction node. */
  readonly blindedIds: readonly Uint8Array[]
  readonly totals: PathTotals
}

/**
 * Who can stand behind a blinded path, by what its payer can compute: the payer has
 * the public graph and the path's bytes, which tell the introduction node, the number
 * of hops and the published classes (spec §9.5). Public keys in hex, sorted.
 *
 * With one relay: neighbours of the introduction node whose channel's policy rounds
 * to the published classes. With two: nodes at the end of such a chain of two. Never
 * the payer, never the introduction node, and only nodes that relay blinded paths.
 */
export function candidateInitiators(graph: CandidateGraph, path: PublishedPath, payer: Uint8Array): string[] {
  // The last blinded id is the phantom's, the one before it the initiator's.
  const shape = { introduction: toHex(path.introduction), relays: path.blindedIds.length - 1, totals: path.totals }
  return [...crowdBehind(graphView(graph), shape, toHex(payer))].toSorted()
}

/** A graph in the order in which candidates are looked up: of a big one it takes a while to make. */
export function graphView(graph: CandidateGraph): GraphView<string> {
  const blinding = new Set(graph.nodes.filter((node) => node.routeBlinding).map((node) => node.publicKey))
  const outward = outwardCosts(graph)
  return { blinds: (key) => blinding.has(key), outward: (key) => outward.get(key) ?? [] }
}

/** Those who could have made a path of this shape for this payer: `candidateInitiators`, on any view of the graph. */
export function crowdBehind<N>(
  view: GraphView<N>,
  { introduction, relays, totals, through }: PathShape<N>,
  payer: N | undefined,
  classes: PathClasses = PATH_CLASSES,
): Set<N> {
  const crowd = new Set<N>()
  const blinds = (node: N): boolean => node !== payer && view.blinds(node)
  if (!blinds(introduction)) return crowd
  const entrances = view.outward(introduction)
  const asking = entrances.filter(({ inbound }) => inbound.baseFeeMsat > 0 || inbound.feePpm > 0)
  for (const first of entrances) {
    if (!blinds(first.to) || (through !== undefined && first.to !== through)) continue
    const entrance = entranceCost(asking.filter(({ to }) => to !== first.to).map(({ inbound }) => inbound))
    const firstCost = withInboundCost(first.cost, entrance)
    if (relays === 1) {
      if (rounds([firstCost], totals, classes)) crowd.add(first.to)
      continue
    }
    for (const second of view.outward(first.to)) {
      if (second.to === introduction || crowd.has(second.to) || !blinds(second.to)) continue
      const secondCost = withInboundCost(second.cost, first.inboundThere)
      if (rounds([firstCost, secondCost], totals, classes)) crowd.add(second.to)
    }
  }
  return crowd
}

/** Whether a chain with these costs publishes these totals. */
function rounds(costs: readonly RelayCost[], published: PathTotals, classes: PathClasses): boolean {
  const rounded = classOf(totalCost(costs, PHANTOM_DELTA_BLOCKS), classes)
  return (
    rounded !== undefined &&
    rounded.baseFeeMsat === published.baseFeeMsat &&
    rounded.feePpm === published.feePpm &&
    rounded.cltvDelta === published.cltvDelta &&
    rounded.minHtlcMsat === published.minHtlcMsat
  )
}

const NOTHING: InboundCost = { baseFeeMsat: 0, feePpm: 0 }

function outwardCosts(graph: CandidateGraph): ReadonlyMap<string, readonly Outward<string>[]> {
  const outward = new Map<string, Outward<string>[]>()
  for (const channel of graph.channels) {
    const { inbound = [NOTHING, NOTHING] } = channel
    for (const i of [0, 1] as const) {
      if (channel.policies[i].disabled === true) continue
      const from = channel.ends[i]
      const other = i === 0 ? 1 : 0
      const list = outward.get(from) ?? []
      list.push({
        to: channel.ends[other],
        cost: channel.policies[i],
        inbound: inbound[i],
        inboundThere: inbound[other],
      })
      outward.set(from, list)
    }
  }
  return outward
}
