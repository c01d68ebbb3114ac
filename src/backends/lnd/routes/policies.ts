import type { Clock } from '../../../floor/clock.ts'
import { BoundedMap } from '../../../floor/bounded.ts'
import { MAX_MSAT } from '../../../wire/bolt4/integers.ts'
import { formatShortChannelId } from '../../../wire/bolt4/short-channel-id.ts'
import { MAX_POLICIES, POLICY_AGE_MS } from '../limits.ts'
import type { LndClient } from '../rpc/client.ts'
import type { RawEdge, RawPolicy } from '../rpc/raw-messages.ts'

/** A channel in one direction, with what its sender asks. Node keys are hex. */
export interface HopPolicy {
  /** `block x transaction x output`. */
  readonly channel: string
  /** The same as a number in decimal. */
  readonly chanId: string
  readonly from: string
  readonly to: string
  readonly feeBaseMsat: bigint
  readonly feePpm: bigint
  readonly cltvDelta: number
  readonly minHtlcMsat: bigint
  readonly maxHtlcMsat: bigint
}

interface Known {
  readonly edge: RawEdge
  readonly atMs: number
}

/** The policies of channels, as they stand in the node's graph, kept for a while. */
export class Policies {
  readonly #client: LndClient
  readonly #clock: Clock
  readonly #known = new BoundedMap<string, Known>(MAX_POLICIES)

  constructor(client: LndClient, clock: Clock) {
    this.#client = client
    this.#clock = clock
  }

  /** The channel with this id (decimal). @throws RpcError where the node does not know it, or says nothing in time */
  async edge(chanId: string, withinMs: number = Infinity): Promise<RawEdge> {
    const now = this.#clock.now()
    const known = this.#known.get(chanId)
    if (known !== undefined && now - known.atMs < POLICY_AGE_MS) return known.edge
    const edge = await this.#client.call('getChanInfo', { chan_id: chanId }, withinMs)
    this.#known.renew(chanId, { edge, atMs: now })
    return edge
  }

  /** A channel refused a payment because of its policy: the policy is asked for again. */
  forget(chanId: string): void {
    this.#known.delete(chanId)
  }

  /** The channel from a node, or undefined where the node has published no policy for it. @throws RpcError as `edge` */
  async hop(chanId: string, from: string, withinMs: number = Infinity): Promise<HopPolicy | undefined> {
    return hopPolicy(await this.edge(chanId, withinMs), from)
  }
}

/** A channel from one of its ends, or undefined where that end has published no policy. */
export function hopPolicy(edge: RawEdge, from: string): HopPolicy | undefined {
  const isFirst = edge.node1_pub === from
  const policy = isFirst ? edge.node1_policy : edge.node2_policy
  if (policy === null) return undefined
  return {
    channel: formatShortChannelId(BigInt(edge.channel_id)),
    chanId: edge.channel_id,
    from,
    to: isFirst ? edge.node2_pub : edge.node1_pub,
    ...termsOf(policy, edge.capacity),
  }
}

function termsOf(
  policy: RawPolicy,
  capacitySat: string,
): Pick<HopPolicy, 'feeBaseMsat' | 'feePpm' | 'cltvDelta' | 'minHtlcMsat' | 'maxHtlcMsat'> {
  const capacityMsat = BigInt(capacitySat) * 1_000n
  const maxHtlcMsat = BigInt(policy.max_htlc_msat)
  const limits = [maxHtlcMsat, capacityMsat].filter((limit) => limit > 0n)
  return {
    feeBaseMsat: BigInt(policy.fee_base_msat),
    feePpm: BigInt(policy.fee_rate_milli_msat),
    cltvDelta: policy.time_lock_delta,
    minHtlcMsat: BigInt(policy.min_htlc),
    maxHtlcMsat: limits.reduce((min, limit) => (limit < min ? limit : min), MAX_MSAT - 1n),
  }
}
