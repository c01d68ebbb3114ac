import type { Clock } from '../../floor/clock.ts'

/** The time, without timers. */
export type Now = Pick<Clock, 'now'>

/** Lets each of several transfers report at most once in `everyMs`. */
export class Throttle {
  readonly #time: Now
  readonly #everyMs: number
  readonly #lastMs: Map<number, number> = new Map()

  constructor(time: Now, everyMs: number) {
    this.#time = time
    this.#everyMs = everyMs
  }

  allows(which: number): boolean {
    const now = this.#time.now()
    if (now - (this.#lastMs.get(which) ?? -Infinity) < this.#everyMs) return false
    this.#lastMs.set(which, now)
    return true
  }

  /** As if it had just been allowed. */
  restart(which: number): void {
    this.#lastMs.set(which, this.#time.now())
  }

  forget(which: number): void {
    this.#lastMs.delete(which)
  }
}
