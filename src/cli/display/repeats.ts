import type { CliEvent } from '../events.ts'
import type { Now } from './throttle.ts'

/** What a person has read is printed again after so long. */
const SAME_EVERY_MS = 300_000

/** Tells which events would say once more what the last ones said: nobody answers yet. */
export class Repeats {
  readonly #time: Now
  #last = ''
  #printedMs = -Infinity

  constructor(time: Now) {
    this.#time = time
  }

  /** Whether it need not be printed. What was spent, and how long it goes on, may differ. */
  isRepeat(event: CliEvent): boolean {
    if (event.event !== 'waiting') {
      // A connection was there meanwhile.
      if (event.event === 'start') this.#last = ''
      return false
    }
    const nowMs = this.#time.now()
    if (event.message === this.#last && nowMs - this.#printedMs < SAME_EVERY_MS) return true
    this.#last = event.message
    this.#printedMs = nowMs
    return false
  }
}
