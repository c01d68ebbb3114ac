/** The rate of the last seconds. */
const WINDOW_MS = 10_000
const LEAST_MS = 500
const MOST_SAMPLES = 256

interface Sample {
  readonly atMs: number
  readonly bytes: number
}

/** Bytes a second over the last ten seconds, from counts that only grow. */
export class RateMeter {
  readonly #samples: Sample[] = []

  add(atMs: number, bytes: number): void {
    this.#samples.push({ atMs, bytes })
    // The sample before the window stays: it is where the window begins.
    while (this.#samples.length > MOST_SAMPLES || (this.#samples[1]?.atMs ?? Infinity) <= atMs - WINDOW_MS) {
      this.#samples.shift()
    }
  }

  /** 0 until there is something to go by. */
  get bytesPerSecond(): number {
    const first = this.#samples[0]
    const last = this.#samples.at(-1)
    if (first === undefined || last === undefined || last.atMs - first.atMs < LEAST_MS) return 0
    return ((last.bytes - first.bytes) * 1_000) / (last.atMs - first.atMs)
  }
}
