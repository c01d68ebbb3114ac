/** How often something happens: each time counts less the longer it is ago, a third as much after `overMs`. */
export class DecayingRate {
  readonly #overMs: number
  #count = 0
  #atMs = 0

  constructor(overMs: number) {
    this.#overMs = overMs
  }

  /** It happened. */
  add(now: number): void {
    this.#count = this.#countAt(now) + 1
    this.#atMs = now
  }

  perSecond(now: number): number {
    return (this.#countAt(now) * 1_000) / this.#overMs
  }

  #countAt(now: number): number {
    return this.#count * Math.exp(-Math.max(0, now - this.#atMs) / this.#overMs)
  }
}
