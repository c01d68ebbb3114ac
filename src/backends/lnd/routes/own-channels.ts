import type { Clock } from '../../../floor/clock.ts'
import type { LndClient } from '../rpc/client.ts'
import type { RawChannel } from '../rpc/raw-messages.ts'

/** The node's own channels. Several askers share one call, and an answer for a moment. */
export class OwnChannels {
  readonly #client: LndClient
  readonly #clock: Clock
  #atMs = -Infinity
  #answer: Promise<readonly RawChannel[]> | undefined

  constructor(client: LndClient, clock: Clock) {
    this.#client = client
    this.#clock = clock
  }

  /** Not older than `ageMs`. @throws RpcError */
  list(ageMs: number): Promise<readonly RawChannel[]> {
    const now = this.#clock.now()
    if (this.#answer !== undefined && now - this.#atMs <= ageMs) return this.#answer
    this.#atMs = now
    const answer = this.#client.call('listChannels', {}).then(({ channels }) => channels)
    this.#answer = answer
    answer.catch(() => {
      if (this.#answer === answer) this.#answer = undefined
    })
    return answer
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
