import { isDeepStrictEqual } from 'node:util'
import { cancelHodlInvoice, getChannel, getChannels, getInvoices, updateRoutingFees } from 'lightning'
import { type OpenChannel, ownChannel } from './channels.ts'
import type { LndNode, NodeOptions } from './lnd-node.ts'
import type { Network } from './network.ts'
import { told, until } from './until.ts'

/** How long payments may take to end by themselves, before the nodes that hold them are started again. */
const DRAIN_MS = 60_000

/** What one end of a channel asks for. */
interface Policy {
  readonly base_fee_mtokens: string
  readonly fee_rate: number
  readonly cltv_delta: number
  readonly min_htlc_mtokens: string
  readonly max_htlc_mtokens: string
  readonly inbound_base_discount_mtokens: string
  readonly inbound_rate_discount: number
}

interface FoundChannel {
  /** The one that took its place, where it had to be opened again. */
  channel: OpenChannel
  /** The other end's balance, in satoshi. */
  readonly otherSat: number
  /** By the name of the end that asks for it. */
  readonly policies: ReadonlyMap<string, Policy>
}

/**
 * What a test found: which nodes run and how, which channels are open, and at what price. Balances are not part of
 * it, since every payment moves them.
 */
export class NetworkState<Name extends string = string> {
  readonly #network: Network<Name>
  readonly #options: ReadonlyMap<LndNode, NodeOptions>
  readonly #channels: readonly FoundChannel[]

  private constructor(
    network: Network<Name>,
    options: ReadonlyMap<LndNode, NodeOptions>,
    channels: readonly FoundChannel[],
  ) {
    this.#network = network
    this.#options = options
    this.#channels = channels
  }

  /** @throws Error where a node does not run: there is nothing that a test could build on */
  static async of<Name extends string>(network: Network<Name>): Promise<NetworkState<Name>> {
    const options = new Map([...network.nodes.values()].map((node) => [node, node.options] as const))
    return new NetworkState(network, options, await Promise.all(network.channels.map(findChannel)))
  }

  /**
   * Puts back what was changed since: every node runs as it did, the same channels are open and active at the same
   * price, further ones are closed, and no payment is held anywhere. Programs that hold payments must have ended.
   * @returns what had to be put back, in words
   * @throws Error where that does not succeed
   */
  async restore(): Promise<string[]> {
    const network = this.#network
    if (network.isClosed) return []
    const restored: string[] = []
    await Promise.all(
      [...this.#options].map(async ([node, options]) => {
        if (await node.runWith(options)) restored.push(`${node.name} runs as before`)
      }),
    )
    await network.waitForSync()
    restored.push(...(await this.#reopen()))
    await network.waitActive()
    restored.push(...(await this.#drain()))
    restored.push(...(await this.#closeFurther()))
    for (const found of this.#channels) restored.push(...(await restorePolicies(network, found)))
    return restored
  }

  /** A channel that is gone comes back as a new one, with the balances that it had. */
  async #reopen(): Promise<string[]> {
    const dropped = await this.#network.dropClosed()
    const lost = this.#channels.filter(({ channel }) => dropped.includes(channel))
    if (lost.length === 0) return []
    for (const found of lost) {
      const { opener, other, capacitySat, isPrivate } = found.channel
      found.channel = await this.#network.openChannel({
        between: [opener.name as Name, other.name as Name],
        capacitySat,
        pushSat: found.otherSat,
        private: isPrivate,
      })
    }
    return lost.map(({ channel }) => `${nameOf(channel)} is open again`)
  }

  async #closeFurther(): Promise<string[]> {
    const further = this.#network.channels.filter((each) => this.#channels.every(({ channel }) => channel !== each))
    for (const channel of further) await this.#network.closeChannel(channel, { force: true })
    return further.map((channel) => `${nameOf(channel)} is closed`)
  }

  /** Payments that nobody will end are ended: held invoices are cancelled, and a node lets go of what it kept. */
  async #drain(): Promise<string[]> {
    const restored: string[] = []
    const nodes = [...this.#network.nodes.values()]
    for (const node of nodes) restored.push(...(await cancelHeld(node)))
    const drained = async (): Promise<true | undefined> => (await holders(nodes)).length === 0 || undefined
    try {
      await until('no payment is held', drained, { deadlineMs: DRAIN_MS })
    } catch {
      const kept = await holders(nodes)
      await Promise.all(kept.map((node) => node.restart()))
      await this.#network.waitActive()
      await until(`no payment is held by ${kept.map(({ name }) => name).join(', ')}`, drained)
      restored.push(...kept.map(({ name }) => `${name} was started again, since it held payments`))
    }
    return restored
  }
}

function nameOf({ opener, other }: OpenChannel): string {
  return `${opener.name} - ${other.name}`
}

async function findChannel(channel: OpenChannel): Promise<FoundChannel> {
  const { opener, other } = channel
  const listed = await ownChannel(opener, channel)
  const policies = new Map<string, Policy>()
  for (const end of [opener, other]) policies.set(end.name, await policyOf(end, end, channel))
  return { channel, otherSat: listed?.remote_balance ?? 0, policies }
}

/** What one end of a channel asks for, as a node knows it. */
async function policyOf(end: LndNode, asked: LndNode, { id }: OpenChannel): Promise<Policy> {
  return await until(`${asked.name} knows the policy of ${end.name} for ${id}`, async () => {
    const { policies } = await getChannel({ lnd: asked.lnd, id })
    const policy = policies.find(({ public_key }) => public_key === end.publicKey)
    if (policy?.cltv_delta === undefined) return undefined
    return {
      base_fee_mtokens: policy.base_fee_mtokens ?? '0',
      fee_rate: policy.fee_rate ?? 0,
      cltv_delta: policy.cltv_delta,
      min_htlc_mtokens: policy.min_htlc_mtokens ?? '0',
      max_htlc_mtokens: policy.max_htlc_mtokens ?? '0',
      inbound_base_discount_mtokens: policy.inbound_base_discount_mtokens ?? '0',
      inbound_rate_discount: policy.inbound_rate_discount ?? 0,
    }
  })
}

/** Sets the policies of a channel back, and waits until every node that knew them knows them again. */
async function restorePolicies(network: Network, { channel, policies }: FoundChannel): Promise<string[]> {
  const restored: string[] = []
  const { opener, other, isPrivate, transactionId: transaction_id, output: transaction_vout } = channel
  for (const end of [opener, other]) {
    const before = policies.get(end.name)
    if (before === undefined || isDeepStrictEqual(await policyOf(end, end, channel), before)) continue
    await updateRoutingFees({ lnd: end.lnd, transaction_id, transaction_vout, ...before })
    const knowing = isPrivate ? [opener, other] : [...network.nodes.values()]
    for (const node of knowing)
      await until(
        `${node.name} knows the policy of ${end.name} for ${channel.id} as it was`,
        async () => isDeepStrictEqual(await policyOf(end, node, channel), before) || undefined,
      )
    restored.push(`the policy of ${end.name} for ${nameOf(channel)} is as before`)
  }
  return restored
}

async function cancelHeld({ lnd, name }: LndNode): Promise<string[]> {
  const { invoices } = await getInvoices({ lnd, is_unconfirmed: true })
  const held = invoices.filter(({ is_held }) => is_held === true)
  for (const { id } of held) await cancelHodlInvoice({ lnd, id })
  return held.map(({ id }) => `the invoice ${id.slice(0, 8)} that ${name} held is cancelled`)
}

/** The nodes that have a payment in one of their channels. */
async function holders(nodes: readonly LndNode[]): Promise<LndNode[]> {
  const found = await Promise.all(
    nodes.map(async (node) => {
      const { channels } = await getChannels({ lnd: node.lnd }).catch((error: unknown) => {
        throw new Error(`${node.name} does not list its channels: ${told(error)}`, { cause: error })
      })
      return channels.some(({ pending_payments }) => pending_payments.length > 0) ? [node] : []
    }),
  )
  return found.flat()
}
