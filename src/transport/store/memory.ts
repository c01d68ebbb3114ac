import { KeysockError } from '../errors.ts'
import { State } from './state.ts'
import type { Store, StoreChange, StoredState } from './store.ts'

/** Keeps everything as long as the object lives: the default, and good for tests of a restart. */
export class MemoryStore implements Store {
  readonly #state = new State()
  #open = false

  async open(): Promise<StoredState> {
    if (this.#open) {
      throw new KeysockError(
        'ERR_KEYSOCK_STORE_LOCKED',
        'this MemoryStore is in use; give each endpoint a store of its own',
      )
    }
    this.#open = true
    return this.#state.snapshot()
  }

  async write(changes: readonly StoreChange[]): Promise<void> {
    if (!this.#open) throw new KeysockError('ERR_KEYSOCK_STORE', 'the store is closed; open it before writing')
    for (const change of changes) this.#state.apply(change)
  }

  async close(): Promise<void> {
    this.#open = false
  }
}
