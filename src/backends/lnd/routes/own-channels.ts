import type { Clock } from '../../../floor/clock.ts'
import type { LndClient } from '../rpc/client.ts'
import type { RawChannel } from '../rpc/raw-messages.ts'
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

/** What can come over a channel now, without its peer's reserve, msat. Negative where it is below its reserve. */
export function inboundMsat({ remote_balance: balance, remote_constraints: constraints }: RawChannel): bigint {
  return (BigInt(balance) - BigInt(constraints?.chan_reserve_sat ?? 0)) * 1_000n
}

/** What can go out over a channel now, without our reserve, msat. Negative where we are below our reserve. */
export function outboundMsat({ local_balance: balance, local_constraints: constraints }: RawChannel): bigint {
  return (BigInt(balance) - BigInt(constraints?.chan_reserve_sat ?? 0)) * 1_000n
}
