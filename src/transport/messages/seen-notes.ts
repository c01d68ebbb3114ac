import { MAX_NOTES_SEEN } from '../limits.ts'
import type { NoteFate, StoreChange } from '../store/store.ts'
import { MESSAGE_SEEN_BLOCKS } from './limits.ts'

/** In the store, a message at this height came to nothing; it leaves with the next block, as all that are old. */
const FORGOTTEN = 0

/**
 * The messages that came, by port and id, with their fates, and the height below which all are stale (spec §18.5). In
 * the order of the store, which forgets the oldest, too, where there are too many.
 */
export class SeenNotes {
  readonly #fates: Map<string, NoteFate>
  readonly #height: () => number
  #floor: number

  /** @param ownHeight that of now */
  constructor(
    stored: { readonly floor: number; readonly seen: ReadonlyMap<string, NoteFate> },
    ownHeight: () => number,
  ) {
    this.#fates = new Map([...stored.seen].filter(([, { height }]) => height !== FORGOTTEN))
    this.#floor = stored.floor
    this.#height = ownHeight
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
    const isFull = !this.#fates.has(key) && this.#fates.size >= MAX_NOTES_SEEN
    const changes = isFull ? this.#makeRoom() : []
    changes.push(this.#renew(key, fate))
    return changes
  }

  #renew(key: string, fate: NoteFate): StoreChange {
    this.#fates.delete(key)
    this.#fates.set(key, fate)
    return { type: 'note-seen', id: key, ...fate }
  }

  /** What was refused cost its sender nothing, and goes first; the floor never rises above the own height by it. */
  #makeRoom(): StoreChange[] {
    const [oldest] = this.#fates
    if (oldest?.[1].refusal === undefined) {
      let lowest = Infinity
      for (const { height } of this.#fates.values()) lowest = Math.min(lowest, height)
      if (lowest < this.#height()) return this.#raise(lowest + 1)
    }
    return this.#dropOne()
  }

  /** The oldest that was refused; where there is none, the oldest. Those before it are renewed, so that they stay. */
  #dropOne(): StoreChange[] {
    const changes: StoreChange[] = []
    const isRefused = [...this.#fates.values()].some(({ refusal }) => refusal !== undefined)
    for (const [key, fate] of this.#fates) {
      if (!isRefused || fate.refusal !== undefined) {
        this.#fates.delete(key)
        break
      }
      changes.push(this.#renew(key, fate))
    }
    return changes
  }

  /** It led to nothing: an attempt is a first one. The change is for the store. */
  forget(key: string): StoreChange[] {
    const isKnown = this.#fates.delete(key)
    return isKnown ? [{ type: 'note-seen', id: key, height: FORGOTTEN }] : []
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
