import {
  addPeer,
  closeChannel as closeByNode,
  createChainAddress,
  getChannel,
  getChannels,
  getNode,
  type GetChannelsResult,
  getPeers,
  openChannel as openByNode,
  removePeer,
} from 'lightning'
import type { LndNode } from './lnd-node.ts'
import { until, within } from './until.ts'

export interface ChannelSpec<Name extends string = string> {
  /** Who opens it and funds it, and with whom. */
  readonly between: readonly [opener: Name, other: Name]
  readonly capacitySat: number
  /** What the other one starts with; nothing unless told. */
  readonly pushSat?: number
  /** Not announced to the network. */
  readonly private?: boolean
}

/** A channel between two nodes of the network. */
export interface OpenChannel {
  /** As lnd writes it: block x transaction x output. */
  readonly id: string
  readonly transactionId: string
  readonly output: number
  readonly opener: LndNode
  readonly other: LndNode
  readonly capacitySat: number
  readonly isPrivate: boolean
}

/** What others know of a channel; its ends may be nodes of any kind. */
export interface KnownChannel {
  readonly id: string
  readonly opener: Pick<LndNode, 'name' | 'publicKey'>
  readonly other: Pick<LndNode, 'name' | 'publicKey'>
}

/** One whose funding waits to be mined. */
export type PendingChannel = Omit<OpenChannel, 'id'>

export interface Funding {
  readonly opener: LndNode
  readonly other: LndNode
  readonly capacitySat: number
  readonly pushSat: number
  readonly isPrivate: boolean
}

/** An address whose coins `node` can spend. Nested, because btcd makes payments to no newer kind. */
export async function addressOf(node: LndNode): Promise<string> {
  return (await createChainAddress({ lnd: node.lnd, format: 'np2wpkh' })).address
}

/** Connects two nodes, if they are not, and waits until both know it. */
export async function connectPeers(from: LndNode, to: LndNode): Promise<void> {
  if (await arePeers(from, to)) return
  await until(`${from.name} reaches ${to.name}`, async () => {
    await addPeer({ lnd: from.lnd, public_key: to.publicKey, socket: to.peerSocket })
    return true
  })
  await until(`${from.name} and ${to.name} are connected`, async () => (await arePeers(from, to)) || undefined)
}

/** Disconnects two nodes. They stay apart, also with a channel between them, until `connectPeers` or a restart. */
export async function disconnectPeers(from: LndNode, to: LndNode): Promise<void> {
  await removePeer({ lnd: from.lnd, public_key: to.publicKey })
  await until(`${from.name} and ${to.name} are apart`, async () => (await areApart(from, to)) || undefined)
}

async function areApart(from: LndNode, to: LndNode): Promise<boolean> {
  const [there, back] = await Promise.all([lists(from, to), lists(to, from)])
  return !there && !back
}

async function arePeers(from: LndNode, to: LndNode): Promise<boolean> {
  const [there, back] = await Promise.all([lists(from, to), lists(to, from)])
  return there && back
}

async function lists({ lnd }: LndNode, { publicKey }: LndNode): Promise<boolean> {
  const { peers } = await getPeers({ lnd })
  return peers.some(({ public_key }) => public_key === publicKey)
}

/** Opens a channel as far as it goes without a block. */
export async function fundChannel(funding: Funding): Promise<PendingChannel> {
  const { opener, other, capacitySat, pushSat, isPrivate } = funding
  const opened = await openByNode({
    lnd: opener.lnd,
    partner_public_key: other.publicKey,
    local_tokens: capacitySat,
    give_tokens: pushSat,
    is_private: isPrivate,
    chain_fee_tokens_per_vbyte: 2,
  })
  const { transaction_id: transactionId, transaction_vout: output } = opened
  return { transactionId, output, opener, other, capacitySat, isPrivate }
}

/** Waits until both ends can use the channel. */
export async function waitChannelActive(pending: PendingChannel): Promise<OpenChannel> {
  const { opener, other } = pending
  const [id] = await Promise.all(
    [opener, other].map((node) =>
      until(`${node.name} sees its channel ${opener.name} - ${other.name} active`, async () => {
        const channel = await ownChannel(node, pending)
        return channel?.is_active === true ? channel.id : undefined
      }),
    ),
  )
  return { ...pending, id: id ?? '' }
}

/** Waits until `node` can make routes over a public channel: both policies and both ends are known to it. */
export async function waitChannelKnown(node: LndNode, { id, opener, other }: KnownChannel): Promise<void> {
  const { lnd } = node
  await until(`${node.name} knows the channel ${opener.name} - ${other.name}`, async () => {
    const { policies } = await getChannel({ lnd, id })
    return (policies.length === 2 && policies.every(({ cltv_delta }) => cltv_delta !== undefined)) || undefined
  })
  for (const { name, publicKey } of [opener, other]) {
    await until(`${node.name} knows what ${name} can do`, async () => {
      const { features } = await getNode({ lnd, public_key: publicKey, is_omitting_channels: true })
      return features.length > 0 || undefined
    })
  }
}

/** Asks for the end of a channel. Returns when the transaction that ends it waits to be mined. */
export async function endChannel(channel: OpenChannel, by: LndNode, force: boolean): Promise<void> {
  const { lnd } = by
  const { id, transactionId: transaction_id, output: transaction_vout } = channel
  const closing = force
    ? closeByNode({ lnd, transaction_id, transaction_vout, is_force_close: true })
    : closeByNode({ lnd, transaction_id, transaction_vout, tokens_per_vbyte: 2 })
  // For a peer that is away lnd waits for ever.
  await within(`${by.name} closes its channel ${id}`, closing)
}

/** Waits until neither running end lists the channel any more. */
export async function waitChannelGone(channel: OpenChannel): Promise<void> {
  const nodes = [channel.opener, channel.other].filter(({ isRunning }) => isRunning)
  await Promise.all(
    nodes.map((node) =>
      until(`${node.name} sees its channel ${channel.id} closed`, async () =>
        (await ownChannel(node, channel)) === undefined ? true : undefined,
      ),
    ),
  )
}

type Listed = GetChannelsResult['channels'][number]

/** A channel as one of its ends lists it; undefined where it is not open. */
export async function ownChannel(
  node: LndNode,
  { transactionId, output }: PendingChannel,
): Promise<Listed | undefined> {
  const { channels } = await getChannels({ lnd: node.lnd })
  return channels.find((each) => each.transaction_id === transactionId && each.transaction_vout === output)
}
