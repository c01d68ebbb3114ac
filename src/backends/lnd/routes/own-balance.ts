import type { Clock } from '../../../floor/clock.ts'
import type { BackendEvent } from '../../backend.ts'
import { OUTBOUND_ROOM_MSAT } from '../limits.ts'
import { RateLimitedWarning } from '../rate-limited-warning.ts'
import type { RawChannel } from '../rpc/raw-messages.ts'
import { outboundMsat } from './own-channels.ts'

export interface OwnBalanceNeeds {
  readonly clock: Clock
  emit(event: BackendEvent): void
}

/** Tells a person when it is this node that has no money left to send: no failure on the way says so. */
export class OwnBalance {
  readonly #needs: OwnBalanceNeeds
  readonly #low: RateLimitedWarning
  readonly #usedUp: RateLimitedWarning

  constructor(needs: OwnBalanceNeeds) {
    this.#needs = needs
    this.#low = new RateLimitedWarning(needs.clock)
    this.#usedUp = new RateLimitedWarning(needs.clock)
  }

  /** Before anything is sent. `amountMsat`: what a payment takes at least. */
  look(own: readonly RawChannel[], amountMsat: bigint): void {
    const mostMsat = spendableMsat(own)
    // Without a channel that is up, another thing is wrong.
    if (mostMsat === undefined || mostMsat >= OUTBOUND_ROOM_MSAT) return
    if (mostMsat < amountMsat) return this.usedUp(own)
    this.#low.record(() =>
      this.#needs.emit({
        type: 'warning',
        code: 'low-balance',
        message: `this node can send ${inSat(mostMsat)} at most over a channel, which is used up soon; receive over one, or open another`,
      }),
    )
  }

  /** A payment failed at this node, which no other channel of it could have sent either. */
  usedUp(own: readonly RawChannel[]): void {
    const mostMsat = spendableMsat(own) ?? 0n
    this.#usedUp.record(() =>
      this.#needs.emit({
        type: 'warning',
        code: 'no-balance',
        message: `this node's own balance is used up: no channel of it can send more than ${inSat(mostMsat)}, so payments and acknowledgements wait; receive over one, or open another`,
      }),
    )
  }
}

/** The most that one channel that is up can send; undefined where none is. */
export function spendableMsat(own: readonly RawChannel[]): bigint | undefined {
  const active = own.filter((channel) => channel.active).map(outboundMsat)
  if (active.length === 0) return undefined
  return active.reduce((most, msat) => (msat > most ? msat : most), 0n)
}

/** For a person. */
export function inSat(msat: bigint): string {
  return `${msat / 1_000n} sat`
}
