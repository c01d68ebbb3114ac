import { now } from './now.ts'

/** What has come up to a moment. */
export interface Step {
  readonly atMs: number
  readonly bytes: number
}

interface Wait {
  readonly bytes: number
  readonly resolve: (atMs: number) => void
}

/** Bytes that arrive, with their times; whoever waits for an amount is told when it was there. */
export class Tally {
  bytes = 0
  firstMs: number | undefined
  #steps: Step[] = []
  #waits: Wait[] = []

  add(bytes: number): void {
    const atMs = now()
    this.firstMs ??= atMs
    this.bytes += bytes
    this.#steps.push({ atMs, bytes: this.bytes })
    for (const wait of this.#waits) if (this.bytes >= wait.bytes) wait.resolve(atMs)
    this.#waits = this.#waits.filter((wait) => this.bytes < wait.bytes)
  }

  /** When this many bytes were there. */
  until(bytes: number): Promise<number> {
    const step = this.#steps.find((each) => each.bytes >= bytes)
    if (step !== undefined) return Promise.resolve(step.atMs)
    return new Promise((resolve) => {
      this.#waits.push({ bytes, resolve })
    })
  }

  /** One entry a step of so many ms, from a moment on. */
  series(fromMs: number, stepMs: number): Step[] {
    const series: Step[] = []
    for (const step of this.#steps) {
      const last = series.at(-1)
      const place = Math.floor((step.atMs - fromMs) / stepMs)
      if (last !== undefined && Math.floor((last.atMs - fromMs) / stepMs) === place) series.pop()
      series.push(step)
    }
    return series
  }

  clear(): void {
    this.bytes = 0
    this.firstMs = undefined
    this.#steps = []
    this.#waits = []
  }
}
