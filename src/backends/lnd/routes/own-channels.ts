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

/** What can come over a channel now, without its peer's reserve, msat. Negative where it is below its reserve. */
export function inboundMsat({ remote_balance: balance, remote_constraints: constraints }: RawChannel): bigint {
  return (BigInt(balance) - BigInt(constraints?.chan_reserve_sat ?? 0)) * 1_000n
}

/** What can go out over a channel now, without our reserve, msat. Negative where we are below our reserve. */
export function outboundMsat({ local_balance: balance, local_constraints: constraints }: RawChannel): bigint {
  return (BigInt(balance) - BigInt(constraints?.chan_reserve_sat ?? 0)) * 1_000n
}
