import type { Allowance } from '../connection/interface.ts'
import { ALLOWANCE_MSAT, ALLOWANCE_PARTS } from '../limits.ts'

/**
 * What an endpoint advances for answers that its callers have not paid for yet: one sum for all connections, which
 * comes back as they pay, and is filled up by a tenth of all that comes in (spec §12.11).
 */
export class EndpointAllowance implements Allowance {
  readonly #changed: (leftMsat: bigint) => void
  #leftMsat: bigint
  /** What came in and is too little for a millisatoshi more. */
  #restMsat = 0n

  /** `leftMsat`: what a former process left of it. `changed` is called where that should be remembered. */
  constructor(leftMsat: bigint | undefined, changed: (leftMsat: bigint) => void) {
    this.#changed = changed
    this.#leftMsat = leftMsat === undefined || leftMsat > ALLOWANCE_MSAT ? ALLOWANCE_MSAT : leftMsat
  }

  get leftMsat(): bigint {
    return this.#leftMsat
  }

  draw(msat: bigint): boolean {
    if (msat > this.#leftMsat) return false
    this.#set(this.#leftMsat - msat)
    return true
  }

  giveBack(msat: bigint): void {
    this.#set(this.#leftMsat + msat)
  }

  earned(msat: bigint): void {
    if (this.#leftMsat >= ALLOWANCE_MSAT) return
    this.#restMsat += msat
    this.giveBack(this.#restMsat / ALLOWANCE_PARTS)
    this.#restMsat %= ALLOWANCE_PARTS
  }

  #set(msat: bigint): void {
    const leftMsat = msat < ALLOWANCE_MSAT ? msat : ALLOWANCE_MSAT
    if (leftMsat === this.#leftMsat) return
    this.#leftMsat = leftMsat
    this.#changed(leftMsat)
  }
}
