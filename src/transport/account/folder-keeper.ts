import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, dayText } from '../../floor/clock.ts'
import { messageOf } from '../errors.ts'
import { ACCOUNT_FLUSH_ENTRIES, ACCOUNT_FLUSH_MS, MAX_ACCOUNT_PART_BYTES, MAX_ACCOUNT_WAITING } from '../limits.ts'
import type { AccountEntry, AccountParty, PaidEntry } from './entry.ts'
import { foldedTotals, foldOldest, partName, partsOf, readEntries, readPart } from './files.ts'
import type { AccountKeeper } from './keeper.ts'
import { LineWriterOfAccount } from './lines.ts'
import type { AccountGrouping, AccountTotal } from './totals.ts'

interface Batch {
  readonly entries: { readonly entry: AccountEntry; readonly party: AccountParty }[]
  readonly written: Promise<boolean>
  readonly resolve: (isDone: boolean) => void
}

interface KeeperOptions {
  readonly folder: string
  readonly clock: Clock
  /** Tells a person that entries cannot be written, or are missing. */
  readonly warn: (message: string) => void
}

/**
 * Keeps entries in files of a folder, one for each month, in parts of a bounded size. What comes within a second is
 * written together, with one fsync: packets do not wait for it. Where a write fails, a person is told, the entries are
 * kept for the next try, and payments go on.
 */
export class FolderKeeper implements AccountKeeper {
  readonly #options: KeeperOptions
  /** What is not on disk yet, the oldest first. */
  readonly #batches: Batch[] = []
  #waiting = 0
  #missing = 0
  #cancelTimer: (() => void) | undefined
  #writing: Promise<void> = Promise.resolve()
  #file: FileHandle | undefined
  #month = ''
  #part = 0
  #size = 0
  #lines: LineWriterOfAccount = new LineWriterOfAccount()
  #isFailing = false

  constructor(options: KeeperOptions) {
    this.#options = options
  }

  add(entry: AccountEntry, party: AccountParty): Promise<boolean> {
    const batch = this.#batch()
    batch.entries.push({ entry, party })
    this.#waiting += 1
    if (this.#waiting > MAX_ACCOUNT_WAITING) this.#giveUpOldest()
    if (batch.entries.length >= ACCOUNT_FLUSH_ENTRIES && !this.#isFailing) void this.#flush()
    else this.#arm()
    return batch.written
  }

  async *read(sinceMs: number): AsyncGenerator<AccountEntry> {
    await this.#flush()
    yield* readEntries(this.#options.folder, sinceMs)
    // What could not be written is known all the same.
    for (const { entries } of this.#batches) for (const { entry } of entries) if (entry.timeMs >= sinceMs) yield entry
  }

  folded(by: AccountGrouping): Promise<readonly AccountTotal[]> {
    return foldedTotals(this.#options.folder, by)
  }

  async recorded(hashes: ReadonlySet<string>): Promise<readonly PaidEntry[]> {
    if (hashes.size === 0) return []
    const { folder } = this.#options
    const found: PaidEntry[] = []
    // What is stored as under way was decided a moment before the crash, if at all. spec §18.7: what failed under a
    // locked hash says nothing of the attempt after it, so such entries are not looked at.
    for (const { name } of (await partsOf(folder)).slice(-2)) {
      for await (const entry of readPart(join(folder, name)))
        if (entry.type === 'paid' && entry.outcome !== 'failed' && hashes.has(entry.hash)) found.push(entry)
    }
    return found
  }

  async close(): Promise<void> {
    await this.#flush()
    this.#cancelTimer?.()
    for (const { resolve } of this.#batches) resolve(false)
    await this.#file?.close().catch(() => undefined)
    this.#file = undefined
  }

  /** Writes what waits. Never rejects. */
  async #flush(): Promise<void> {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#writing = this.#writing.then(() => this.#write())
    await this.#writing
  }

  /** The one that new entries go to. */
  #batch(): Batch {
    const last = this.#batches.at(-1)
    if (last !== undefined && last.entries.length < ACCOUNT_FLUSH_ENTRIES) return last
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const batch = { entries: [], written: promise, resolve }
    this.#batches.push(batch)
    return batch
  }

  #arm(): void {
    const { clock } = this.#options
    this.#cancelTimer ??= clock.schedule(clock.now() + ACCOUNT_FLUSH_MS, () => {
      this.#cancelTimer = undefined
      void this.#flush()
    })
  }

  #giveUpOldest(): void {
    const oldest = this.#batches.shift()
    if (oldest === undefined) return
    this.#waiting -= oldest.entries.length
    this.#missing += oldest.entries.length
    oldest.resolve(true)
    this.#options.warn(
      `the account is not complete: ${this.#missing} entries could not be written to ${this.#options.folder}`,
    )
  }

  /** Writes all that waits, in one piece. Never rejects. */
  async #write(): Promise<void> {
    const batches = this.#batches.splice(0)
    const entries = batches.flatMap((batch) => batch.entries)
    if (entries.length === 0) return
    try {
      await this.#append(entries)
      this.#isFailing = false
      this.#waiting -= entries.length
      for (const { resolve } of batches) resolve(true)
    } catch (error) {
      await this.#undo()
      this.#batches.unshift(...batches)
      if (!this.#isFailing) {
        const { folder } = this.#options
        this.#options.warn(
          `the account cannot be written to ${folder}: ${messageOf(error)}; payments go on, and what cannot be written is tried again`,
        )
      }
      this.#isFailing = true
      this.#arm()
    }
  }

  async #append(entries: Batch['entries']): Promise<void> {
    const last = entries.at(-1)?.entry.timeMs ?? 0
    const file = await this.#open(dayText(last).slice(0, 7))
    const text = entries.map(({ entry, party }) => this.#lines.encode(entry, party)).join('')
    await file.appendFile(text)
    await file.datasync()
    this.#size += Buffer.byteLength(text)
  }

  /** What a write that failed may have left is taken back; what was defined in it is said again. */
  async #undo(): Promise<void> {
    this.#lines = new LineWriterOfAccount()
    await this.#file?.truncate(this.#size).catch(() => undefined)
  }

  /** The file that entries of this month go to now. */
  async #open(month: string): Promise<FileHandle> {
    const { folder } = this.#options
    if (this.#file !== undefined && month <= this.#month && this.#size < MAX_ACCOUNT_PART_BYTES) return this.#file
    if (this.#file === undefined) {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      const newest = (await partsOf(folder)).at(-1)
      this.#month = newest?.month ?? month
      this.#part = newest?.number ?? 0
    } else {
      await this.#file.close()
      this.#file = undefined
      if (this.#size >= MAX_ACCOUNT_PART_BYTES) this.#part += 1
    }
    // A clock that was set back begins no file before the newest one.
    if (month > this.#month) {
      this.#month = month
      this.#part = 0
    }
    const file = await open(join(folder, partName(this.#month, this.#part)), 'a+', 0o600)
    this.#file = file
    this.#lines = new LineWriterOfAccount()
    const { size } = await file.stat()
    this.#size = size
    // What a crash tore is a line of its own.
    if (size > 0 && !(await endsLine(file, size))) {
      await file.appendFile('\n')
      this.#size += 1
    }
    await foldOldest(folder)
    return file
  }
}

async function endsLine(file: FileHandle, size: number): Promise<boolean> {
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1)
  return buffer[0] === 0x0a
}
