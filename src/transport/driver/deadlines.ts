import { type Clock, LONGEST_TIMER_MS } from '../../floor/clock.ts'
import { Heap } from '../../floor/heap.ts'

/** Whose deadline it is, where there are many: an object that is there anyway, and no function for each. */
export interface DeadlineOwner {
  deadlineCame(): void
}

/** Something to be done at a time. Made by `Deadlines`, owned by whoever asked. */
export class Deadline {
  /** ms; Infinity while it is not set. */
  atMs: number = Infinity
  /** Written by the heap alone. */
  heapIndex = -1
  /** Among deadlines at one time, the one that was added first fires first. */
  readonly order: number
  readonly owner: DeadlineOwner

  constructor(order: number, owner: DeadlineOwner) {
    this.order = order
    this.owner = owner
  }
}

/** Any number of deadlines over one timer of the clock. Nothing fires from inside `set`. */
export class Deadlines {
  readonly #clock: Clock
  readonly #heap: Heap<Deadline> = new Heap(isBefore)
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
    return this.#heap.size
  }

  add(fire: () => void): Deadline {
    return this.addOf({ deadlineCame: fire })
  }

  addOf(owner: DeadlineOwner): Deadline {
    return new Deadline(this.#added++, owner)
  }

  /** Arms `deadline` for `atMs`, or disarms it where that is undefined. */
  set(deadline: Deadline, atMs: number | undefined): void {
    const at = atMs ?? Infinity
    if (deadline.atMs === at || this.#stopped) return
    deadline.atMs = at
    if (at === Infinity) this.#heap.remove(deadline)
    else this.#heap.put(deadline)
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
    for (let first = this.#heap.take(); first !== undefined; first = this.#heap.take()) first.atMs = Infinity
    this.#disarm()
  }

  #disarm(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#timerMs = Infinity
  }

  #arm(): void {
    if (this.#firing || this.#stopped) return
    const next = this.#heap.first?.atMs ?? Infinity
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
      for (let first = this.#heap.first; first !== undefined && first.atMs <= now; first = this.#heap.first) {
        first.atMs = Infinity
        this.#heap.remove(first)
        first.owner.deadlineCame()
      }
    } finally {
      this.#firing = false
      this.#arm()
    }
  }
}

function isBefore(a: Deadline, b: Deadline): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}

/** A deadline that is due already would fire for ever at one time: a millisecond later it is. */
export function later(atMs: number | undefined, now: number): number | undefined {
  return atMs !== undefined && atMs <= now ? now + 1 : atMs
}
