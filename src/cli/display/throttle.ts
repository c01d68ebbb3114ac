import type { Time } from '../transfer/waiting.ts'

/** Lets each of several transfers report at most once in `everyMs`. */
export class Throttle {
  readonly #time: Time
  readonly #everyMs: number
  readonly #lastMs: Map<number, number> = new Map()

  constructor(time: Time, everyMs: number) {
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
