/** Stores in real folders for programs in a simulated time, which has to stand still while the disk works. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { FolderStore, type Store, type StoreChange, type StoredState } from '../../src/index.ts'

/** What the disk still works on, for all programs of a soak. */
export class Disk {
  readonly #under = new Set<Promise<unknown>>()

  get isBusy(): boolean {
    return this.#under.size > 0
  }

  /** Waits until nothing is under way. */
  async idle(): Promise<void> {
    while (this.#under.size > 0) await Promise.allSettled(this.#under)
  }

  async watch<Result>(work: Promise<Result>): Promise<Result> {
    this.#under.add(work)
    try {
      return await work
    } finally {
      this.#under.delete(work)
    }
  }
}

/** A folder's store that says when the disk works for it. */
export class WatchedStore implements Store {
  readonly #store: FolderStore
  readonly #disk: Disk

  readonly accountFolder?: string

  constructor(path: string, disk: Disk, { keepsAccount }: { readonly keepsAccount: boolean }) {
    this.#store = new FolderStore(path)
    this.#disk = disk
    if (keepsAccount) this.accountFolder = this.#store.accountFolder
  }

  async open(): Promise<StoredState> {
    return await this.#disk.watch(this.#store.open())
  }

  async write(changes: readonly StoreChange[]): Promise<void> {
    await this.#disk.watch(this.#store.write(changes))
  }

  async close(): Promise<void> {
    await this.#disk.watch(this.#store.close())
  }
}

/** Of all files in a folder and those below it. */
export async function bytesBelow(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true })
  let sum = 0
  for (const name of names) {
    // A journal may be replaced meanwhile.
    const found = await stat(join(folder, name)).catch(() => undefined)
    if (found?.isFile() === true) sum += found.size
  }
  return sum
}
