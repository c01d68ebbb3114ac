import type { InboundCost } from '../../paths/path-classes.ts'
import type { RpcError } from '../rpc/errors.ts'
import { Status } from '../rpc/errors.ts'
import { type LndClient } from '../rpc/client.ts'
import type { RawEdge, RawNodeInfo } from '../rpc/raw-messages.ts'
import { inboundFee } from './policies.ts'

/** A node of the public graph, with its channels or without; undefined where it is not in there. @throws RpcError */
export async function nodeInfo(client: LndClient, key: string, withChannels = true): Promise<RawNodeInfo | undefined> {
  try {
    return await client.call('getNodeInfo', { pub_key: key, include_channels: withChannels })
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
