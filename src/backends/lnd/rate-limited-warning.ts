import type { Clock } from '../../floor/clock.ts'
import { COMPLAINT_MS } from './limits.ts'

/** Trouble that payments make, told once in COMPLAINT_MS at most: whoever pays must not fill a log. */
export class Complaint {
  readonly #clock: Clock
  #count = 0
  #toldMs = -Infinity

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Calls `tell` with how often it happened since it was told last, where it is time to. */
  happened(tell: (count: number) => void): void {
    this.#count += 1
    const now = this.#clock.now()
    if (now - this.#toldMs < COMPLAINT_MS) return
    this.#toldMs = now
    const count = this.#count
    this.#count = 0
    tell(count)
  }
}
