import { MAX_MESSAGE_IDS, MAX_OPENS_SEEN, MAX_RESERVATIONS, MAX_TOMBSTONES } from '../limits.ts'
import type { Reservation, StoreChange, StoredState, Tombstone } from './store.ts'

/**
 * The state that a sequence of changes leads to. Bounded: where a table is full the oldest go, as in
 * spec §14; for OPENs the driver raises the floor before that.
 */
export class State implements StoredState {
  settleIndex: bigint | undefined
  floor = 0
  readonly opensSeen: Map<string, number> = new Map()
  readonly tombstones: Map<string, Tombstone> = new Map()
  readonly reservations: Map<string, Reservation> = new Map()
  readonly messages: Set<string> = new Set()

  apply(change: StoreChange): void {
    switch (change.type) {
      case 'settle-index':
        if (this.settleIndex === undefined || change.index > this.settleIndex) this.settleIndex = change.index
        return
      case 'open-seen':
        keep(this.opensSeen, change.ephemeral, change.height, MAX_OPENS_SEEN)
        return
      case 'floor':
        this.#raiseFloor(change.height)
        return
      case 'tombstone': {
        const { type: _, ...tombstone } = change
        keep(this.tombstones, change.connectionId, tombstone, MAX_TOMBSTONES)
        return
      }
      case 'tombstones-forgotten':
        for (const [id, tombstone] of this.tombstones) {
          if (tombstone.height < change.belowHeight) this.tombstones.delete(id)
        }
        return
      case 'reserve': {
        const { type: _, ...reservation } = change
        keep(this.reservations, change.hash, reservation, MAX_RESERVATIONS)
        return
      }
      case 'release':
        this.reservations.delete(change.hash)
        return
      case 'message':
        this.messages.add(change.id)
        for (const oldest of this.messages) {
          if (this.messages.size <= MAX_MESSAGE_IDS) break
          this.messages.delete(oldest)
        }
    }
  }

  /** The fewest changes that lead here. */
  *changes(): Generator<StoreChange> {
    if (this.settleIndex !== undefined) yield { type: 'settle-index', index: this.settleIndex }
    if (this.floor > 0) yield { type: 'floor', height: this.floor }
    for (const [ephemeral, height] of this.opensSeen) yield { type: 'open-seen', ephemeral, height }
    for (const tombstone of this.tombstones.values()) yield { type: 'tombstone', ...tombstone }
    for (const reservation of this.reservations.values()) yield { type: 'reserve', ...reservation }
    for (const id of this.messages) yield { type: 'message', id }
  }

  /** How many `changes` there are. */
  get size(): number {
    const singles = (this.settleIndex === undefined ? 0 : 1) + (this.floor > 0 ? 1 : 0)
    return singles + this.opensSeen.size + this.tombstones.size + this.reservations.size + this.messages.size
  }

  /** A copy that later changes leave alone. */
  snapshot(): StoredState {
    return {
      settleIndex: this.settleIndex,
      floor: this.floor,
      opensSeen: new Map(this.opensSeen),
      tombstones: new Map(this.tombstones),
      reservations: new Map(this.reservations),
      messages: new Set(this.messages),
    }
  }

  #raiseFloor(height: number): void {
    if (height <= this.floor) return
    this.floor = height
    for (const [ephemeral, seenAt] of this.opensSeen) {
      if (seenAt < height) this.opensSeen.delete(ephemeral)
    }
  }
}

/** Sets an entry as the newest; the oldest go above `bound`. */
function keep<Value>(map: Map<string, Value>, key: string, value: Value, bound: number): void {
  map.delete(key)
  map.set(key, value)
  for (const oldest of map.keys()) {
    if (map.size <= bound) return
    map.delete(oldest)
  }
}
