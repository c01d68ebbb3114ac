import { Heap, type HeapItem } from '../../floor/heap.ts'
import type { SentPacket } from './sent-packets.ts'

interface Entry extends HeapItem {
  readonly packet: SentPacket
  /** No byte that is waited for lies lower. */
  start: number
}

/** Packets without outcome by the lowest byte that they alone bring: the first is what the receiver waits for. */
export class HeadQueue {
  readonly #heap: Heap<Entry> = new Heap(isLower)

  /** A packet went out; its lowest byte. */
  add(packet: SentPacket, start: number): void {
    this.#heap.put({ packet, start, heapIndex: -1 })
  }

  /** `startOf`: the lowest byte of a packet that is still waited for; undefined: none, and none will be. */
  first(startOf: (packet: SentPacket) => number | undefined): SentPacket | undefined {
    for (let entry = this.#heap.first; entry !== undefined; entry = this.#heap.first) {
      const start = startOf(entry.packet)
      if (start === entry.start) return entry.packet
      if (start === undefined) this.#heap.take()
      else {
        entry.start = start
        this.#heap.put(entry)
      }
    }
    return undefined
  }

  clear(): void {
    this.#heap.clear()
  }
}

// A total order, so that no removal changes it: of two with the same byte the one that was sent first.
function isLower(a: Entry, b: Entry): boolean {
  return a.start < b.start || (a.start === b.start && a.packet.id < b.packet.id)
}
