/** Channels that have a node of LDK at one end, or at both. */
import { fundPsbt, getChannels, openChannel, signPsbt } from 'lightning'
import { waitChannelKnown } from '../regtest/channels.ts'
import { LndNode } from '../regtest/lnd-node.ts'
import type { Network } from '../regtest/network.ts'
import { until } from '../regtest/until.ts'
import type { LdkNode } from './ldk-node.ts'

/** A channel can be announced when its funding has this many blocks. */
const ANNOUNCE_BLOCKS = 6
/** What opening a channel takes beside its capacity. */
const OPENING_SAT = 50_000
const FEE_SAT_PER_VBYTE = 10

type AnyNode = LndNode | LdkNode

export interface LdkChannelSpec {
  readonly opener: AnyNode
  readonly other: AnyNode
  readonly capacitySat: number
  /** What the other one starts with. */
  readonly pushSat: number
  /** Not announced to the network; only where lnd opens it. */
  readonly private?: boolean
  /** Whose coins pay for it, where LDK opens it: that node has none. */
  readonly payer?: LndNode
}

/** A channel that can be used. */
export interface LdkChannelOpened extends LdkChannelSpec {
  /** As lnd writes it: block x transaction x output. */
  readonly id: string
}

/** Opens channels, in this order. Returns when payments can go over all of them, from every lnd if public. */
export async function openLdkChannels(
  network: Network,
  specs: readonly LdkChannelSpec[],
): Promise<readonly LdkChannelOpened[]> {
  const coins = specs.map((spec) => ({ node: payerOf(spec), sat: spec.capacitySat + OPENING_SAT }))
  await network.fund(coins)
  for (const [index, spec] of specs.entries()) {
    await connect(spec.opener, spec.other)
    await (spec.opener instanceof LndNode ? fundFromLnd(spec.opener, spec) : fundFromLdk(spec.opener, spec))
    await until('the funding waits to be mined', async () => (await network.chain.waiting()) > index || undefined)
  }
  await network.mine(ANNOUNCE_BLOCKS)
  const opened = await Promise.all(specs.map(async (spec) => ({ ...spec, id: await waitUsable(spec) })))
  const known = opened.filter(({ private: isPrivate }) => isPrivate !== true)
  await Promise.all(
    [...network.nodes.values()].flatMap((node) => known.map((channel) => waitChannelKnown(node, channel))),
  )
  return opened
}

function payerOf({ opener, payer }: LdkChannelSpec): LndNode {
  if (opener instanceof LndNode) return opener
  if (payer === undefined) throw new Error(`${opener.name} has no coins: the channel needs a payer`)
  return payer
}

async function connect(from: AnyNode, to: AnyNode): Promise<void> {
  if (!(from instanceof LndNode)) await from.connect(to)
  else if (!(to instanceof LndNode)) await to.connect(from)
  else throw new Error(`${from.name} and ${to.name} are both lnd`)
}

async function fundFromLnd(opener: LndNode, spec: LdkChannelSpec): Promise<void> {
  await openChannel({
    lnd: opener.lnd,
    partner_public_key: spec.other.publicKey,
    local_tokens: spec.capacitySat,
    give_tokens: spec.pushSat,
    is_private: spec.private === true,
    chain_fee_tokens_per_vbyte: FEE_SAT_PER_VBYTE,
  })
}

async function fundFromLdk(opener: LdkNode, spec: LdkChannelSpec): Promise<void> {
  const { lnd } = payerOf(spec)
  const funding = await opener.open(spec.other.publicKey, spec.capacitySat, spec.pushSat)
  const { psbt } = await fundPsbt({
    lnd,
    outputs: [{ address: funding.address, tokens: funding.capacitySat }],
    fee_tokens_per_vbyte: FEE_SAT_PER_VBYTE,
  })
  const { transaction } = await signPsbt({ lnd, psbt })
  await opener.fund(funding, transaction)
}

/** Waits until both ends can use their one channel. Returns its id. */
async function waitUsable({ opener, other }: Pick<LdkChannelSpec, 'opener' | 'other'>): Promise<string> {
  const [id] = await Promise.all([
    until(`${opener.name} can use its channel with ${other.name}`, () => usable(opener, other)),
    until(`${other.name} can use its channel with ${opener.name}`, () => usable(other, opener)),
  ])
  return id
}

/** The id of the channel that one node has with another; undefined where it cannot be used. */
async function usable(node: AnyNode, { publicKey }: AnyNode): Promise<string | undefined> {
  if (node instanceof LndNode) {
    const { channels } = await getChannels({ lnd: node.lnd, is_active: true, partner_public_key: publicKey })
    return channels[0]?.id
  }
  const channel = (await node.channels()).find(({ peer }) => peer === publicKey)
  return channel?.isUsable === true ? (channel.shortId ?? undefined) : undefined
}

/** Waits until both ends can use a channel again; peers that are apart are connected. */
export async function waitLdkActive({ opener, other }: LdkChannelSpec): Promise<void> {
  await connect(opener, other)
  await waitUsable({ opener, other })
}
