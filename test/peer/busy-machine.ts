/** A medium whose machines others use as well: its rates are taken times what is left of the time. */
import type { PaymentOutcome } from '../../src/medium/payment.ts'
import { seeded, type World } from './medium.ts'

/** From a time on, the share of the machine's time that is left, 0..1. */
export interface Left {
  readonly fromMs: number
  readonly share: number
}

/** Two shares in turn, each for a random time of this mean; the first one for `quietMs` at first. */
export function inTurn(
  seed: number,
  shares: readonly [number, number],
  times: { readonly meanMs: number; readonly quietMs?: number },
): Left[] {
  const random = seeded(seed * 7_919 + 13)
  const left: Left[] = times.quietMs === undefined ? [] : [{ fromMs: 0, share: 1 }]
  for (let fromMs = times.quietMs ?? 0; fromMs < 600_000; fromMs -= times.meanMs * Math.log(1 - random())) {
    left.push({ fromMs, share: shares[left.length % 2] as number })
  }
  return left
}

/** Payments share the rate that goes with their number; each has its own amount of work. */
export class BusyMachine {
  readonly #world: World
  readonly #rates: readonly (readonly [number, number])[]
  #share = 1
  #jobs: { work: number; readonly done: () => void }[] = []
  #at = 0
  #timer = 0

  constructor(world: World, rates: readonly (readonly [number, number])[], left: readonly Left[]) {
    this.#world = world
    this.#rates = rates
    for (const { fromMs, share } of left) {
      world.at(fromMs, () => {
        this.#advance()
        this.#share = share
        this.#arm()
      })
    }
  }

  pay(done: (outcome: PaymentOutcome) => void): void {
    this.#advance()
    const work = Math.exp(0.2 * this.#world.normal())
    this.#jobs.push({ work, done: () => done({ status: 'settled', feeMsat: 0n }) })
    this.#arm()
  }

  /** Of all in flight together, per ms. Linear in the logarithm of their number; flat at the ends. */
  get #rate(): number {
    const inFlight = this.#jobs.length
    let low = this.#rates[0] as readonly [number, number]
    for (const point of this.#rates) {
      if (inFlight <= point[0]) {
        const part = point === low ? 0 : Math.log(inFlight / low[0]) / Math.log(point[0] / low[0])
        return (this.#share * (low[1] + (point[1] - low[1]) * part)) / 1_000
      }
      low = point
    }
    return (this.#share * low[1]) / 1_000
  }

  #advance(): void {
    const { now } = this.#world
    const each = ((now - this.#at) * this.#rate) / Math.max(1, this.#jobs.length)
    for (const job of this.#jobs) job.work -= each
    this.#at = now
  }

  #arm(): void {
    this.#timer += 1
    const mine = this.#timer
    if (this.#jobs.length === 0 || this.#share === 0) return
    const least = this.#jobs.reduce((sum, { work }) => Math.min(sum, work), Infinity)
    this.#world.at(this.#world.now + (Math.max(0, least) * this.#jobs.length) / this.#rate, () => {
      if (mine !== this.#timer) return
      this.#advance()
      const ready = this.#jobs.filter(({ work }) => work <= 1e-9)
      this.#jobs = this.#jobs.filter(({ work }) => work > 1e-9)
      this.#arm()
      for (const { done } of ready) done()
    })
  }
}
