import { BoundedSet } from '../../floor/bounded.ts'
import { toHex } from '../../floor/bytes.ts'
import { MAX_STORED_MESSAGE_IDS } from '../limits.ts'
import type { StoreChange } from '../store/store.ts'

/** Messages that servers got: once for each port and id, over all connections and processes (spec §12.8). */
export class MessageIds {
  readonly #ids: BoundedSet<string>

  constructor(stored: ReadonlySet<string>) {
    this.#ids = new BoundedSet(MAX_STORED_MESSAGE_IDS, stored)
  }

  get size(): number {
    return this.#ids.size
  }

  /** What to store for an id that is new; undefined for one that is known. */
  add(port: number, id: Uint8Array): StoreChange | undefined {
    const key = `${port}/${toHex(id)}`
    if (this.#ids.has(key)) return undefined
    this.#ids.add(key)
    return { type: 'message', id: key }
  }
}
