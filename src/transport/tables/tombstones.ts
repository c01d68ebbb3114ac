import { BoundedMap } from '../../floor/bounded.ts'
import { MAX_TOMBSTONES, TOMBSTONE_BLOCKS } from '../limits.ts'
import type { StoreChange, Tombstone } from '../store/store.ts'

/** Connections of servers that have ended, by connection id (spec §13.5): a packet for one opens nothing. */
export class Tombstones {
  readonly #byId: BoundedMap<string, Tombstone>

  constructor(stored: ReadonlyMap<string, Tombstone>) {
    this.#byId = new BoundedMap(MAX_TOMBSTONES, stored)
  }

  get size(): number {
    return this.#byId.size
  }

  has(connectionId: string): boolean {
    return this.#byId.has(connectionId)
  }

  /**
   * Whether this OPEN led to a connection that has ended. Its id alone tells nothing: another OPEN may carry it, too.
   */
  isOfOpen(connectionId: string, ephemeral: string): boolean {
    return this.#byId.get(connectionId)?.ephemeral === ephemeral
  }

  add(tombstone: Tombstone): StoreChange {
    this.#byId.renew(tombstone.connectionId, tombstone)
    return { type: 'tombstone', ...tombstone }
  }

  block(height: number): StoreChange[] {
    const belowHeight = height - TOMBSTONE_BLOCKS
    let forgotten = 0
    for (const [id, tombstone] of this.#byId) {
      if (tombstone.height >= belowHeight) break // they stand in the order of their ends
      this.#byId.delete(id)
      forgotten += 1
    }
    return forgotten === 0 ? [] : [{ type: 'tombstones-forgotten', belowHeight }]
  }
}
