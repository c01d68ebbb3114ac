import type { Sent, Watch } from './attempts.ts'

/** Stale entries that are tolerated before the heap is rebuilt. */
const SPARE = 64

/**
 * Attempts by the time at which they count as late: a binary heap, so that nothing looks through all that is
 * in flight. Entries that are no longer watched stay until they come up, or until they are half of the heap.
 */
export class OverdueQueue {
  #heap: Watch[] = []
  #stale = 0

  /** The next time; undefined when nothing is watched. */
  get dueAt(): number | undefined {
    this.#dropStale()
    return this.#heap[0]?.dueAt
  }

  get size(): number {
    return this.#heap.length
  }

  /** Watches `sent` until `dueAt`, and no longer until another time. */
  watch(sent: Sent, dueAt: number): void {
    this.unwatch(sent)
    sent.watch = { sent, dueAt, live: true }
    this.#heap.push(sent.watch)
    this.#up(this.#heap.length - 1)
  }

  unwatch(sent: Sent): void {
    if (sent.watch === undefined) return
    sent.watch.live = false
    sent.watch = undefined
    this.#stale++
    if (this.#stale <= SPARE || this.#stale * 2 <= this.#heap.length) return
    // A sorted array is a heap.
    this.#heap = this.#heap.filter((each) => each.live).toSorted((a, b) => a.dueAt - b.dueAt)
    this.#stale = 0
  }

  /** The next that is due, taken out. */
  take(now: number): Sent | undefined {
    this.#dropStale()
    const head = this.#heap[0]
    if (head === undefined || head.dueAt > now) return undefined
    this.#pop()
    head.sent.watch = undefined
    return head.sent
  }

  clear(): void {
    this.#heap = []
    this.#stale = 0
  }

  #dropStale(): void {
    while (this.#heap[0]?.live === false) {
      this.#pop()
      this.#stale--
    }
  }

  #pop(): void {
    const tail = this.#heap.pop()
    if (tail === undefined || this.#heap.length === 0) return
    this.#heap[0] = tail
    this.#down(0)
  }

  #before(a: number, b: number): boolean {
    return (this.#heap[a]?.dueAt ?? Infinity) < (this.#heap[b]?.dueAt ?? Infinity)
  }

  #swap(a: number, b: number): void {
    const first = this.#heap[a]
    const second = this.#heap[b]
    if (first === undefined || second === undefined) return
    this.#heap[a] = second
    this.#heap[b] = first
  }

  #up(from: number): void {
    let index = from
    while (index > 0) {
      const parent = (index - 1) >>> 1
      if (!this.#before(index, parent)) return
      this.#swap(index, parent)
      index = parent
    }
  }

  #down(from: number): void {
    let index = from
    for (;;) {
      const left = 2 * index + 1
      const right = left + 1
      let least = index
      if (this.#before(left, least)) least = left
      if (this.#before(right, least)) least = right
      if (least === index) return
      this.#swap(index, least)
      index = least
    }
  }
}
