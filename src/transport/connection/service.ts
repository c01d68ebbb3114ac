import { MAX_BILL_GAP_MS, UNSERVED_MS } from './limits.ts'

/** How long an initiator has been asked for more while nothing came for what it paid (spec §12.6, §12.11). */
export class Service {
  #askedAtMs: number | undefined
  #unservedMs = 0

  /** Something that was paid for came, or not all is paid yet. */
  came(): void {
    this.#askedAtMs = undefined
    this.#unservedMs = 0
  }

  /**
   * More is asked than all that may be paid, and that was. What lies between two such packets counts up to a bound: a
   * responder whose packets do not come for a while is not one that serves nothing.
   */
  asked(nowMs: number): void {
    if (this.#askedAtMs !== undefined) this.#unservedMs += Math.min(nowMs - this.#askedAtMs, MAX_BILL_GAP_MS)
    this.#askedAtMs = nowMs
  }

  get isMissing(): boolean {
    return this.#unservedMs >= UNSERVED_MS
  }
}
