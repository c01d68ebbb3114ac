/** The middle value; of an even number, the mean of the two. NaN for none. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** Linear between neighbours. `share` is 0..1. NaN for no values. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const place = (sorted.length - 1) * share
  const low = sorted[Math.floor(place)] ?? Number.NaN
  const high = sorted[Math.ceil(place)] ?? Number.NaN
  return low + (high - low) * (place - Math.floor(place))
}

/** A level that changes now and then: how long it stood at each value, and when. */
export class LevelTimes {
  readonly #changes: { readonly atMs: number; readonly level: number }[] = []

  /** The level is `level` from `nowMs` on. */
  set(nowMs: number, level: number): void {
    this.#changes.push({ atMs: nowMs, level })
  }

  get level(): number {
    return this.#changes.at(-1)?.level ?? 0
  }

  /** The least level that was not exceeded for this share of the time until the last change. */
  quantile(share: number): number {
    const msAt = new Map<number, number>()
    for (const [i, { atMs, level }] of this.#changes.entries()) {
      const untilMs = this.#changes[i + 1]?.atMs ?? atMs
      msAt.set(level, (msAt.get(level) ?? 0) + untilMs - atMs)
    }
    const total = [...msAt.values()].reduce((sum, ms) => sum + ms, 0)
    let sum = 0
    for (const [level, ms] of [...msAt].toSorted(([a], [b]) => a - b)) {
      sum += ms
      if (sum >= share * total) return level
    }
    return this.level
  }

  /** When it was first at `level` or above; undefined: never. */
  firstAt(level: number): number | undefined {
    return this.#changes.find((change) => change.level >= level)?.atMs
  }

  /** When it last came down from `level` or above; undefined: it never did. */
  lastAt(level: number): number | undefined {
    const last = this.#changes.findLastIndex((change) => change.level >= level)
    return this.#changes[last + 1]?.atMs
  }
}

/** Bytes that came over time, for rates over any window. */
export class Arrivals {
  readonly #timesMs: number[] = []
  readonly #totals: number[] = []
  bytes = 0

  add(nowMs: number, bytes: number): void {
    this.bytes += bytes
    this.#timesMs.push(nowMs)
    this.#totals.push(this.bytes)
  }

  /** Bytes that had come at `timeMs`. */
  until(timeMs: number): number {
    let low = 0
    let high = this.#timesMs.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#timesMs[middle] as number) <= timeMs) low = middle + 1
      else high = middle
    }
    return this.#totals[low - 1] ?? 0
  }

  /** When this many bytes had come, between two arrivals by the larger one; undefined: never. */
  timeOf(bytes: number): number | undefined {
    const at = this.#totals.findIndex((total) => total >= bytes)
    return this.#timesMs[at]
  }

  /**
   * The least rate of any window of this length that lies within startMs..endMs, bytes per second; undefined: none
   * fits.
   */
  leastRate(startMs: number, endMs: number, windowMs: number, stepMs: number): number | undefined {
    let least: number | undefined
    for (let from = startMs; from + windowMs <= endMs; from += stepMs) {
      const rate = ((this.until(from + windowMs) - this.until(from)) * 1_000) / windowMs
      if (least === undefined || rate < least) least = rate
    }
    return least
  }
}
