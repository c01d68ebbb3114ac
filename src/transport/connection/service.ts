import { MAX_BILL_GAP_MS, UNSERVED_MS } from './limits.ts'

/** How long an initiator has been asked for more while nothing came for what it paid (spec §12.6, §12.11). */
export class Service {
  #askedAtMs: number | undefined
  #unservedMs = 0

  /** Something that was paid for came. */
  came(): void {
    this.#askedAtMs = undefined
    this.#unservedMs = 0
  }

  /**
   * A BILL or COST came. `isUnserved`: it is above all that may be paid, and that was. What lies between two of these
   * counts up to a bound: a responder whose packets do not come for a while is not one that serves nothing. True: they
   * have come for too long.
   */
  billed(nowMs: number, isUnserved: boolean): boolean {
    if (!isUnserved) {
      this.came()
      return false
    }
    if (this.#askedAtMs !== undefined) this.#unservedMs += Math.min(nowMs - this.#askedAtMs, MAX_BILL_GAP_MS)
    this.#askedAtMs = nowMs
    return this.#unservedMs >= UNSERVED_MS
  }
}
