/** Where the files of a set are kept until all of them are there, and how folders get their names. */
import { constants, type Stats } from 'node:fs'
import { chmod, copyFile, lstat, mkdir, open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { equalBytes } from '../../floor/bytes.ts'
import { codeOf, noSpace, TransferError, unwritable } from './errors.ts'
import { readFrom } from './file-content.ts'
import { numberedFolderName } from './file-name.ts'
import { type FilePart, setAttributes } from './file-part.ts'
import type { FolderStorage } from './folder-storage.ts'
import { ENTRY_BYTES, MAX_COPIES, MAX_FINISHING, MAX_FOLDERS_LOOKED_AT, PART_SUFFIX, SESSION_BYTES } from './limits.ts'
import type { TransferOffer } from './messages.ts'
import {
  folderPartStart,
  PART_ENDING_LENGTH,
  partStart,
  placeBeside,
  placeFolderBeside,
  placeOver,
  syncFolder,
} from './placing.ts'
import { firstComponent, lastComponent, type SetEntry, type SetFile, twins } from './set-list.ts'
import type { Part, SetStorage } from './storage.ts'
import { atOnce } from './waiting.ts'

/** A set's place in a folder, for one connection. */
export class SetPlace implements SetStorage {
  readonly #storage: FolderStorage
  readonly #entries: readonly SetEntry[]
  readonly #roots: Root[] = []
  readonly #rootOf: Map<number, Root> = new Map()
  readonly #missing: Map<number, number> = new Map()

  private constructor(storage: FolderStorage, entries: readonly SetEntry[]) {
    this.#storage = storage
    this.#entries = entries
  }

  static async open(storage: FolderStorage, entries: readonly SetEntry[], signal: AbortSignal): Promise<SetPlace> {
    const place = new SetPlace(storage, entries)
    try {
      await place.#look(signal)
      return place
    } catch (error) {
      await place.leave()
      signal.throwIfAborted()
      throw error instanceof TransferError ? error : unwritable(storage.folder, error)
    }
  }

  get missing(): ReadonlyMap<number, number> {
    return this.#missing
  }

  async begin(
    index: number,
    from: { readonly offset: number; readonly sha256: Uint8Array | undefined; readonly signal: AbortSignal },
  ): Promise<Part | undefined> {
    const root = this.#rootOf.get(index)
    if (root === undefined) throw new Error(`no file has the index ${index}`)
    return await root.begin(index, from)
  }

  async finish(): Promise<readonly string[]> {
    const paths: string[] = []
    try {
      for (const root of this.#roots) paths.push(await root.finish())
      await syncFolder(this.#storage.folder)
      return paths
    } catch (error) {
      throw error instanceof TransferError ? error : unwritable(this.#storage.folder, error)
    }
  }

  async leave(): Promise<void> {
    for (const root of this.#roots) await root.leave()
  }

  async #look(signal: AbortSignal): Promise<void> {
    const listing = await this.#storage.listParts()
    for (const [name, indexes] of this.#indexesByRoot()) {
      const [first = 0] = indexes
      const entry = this.#entries[first]
      const root =
        entry?.kind === 'file'
          ? new SingleFile(this.#storage, entry, listing)
          : new FolderRoot(this.#storage, { name, entries: this.#entries, indexes })
      this.#roots.push(root)
      for (const index of indexes) this.#rootOf.set(index, root)
      signal.throwIfAborted()
      for (const [index, bytes] of await root.look(first, signal)) this.#missing.set(index, bytes)
    }
    const toMake = this.#roots.filter((root) => root instanceof SingleFile).filter(({ isToMake }) => isToMake)
    await checkRoom(this.#storage, toMake.length * ENTRY_BYTES)
    await atOnce(MAX_FINISHING, toMake, async (file) => {
      signal.throwIfAborted()
      await file.make(signal)
    })
  }

  #indexesByRoot(): Map<string, number[]> {
    const roots = new Map<string, number[]>()
    for (const [index, { path }] of this.#entries.entries()) {
      const name = firstComponent(path)
      const indexes = roots.get(name)
      if (indexes === undefined) roots.set(name, [index])
      else indexes.push(index)
    }
    return roots
  }
}

type From = Parameters<SetStorage['begin']>[1]

/** A file or folder of the first component (file-transfer §7.5). */
interface Root {
  /** What is missing of it: by index, how much of each is there. @param first the index of its own entry */
  look(first: number, signal: AbortSignal): Promise<ReadonlyMap<number, number>>
  begin(index: number, from: From): Promise<Part | undefined>
  /** Gives it its name, where that is not done: where it is now. */
  finish(): Promise<string>
  leave(): Promise<void>
}

/** A file of one component is kept as if it had been offered alone. */
class SingleFile implements Root {
  readonly #storage: FolderStorage
  readonly #offer: TransferOffer
  #part: Part | undefined
  #path: string | undefined
  /** Parts that were there when the set came: to list the folder for each file would take long. */
  readonly #listing: readonly string[]

  constructor(storage: FolderStorage, { path, content, mode, mtimeS }: SetFile, listing: readonly string[]) {
    this.#storage = storage
    this.#listing = listing
    this.#offer = { name: path, content, session: new Uint8Array(SESSION_BYTES), attributes: { mode, mtimeS } }
  }

  async look(first: number, signal: AbortSignal): Promise<ReadonlyMap<number, number>> {
    const size = this.#offer.content?.size ?? 0
    this.#path = await this.#storage.find(this.#offer, signal)
    if (this.#path !== undefined) return new Map()
    if (size === 0) return new Map()
    this.#part = (await this.#storage.parts(this.#offer, this.#listing)).find((part) => part.size <= size)
    return new Map([[first, this.#part?.size ?? 0]])
  }

  /** Whether it has no bytes, and is not there. */
  get isToMake(): boolean {
    return this.#path === undefined && this.#offer.content?.size === 0
  }

  async make(signal: AbortSignal): Promise<void> {
    this.#path = await (await this.#storage.create(this.#offer, this.#listing)).finish(signal)
  }

  async begin(_index: number, { offset, sha256, signal }: From): Promise<Part | undefined> {
    const part = this.#part
    if (offset === 0) return this.#named(await this.#storage.create(this.#offer, this.#listing))
    if (part === undefined || sha256 === undefined) return undefined
    return (await part.continueFrom(offset, sha256, signal)) ? this.#named(part) : undefined
  }

  /** The part, of which it is remembered where it goes. */
  #named(part: Part): Part {
    const finish = async (signal: AbortSignal): Promise<string> => (this.#path = await part.finish(signal))
    return {
      get size(): number {
        return part.size
      },
      continueFrom: (...given) => part.continueFrom(...given),
      append: (...given) => part.append(...given),
      digest: () => part.digest(),
      suspend: () => part.suspend(),
      discard: () => part.discard(),
      finish,
    }
  }

  finish(): Promise<string> {
    return Promise.resolve(this.#path ?? this.#offer.name)
  }

  async leave(): Promise<void> {
    // The part that is written is its connection's to keep.
  }
}

interface FolderRootOptions {
  readonly name: string
  /** Of the whole set. */
  readonly entries: readonly SetEntry[]
  /** Of the folder, its own entry first. */
  readonly indexes: readonly number[]
}

/** What stands in an unfinished folder. */
interface Found {
  readonly path: string
  /** Its place in the set: the path of an entry, or what would be one. */
  readonly place: string
  readonly kind: 'file' | 'folder' | 'other'
  readonly stats: Stats
}

/** What is known of an unfinished folder by the list (file-transfer §7.6). */
interface Inventory {
  /** Whole files, by index. */
  readonly whole: Map<number, string>
  /** The longest part of each file. */
  readonly parts: Map<number, Found>
  /** Folders of the list, by path. */
  readonly folders: ReadonlySet<string>
  readonly unknown: readonly Found[]
  /** Of files and parts with bytes, how many the list knows, and how many not. */
  readonly known: number
  readonly others: number
}

/** A folder is made whole under another name (file-transfer §7.5). */
class FolderRoot implements Root {
  readonly #storage: FolderStorage
  readonly #name: string
  readonly #entries: readonly SetEntry[]
  readonly #indexes: readonly number[]
  readonly #indexOf: ReadonlyMap<string, number>
  /** Where the folder is, with its name. */
  #path: string | undefined
  /** Where it is without. */
  #part: string | undefined
  #parts: ReadonlyMap<number, Found> = new Map()
  /** Folders that the unfinished one has, by path. */
  #foldersThere: ReadonlySet<string> = new Set()
  /** Where files are in the unfinished folder. */
  readonly #placed: Map<number, string> = new Map()
  /** The folder into which the files go, where they replace what is there (file-transfer §7.8). */
  #replaced: string | undefined

  constructor(storage: FolderStorage, { name, entries, indexes }: FolderRootOptions) {
    this.#storage = storage
    this.#name = name
    this.#entries = entries
    this.#indexes = indexes
    this.#indexOf = new Map(indexes.map((index) => [this.#entry(index).path, index]))
  }

  async look(_first: number, signal: AbortSignal): Promise<ReadonlyMap<number, number>> {
    const there = new Map<number, string>()
    for (const path of await this.#namesakes()) {
      const found = await this.#filesIn(path, signal)
      if (found.size === this.#indexes.length) {
        this.#path = path
        return new Map()
      }
      for (const [index, file] of found) there.set(index, file)
    }
    await this.#takePart(signal)
    await this.#checkRoom(there)
    await this.#makeFolders(signal)
    const missing = new Map<number, number>()
    await atOnce(MAX_FINISHING, this.#indexes, async (index) => {
      const entry = this.#entry(index)
      if (entry.kind === 'folder' || this.#placed.has(index)) return
      signal.throwIfAborted()
      const copy = there.get(index)
      if (entry.content.size === 0) return await this.#placeEmpty(index, signal)
      // What is there is the same: it is not replaced.
      if (copy !== undefined && this.#replaced !== undefined) return
      if (copy !== undefined && (await this.#copy(index, copy, signal))) return
      missing.set(index, this.#parts.get(index)?.stats.size ?? 0)
    })
    return missing
  }

  /** Of all that is to be made, also what is copied, or has no bytes (file-transfer §2.3). */
  async #checkRoom(there: ReadonlyMap<number, string>): Promise<void> {
    let bytes = 0
    for (const index of this.#indexes) {
      const entry = this.#entry(index)
      const isThere = this.#placed.has(index) || (this.#replaced !== undefined && there.has(index))
      if (isThere || this.#foldersThere.has(entry.path)) continue
      const part = this.#parts.get(index)?.stats.size
      if (entry.kind === 'file') bytes += entry.content.size - (part ?? 0)
      if (part === undefined) bytes += ENTRY_BYTES
    }
    await checkRoom(this.#storage, bytes)
  }

  async begin(index: number, { offset, sha256, signal }: From): Promise<Part | undefined> {
    const entry = this.#file(index)
    const found = this.#parts.get(index)
    if (offset > 0) {
      if (found === undefined || sha256 === undefined) return undefined
      const part = this.#filePart(index, found.path, found.stats.size)
      return (await part.continueFrom(offset, sha256, signal)) ? part : undefined
    }
    if (found !== undefined) await rm(found.path, { force: true })
    const path = this.#pathOf(
      `${parentOf(entry.path)}${partStart(offerOf(entry))}${this.#storage.random()}${PART_SUFFIX}`,
    )
    this.#storage.locks.lock(path)
    try {
      return this.#filePart(index, path, 0, await open(path, 'wx'))
    } catch (error) {
      this.#storage.locks.unlock(path)
      throw unwritable(path, error)
    }
  }

  async finish(): Promise<string> {
    if (this.#path !== undefined) return this.#path
    const part = this.#unfinished
    const folders = this.#indexes.filter((index) => this.#entry(index).kind === 'folder').toReversed()
    for (const index of folders) {
      const path = this.#pathOf(this.#entry(index).path)
      await syncFolder(path)
      await chmod(path, this.#storage.allowed(this.#entry(index).mode, 'folder')).catch(() => undefined)
    }
    if (this.#replaced === undefined) {
      this.#path = await placeFolderBeside(part, this.#storage.folder, this.#name)
    } else {
      await this.#replace(this.#replaced)
      await rm(part, { recursive: true, force: true })
      this.#path = this.#replaced
    }
    await this.leave()
    return this.#path
  }

  async leave(): Promise<void> {
    const part = this.#part
    if (part === undefined) return
    this.#part = undefined
    // One without a byte is of no use.
    if (this.#path === undefined && !(await holdsBytes(part))) await rm(part, { recursive: true, force: true })
    this.#storage.locks.unlock(part)
  }

  /** Folders of that name that are there, and no links to one. */
  async #namesakes(): Promise<readonly string[]> {
    const { folder, replaces } = this.#storage
    const found: string[] = []
    for (let number = 1; number <= (replaces ? 1 : MAX_COPIES); number++) {
      const path = join(folder, numberedFolderName(this.#name, number))
      const stats = await lstat(path).catch(() => undefined)
      if (stats === undefined) break
      if (stats.isDirectory()) found.push(path)
    }
    if (replaces) this.#replaced = found[0]
    return found.slice(0, MAX_FOLDERS_LOOKED_AT)
  }

  /** Of the list, what a folder has: the same files, and the folders. */
  async #filesIn(root: string, signal: AbortSignal): Promise<ReadonlyMap<number, string>> {
    const found = new Map<number, string>()
    const folders = new Set<string>()
    for (const index of this.#indexes) {
      const entry = this.#entry(index)
      // A link on the way leads out of the folder.
      if (entry.path.includes('/') && !folders.has(parentOf(entry.path))) continue
      const path = join(root, ...insideOf(entry.path))
      const stats = await lstat(path).catch(() => undefined)
      if (entry.kind === 'folder') {
        if (stats?.isDirectory() !== true) continue
        folders.add(`${entry.path}/`)
        found.set(index, path)
      } else if (stats !== undefined && (await this.#isWhole(entry, path, stats, signal))) found.set(index, path)
    }
    return found
  }

  async #isWhole({ content }: SetFile, path: string, stats: Stats, signal: AbortSignal): Promise<boolean> {
    if (!stats.isFile() || stats.size !== content.size) return false
    const sha256 = await this.#storage.hashes.ofFile(path, signal)
    return sha256 !== undefined && equalBytes(sha256, content.sha256)
  }

  /** file-transfer §7.6: an unfinished folder of which the list knows half, else a new one. */
  async #takePart(signal: AbortSignal): Promise<void> {
    const { locks } = this.#storage
    const start = folderPartStart(this.#name)
    const candidates = (await this.#storage.folderParts(start)).toSorted((a, b) => b.size - a.size)
    for (const { path } of candidates.slice(0, MAX_FOLDERS_LOOKED_AT)) {
      if (!locks.lock(path)) continue
      this.#part = path
      const inventory = await this.#take(path, signal)
      if (inventory.known >= inventory.others) {
        for (const { path: left } of inventory.unknown) await rm(left, { recursive: true, force: true })
        for (const [index, file] of inventory.whole) this.#placed.set(index, file)
        this.#parts = inventory.parts
        this.#foldersThere = inventory.folders
        return
      }
      this.#part = undefined
      locks.unlock(path)
    }
    this.#part = await this.#storage.createFolderPart(start)
  }

  async #take(part: string, signal: AbortSignal): Promise<Inventory> {
    const whole = new Map<number, string>()
    const parts = new Map<number, Found>()
    const folders = new Set<string>()
    const unknown: Found[] = []
    let [known, others] = [0, 0]
    for await (const found of walk(part, this.#name)) {
      if (found.kind === 'folder' && this.#kindAt(found.place) === 'folder') {
        folders.add(found.place)
        continue
      }
      const file = found.kind === 'file' ? await this.#knows(found, signal) : undefined
      if (found.kind === 'file' && found.stats.size > 0) {
        if (file === undefined) others++
        else known++
      }
      if (file?.isWhole === true) whole.set(file.index, found.path)
      else if (file !== undefined && (parts.get(file.index)?.stats.size ?? 0) < found.stats.size) {
        const shorter = parts.get(file.index)
        if (shorter !== undefined) unknown.push(shorter)
        parts.set(file.index, found)
      } else unknown.push(found)
    }
    // Of a file that is whole, a part is left over: the process ended between its two names.
    for (const [index, left] of parts) {
      if (!whole.has(index)) continue
      unknown.push(left)
      parts.delete(index)
    }
    return { whole, parts, folders, unknown, known, others }
  }

  /** The file of the list that a found one is, whole or in part. */
  async #knows(found: Found, signal: AbortSignal): Promise<{ index: number; isWhole: boolean } | undefined> {
    const { path, place, stats } = found
    if (!place.endsWith(PART_SUFFIX)) {
      const index = this.#indexOf.get(place)
      const entry = index === undefined ? undefined : this.#entry(index)
      if (index === undefined || entry?.kind !== 'file') return undefined
      return (await this.#isWhole(entry, path, stats, signal)) ? { index, isWhole: true } : undefined
    }
    const index = this.#indexOf.get(place.slice(0, -PART_ENDING_LENGTH))
    const entry = index === undefined ? undefined : this.#entry(index)
    if (index === undefined || entry?.kind !== 'file') return undefined
    // What has a second name would change under that one as well.
    const isPart = stats.nlink === 1 && stats.size <= entry.content.size
    return isPart && lastComponent(place).startsWith(partStart(offerOf(entry))) ? { index, isWhole: false } : undefined
  }

  #kindAt(place: string): SetEntry['kind'] | undefined {
    const index = this.#indexOf.get(place)
    return index === undefined ? undefined : this.#entry(index).kind
  }

  async #makeFolders(signal: AbortSignal): Promise<void> {
    for (const index of this.#indexes) {
      signal.throwIfAborted()
      const entry = this.#entry(index)
      if (entry.kind === 'file') continue
      await mkdir(this.#pathOf(entry.path)).catch((error: unknown) => {
        if (codeOf(error) !== 'EEXIST') throw error
      })
    }
  }

  async #placeEmpty(index: number, signal: AbortSignal): Promise<void> {
    const part = await this.begin(index, { offset: 0, sha256: undefined, signal })
    await part?.finish(signal)
  }

  /** Copies a file that is there in another folder of that name; false where it has changed since it was looked at. */
  async #copy(index: number, from: string, signal: AbortSignal): Promise<boolean> {
    const entry = this.#file(index)
    const part = `${this.#pathOf(`${parentOf(entry.path)}${partStart(offerOf(entry))}`)}${this.#storage.random()}${PART_SUFFIX}`
    await copyFile(from, part, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
    const file = await open(part, 'r+')
    try {
      const hash = await this.#storage.hashes.ofPrefix(readFrom(file), entry.content.size, signal)
      if (hash === undefined || !equalBytes(hash.digest(), entry.content.sha256)) {
        await rm(part, { force: true })
        return false
      }
      await setAttributes(file, { ...entry, mode: this.#storage.allowed(entry.mode, 'file') })
      await file.sync()
    } finally {
      await file.close()
    }
    await this.#place(index, part)
    return true
  }

  async #place(index: number, part: string): Promise<string> {
    const { path } = this.#entry(index)
    const placed = await placeBeside(part, this.#pathOf(parentOf(path)), lastComponent(path))
    this.#placed.set(index, placed)
    return placed
  }

  /** file-transfer §7.8. The list has a folder before what is in it, so no link is on the way to anything. */
  async #replace(root: string): Promise<void> {
    const shadowed = twins(this.#indexes.map((index) => [index, this.#entry(index)]))
    for (const index of this.#indexes) {
      const entry = this.#entry(index)
      const path = join(root, ...insideOf(entry.path))
      if (entry.kind === 'folder') {
        const stats = await lstat(path).catch(() => undefined)
        if (stats?.isDirectory() === true) continue
        if (stats !== undefined) await rm(path)
        await mkdir(path, this.#storage.allowed(entry.mode, 'folder'))
        continue
      }
      const placed = this.#placed.get(index)
      // What is there already is the same.
      if (placed === undefined) continue
      const placeAt = shadowed.has(index) ? placeBeside : placeOver
      await placeAt(placed, join(path, '..'), lastComponent(entry.path))
    }
    for (const index of this.#indexes) {
      const entry = this.#entry(index)
      if (entry.kind === 'folder') await syncFolder(join(root, ...insideOf(entry.path)))
    }
  }

  #filePart(
    index: number,
    path: string,
    size: number,
    file?: Parameters<FolderStorage['filePart']>[0]['file'],
  ): FilePart {
    const attributes = this.#file(index)
    const name = (): Promise<string> => this.#place(index, path)
    return this.#storage.filePart({ path, size, name, attributes, ...(file !== undefined && { file }) })
  }

  get #unfinished(): string {
    if (this.#part === undefined) throw new Error('the folder has no place yet')
    return this.#part
  }

  /** Where a path of the set is in the unfinished folder. */
  #pathOf(place: string): string {
    return join(this.#unfinished, ...insideOf(place))
  }

  #entry(index: number): SetEntry {
    const entry = this.#entries[index]
    if (entry === undefined) throw new Error(`no entry has the index ${index}`)
    return entry
  }

  #file(index: number): SetFile {
    const entry = this.#entry(index)
    if (entry.kind !== 'file') throw new Error(`the entry ${index} is no file`)
    return entry
  }
}

/** @throws TransferError NO_SPACE, STORAGE */
async function checkRoom(storage: FolderStorage, neededBytes: number): Promise<void> {
  if (neededBytes === 0) return
  const roomBytes = await storage.room()
  if (neededBytes > roomBytes) throw noSpace(neededBytes, roomBytes)
}

function offerOf({ path, content }: SetFile): Pick<TransferOffer, 'name' | 'content'> {
  return { name: lastComponent(path), content }
}

/** With its `/`; nothing for a path of one component. */
function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/') + 1)
}

/** The components behind the first. */
function insideOf(path: string): readonly string[] {
  return path.split('/').slice(1)
}

/** All that is in a folder and below, a folder before what is in it; links are not followed. */
async function* walk(folder: string, place: string): AsyncGenerator<Found> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    const stats = await lstat(path).catch(() => undefined)
    if (stats === undefined) continue
    const kind = stats.isFile() ? 'file' : stats.isDirectory() ? 'folder' : 'other'
    yield { path, place: `${place}/${name}`, kind, stats }
    if (kind === 'folder') yield* walk(path, `${place}/${name}`)
  }
}

async function holdsBytes(folder: string): Promise<boolean> {
  for await (const { kind, stats } of walk(folder, '')) if (kind === 'file' && stats.size > 0) return true
  return false
}
