import type { Clock } from '../../../floor/clock.ts'
import { BoundedMap } from '../../../floor/bounded.ts'
import { MAX_MSAT } from '../../../wire/bolt4/integers.ts'
import { formatShortChannelId } from '../../../wire/bolt4/short-channel-id.ts'
import { MAX_POLICIES, POLICY_AGE_MS } from '../limits.ts'
import { Status, type RpcError } from '../rpc/errors.ts'
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
  /** What `to` asks besides for sending on what came in over this channel. Absent: nothing, or it is not sent on. */
  readonly inbound?: InboundFee
}

/**
 * bLIP 18: what a node asks for sending on what came in over a channel, beside the fee of the channel that it goes out
 * over. Both parts may be negative, for a discount.
 */
export interface InboundFee {
  readonly baseMsat: bigint
  /** Millionths of what goes out and its fee: -1,000,000 or more. */
  readonly ppm: bigint
}

/** A discount of all that there is. */
const LEAST_INBOUND_PPM = -1_000_000n

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

/**
 * The policy of an own channel from one of its ends, by whichever of its ids the graph has it; undefined where it is
 * not there, or that end has published none. @throws RpcError where the node is away or does not permit the call
 */
export async function ownHop(policies: Policies, ids: readonly string[], from: string): Promise<HopPolicy | undefined> {
  for (const id of ids) {
    try {
      return await policies.hop(id, from)
    } catch (error) {
      if ((error as RpcError).code !== Status.notFound) throw error
    }
  }
  return undefined
}

/** A channel from one of its ends, or undefined where that end has published no policy. */
export function hopPolicy(edge: RawEdge, from: string): HopPolicy | undefined {
  const isFirst = edge.node1_pub === from
  const policy = isFirst ? edge.node1_policy : edge.node2_policy
  if (policy === null) return undefined
  const inbound = inboundFee(edge, isFirst ? edge.node2_pub : edge.node1_pub)
  return {
    channel: formatShortChannelId(BigInt(edge.channel_id)),
    chanId: edge.channel_id,
    from,
    to: isFirst ? edge.node2_pub : edge.node1_pub,
    ...termsOf(policy, edge.capacity),
    ...(inbound && { inbound }),
  }
}

/** What an end of a channel asks for sending on what came in over it. Undefined: nothing. */
export function inboundFee(edge: RawEdge, to: string): InboundFee | undefined {
  const policy = edge.node1_pub === to ? edge.node1_policy : edge.node2_policy
  const baseMsat = BigInt(policy?.inbound_fee_base_msat ?? 0)
  const ppm = BigInt(policy?.inbound_fee_rate_milli_msat ?? 0)
  if (baseMsat === 0n && ppm === 0n) return undefined
  // No fee is below zero, so a larger discount is no other one.
  return { baseMsat, ppm: ppm < LEAST_INBOUND_PPM ? LEAST_INBOUND_PPM : ppm }
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
