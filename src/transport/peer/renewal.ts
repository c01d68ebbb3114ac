import { backOffMs } from '../../floor/back-off.ts'
import {
  BACKOFF_JITTER,
  ROUTES_ASK_AGAIN_MS,
  ROUTES_BACKOFF_MS,
  ROUTES_RENEW_MS,
  ROUTES_WANTED,
  ROUTES_BACKOFF,
} from './limits.ts'

/** Routes that the owner should look for now. */
export interface RouteWish {
  readonly count: number
  /** Channels to go around where possible. */
  readonly avoid: readonly string[]
}

/** How urgent routes are: none at all, the ones there fail, more would bring more, or nothing is wrong. */
export type RouteNeed = 'none-left' | 'poor' | 'more' | 'content'

const NOTHING: readonly string[] = []

/** Spreads what is done again. */
export interface Luck {
  /** Between 0 and 1. */
  chance(): number
}

/** When to ask for routes: at once where none is left, seldom to replace those that work. */
export class Renewal {
  readonly #luck: Luck
  #pending = false
  #failures = 0
  /** Answers since a payment last went through. */
  #answers = 0
  #askedAt: number | undefined
  #foundAt: number | undefined
  #notBefore = 0
  #usedAt: number | undefined
  #avoid: readonly string[] = NOTHING

  constructor(luck: Luck) {
    this.#luck = luck
  }

  /** Routes were used: they are worth renewing. */
  used(now: number): void {
    this.#usedAt = now
  }

  /** A copy found no route around these channels. */
  wishAround(avoid: readonly string[]): void {
    this.#avoid = avoid
  }

  /** When to ask, as things stand; undefined: no reason to. */
  due(need: RouteNeed): number | undefined {
    if (this.#pending) return undefined
    if (need === 'none-left' || need === 'more') return this.#notBefore
    const asked = this.#askedAt ?? 0
    if (need === 'poor' || this.#avoid.length > 0) return Math.max(this.#notBefore, asked + ROUTES_ASK_AGAIN_MS)
    if (this.#foundAt === undefined || this.#usedAt === undefined || this.#usedAt < this.#foundAt) return undefined
    return Math.max(this.#notBefore, this.#foundAt + ROUTES_RENEW_MS)
  }

  take(now: number, need: RouteNeed, poor: readonly string[], count: number = ROUTES_WANTED): RouteWish | undefined {
    const due = this.due(need)
    if (due === undefined || now < due) return undefined
    const avoid = need === 'poor' ? poor : this.#avoid
    this.#pending = true
    this.#askedAt = now
    this.#avoid = NOTHING
    return { count, avoid }
  }

  found(now: number): void {
    this.#pending = false
    this.#failures = 0
    this.#foundAt = now
    // Routes that are found and gone again at once: they are not asked for again and again.
    this.#notBefore = this.#answers === 0 ? 0 : now + this.#wait(this.#answers - 1)
    this.#answers++
  }

  /** A payment went through: the answers are good. */
  worked(): void {
    this.#answers = 0
    if (this.#failures === 0) this.#notBefore = 0
  }

  /**
   * What is looked for has changed: no failure before says anything about it. A peer may change it as often as it
   * likes, so not all at once.
   */
  changed(): void {
    this.#failures = 0
    this.#answers = 0
    this.#notBefore = this.#askedAt === undefined ? 0 : this.#askedAt + ROUTES_BACKOFF_MS
    this.#avoid = NOTHING
  }

  failed(now: number): void {
    this.#pending = false
    this.#notBefore = now + this.#wait(this.#failures)
    this.#failures++
  }

  #wait(times: number): number {
    return backOffMs(ROUTES_BACKOFF, times) * (1 + BACKOFF_JITTER * this.#luck.chance())
  }
}
