import { BoundedMap, BoundedSet } from '../../floor/bounded.ts'
import { MAX_STORED_MESSAGE_IDS, MAX_OPENS_SEEN, MAX_RESERVATIONS, MAX_TOMBSTONES } from '../limits.ts'
import { NotesState } from './notes-state.ts'
import type { StoredNode } from './stored-node.ts'
import { SpentByDay } from './spent.ts'
import type { Reservation, Spent, StoreChange, StoredState, Tombstone } from './store.ts'

/**
 * The state that a sequence of changes leads to. Bounded: where a table is full the oldest go, as in
 * spec §14; for OPENs the driver raises the floor before that.
 */
export class State implements StoredState {
  node: StoredNode | undefined
  settleIndex: bigint | undefined
  floor = 0
  readonly opensSeen: BoundedMap<string, number> = new BoundedMap(MAX_OPENS_SEEN)
  readonly tombstones: BoundedMap<string, Tombstone> = new BoundedMap(MAX_TOMBSTONES)
  readonly reservations: BoundedMap<string, Reservation> = new BoundedMap(MAX_RESERVATIONS)
  readonly messages: BoundedSet<string> = new BoundedSet(MAX_STORED_MESSAGE_IDS)
  readonly #spent: SpentByDay = new SpentByDay()
  readonly notes: NotesState = new NotesState()
  allowanceMsat: bigint | undefined

  apply(change: StoreChange): void {
    switch (change.type) {
      case 'settle-index':
        if (this.settleIndex === undefined || change.index > this.settleIndex) this.settleIndex = change.index
        return
      case 'node': {
        const { type: _, ...node } = change
        this.node = node
        return
      }
      case 'settle-index-forgotten':
        this.settleIndex = undefined
        return
      case 'open-seen':
        this.opensSeen.renew(change.ephemeral, change.height)
        return
      case 'floor':
        this.#raiseFloor(change.height)
        return
      case 'tombstone': {
        const { type: _, ...tombstone } = change
        this.tombstones.renew(change.connectionId, tombstone)
        return
      }
      case 'tombstones-forgotten':
        for (const [id, tombstone] of this.tombstones) {
          if (tombstone.height < change.belowHeight) this.tombstones.delete(id)
        }
        return
      case 'reserve': {
        const { type: _, ...reservation } = change
        this.reservations.renew(change.hash, reservation)
        return
      }
      case 'release':
        // Once: what is released a second time was counted the first time.
        if (this.reservations.delete(change.hash) && change.spent !== undefined) this.#spent.add(change.spent)
        return
      case 'spent': {
        const { type: _, ...spent } = change
        this.#spent.set(spent)
        return
      }
      case 'allowance':
        this.allowanceMsat = change.leftMsat
        return
      case 'message':
        this.messages.add(change.id)
        return
      case 'note-seen':
      case 'note-floor':
      case 'letter':
      case 'letter-read':
      case 'letter-withdrawn':
      case 'note-sent':
      case 'note-failed':
      case 'note-paid':
        this.notes.apply(change)
    }
  }

  get spent(): readonly Spent[] {
    return this.#spent.all()
  }

  /** The fewest changes that lead here. */
  *changes(): Generator<StoreChange> {
    if (this.node !== undefined) yield { type: 'node', ...this.node }
    if (this.settleIndex !== undefined) yield { type: 'settle-index', index: this.settleIndex }
    if (this.floor > 0) yield { type: 'floor', height: this.floor }
    for (const [ephemeral, height] of this.opensSeen) yield { type: 'open-seen', ephemeral, height }
    for (const tombstone of this.tombstones.values()) yield { type: 'tombstone', ...tombstone }
    for (const reservation of this.reservations.values()) yield { type: 'reserve', ...reservation }
    for (const id of this.messages) yield { type: 'message', id }
    for (const spent of this.#spent.all()) yield { type: 'spent', ...spent }
    if (this.allowanceMsat !== undefined) yield { type: 'allowance', leftMsat: this.allowanceMsat }
    yield* this.notes.changes()
  }

  /** How many `changes` there are. */
  get size(): number {
    const once = [this.node, this.settleIndex, this.allowanceMsat].filter((each) => each !== undefined)
    const singles = once.length + (this.floor > 0 ? 1 : 0)
    const tables = [this.opensSeen, this.tombstones, this.reservations, this.messages, this.#spent, this.notes]
    return tables.reduce((sum, { size }) => sum + size, singles)
  }

  /** A copy that later changes leave alone. */
  snapshot(): StoredState {
    return {
      node: this.node,
      settleIndex: this.settleIndex,
      floor: this.floor,
      opensSeen: new Map(this.opensSeen),
      tombstones: new Map(this.tombstones),
      reservations: new Map(this.reservations),
      messages: new Set(this.messages),
      spent: this.spent,
      allowanceMsat: this.allowanceMsat,
      notes: this.notes.snapshot(),
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
