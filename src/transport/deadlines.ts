import type { Clock } from '../backends/backend.ts'
import { LONGEST_TIMER_MS } from './limits.ts'

/** Something to be done at a time. Made by `Deadlines.add`, owned by whoever asked. */
export class Deadline {
  /** ms; Infinity while it is not set. */
  atMs: number = Infinity
  /** Place in the heap; -1 while it is not set. */
  index = -1
  /** Among deadlines at one time, the one that was added first fires first. */
  readonly order: number
  readonly fire: () => void

  constructor(order: number, fire: () => void) {
    this.order = order
    this.fire = fire
  }
}

/**
 * Any number of deadlines over one timer of the clock: a binary heap, so that a change costs O(log n).
 * Nothing fires from inside `set`.
 */
export class Deadlines {
  readonly #clock: Clock
  readonly #heap: Deadline[] = []
  #added = 0
  #cancelTimer: (() => void) | undefined
  #timerMs = Infinity
  #timerHolds = false
  #holds = false
  #firing = false
  #stopped = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#heap.length
  }

  add(fire: () => void): Deadline {
    return new Deadline(this.#added++, fire)
  }

  /** Arms `deadline` for `atMs`, or disarms it where that is undefined. */
  set(deadline: Deadline, atMs: number | undefined): void {
    const at = atMs ?? Infinity
    if (deadline.atMs === at || this.#stopped) return
    deadline.atMs = at
    if (at === Infinity) this.#remove(deadline)
    else if (deadline.index < 0) {
      deadline.index = this.#heap.push(deadline) - 1
      this.#up(deadline)
    } else {
      this.#up(deadline)
      this.#down(deadline)
    }
    this.#arm()
  }

  /** Whether the process stays alive for these deadlines, and for what may still come in. */
  hold(holds: boolean): void {
    this.#holds = holds
    this.#arm()
  }

  /** Disarms everything for good. */
  stop(): void {
    this.#stopped = true
    for (const deadline of this.#heap) {
      deadline.index = -1
      deadline.atMs = Infinity
    }
    this.#heap.length = 0
    this.#disarm()
  }

  #disarm(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#timerMs = Infinity
  }

  #arm(): void {
    if (this.#firing || this.#stopped) return
    const next = this.#heap[0]?.atMs ?? Infinity
    if (next === Infinity && !this.#holds) return this.#disarm()
    // A timer that comes too early looks again; one that comes too late is replaced. Held without
    // a deadline, the timer is only there to keep the process alive.
    if (this.#cancelTimer !== undefined && this.#timerMs <= next && this.#timerHolds === this.#holds) return
    this.#disarm()
    this.#timerMs = next === Infinity ? this.#clock.now() + LONGEST_TIMER_MS : next
    this.#timerHolds = this.#holds
    this.#cancelTimer = this.#clock.schedule(this.#timerMs, () => this.#wake(), { ref: this.#holds })
  }

  #wake(): void {
    this.#cancelTimer = undefined
    this.#timerMs = Infinity
    const now = this.#clock.now()
    this.#firing = true
    try {
      for (let first = this.#heap[0]; first !== undefined && first.atMs <= now; first = this.#heap[0]) {
        first.atMs = Infinity
        this.#remove(first)
        first.fire()
      }
    } finally {
      this.#firing = false
      this.#arm()
    }
  }

  #remove(deadline: Deadline): void {
    const { index } = deadline
    if (index < 0) return
    deadline.index = -1
    const last = this.#heap.pop()
    if (last === undefined || last === deadline) return
    this.#heap[index] = last
    last.index = index
    this.#up(last)
    this.#down(last)
  }

  #up(deadline: Deadline): void {
    let at = deadline.index
    while (at > 0) {
      const parent = this.#heap[(at - 1) >> 1]
      if (parent === undefined || !before(deadline, parent)) break
      this.#place(parent, at)
      at = (at - 1) >> 1
    }
    this.#place(deadline, at)
  }

  #down(deadline: Deadline): void {
    let at = deadline.index
    for (;;) {
      const left = this.#heap[2 * at + 1]
      if (left === undefined) break
      const right = this.#heap[2 * at + 2]
      const child = right !== undefined && before(right, left) ? right : left
      if (!before(child, deadline)) break
      const childAt = child.index
      this.#place(child, at)
      at = childAt
    }
    this.#place(deadline, at)
  }

  #place(deadline: Deadline, at: number): void {
    this.#heap[at] = deadline
    deadline.index = at
  }
}

function before(a: Deadline, b: Deadline): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
