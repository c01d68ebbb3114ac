import { formatShortChannelId } from '../../../wire/bolt4/short-channel-id.ts'
import { fromHex } from '../../../floor/bytes.ts'
import { MAX_ROUTE_HINTS, type RouteHint } from '../../../medium/route.ts'
import { CHANNELS_AGE_MS, INBOUND_ROOM_MSAT } from '../limits.ts'
import type { LndClient } from '../rpc/client.ts'
import type { RawChannel } from '../rpc/raw-messages.ts'
import { graphId, idsOf, inboundMsat, isAnnounced, type OwnChannels } from './own-channels.ts'
import { ownHop, type Policies } from './policies.ts'
import { nodeInfo } from './public-graph.ts'

export interface HintNeeds {
  readonly client: LndClient
  readonly channels: OwnChannels
  readonly policies: Policies
  /** Hex. */
  readonly ownKey: string
  height(): number
}

/**
 * The channels that others do not know and by which they find this node: none where a public one has room towards it,
 * else those that are up with a peer that is in the public graph, the one with the most room first. Where none has any
 * and there is no public channel at all, all of them are told: what leads to this node may get room later.
 *
 * @throws RpcError
 */
export async function routeHints(needs: HintNeeds): Promise<RouteHint[]> {
  const { client, channels, policies, ownKey } = needs
  const own = (await channels.list(CHANNELS_AGE_MS)).filter((channel) => channel.active)
  const announced = own.filter((channel) => isAnnounced(channel, needs.height()))
  if (announced.some(hasRoom)) return []
  const hidden = own.filter((channel) => !announced.includes(channel))
  const roomy = hidden.filter(hasRoom)
  const worthIt = roomy.length > 0 || announced.length > 0 ? roomy : hidden
  const hints: RouteHint[] = []
  for (const channel of worthIt.toSorted((a, b) => Number(inboundMsat(b) - inboundMsat(a)))) {
    if (hints.length === MAX_ROUTE_HINTS) break
    const policy = await ownHop(policies, idsOf(channel), channel.remote_pubkey)
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

function hasRoom(channel: RawChannel): boolean {
  return inboundMsat(channel) >= INBOUND_ROOM_MSAT
}

/** The id by which others can name a channel: its peer's alias where it has one, as in lnd's own invoices. */
function sharedId(channel: RawChannel): string {
  const { peer_scid_alias: alias = '0' } = channel
  return alias === '0' ? graphId(channel) : alias
}

async function isPublic(client: LndClient, key: string, ownKey: string): Promise<boolean> {
  const node = await nodeInfo(client, key)
  return node?.channels.some((edge) => edge.node1_pub !== ownKey && edge.node2_pub !== ownKey) ?? false
}
