import type { Clock } from '../src/floor/clock.ts'

/** A clock that moves when it is told to. */
export class ManualClock implements Clock {
  readonly #settle: () => Promise<void>
  #now = 0
  readonly #timers = new Set<{ readonly atMs: number; readonly callback: () => void }>()

  /** `settle` lets what a timer set off go on until nothing does by itself; only `advance` needs it. */
  constructor(settle: () => Promise<void> = () => Promise.resolve()) {
    this.#settle = settle
  }

  now(): number {
    return this.#now
  }

  schedule(atMs: number, callback: () => void): () => void {
    const timer = { atMs, callback }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  get timers(): number {
    return this.#timers.size
  }

  /** Fires what falls due, one after the other. */
  pass(ms: number): void {
    const untilMs = this.#now + ms
    while (this.#fireNext(untilMs));
    this.#now = untilMs
  }

  /** Fires what falls due, one after the other, and lets everything settle before the first and after each. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#now + ms
    await this.#settle()
    while (this.#fireNext(untilMs)) await this.#settle()
    this.#now = untilMs
  }

  #fireNext(untilMs: number): boolean {
    const [next] = [...this.#timers].filter(({ atMs }) => atMs <= untilMs).toSorted((a, b) => a.atMs - b.atMs)
    if (next === undefined) return false
    this.#timers.delete(next)
    this.#now = Math.max(this.#now, next.atMs)
    next.callback()
    return true
  }
}
