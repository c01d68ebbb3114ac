import { SWEEP_CANCELLED_AT } from './bounds.ts'

/** Something that happens at a time. One object serves many events: `phase` tells it which. */
export interface Due {
  /** Background events (blocks, other people's traffic) never keep a run going. */
  readonly background: boolean
  /** A cancelled one is skipped. */
  readonly cancelled?: boolean
  /** Real-time mode: whether it keeps the process alive. Default: unless it is background. */
  readonly ref?: boolean
  fire(phase: number): void
}

const FIRST_CAPACITY = 1_024

/**
 * A binary heap of events: earliest first, in order of insertion where times are
 * equal. Times and orders lie in typed arrays, so that an event costs no object.
 */
export class EventQueue {
  /** Events that are not background. */
  foreground = 0
  /** Events that keep a process alive in real-time mode. */
  holding = 0
  /** The phase of the event that `take` returned last. */
  phase = 0
  #size = 0
  #inserted = 0
  #cancelled = 0
  #times = new Float64Array(FIRST_CAPACITY)
  #orders = new Float64Array(FIRST_CAPACITY)
  #phases = new Int32Array(FIRST_CAPACITY)
  #targets: Due[] = []

  get size(): number {
    return this.#size
  }

  /** Time of the earliest event, or Infinity. */
  nextTime(): number {
    while (this.#size > 0 && this.#targets[0]?.cancelled === true) {
      this.take()
    }
    return this.#size === 0 ? Infinity : (this.#times[0] as number)
  }

  push(timeMs: number, target: Due, phase: number): void {
    if (this.#size === this.#times.length) this.#grow()
    this.#count(target, 1)
    this.#siftUp(this.#size++, timeMs, this.#inserted++, target, phase)
  }

  /** Removes the earliest event; its phase is left in `phase`. Not on an empty queue. */
  take(): Due {
    const first = this.#targets[0] as Due
    this.phase = this.#phases[0] as number
    if (first.cancelled === true) this.#cancelled--
    else this.#count(first, -1)
    const last = --this.#size
    const target = this.#targets.pop() as Due
    if (last > 0) {
      this.#siftDown(0, this.#times[last] as number, this.#orders[last] as number, target, this.#phases[last] as number)
    }
    return first
  }

  /** To be called once for an event whose target has just become `cancelled`. */
  noteCancelled(target: Due): void {
    this.#cancelled++
    this.#count(target, -1)
    if (this.#cancelled >= SWEEP_CANCELLED_AT && this.#cancelled * 2 > this.#size) this.#sweep()
  }

  #count(target: Due, change: 1 | -1): void {
    if (!target.background) this.foreground += change
    if (target.ref ?? !target.background) this.holding += change
  }

  #grow(): void {
    const capacity = this.#times.length * 2
    const times = new Float64Array(capacity)
    const orders = new Float64Array(capacity)
    const phases = new Int32Array(capacity)
    times.set(this.#times)
    orders.set(this.#orders)
    phases.set(this.#phases)
    this.#times = times
    this.#orders = orders
    this.#phases = phases
  }

  /** Drops the cancelled events and builds the heap anew; (time, order) is a total order, so nothing changes place. */
  #sweep(): void {
    const size = this.#size
    let kept = 0
    for (let i = 0; i < size; i++) {
      const target = this.#targets[i] as Due
      if (target.cancelled === true) continue
      this.#siftUp(kept++, this.#times[i] as number, this.#orders[i] as number, target, this.#phases[i] as number)
    }
    this.#targets.length = kept
    this.#size = kept
    this.#cancelled = 0
  }

  #siftUp(from: number, time: number, order: number, target: Due, phase: number): void {
    let hole = from
    while (hole > 0) {
      const parent = (hole - 1) >> 1
      const parentTime = this.#times[parent] as number
      if (parentTime < time || (parentTime === time && (this.#orders[parent] as number) < order)) break
      this.#move(parent, hole)
      hole = parent
    }
    this.#place(hole, time, order, target, phase)
  }

  #siftDown(from: number, time: number, order: number, target: Due, phase: number): void {
    const size = this.#size
    let hole = from
    for (;;) {
      let child = hole * 2 + 1
      if (child >= size) break
      if (child + 1 < size && this.#before(child + 1, child)) child++
      const childTime = this.#times[child] as number
      if (time < childTime || (time === childTime && order < (this.#orders[child] as number))) break
      this.#move(child, hole)
      hole = child
    }
    this.#place(hole, time, order, target, phase)
  }

  #before(i: number, j: number): boolean {
    const a = this.#times[i] as number
    const b = this.#times[j] as number
    return a < b || (a === b && (this.#orders[i] as number) < (this.#orders[j] as number))
  }

  #move(from: number, to: number): void {
    this.#times[to] = this.#times[from] as number
    this.#orders[to] = this.#orders[from] as number
    this.#phases[to] = this.#phases[from] as number
    this.#targets[to] = this.#targets[from] as Due
  }

  #place(at: number, time: number, order: number, target: Due, phase: number): void {
    this.#times[at] = time
    this.#orders[at] = order
    this.#phases[at] = phase
    this.#targets[at] = target
  }
}
