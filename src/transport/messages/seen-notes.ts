import { MAX_NOTES_SEEN } from '../limits.ts'
import type { NoteFate, StoreChange } from '../store/store.ts'
import { MESSAGE_SEEN_BLOCKS } from './limits.ts'

/** The messages that came, by port and id, with their fates, and the height below which all are stale (spec §18.5). */
export class SeenNotes {
  readonly #fates: Map<string, NoteFate>
  #floor: number

  constructor(stored: { readonly floor: number; readonly seen: ReadonlyMap<string, NoteFate> }) {
    this.#fates = new Map(stored.seen)
    this.#floor = stored.floor
  }

  get size(): number {
    return this.#fates.size
  }

  /** Messages with a lower height are stale. */
  get floor(): number {
    return this.#floor
  }

  fateOf(key: string): NoteFate | undefined {
    return this.#fates.get(key)
  }

  /** Remembers one, or what became of it; the changes are for the store. */
  set(key: string, fate: NoteFate): StoreChange[] {
    const changes: StoreChange[] = []
    if (!this.#fates.has(key) && this.#fates.size >= MAX_NOTES_SEEN) {
      let lowest = Infinity
      for (const { height } of this.#fates.values()) lowest = Math.min(lowest, height)
      changes.push(...this.#raise(lowest + 1))
    }
    this.#fates.set(key, fate)
    changes.push({ type: 'note-seen', id: key, ...fate })
    return changes
  }

  /** It led to nothing; for this process an attempt is a first one. In the store it stays, which is the safe side. */
  forget(key: string): void {
    this.#fates.delete(key)
  }

  /** What is so old that it would be refused anyway is forgotten. */
  block(height: number): StoreChange[] {
    return this.#raise(height - MESSAGE_SEEN_BLOCKS)
  }

  #raise(floor: number): StoreChange[] {
    if (floor <= this.#floor) return []
    this.#floor = floor
    for (const [key, { height }] of this.#fates) if (height < floor) this.#fates.delete(key)
    return [{ type: 'note-floor', height: floor }]
  }
}
