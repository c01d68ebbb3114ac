import { backOffMs } from '../../floor/back-off.ts'
import { MAX_REFUSED_MS, MIN_REFUSED_MS, REFUSALS_IN_A_ROW } from './limits.ts'
import type { Timed } from './timed.ts'

const NONE: readonly string[] = []
const REFUSED = { minMs: MIN_REFUSED_MS, maxMs: MAX_REFUSED_MS }

/** How long the whole connection waits after refusals (spec §8.10), and which channels it goes around. */
export class Refusals implements Timed {
  /** Channels to go around: those that the last failures named. */
  avoid: readonly string[] = NONE
  /** Refusals in a row. */
  #count = 0
  #countedAt = -Infinity
  #waitUntil = 0

  /** Whether nothing is sent now. */
  isWaiting(now: number): boolean {
    return now < this.#waitUntil
  }

  dueAt(after: number): number | undefined {
    return this.#waitUntil > after ? this.#waitUntil : undefined
  }

  // `isWaiting` asks for the time itself.
  run(): void {}

  // A RESET waits, too.
  stop(): void {}

  /** An attempt was refused that was sent at `sentAt`. */
  refused(now: number, sentAt: number, isOpen: boolean): void {
    // spec §8.10: what was under way when the last one came adds nothing to it.
    if (sentAt < this.#countedAt) return
    this.#count++
    this.#countedAt = now
    const free = isOpen ? 0 : REFUSALS_IN_A_ROW
    if (this.#count > free) this.#waitUntil = now + backOffMs(REFUSED, this.#count - free - 1)
  }

  /** An attempt failed at this channel. */
  goAround(channel: string): void {
    this.avoid = [channel]
  }

  /** What has to go does not fit a route over these channels: another one may come in a moment (spec §2.7). */
  tooShort(now: number, channels: readonly string[]): void {
    this.avoid = channels
    this.#waitUntil = Math.max(this.#waitUntil, now + MIN_REFUSED_MS)
  }

  /** A payment settled: nothing needs to be gone around. */
  worked(): void {
    this.forget()
    this.avoid = NONE
  }

  /** A payment settled, or there are other paths to pay over (spec §8.10). */
  forget(): void {
    this.#count = 0
    this.#countedAt = -Infinity
    this.#waitUntil = 0
  }
}
