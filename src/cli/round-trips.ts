/** The times of round trips, in sum: what ping prints at its end. All in ms. */
export interface RoundTrips {
  readonly count: number
  add(ms: number): void
  /** Rounded to a thousandth; null before the first. `mdev`: the standard deviation. */
  summary(): Readonly<Record<'min' | 'avg' | 'max' | 'mdev', number | null>>
}

export function createRoundTrips(): RoundTrips {
  let [count, sum, squares, min, max] = [0, 0, 0, Infinity, 0]
  return {
    get count() {
      return count
    },
    add: (ms) => {
      count += 1
      sum += ms
      squares += ms * ms
      min = Math.min(min, ms)
      max = Math.max(max, ms)
    },
    summary: () => {
      if (count === 0) return { min: null, avg: null, max: null, mdev: null }
      const avg = sum / count
      const mdev = Math.sqrt(Math.max(0, squares / count - avg * avg))
      return { min: rounded(min), avg: rounded(avg), max: rounded(max), mdev: rounded(mdev) }
    },
  }
}

function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000
}
