/** Lets `perSecond` things pass, and `burst` at once after a rest. */
export class TokenBucket {
  readonly #perSecond: number
  readonly #burst: number
  #tokens: number
  #atMs: number

  constructor(options: { readonly perSecond: number; readonly burst: number; readonly now: number }) {
    this.#perSecond = options.perSecond
    this.#burst = options.burst
    this.#tokens = options.burst
    this.#atMs = options.now
  }

  /** ms until the next thing may pass; 0: it may now. */
  waitMs(now: number): number {
    this.#earn(now)
    return Math.max(0, (1 - this.#tokens) * 1_000) / this.#perSecond
  }

  take(now: number): boolean {
    this.#earn(now)
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }

  #earn(now: number): void {
    const earned = ((now - this.#atMs) * this.#perSecond) / 1_000
    this.#tokens = Math.min(this.#burst, this.#tokens + earned)
    this.#atMs = now
  }
}
