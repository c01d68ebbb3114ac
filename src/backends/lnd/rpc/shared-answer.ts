import type { Clock } from '../../../floor/clock.ts'

/** One question to lnd: several askers share a call, and its answer for a while. A call that failed is not kept. */
export class SharedAnswer<T> {
  readonly #clock: Clock
  readonly #ask: () => Promise<T>
  #askedMs = -Infinity
  #answer: Promise<T> | undefined

  constructor(clock: Clock, ask: () => Promise<T>) {
    this.#clock = clock
    this.#ask = ask
  }

  /** Not older than `ageMs`. @throws what the call throws */
  get(ageMs: number): Promise<T> {
    const now = this.#clock.now()
    if (this.#answer !== undefined && now - this.#askedMs <= ageMs) return this.#answer
    const answer = this.#ask()
    this.#askedMs = now
    this.#answer = answer
    answer.catch(() => {
      if (this.#answer === answer) this.#answer = undefined
    })
    return answer
  }
}
