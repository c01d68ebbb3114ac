import type { CandidateGraph } from '../../paths/candidates.ts'
import type { InboundCost } from '../../paths/path-classes.ts'
import type { RpcError } from '../rpc/errors.ts'
import { Status } from '../rpc/errors.ts'
import { type LndClient } from '../rpc/client.ts'
import { blindsRoutes, type RawEdge, type RawNodeInfo, type RawPolicy } from '../rpc/raw-messages.ts'
import { inboundFee } from './policies.ts'

type Cost = CandidateGraph['channels'][number]['policies'][number]

/** The cost of a direction without a published policy: it fits no class. */
const NO_COST: Cost = { baseFeeMsat: Infinity, feePpm: Infinity, cltvDelta: Infinity, minHtlcMsat: Infinity }

/** The part of the public graph that narrows down who stands behind a path. @throws RpcError */
export async function publicGraph(client: LndClient): Promise<CandidateGraph> {
  const { nodes, edges } = await client.call('describeGraph', { include_unannounced: false })
  return {
    nodes: nodes.map((node) => ({ publicKey: node.pub_key, routeBlinding: blindsRoutes(node.features) })),
    channels: edges.map((edge) => ({
      ends: [edge.node1_pub, edge.node2_pub],
      policies: [costOf(edge.node1_policy), costOf(edge.node2_policy)],
      inbound: [inboundCost(edge, edge.node1_pub), inboundCost(edge, edge.node2_pub)],
    })),
  }
}

/** A node of the public graph with its channels; undefined where it is not in there. @throws RpcError */
export async function nodeInfo(client: LndClient, key: string): Promise<RawNodeInfo | undefined> {
  try {
    return await client.call('getNodeInfo', { pub_key: key, include_channels: true })
  } catch (error) {
    if ((error as RpcError).code === Status.notFound) return undefined
    throw error
  }
}

/** What an end of a channel asks for what comes in over it, in the numbers of a path. */
export function inboundCost(edge: RawEdge, to: string): InboundCost {
  const fee = inboundFee(edge, to)
  return { baseFeeMsat: Number(fee?.baseMsat ?? 0n), feePpm: Number(fee?.ppm ?? 0n) }
}

function costOf(policy: RawPolicy | null): Cost {
  if (policy === null) return NO_COST
  return {
    baseFeeMsat: Number(policy.fee_base_msat),
    feePpm: Number(policy.fee_rate_milli_msat),
    cltvDelta: policy.time_lock_delta,
    minHtlcMsat: Number(policy.min_htlc),
  }
}
