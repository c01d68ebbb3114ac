import { equalBytes } from '../../floor/bytes.ts'
import { TransferError } from './errors.ts'
import { MAX_FINISHING, MAX_RANGES, MAX_WANTED, ROOM_EVERY_BYTES } from './limits.ts'
import { malformed, type Message, type TransferOffer, type WantedRange } from './messages.ts'
import { decodeList, type SetEntry, type SetFile } from './set-list.ts'
import type { Part, SetStorage, Storage } from './storage.ts'

/** The connection that a set comes over. */
interface SetLine {
  /** @throws TransferError, ConnectionLost */
  next(): Promise<Message>
  write(message: Message): void
  readonly signal: AbortSignal
}

/** Hears how a set goes on. */
interface SetWatcher {
  /** So many bytes of the whole are there, and so many of its files. */
  started(bytes: number, files: FileCount): void
  received(bytes: number): void
  /** A file is whole, and in its place on the disk. */
  fileDone(path: string, size: number, files: FileCount): void
}

export interface FileCount {
  readonly done: number
  readonly all: number
}

export interface SetReceived {
  /** Where its files and folders of the first component are now. */
  readonly paths: readonly string[]
  readonly files: number
  /** Nothing had to be sent. */
  readonly wasThere: boolean
}

interface ReceiveSetOptions {
  readonly offer: TransferOffer
  readonly storage: Pick<Storage, 'openSet' | 'room'>
  readonly line: SetLine
  readonly watcher: SetWatcher
  /** What a file and the rest of it need of the disk. @throws TransferError NO_SPACE */
  readonly checkRoom: (neededBytes: number) => Promise<void>
}

/** The file that comes at the moment. */
interface Coming {
  readonly index: number
  readonly entry: SetFile
  /** Undefined: what comes is dropped, since the sender's bytes are not those of the part. */
  readonly part: Part | undefined
  /** Up to where it has come. */
  at: number
}

/** Takes the files of a set, one after the other (file-transfer §7). */
export class ReceiveSet {
  readonly #options: ReceiveSetOptions
  #entries: readonly SetEntry[] = []
  #place: SetStorage | undefined
  /** What was asked for and has not come: from where on. */
  readonly #wanted: Map<number, number> = new Map()
  readonly #timesWanted: Map<number, number> = new Map()
  #skipped = 0
  #coming: Coming | undefined
  #bytes = 0
  #uncheckedBytes = 0
  #filesDone = 0
  #fileCount = 0
  #isLooking = false
  /** Files that are whole, and being written to the disk. */
  readonly #finishing: Set<Promise<void>> = new Set()
  readonly #failures: unknown[] = []

  constructor(options: ReceiveSetOptions) {
    this.#options = options
  }

  /** Resolves when all is at its place. @throws TransferError, ConnectionLost */
  async run(): Promise<SetReceived> {
    const { offer, storage, line, watcher, checkRoom } = this.#options
    if (storage.openSet === undefined)
      throw new TransferError('UNSUPPORTED', 'the receiver writes one file or stream to its output; send an archive')
    const { size = 0 } = offer.content ?? {}
    line.write({ type: 'have', offset: 0 })
    this.#entries = decodeList(await this.#receiveList(), offer)
    this.#fileCount = this.#entries.filter(({ kind }) => kind === 'file').length
    const place = await this.#look(storage.openSet(this.#entries, line.signal))
    this.#place = place
    const missingBytes = this.#want(place.missing)
    await checkRoom(missingBytes)
    this.#bytes = size - missingBytes
    this.#filesDone = this.#fileCount - this.#wanted.size
    watcher.started(this.#bytes, this.#files)
    for (const ranges of rangesOf(this.#wanted, this.#entries)) line.write({ type: 'want', ranges })
    line.write({ type: 'want', ranges: [] })
    const wasThere = this.#wanted.size === 0
    while (this.#wanted.size > 0 || this.#coming !== undefined || this.#skipped > 0) await this.#take(await line.next())
    await Promise.all(this.#finishing)
    this.#throwIfFailed()
    return { paths: await place.finish(), files: this.#fileCount, wasThere }
  }

  /** Whether the sender waits for this side to look what is there. */
  get isLooking(): boolean {
    return this.#isLooking
  }

  async #look(opening: Promise<SetStorage>): Promise<SetStorage> {
    this.#isLooking = true
    try {
      return await opening
    } finally {
      this.#isLooking = false
    }
  }

  /** Keeps what is not whole for later. */
  async close(): Promise<void> {
    const part = this.#coming?.part
    this.#coming = undefined
    try {
      await part?.suspend()
    } finally {
      await Promise.all(this.#finishing)
      await this.#place?.leave()
    }
  }

  get #files(): FileCount {
    return { done: this.#filesDone, all: this.#fileCount }
  }

  async #receiveList(): Promise<Uint8Array> {
    const { offer, line } = this.#options
    const list = Buffer.alloc(offer.set?.listBytes ?? 0)
    for (let at = 0; at < list.length;) {
      const message = await line.next()
      if (message.type !== 'list') throw malformed(`${message.type} before the list is whole`)
      if (at + message.bytes.length > list.length) throw malformed('a longer list than was offered')
      list.set(message.bytes, at)
      at += message.bytes.length
    }
    return list
  }

  /** So many bytes are missing. */
  #want(missing: ReadonlyMap<number, number>): number {
    let bytes = 0
    for (const [index, offset] of missing) {
      this.#wanted.set(index, offset)
      this.#timesWanted.set(index, 1)
      bytes += this.#file(index).content.size - offset
    }
    return bytes
  }

  async #take(message: Message): Promise<void> {
    if (message.type === 'file') return await this.#begin(message)
    if (message.type === 'data') return await this.#append(message.bytes)
    if (message.type === 'skip') return await this.#skip(message.index)
    throw malformed(`${message.type} in a set`)
  }

  async #begin({ index, offset, sha256 }: Extract<Message, { type: 'file' }>): Promise<void> {
    if (this.#coming !== undefined) throw malformed('a file within another')
    if (this.#wanted.get(index) !== offset) throw malformed('a file that was not wanted so')
    this.#wanted.delete(index)
    const entry = this.#file(index)
    const { signal } = this.#options.line
    const part = await this.#place?.begin(index, { offset, sha256, signal })
    this.#coming = { index, entry, part, at: offset }
    if (offset === entry.content.size) await this.#end(this.#coming)
  }

  async #append(bytes: Uint8Array): Promise<void> {
    const coming = this.#coming
    if (coming === undefined || coming.at + bytes.length > coming.entry.content.size)
      throw malformed('more bytes than were offered')
    coming.at += bytes.length
    if (coming.part !== undefined) {
      await this.#lookForRoom(bytes.length)
      await coming.part.append(bytes, this.#options.line.signal)
      this.#bytes += bytes.length
      this.#options.watcher.received(this.#bytes)
    }
    if (coming.at === coming.entry.content.size) await this.#end(coming)
  }

  /** Other transfers, and other programs, fill the disk as well. */
  async #lookForRoom(bytes: number): Promise<void> {
    this.#uncheckedBytes += bytes
    if (this.#uncheckedBytes < ROOM_EVERY_BYTES) return
    this.#uncheckedBytes = 0
    await this.#options.checkRoom(1)
  }

  /** All bytes of a file have come. */
  async #end(coming: Coming): Promise<void> {
    const { index, entry, part } = coming
    const { sha256 } = entry.content
    if (part !== undefined && equalBytes(part.digest(), sha256)) {
      this.#coming = undefined
      return await this.#finish(part, entry)
    }
    this.#coming = undefined
    this.#bytes -= part?.size ?? this.#offsetOf(coming)
    await part?.discard()
    const times = this.#timesWanted.get(index) ?? 0
    if (times >= MAX_WANTED) throw new TransferError('HASH', `${entry.path} is not what was promised; it was dropped`)
    this.#timesWanted.set(index, times + 1)
    this.#wanted.set(index, 0)
    this.#options.line.write({ type: 'want', ranges: [{ first: index, count: 1, offset: 0 }] })
  }

  /** The disk takes several at once in little more time than one: what comes meanwhile is taken. */
  async #finish(part: Part, { path, content }: SetFile): Promise<void> {
    while (this.#finishing.size >= MAX_FINISHING) await Promise.race(this.#finishing)
    this.#throwIfFailed()
    const finished = async (): Promise<void> => {
      try {
        await part.finish(this.#options.line.signal)
        this.#filesDone++
        this.#options.watcher.fileDone(path, content.size, this.#files)
      } catch (error) {
        this.#failures.push(error)
      }
    }
    const finishing = finished().finally(() => this.#finishing.delete(finishing))
    this.#finishing.add(finishing)
  }

  #throwIfFailed(): void {
    if (this.#failures.length > 0) throw this.#failures[0]
  }

  /** What counted as there of a part whose bytes the sender does not have. */
  #offsetOf({ index }: Coming): number {
    return this.#place?.missing.get(index) ?? 0
  }

  /** file-transfer §7.4 */
  async #skip(index: number): Promise<void> {
    const coming = this.#coming
    if (coming === undefined ? !this.#wanted.delete(index) : coming.index !== index)
      throw malformed('to skip a file that does not come')
    this.#coming = undefined
    this.#skipped++
    await coming?.part?.discard()
  }

  #file(index: number): SetFile {
    const entry = this.#entries[index]
    if (entry?.kind !== 'file') throw malformed(`no file has the index ${index}`)
    return entry
  }
}

/** Ranges of files that are wanted, as many as go into a message at a time; empty files do not count. */
function* rangesOf(wanted: ReadonlyMap<number, number>, entries: readonly SetEntry[]): Generator<WantedRange[]> {
  let ranges: WantedRange[] = []
  let open: { first: number; count: number; end: number } | undefined
  for (const [index, offset] of [...wanted].toSorted(([a], [b]) => a - b)) {
    if (offset > 0) {
      if (open !== undefined) ranges.push({ first: open.first, count: open.count, offset: 0 })
      open = undefined
      ranges.push({ first: index, count: 1, offset })
    } else if (open !== undefined && nextFile(entries, open.end) === index) {
      open.count++
      open.end = index
    } else {
      if (open !== undefined) ranges.push({ first: open.first, count: open.count, offset: 0 })
      open = { first: index, count: 1, end: index }
    }
    if (ranges.length >= MAX_RANGES - 1) {
      yield ranges
      ranges = []
    }
  }
  if (open !== undefined) ranges.push({ first: open.first, count: open.count, offset: 0 })
  if (ranges.length > 0) yield ranges
}

/** The next file that has bytes, behind an index. */
export function nextFile(entries: readonly SetEntry[], behind: number): number | undefined {
  for (let index = behind + 1; index < entries.length; index++) {
    const entry = entries[index]
    if (entry?.kind === 'file' && entry.content.size > 0) return index
  }
  return undefined
}
