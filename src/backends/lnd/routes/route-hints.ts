import { formatShortChannelId } from '../../../wire/bolt4/short-channel-id.ts'
import { fromHex } from '../../../floor/bytes.ts'
import { MAX_ROUTE_HINTS, type RouteHint } from '../../../medium/route.ts'
import { CHANNELS_AGE_MS } from '../limits.ts'
import type { LndClient } from '../rpc/client.ts'
import type { RawChannel } from '../rpc/raw-messages.ts'
import type { OwnChannels } from './own-channels.ts'
import type { Policies } from './policies.ts'
import { nodeInfo } from './public-graph.ts'

export interface HintNeeds {
  readonly client: LndClient
  readonly channels: OwnChannels
  readonly policies: Policies
  /** Hex. */
  readonly ownKey: string
}

/**
 * The private channels by which others find this node: none where a public one leads to it, else those that are up
 * with a peer that is in the public graph, the one with the most balance towards us first. @throws RpcError
 */
export async function routeHints({ client, channels, policies, ownKey }: HintNeeds): Promise<RouteHint[]> {
  const own = (await channels.list(CHANNELS_AGE_MS)).filter((channel) => channel.active)
  if (own.some((channel) => !channel.private)) return []
  const hints: RouteHint[] = []
  const byInbound = own.toSorted((a, b) => Number(BigInt(b.remote_balance) - BigInt(a.remote_balance)))
  for (const channel of byInbound) {
    if (hints.length === MAX_ROUTE_HINTS) break
    const policy = await policies.hop(channel.chan_id, channel.remote_pubkey)
    if (policy === undefined || !(await isPublic(client, channel.remote_pubkey, ownKey))) continue
    hints.push({
      publicKey: fromHex(channel.remote_pubkey),
      channelId: formatShortChannelId(BigInt(sharedId(channel))),
      feeBaseMsat: policy.feeBaseMsat,
      feePpm: Number(policy.feePpm),
      cltvDelta: policy.cltvDelta,
      minAmountMsat: policy.minHtlcMsat,
    })
  }
  return hints
}

/** The id by which others can name a channel: its peer's alias where it has one, as in lnd's own invoices. */
function sharedId({ chan_id: id, peer_scid_alias: alias }: RawChannel): string {
  return alias === undefined || alias === '0' ? id : alias
}

async function isPublic(client: LndClient, key: string, ownKey: string): Promise<boolean> {
  const node = await nodeInfo(client, key)
  return node?.channels.some((edge) => edge.node1_pub !== ownKey && edge.node2_pub !== ownKey) ?? false
}
