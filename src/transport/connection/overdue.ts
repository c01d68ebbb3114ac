import { Heap } from '../../floor/heap.ts'
import type { Sent, Watch } from './attempts.ts'

/** Attempts by the time at which they count as late, so that nothing looks through all that is in flight. */
export class OverdueQueue {
  readonly #heap: Heap<Watch> = new Heap(isEarlier)

  /** The next time; undefined when nothing is watched. */
  get dueAt(): number | undefined {
    return this.#heap.first?.dueAt
  }

  /** Watches `sent` until `dueAt`, and no longer until another time. */
  watch(sent: Sent, dueAt: number): void {
    this.unwatch(sent)
    sent.watch = { sent, dueAt, heapIndex: -1 }
    this.#heap.put(sent.watch)
  }

  unwatch(sent: Sent): void {
    if (sent.watch === undefined) return
    this.#heap.remove(sent.watch)
    sent.watch = undefined
  }

  /** The next that is due, taken out. */
  take(now: number): Sent | undefined {
    const head = this.#heap.first
    if (head === undefined || head.dueAt > now) return undefined
    this.unwatch(head.sent)
    return head.sent
  }

  clear(): void {
    this.#heap.clear()
  }
}

// Of two that are due at once the one that was sent first: a total order, which no removal changes.
function isEarlier(a: Watch, b: Watch): boolean {
  return a.dueAt < b.dueAt || (a.dueAt === b.dueAt && a.sent.id < b.sent.id)
}
