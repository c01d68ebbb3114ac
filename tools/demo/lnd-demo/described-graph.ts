/** The whole public graph, as a responder's lnd describes it: what it may hold against an initiator. */
import type { AuthenticatedLnd } from 'lightning'
import type { CandidateGraph } from '../../../src/backends/paths/candidates.ts'
import { inboundCost } from '../../../src/backends/lnd/routes/public-graph.ts'
import { blindsRoutes, type RawEdge, type RawNode, type RawPolicy } from '../../../src/backends/lnd/rpc/raw-messages.ts'

type Cost = CandidateGraph['channels'][number]['policies'][number]

interface RawGraph {
  readonly nodes: readonly RawNode[]
  readonly edges: readonly RawEdge[]
}

interface Describing {
  describeGraph(request: object, done: (error: Error | null, graph?: RawGraph) => void): void
}

/** The cost of a direction without a policy that is in force: it fits no class. */
const NO_COST: Cost = { baseFeeMsat: Infinity, feePpm: Infinity, cltvDelta: Infinity, minHtlcMsat: Infinity }

/** @throws Error where lnd does not describe it */
export async function describedGraph({ lnd }: { readonly lnd: AuthenticatedLnd }): Promise<CandidateGraph> {
  const { nodes, edges } = await new Promise<RawGraph>((resolve, reject) => {
    const service = lnd.default as Describing
    service.describeGraph({ include_unannounced: false }, (error, graph) => {
      if (graph === undefined) reject(error ?? new Error('lnd described no graph'))
      else resolve(graph)
    })
  })
  return {
    nodes: nodes.map((node) => ({ publicKey: node.pub_key, routeBlinding: blindsRoutes(node.features) })),
    channels: edges.map((edge) => ({
      ends: [edge.node1_pub, edge.node2_pub],
      policies: [costOf(edge.node1_policy), costOf(edge.node2_policy)],
      inbound: [inboundCost(edge, edge.node1_pub), inboundCost(edge, edge.node2_pub)],
    })),
  }
}

function costOf(policy: RawPolicy | null): Cost {
  if (policy === null || policy.disabled) return NO_COST
  return {
    baseFeeMsat: Number(policy.fee_base_msat),
    feePpm: Number(policy.fee_rate_milli_msat),
    cltvDelta: policy.time_lock_delta,
    minHtlcMsat: Number(policy.min_htlc),
  }
}
