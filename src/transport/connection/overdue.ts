import { Heap } from '../../floor/heap.ts'
import type { SentPacket } from './sent-packets.ts'

/** Packets by the time at which they count as late, so that nothing looks through all that is in flight. */
export class OverdueQueue {
  readonly #heap: Heap<SentPacket> = new Heap(isEarlier)

  /** The next time; undefined when nothing is watched. */
  get dueAt(): number | undefined {
    return this.#heap.first?.lateAt
  }

  /** Watches `packet` until `lateAt`, and no longer until another time. */
  watch(packet: SentPacket, lateAt: number): void {
    packet.lateFrom(lateAt)
    this.#heap.put(packet)
  }

  unwatch(packet: SentPacket): void {
    this.#heap.remove(packet)
  }

  /** The next that is due, taken out. */
  take(now: number): SentPacket | undefined {
    const { dueAt } = this
    return dueAt !== undefined && dueAt <= now ? this.#heap.take() : undefined
  }

  clear(): void {
    this.#heap.clear()
  }
}

// Of two that are due at once the one that was sent first: a total order, which no removal changes.
function isEarlier(a: SentPacket, b: SentPacket): boolean {
  return a.lateAt < b.lateAt || (a.lateAt === b.lateAt && a.id < b.id)
}
