import type { PaymentOutcome } from '../../src/medium/payment.ts'
import type { Route } from '../../src/medium/route.ts'
export type Random = () => number

/** mulberry32 */
export function seeded(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

interface Timer {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/** Virtual time: a binary heap of what is to happen. */
export class World {
  now = 0
  readonly random: Random
  readonly #heap: Timer[] = []
  #order = 0

  constructor(seed: number) {
    this.random = seeded(seed)
  }

  at(time: number, run: () => void): void {
    const timer: Timer = { at: Math.max(time, this.now), order: this.#order, run }
    this.#order += 1
    const heap = this.#heap
    let index = heap.length
    heap.push(timer)
    while (index > 0) {
      const parent = (index - 1) >> 1
      const above = heap[parent]
      if (above === undefined || !before(timer, above)) break
      heap[index] = above
      index = parent
    }
    heap[index] = timer
  }

  /** Runs what is due until `time`, or until `done` says so. */
  run(time: number, done: () => boolean = () => false): void {
    for (;;) {
      const next = this.#heap[0]
      if (next === undefined || next.at > time || done()) break
      this.#pop()
      this.now = next.at
      next.run()
    }
    if (!done()) this.now = Math.max(this.now, time)
  }

  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.random()))
    return radius * Math.cos(2 * Math.PI * this.random())
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      const right = heap[child + 1]
      const left = heap[child]
      if (left === undefined) break
      let smaller = left
      if (right !== undefined && before(right, left)) {
        smaller = right
        child += 1
      }
      if (!before(smaller, last)) break
      heap[index] = smaller
      index = child
    }
    heap[index] = last
  }
}

function before(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

/** A node: payments queue for its disk. */
export class Station {
  perSecond: number
  #busyUntil = 0

  constructor(perSecond: number) {
    this.perSecond = perSecond
  }

  /** When `share` of a payment's work is done that comes in now. */
  serve(world: World, share: number): number {
    const work = (share * 1000 * (0.5 + world.random())) / this.perSecond
    this.#busyUntil = Math.max(this.#busyUntil, world.now) + work
    return this.#busyUntil
  }
}

/** A way to the peer. */
export interface Way {
  /** The nodes on it, our own first. */
  readonly nodes: readonly Station[]
  /** Median of what a payment takes when nothing is queued, ms. */
  medianMs: number
  /** Of the logarithm of the latency. */
  readonly spread: number
  failing: number
  hanging: number
  readonly slots: number
  /** HTLCs that the second channel admits; more fail fast. */
  readonly relaySlots: number
  used: number
  relayUsed: number
}

export function way(nodes: readonly Station[], options: Partial<Way> & { readonly medianMs: number }): Way {
  return {
    spread: 0.4,
    failing: 0,
    hanging: 0.01,
    slots: 483,
    relaySlots: 483,
    nodes,
    used: 0,
    relayUsed: 0,
    ...options,
  }
}

const settled: PaymentOutcome = { status: 'settled', feeMsat: 0n }
const failed: PaymentOutcome = { status: 'failed', reason: 'temporary-channel-failure', place: 'route' }
const noSlot: PaymentOutcome = { status: 'failed', reason: 'no-slot', place: 'local' }

/** One payment: forward through the nodes and back again, half of each node's work either way. */
export function pay(world: World, over: Way, done: (outcome: PaymentOutcome) => void): void {
  if (over.used >= over.slots) {
    world.at(world.now + 5, () => done(noSlot))
    return
  }
  over.used += 1
  const end = (outcome: PaymentOutcome): void => {
    over.used -= 1
    done(outcome)
  }
  const hops = over.nodes.length - 1
  const crowded = hops > 1 && over.relayUsed >= over.relaySlots
  if (world.random() < over.hanging) {
    const outcome = world.random() < 0.5 ? settled : failed
    over.relayUsed += 1
    world.at(world.now + 120_000 + 480_000 * world.random(), () => {
      over.relayUsed -= 1
      end(outcome)
    })
    return
  }
  const fails = crowded || world.random() < over.failing
  const turnsAt = crowded ? 1 : fails ? 1 + Math.floor(world.random() * hops) : hops
  if (!crowded) over.relayUsed += 1
  const hopMs = (over.medianMs * Math.exp(over.spread * world.normal())) / (2 * hops)
  const step = (index: number, back: boolean): void => {
    const node = over.nodes[index]
    if (node === undefined) throw new Error('no such node')
    world.at(node.serve(world, 0.5), () => {
      if (back && index === 0) {
        if (!crowded) over.relayUsed -= 1
        end(fails ? failed : settled)
        return
      }
      const turned = back || index === turnsAt
      world.at(world.now + hopMs, () => step(turned ? index - 1 : index + 1, turned))
    })
  }
  step(0, false)
}

/**
 * The reference network (spec/simulator.md): what a number of payments in flight brings there is known, but not why.
 * Payments share the measured rate; each has its own amount of work.
 */
export class Measured {
  readonly #world: World
  readonly #rates: readonly (readonly [number, number])[]
  readonly #jobs: { work: number; readonly done: () => void }[] = []
  #at = 0
  #timer = 0

  constructor(world: World, rates: readonly (readonly [number, number])[]) {
    this.#world = world
    this.#rates = rates
  }

  pay(done: (outcome: PaymentOutcome) => void): void {
    this.#advance()
    this.#jobs.push({ work: Math.exp(0.2 * this.#world.normal()), done: () => done(settled) })
    this.#arm()
  }

  /** Linear in the logarithm of the number in flight; flat at the ends. */
  #rate(inFlight: number): number {
    const first = this.#rates[0] ?? [1, 1]
    let low = first
    for (const point of this.#rates) {
      if (inFlight <= point[0]) {
        if (point === first) return first[1]
        const share = Math.log(inFlight / low[0]) / Math.log(point[0] / low[0])
        return low[1] + (point[1] - low[1]) * share
      }
      low = point
    }
    return low[1]
  }

  #advance(): void {
    const { now } = this.#world
    const each = (((now - this.#at) / 1000) * this.#rate(this.#jobs.length)) / Math.max(1, this.#jobs.length)
    for (const job of this.#jobs) job.work -= each
    this.#at = now
  }

  #arm(): void {
    this.#timer += 1
    const mine = this.#timer
    const least = Math.min(...this.#jobs.map((job) => job.work))
    if (this.#jobs.length === 0) return
    const wait = (Math.max(0, least) * this.#jobs.length * 1000) / this.#rate(this.#jobs.length)
    this.#world.at(this.#world.now + wait, () => {
      if (mine !== this.#timer) return
      this.#advance()
      const ready = this.#jobs.filter((job) => job.work <= 1e-9)
      for (const job of ready) this.#jobs.splice(this.#jobs.indexOf(job), 1)
      this.#arm()
      for (const job of ready) job.done()
    })
  }
}

/** A medium whose results come in bursts: half of the time it holds them back, as nodes do that work on a disk. */
export class Bursts {
  readonly #world: World
  readonly #pay: (done: (outcome: PaymentOutcome) => void) => void
  readonly #held: (() => void)[] = []
  #holds = false

  constructor(world: World, medium: Measured, burstMs: number) {
    this.#world = world
    this.#pay = (done) => medium.pay(done)
    this.#turn(burstMs)
  }

  pay(done: (outcome: PaymentOutcome) => void): void {
    this.#pay((outcome) => {
      if (this.#holds) this.#held.push(() => done(outcome))
      else done(outcome)
    })
  }

  #turn(burstMs: number): void {
    this.#holds = this.#world.random() < 0.5
    if (!this.#holds) for (const release of this.#held.splice(0)) release()
    this.#world.at(this.#world.now + burstMs * (0.5 + this.#world.random()), () => this.#turn(burstMs))
  }
}

export const oneHopRates: readonly (readonly [number, number])[] = [
  [1, 12.6],
  [8, 63],
  [32, 140],
  [100, 163],
]
export const twoHopRates: readonly (readonly [number, number])[] = [
  [1, 5.8],
  [8, 38],
  [32, 86],
  [100, 114],
]
/** Two hops, as `./dev bench lnd` finds them: it bends yet more slowly. */
export const bentRates: readonly (readonly [number, number])[] = [
  [1, 5.8],
  [8, 38],
  [32, 70],
  [64, 92],
  [128, 108],
  [256, 124],
]
/** Answers over a blinded path, from the same. */
export const blindedRates: readonly (readonly [number, number])[] = [
  [1, 5.8],
  [8, 27],
  [32, 50],
  [64, 62],
  [128, 66],
  [256, 60],
]

export function route(id: string, channels: readonly string[], slots: number, more: Partial<Route> = {}): Route {
  return {
    id,
    recordBytes: 1100,
    minAmountMsat: 1000n,
    maxAmountMsat: 100_000_000n,
    feeBaseMsat: 1000n,
    feePpm: 100,
    channels,
    firstChannelSlots: slots,
    cltvDelta: 120,
    ...more,
  }
}
