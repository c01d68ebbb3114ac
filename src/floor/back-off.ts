/** Delays that double from one try to the next. */

/** The bounds of a delay that doubles, in milliseconds. */
export interface BackOffBounds {
  /** The first delay. */
  readonly minMs: number
  /** The delay at which it stops to grow. */
  readonly maxMs: number
}

/** The delay after `times` tries that were in vain: `minMs` for 0, doubled for each more, `maxMs` at most. */
export function backOffMs({ minMs, maxMs }: BackOffBounds, times: number): number {
  return Math.min(minMs * 2 ** times, maxMs)
}

/** Counts tries, and tells how long to wait before the next one. */
export class BackOff {
  readonly #bounds: BackOffBounds
  #times = 0

  constructor(bounds: BackOffBounds) {
    this.#bounds = bounds
  }

  /** Tries since the last `reset`. */
  get times(): number {
    return this.#times
  }

  /** The delay that `next` gives, without counting a try; ms. */
  get delayMs(): number {
    return backOffMs(this.#bounds, this.#times)
  }

  /** Counts a try and returns how long to wait after it, ms. */
  next(): number {
    const { delayMs } = this
    // Beyond it the delay has long stopped to grow, and 2 ** times would become Infinity.
    if (this.#times < 1_000) this.#times += 1
    return delayMs
  }

  /** It worked: the next delay is the least again. */
  reset(): void {
    this.#times = 0
  }
}
