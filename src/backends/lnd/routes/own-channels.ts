import type { Clock } from '../../../floor/clock.ts'
import type { LndClient } from '../rpc/client.ts'
import type { RawChannel } from '../rpc/raw-messages.ts'
import { ANNOUNCED_DEPTH } from '../limits.ts'
import { SharedAnswer } from '../rpc/shared-answer.ts'

/** The node's own channels. */
export class OwnChannels {
  readonly #answer: SharedAnswer<readonly RawChannel[]>

  constructor(client: LndClient, clock: Clock) {
    this.#answer = new SharedAnswer(clock, async () => (await client.call('listChannels', {})).channels)
  }

  /** Not older than `ageMs`. @throws RpcError */
  list(ageMs: number): Promise<readonly RawChannel[]> {
    return this.#answer.get(ageMs)
  }
}

/**
 * Every id of an own channel, decimal, the one that the graph has first. A channel that was open before its funding was
 * confirmed keeps its alias in ListChannels for ever, while graph and QueryRoutes have the confirmed id (spec/lnd.md
 * §3). The alias that the peer gave is none of them: on this node it may be that of another channel.
 */
export function idsOf(channel: RawChannel): string[] {
  return [...new Set([graphId(channel), channel.chan_id, ...(channel.alias_scids ?? [])])]
}

/** The id of an own channel in the graph, decimal. */
export function graphId({ chan_id: id, zero_conf_confirmed_scid: confirmed = '0' }: RawChannel): string {
  return confirmed === '0' ? id : confirmed
}

/** Whether a channel is in use before its funding is confirmed: nobody else can know it, public or not. */
export function isUnconfirmed({ zero_conf: isEarly, zero_conf_confirmed_scid: confirmed = '0' }: RawChannel): boolean {
  return isEarly === true && confirmed === '0'
}

/**
 * Whether everybody can know a channel: a public one is announced when it has 6 confirmations (BOLT 7). An alias lies
 * above every height.
 */
export function isAnnounced(channel: RawChannel, height: number): boolean {
  const block = Number(BigInt(graphId(channel)) >> 40n)
  return !channel.private && block + ANNOUNCED_DEPTH - 1 <= height
}

/** What can come over a channel now, msat, as its peer's lnd reckons it. Negative where it can send nothing. */
export function inboundMsat(channel: RawChannel): bigint {
  const bufferSat = channel.initiator === false ? feeBufferSat(channel) : 0n
  return sendableMsat(channel.remote_balance, channel.remote_constraints, bufferSat)
}

/** What can go out over a channel now, msat, as lnd reckons it. Negative where nothing can. */
export function outboundMsat(channel: RawChannel): bigint {
  const bufferSat = channel.initiator === true ? feeBufferSat(channel) : 0n
  return sendableMsat(channel.local_balance, channel.local_constraints, bufferSat)
}

/** Without the sender's reserve, and what it keeps for fees of the chain. */
function sendableMsat(balanceSat: string, constraints: RawChannel['local_constraints'], bufferSat: bigint): bigint {
  return (BigInt(balanceSat) - BigInt(constraints?.chan_reserve_sat ?? 0) - bufferSat) * 1_000n
}

/** What one HTLC adds to a commitment transaction (BOLT 3), in units of weight. */
const HTLC_WEIGHT = 172n

/**
 * What the end that opened a channel does not spend (BOLT 2): the commitment's fee at twice the rate, with two HTLCs
 * more, as lnd has it. Its balance is told without the fee that it pays already.
 */
function feeBufferSat(channel: RawChannel): bigint {
  const { commit_fee: paidSat = '0', commit_weight: weight = '0', fee_per_kw: satPerKw = '0' } = channel
  const bufferSat = (2n * BigInt(satPerKw) * (BigInt(weight) + 2n * HTLC_WEIGHT)) / 1_000n - BigInt(paidSat)
  return bufferSat > 0n ? bufferSat : 0n
}
