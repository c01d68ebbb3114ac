import { type FileHandle, mkdir, open, readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { toHex } from '../../floor/bytes.ts'
import { processEntropy as realEntropy } from '../../floor/entropy.ts'
import { syncFolder } from '../../floor/sync-folder.ts'
import { KeysockError, messageOf } from '../errors.ts'
import { COMPACT_SPARE_LINES, MAX_JOURNAL_BYTES } from '../limits.ts'
import { decodeLine, encodeLine } from './line.ts'
import { codeOf, lockFolder } from './lock.ts'
import { State } from './state.ts'
import type { Store, StoreChange, StoredState } from './store.ts'

const JOURNAL = 'journal'
const LOCK = 'lock'
/** First line of every journal: what the file is, and the version of its lines. */
const HEADLINE = 'keysock journal 1'

interface Batch {
  readonly lines: string[]
  readonly written: Promise<void>
}

/**
 * A store in a folder: a journal of changes. A write resolves after fsync; writes that come while one is under
 * way share the next fsync. When the journal has grown, it is written anew beside the old one and put in its
 * place by one rename. A last line that a crash tore is dropped.
 *
 * @param path of the folder; made (for this user alone) where it is missing.
 */
export class FolderStore implements Store {
  readonly #folder: string
  readonly #state = new State()
  #unlock: (() => Promise<void>) | undefined
  #journal: FileHandle | undefined
  #lines = 0
  #batch: Batch | undefined
  #lastWrite: Promise<void> = Promise.resolve()
  #failure: KeysockError | undefined

  constructor(path: string) {
    this.#folder = path
  }

  /** Beside the journal: what was paid and came in, for people. */
  get accountFolder(): string {
    return join(this.#folder, 'account')
  }

  async open(): Promise<StoredState> {
    if (this.#unlock !== undefined) {
      throw new KeysockError('ERR_KEYSOCK_STORE_LOCKED', `this store is open already: ${this.#folder}`)
    }
    await attempt(`cannot make the folder ${this.#folder}`, () => mkdir(this.#folder, { recursive: true, mode: 0o700 }))
    this.#unlock = await lockFolder(join(this.#folder, LOCK), toHex(realEntropy.bytes(8)))
    try {
      await this.#load()
      await this.#compact()
    } catch (error) {
      await this.close()
      throw error
    }
    return this.#state.snapshot()
  }

  async write(changes: readonly StoreChange[]): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#journal === undefined)
      throw new KeysockError('ERR_KEYSOCK_STORE', 'the store is closed; open it before writing')
    const batch = (this.#batch ??= this.#newBatch())
    for (const change of changes) {
      this.#state.apply(change)
      batch.lines.push(encodeLine(change))
    }
    await batch.written
  }

  async close(): Promise<void> {
    const unlock = this.#unlock
    if (unlock === undefined) return
    this.#unlock = undefined
    await this.#lastWrite
    await this.#journal?.close()
    this.#journal = undefined
    await unlock()
  }

  /** Lines that come while an earlier batch is being written go to disk together. */
  #newBatch(): Batch {
    const lines: string[] = []
    const written = this.#lastWrite.then(() => {
      this.#batch = undefined
      return this.#append(lines)
    })
    // A failure reaches everyone who waits for this batch, and stays in #failure for all who come later.
    this.#lastWrite = written.catch(() => undefined)
    return { lines, written }
  }

  async #append(lines: readonly string[]): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    try {
      await this.#journal?.appendFile(lines.join(''))
      await this.#journal?.datasync()
      this.#lines += lines.length
      if (this.#lines > this.#state.size + COMPACT_SPARE_LINES) await this.#compact()
    } catch (error) {
      // What the file holds now is unknown, so nothing more is promised.
      const file = join(this.#folder, JOURNAL)
      this.#failure = new KeysockError('ERR_KEYSOCK_STORE', `cannot write ${file}: ${messageOf(error)}`, {
        cause: error,
      })
      throw this.#failure
    }
  }

  async #load(): Promise<void> {
    const file = join(this.#folder, JOURNAL)
    const size = await sizeOf(file)
    if (size === undefined) return
    if (size > MAX_JOURNAL_BYTES) throw corrupt(file, `it is larger than ${MAX_JOURNAL_BYTES} bytes`)
    const text = await attempt(`cannot read ${file}`, () => readFile(file, 'utf8'))
    const lines = text.split('\n')
    if (lines[0] !== HEADLINE) throw corrupt(file, `its first line is not "${HEADLINE}"`)
    const last = lines.length - 1 // the empty text behind the last line's end, or what a crash left of a line
    for (let i = 1; i < last; i++) this.#state.apply(this.#decode(file, lines[i] ?? '', i + 1))
  }

  #decode(file: string, line: string, number: number): StoreChange {
    let change: StoreChange | undefined
    try {
      change = decodeLine(line)
    } catch (error) {
      throw corrupt(file, `line ${number} cannot be read: ${messageOf(error)}`)
    }
    if (change === undefined) throw corrupt(file, `line ${number} is damaged`)
    return change
  }

  /** Writes the state as a new journal and puts it in the old one's place. */
  async #compact(): Promise<void> {
    const file = join(this.#folder, JOURNAL)
    const next = await open(`${file}.next`, 'w', 0o600)
    try {
      const lines = [`${HEADLINE}\n`]
      for (const change of this.#state.changes()) lines.push(encodeLine(change))
      await next.writeFile(lines.join(''))
      await next.sync()
      await rename(`${file}.next`, file)
      await syncFolder(this.#folder)
      this.#lines = lines.length - 1
    } catch (error) {
      await next.close()
      throw new KeysockError('ERR_KEYSOCK_STORE', `cannot write ${file}: ${messageOf(error)}`, { cause: error })
    }
    const old = this.#journal
    this.#journal = next // stays open: the rename moved its name, not the file
    await old?.close()
  }
}

async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw new KeysockError('ERR_KEYSOCK_STORE', `cannot read ${file}: ${messageOf(error)}`, { cause: error })
  }
}

async function attempt<Result>(what: string, action: () => Promise<Result>): Promise<Result> {
  try {
    return await action()
  } catch (error) {
    throw new KeysockError('ERR_KEYSOCK_STORE', `${what}: ${messageOf(error)}`, { cause: error })
  }
}

function corrupt(file: string, why: string): KeysockError {
  return new KeysockError(
    'ERR_KEYSOCK_STORE_CORRUPT',
    `${file} is not a journal that this version can go on with: ${why}. Move it away to start anew; payments that are under way are then not counted in the caps`,
  )
}
