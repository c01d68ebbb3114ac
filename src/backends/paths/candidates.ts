import { toHex } from '../../floor/bytes.ts'
import {
  classOf,
  entranceCost,
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
    readonly policies: readonly [RelayCost, RelayCost]
    /** In the order of `ends`: what each asks for what comes in over the channel. Absent: nothing. */
    readonly inbound?: readonly [InboundCost, InboundCost]
  }[]
}

/** A graph in the order in which candidates are looked up: of a big one it takes a while to make. */
export interface CandidateIndex {
  /** Nodes that relay blinded payments. */
  readonly blinding: ReadonlySet<string>
  /** For each node, where its channels lead and what it asks there. */
  readonly outward: ReadonlyMap<string, readonly Outward[]>
}

/** A channel from one of its ends. */
interface Outward {
  readonly to: string
  /** What this end asks for sending on over it. */
  readonly cost: RelayCost
  /** What this end asks for what comes in over it. */
  readonly inbound: InboundCost
  /** What the other end asks for what comes in over it. */
  readonly inboundThere: InboundCost
}

const NOTHING: InboundCost = { baseFeeMsat: 0, feePpm: 0 }

export function candidateIndex(graph: CandidateGraph): CandidateIndex {
  return {
    blinding: new Set(graph.nodes.filter((node) => node.routeBlinding).map((node) => node.publicKey)),
    outward: outwardCosts(graph),
  }
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
  return candidatesIn(candidateIndex(graph), path, payer)
}

/** `candidateInitiators` on a graph that was indexed before. */
export function candidatesIn({ blinding, outward }: CandidateIndex, path: PublishedPath, payer: Uint8Array): string[] {
  const payerHex = toHex(payer)
  const introduction = toHex(path.introduction)
  const blinds = (key: string): boolean => key !== payerHex && blinding.has(key)
  if (!blinds(introduction)) return []
  const candidates = new Set<string>()
  // The last blinded id is the phantom's, the one before it the initiator's.
  const relays = path.blindedIds.length - 1
  const entrances = outward.get(introduction) ?? []
  const asking = entrances.filter(({ inbound }) => inbound.baseFeeMsat > 0 || inbound.feePpm > 0)
  for (const first of entrances) {
    if (!blinds(first.to)) continue
    const entrance = entranceCost(asking.filter(({ to }) => to !== first.to).map(({ inbound }) => inbound))
    const firstCost = withInboundCost(first.cost, entrance)
    if (relays === 1) {
      if (fits([firstCost], path.totals)) candidates.add(first.to)
      continue
    }
    for (const second of outward.get(first.to) ?? []) {
      if (second.to === introduction || !blinds(second.to)) continue
      const secondCost = withInboundCost(second.cost, first.inboundThere)
      if (fits([firstCost, secondCost], path.totals)) candidates.add(second.to)
    }
  }
  return [...candidates].toSorted()
}

function fits(costs: readonly RelayCost[], published: PathTotals): boolean {
  const rounded = classOf(totalCost(costs, PHANTOM_DELTA_BLOCKS))
  return (
    rounded !== undefined &&
    rounded.baseFeeMsat === published.baseFeeMsat &&
    rounded.feePpm === published.feePpm &&
    rounded.cltvDelta === published.cltvDelta &&
    rounded.minHtlcMsat === published.minHtlcMsat
  )
}

function outwardCosts(graph: CandidateGraph): CandidateIndex['outward'] {
  const outward = new Map<string, Outward[]>()
  for (const channel of graph.channels) {
    const { inbound = [NOTHING, NOTHING] } = channel
    for (const i of [0, 1] as const) {
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
