import { RoundTrip, SampleWindow } from './latency.ts'
import {
  MIN_LATE_SAMPLES,
  HEDGE_LATE_SAMPLES,
  HEDGE_LATE_SHARE,
  MIN_HEDGE_MS,
  MAX_HEDGE_MS,
  HEDGE_P99_FACTOR,
  HEDGE_PACKETS_EACH,
  HEDGE_SAMPLES,
  HEDGE_START,
  HEDGE_UNKNOWN_MS,
  OVERDUE_FACTOR,
  MIN_OVERDUE_MS,
  STUCK_AFTER_MS,
} from './limits.ts'

/** When to send a second copy, and how many of them may be sent. spec §8.5 */
export class HedgeBudget {
  readonly #roundTrip: RoundTrip = new RoundTrip()
  readonly #samples: SampleWindow = new SampleWindow(HEDGE_SAMPLES)
  // Of the last originals that outlived their hedge delay: did they settle all the same?
  readonly #late: boolean[] = []
  #lateNext = 0
  #lateCount = 0
  #sent = 0
  #hedged = 0

  /** A settlement `ageMs` after sending. Those of stuck attempts are no samples. */
  settled(ageMs: number): void {
    if (ageMs >= STUCK_AFTER_MS) return
    this.#roundTrip.add(ageMs)
    this.#samples.add(ageMs)
  }

  /** An original that had outlived its hedge delay is decided, or stuck: whether it settled. */
  overdueEnded(settledLater: boolean): void {
    if (this.#late[this.#lateNext] === true) this.#lateCount -= 1
    this.#late[this.#lateNext] = settledLater
    if (settledLater) this.#lateCount += 1
    this.#lateNext = (this.#lateNext + 1) % HEDGE_LATE_SAMPLES
  }

  /** What to wait for before a second copy is sent. */
  get delayMs(): number {
    const tail = this.#tailMs
    if (tail === undefined) return HEDGE_UNKNOWN_MS
    const delay = Math.min(Math.max(tail, MIN_HEDGE_MS), MAX_HEDGE_MS)
    const tooEager = this.#late.length >= MIN_LATE_SAMPLES && this.#lateCount > HEDGE_LATE_SHARE * this.#late.length
    return tooEager ? Math.min(2 * delay, MAX_HEDGE_MS) : delay
  }

  /** Beyond this an attempt that was overtaken is not counted as service in progress any more. */
  get overdueMs(): number {
    const tail = this.#tailMs
    if (tail === undefined) return HEDGE_UNKNOWN_MS
    return Math.min(Math.max(OVERDUE_FACTOR * tail, MIN_OVERDUE_MS), STUCK_AFTER_MS)
  }

  get #tailMs(): number | undefined {
    const smoothed = this.#roundTrip.smoothedMs
    const p99 = this.#samples.quantile(0.99)
    if (smoothed === undefined || p99 === undefined) return undefined
    return Math.max(smoothed + 4 * this.#roundTrip.variationMs, HEDGE_P99_FACTOR * p99)
  }

  get smoothedMs(): number | undefined {
    return this.#roundTrip.smoothedMs
  }

  /** A packet was granted: a hedge takes from the budget, any other adds to it. */
  take(hedge: boolean): void {
    if (hedge) this.#hedged += 1
    else this.#sent += 1
  }

  /** A grant was given back. */
  giveBack(hedge: boolean): void {
    if (hedge) this.#hedged -= 1
    else this.#sent -= 1
  }

  /** Hedges that may be sent now. */
  get left(): number {
    return Math.max(0, HEDGE_START + Math.floor(this.#sent / HEDGE_PACKETS_EACH) - this.#hedged)
  }

  get hedged(): number {
    return this.#hedged
  }
}
