import type { Clock } from '../../floor/clock.ts'
import { WARNING_INTERVAL_MS } from './limits.ts'

/** A warning that payments cause, emitted once in WARNING_INTERVAL_MS at most: whoever pays must not fill a log. */
export class RateLimitedWarning {
  readonly #clock: Clock
  #count = 0
  #emittedMs = -Infinity

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Counts one cause. Calls `emit` with the causes since the last warning, where the interval is over. */
  record(emit: (count: number) => void): void {
    this.#count += 1
    const now = this.#clock.now()
    if (now - this.#emittedMs < WARNING_INTERVAL_MS) return
    this.#emittedMs = now
    const count = this.#count
    this.#count = 0
    emit(count)
  }
}
