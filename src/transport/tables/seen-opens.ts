import { MAX_OPENS_SEEN, SEEN_BLOCKS } from '../limits.ts'
import type { StoreChange } from '../store/store.ts'

/** The OPENs that were taken, by e_i in hexadecimal, and the height below which all are stale (spec §6.4). */
export class SeenOpens {
  readonly #heights: Map<string, number>
  #floor: number

  constructor(stored: { readonly floor: number; readonly opensSeen: ReadonlyMap<string, number> }) {
    this.#heights = new Map(stored.opensSeen)
    this.#floor = stored.floor
  }

  get size(): number {
    return this.#heights.size
  }

  /** OPENs with a lower height are stale. */
  get floor(): number {
    return this.#floor
  }

  has(ephemeral: string): boolean {
    return this.#heights.has(ephemeral)
  }

  /** Remembers one; the changes are for the store. */
  add(ephemeral: string, height: number): StoreChange[] {
    const changes: StoreChange[] = []
    if (this.#heights.size >= MAX_OPENS_SEEN) {
      let lowest = Infinity
      for (const seenAt of this.#heights.values()) lowest = Math.min(lowest, seenAt)
      changes.push(...this.#raise(lowest + 1))
    }
    this.#heights.set(ephemeral, height)
    changes.push({ type: 'open-seen', ephemeral, height })
    return changes
  }

  /** It led to nothing; for this process a copy is a first one. In the store it stays, which is the safe side. */
  forget(ephemeral: string): void {
    this.#heights.delete(ephemeral)
  }

  /** What is so old that it would be refused anyway is forgotten. */
  block(height: number): StoreChange[] {
    return this.#raise(height - SEEN_BLOCKS)
  }

  #raise(floor: number): StoreChange[] {
    if (floor <= this.#floor) return []
    this.#floor = floor
    for (const [ephemeral, height] of this.#heights) {
      if (height < floor) this.#heights.delete(ephemeral)
    }
    return [{ type: 'floor', height: floor }]
  }
}
