import type { Stats } from 'node:fs'
import { type FileHandle, lstat, mkdir, open, readdir, rm, stat, statfs, unlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { equalBytes, toHex } from '../../floor/bytes.ts'
import { type Entropy, KeysockError } from '../../index.ts'
import { codeOf, messageOf, unwritable } from './errors.ts'
import { FileHashes } from './file-content.ts'
import { numberedName } from './file-name.ts'
import { FilePart, type FilePartOptions, PartLocks } from './file-part.ts'
import {
  DISK_MARGIN_BYTES,
  ENTRY_BYTES,
  MAX_COPIES,
  MAX_FINISHING,
  MAX_FOLDER_PARTS,
  MAX_PARTS,
  MAX_TRANSFERS,
  PART_SUFFIX,
} from './limits.ts'
import { type Attributes, PERMISSIONS, type TransferOffer } from './messages.ts'
import { PART_ENDING_LENGTH, partStart, placeBeside, placeOver, syncFolder } from './placing.ts'
import type { SetEntry } from './set-list.ts'
import { SetPlace } from './set-place.ts'
import type { Part, Storage } from './storage.ts'

interface PartFile {
  readonly path: string
  readonly size: number
  /** When it was written last, ms since 1970. */
  readonly writtenMs: number
}

/** Parts of transfers that nobody went on with. */
export interface OldParts {
  readonly count: number
  readonly bytes: number
  /** How long ago the oldest was written last, ms. */
  readonly oldestMs: number
}

export interface FolderOptions {
  readonly overwrite: boolean
  readonly entropy: Entropy
  /** All that may be in the folder, bytes; undefined: as much as the disk takes. */
  readonly maxTotalBytes?: number | undefined
}

/** What a file that was made there tells. */
interface Disk {
  /** When, by the clock of the disk, ms since 1970; undefined: the disk is full. */
  readonly nowMs: number | undefined
  /** Permission bits that the umask leaves. */
  readonly allowedMode: number
}

/** Files in one folder, incomplete ones beside them (file-transfer §4.1). */
export class FolderStorage implements Storage {
  readonly folder: string
  /** Whether a file replaces one of the same name. */
  readonly replaces: boolean
  readonly locks: PartLocks = new PartLocks()
  readonly hashes: FileHashes = new FileHashes()
  readonly #maxTotalBytes: number
  /** Permission bits that this process's umask leaves. */
  readonly #allowedMode: number
  readonly #entropy: Entropy
  /** When it was opened by the clock of the disk, ms since 1970; undefined: the disk was full. */
  readonly #openedMs: number | undefined

  private constructor(folder: string, options: FolderOptions, disk: Disk) {
    this.#openedMs = disk.nowMs
    this.#allowedMode = disk.allowedMode
    this.folder = folder
    this.replaces = options.overwrite
    this.#maxTotalBytes = options.maxTotalBytes ?? Infinity
    this.#entropy = options.entropy
  }

  /** Makes the folder where it is missing, and sees that it can be written into. @throws KeysockError ERR_CLI_FOLDER */
  static async open(folder: string, options: FolderOptions): Promise<FolderStorage> {
    await makeFolder(folder)
    return new FolderStorage(folder, options, await checkWritable(folder, toHex(options.entropy.bytes(4))))
  }

  async openSet(entries: readonly SetEntry[], signal: AbortSignal): Promise<SetPlace> {
    return await SetPlace.open(this, entries, signal)
  }

  /** 4 bytes in hexadecimal, which tell several parts of one key apart. */
  random(): string {
    return toHex(this.#entropy.bytes(4))
  }

  /** What a file, or with execution always allowed a folder, may have of a mode (file-transfer §7.7). */
  allowed(mode: number, kind: 'file' | 'folder'): number {
    return (mode & this.#allowedMode) | (kind === 'file' ? 0o600 : 0o700)
  }

  async find({ name, content }: TransferOffer, signal: AbortSignal): Promise<string | undefined> {
    if (content === undefined) return undefined
    for (let number = 1; number <= MAX_COPIES; number++) {
      const path = join(this.folder, numberedName(name, number))
      const stats = await lstat(path).catch(() => undefined)
      if (stats === undefined) return undefined
      if (!stats.isFile() || stats.size !== content.size) continue
      const sha256 = await this.hashes.ofFile(path, signal)
      if (sha256 !== undefined && equalBytes(sha256, content.sha256)) return path
    }
    return undefined
  }

  /** @param listing of `listParts`: those that are looked at; unless told, all that are there now */
  async parts(offer: TransferOffer, listing?: readonly string[]): Promise<readonly Part[]> {
    const found = await this.#partFiles(partStart(offer), listing)
    const files = found.filter(({ path }) => !this.locks.isLocked(path))
    return files.toSorted((a, b) => b.size - a.size).map((file) => this.#part(offer, file, listing))
  }

  /** @param listing as for `parts` */
  async create(offer: TransferOffer, listing?: readonly string[]): Promise<Part> {
    await this.#makeRoom(listing)
    const path = join(this.folder, `${partStart(offer)}${this.random()}${PART_SUFFIX}`)
    this.locks.lock(path)
    try {
      return this.#part(offer, { path, size: 0, file: await open(path, 'wx', modeOf(offer)) }, listing)
    } catch (error) {
      this.locks.unlock(path)
      throw unwritable(path, error)
    }
  }

  async room(): Promise<number> {
    const { bavail, bsize } = await statfs(this.folder).catch((error: unknown) => {
      throw unwritable(this.folder, error)
    })
    const diskBytes = Math.max(0, bavail * bsize - DISK_MARGIN_BYTES)
    if (this.#maxTotalBytes === Infinity) return diskBytes
    return Math.min(diskBytes, Math.max(0, this.#maxTotalBytes - (await bytesIn(this.folder, ENTRY_BYTES))))
  }

  /** Parts that nobody went on with for so long, ms; undefined: there are none. @throws TransferError STORAGE */
  async oldParts(ms: number): Promise<OldParts | undefined> {
    const openedMs = this.#openedMs
    if (openedMs === undefined) return undefined
    const old = (await this.#allParts()).filter(({ writtenMs }) => openedMs - writtenMs >= ms)
    if (old.length === 0) return undefined
    const bytes = old.reduce((sum, { size }) => sum + size, 0)
    return { count: old.length, bytes, oldestMs: openedMs - Math.min(...old.map(({ writtenMs }) => writtenMs)) }
  }

  /** Deletes parts that nobody went on with for so long, ms; how many. @throws TransferError STORAGE */
  async dropOldParts(ms: number): Promise<number> {
    const { nowMs } = await checkWritable(this.folder, this.random())
    if (nowMs === undefined) return 0
    const old = (await this.#allParts()).filter(({ writtenMs }) => nowMs - writtenMs >= ms)
    const dropped = await Promise.all(old.map(({ path }) => this.drop(path)))
    return dropped.filter(Boolean).length
  }

  async #allParts(): Promise<readonly PartFile[]> {
    return [...(await this.#partFiles('')), ...(await this.folderParts(''))]
  }

  /** Folders that are not whole, of which the names begin so (file-transfer §7.5). @throws TransferError STORAGE */
  async folderParts(start: string): Promise<readonly PartFile[]> {
    const found: PartFile[] = []
    const entries = await readdir(this.folder, { withFileTypes: true }).catch((error: unknown) => {
      throw unwritable(this.folder, error)
    })
    for (const entry of entries) {
      if (!entry.isDirectory() || !entry.name.startsWith(start) || !entry.name.endsWith(PART_SUFFIX)) continue
      const path = join(this.folder, entry.name)
      found.push({ path, size: await bytesIn(path), writtenMs: await newestIn(path) })
    }
    return found
  }

  /** An unfinished folder, empty and locked, and room for it among the others (file-transfer §7.10). */
  async createFolderPart(start: string): Promise<string> {
    // Those that come at the moment do not count: a set of many folders would take the place of all others.
    const free = (await this.folderParts('')).filter(({ path }) => !this.locks.isLocked(path))
    const others = free.toSorted((a, b) => b.size - a.size)
    for (let excess = others.length + 1 - MAX_FOLDER_PARTS; excess > 0;) {
      const smallest = others.pop()
      if (smallest === undefined) break
      if (await this.drop(smallest.path)) excess--
    }
    const path = join(this.folder, `${start}${this.random()}${PART_SUFFIX}`)
    this.locks.lock(path)
    try {
      await mkdir(path, PRIVATE_FOLDER)
      return path
    } catch (error) {
      this.locks.unlock(path)
      throw unwritable(path, error)
    }
  }

  #part(
    offer: TransferOffer,
    file: Pick<PartFile, 'path' | 'size'> & { readonly file?: FileHandle },
    listing: readonly string[] | undefined,
  ): Part {
    const name = (): Promise<string> => this.#name(offer, file.path, listing)
    return this.filePart({ ...file, name, attributes: offer.attributes })
  }

  /** A part that is here, or in a folder of this one. */
  filePart(
    options: Pick<FilePartOptions, 'path' | 'size' | 'file' | 'name'> & { readonly attributes: Attributes | undefined },
  ): FilePart {
    const { attributes } = options
    const taken = attributes && { ...attributes, mode: this.allowed(attributes.mode, 'file') }
    return new FilePart({ ...options, attributes: taken, locks: this.locks, hashes: this.hashes })
  }

  /** Names of parts that are there. @throws TransferError STORAGE */
  async listParts(): Promise<readonly string[]> {
    const names = await readdir(this.folder).catch((error: unknown) => {
      throw unwritable(this.folder, error)
    })
    return names.filter((name) => name.endsWith(PART_SUFFIX))
  }

  async #partFiles(start: string, listing?: readonly string[]): Promise<PartFile[]> {
    const found: PartFile[] = []
    for (const name of listing ?? (await this.listParts())) {
      if (!name.startsWith(start)) continue
      const path = join(this.folder, name)
      const stats = await lstat(path).catch(() => undefined)
      if (stats?.isFile() !== true) continue
      // A file with a second name (a hard link) would change under that name as well.
      if (stats.nlink === 1) found.push({ path, size: stats.size, writtenMs: stats.mtimeMs })
      else if (await this.#isNamed(name, stats)) await this.drop(path)
    }
    return found
  }

  /** Whether a part has the name of its file already: the process ended before the part's went (file-transfer §4.1). */
  async #isNamed(part: string, { dev, ino }: Stats): Promise<boolean> {
    const name = part.slice(0, -PART_ENDING_LENGTH)
    for (let number = 1; number <= MAX_COPIES; number++) {
      const stats = await lstat(join(this.folder, numberedName(name, number))).catch(() => undefined)
      if (stats?.dev === dev && stats.ino === ino) return true
    }
    return false
  }

  /** Deletes a part that no transfer holds; false where one does. */
  async drop(path: string): Promise<boolean> {
    if (!this.locks.lock(path)) return false
    await rm(path, { recursive: true, force: true }).catch(() => undefined)
    this.locks.unlock(path)
    return true
  }

  /** file-transfer §4.5: of too many parts, the smallest goes, since the least was paid for it. */
  async #makeRoom(listing?: readonly string[]): Promise<void> {
    // Each transfer writes one part at a time: where few were there, there are few.
    if (listing !== undefined && listing.length + MAX_TRANSFERS + MAX_FINISHING <= MAX_PARTS) return
    const files = (await this.#partFiles('')).toSorted((a, b) => b.size - a.size)
    for (let excess = files.length + 1 - MAX_PARTS; excess > 0;) {
      const smallest = files.pop()
      if (smallest === undefined) return
      if (await this.drop(smallest.path)) excess--
    }
  }

  /** The complete file at its place, without replacing another unless that is wanted (file-transfer §4.3). */
  async #name(offer: TransferOffer, part: string, listing: readonly string[] | undefined): Promise<string> {
    const path = await (this.replaces ? placeOver : placeBeside)(part, this.folder, offer.name)
    // Where several come together, the folder is written to the disk once, when all are there.
    if (listing === undefined) await syncFolder(this.folder)
    // Other parts of the same file are of no use any more.
    if (offer.content !== undefined)
      for (const left of await this.#partFiles(partStart(offer), listing)) await this.drop(left.path)
    return path
  }
}

/** Until a file or folder has its own mode, nobody else reads it: that may be what its sender's mode says. */
const PRIVATE_FOLDER = 0o700
const PRIVATE_FILE = 0o600

/** Of a part; undefined: the usual one, which stays where its sender tells none. */
function modeOf({ attributes }: TransferOffer): number | undefined {
  return attributes && PRIVATE_FILE
}

/** Bytes of all files in a folder and those below it, and so many for each entry; links are not followed. */
async function bytesIn(folder: string, entryBytes = 0): Promise<number> {
  let bytes = 0
  for await (const { path, isFile } of entriesIn(folder)) {
    if (path !== folder) bytes += entryBytes
    if (isFile) bytes += (await lstat(path).catch(() => undefined))?.size ?? 0
  }
  return bytes
}

/** When a folder got bytes or a name last, ms since 1970. The time of a whole file is its sender's. */
async function newestIn(folder: string): Promise<number> {
  let newestMs = 0
  for await (const { path, isFile } of entriesIn(folder)) {
    if (isFile && !path.endsWith(PART_SUFFIX)) continue
    newestMs = Math.max(newestMs, (await lstat(path).catch(() => undefined))?.mtimeMs ?? 0)
  }
  return newestMs
}

/** A folder, and the files and folders in it and below it. */
async function* entriesIn(folder: string): AsyncGenerator<{ readonly path: string; readonly isFile: boolean }> {
  yield { path: folder, isFile: false }
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* entriesIn(path)
    else if (entry.isFile()) yield { path, isFile: true }
  }
}

/**
 * Makes a folder, and those above it, where they are missing. Node's own recursive mkdir never ends where the system
 * says ENOENT for a folder whose parent is there, as /proc does. @throws KeysockError ERR_CLI_FOLDER
 */
export async function makeFolder(path: string): Promise<void> {
  const missing: string[] = []
  for (let at = resolve(path); !(await isFolder(at)); at = dirname(at)) missing.push(at)
  for (const folder of missing.toReversed()) {
    try {
      await mkdir(folder)
    } catch (error) {
      // Somebody else may have made it meanwhile.
      if (codeOf(error) !== 'EEXIST' || !(await isFolder(folder))) throw unmakable(folder, error)
    }
  }
}

/** False where nothing is there. @throws KeysockError ERR_CLI_FOLDER where something else is */
async function isFolder(path: string): Promise<boolean> {
  try {
    if ((await stat(path)).isDirectory()) return true
  } catch (error) {
    // ENOTDIR: a file stands further up, which is met there.
    if (codeOf(error) === 'ENOTDIR' || (codeOf(error) === 'ENOENT' && path !== dirname(path))) return false
    throw unmakable(path, error)
  }
  throw new KeysockError('ERR_CLI_FOLDER', `${path} is a file, not a folder; give a folder with --out`)
}

/**
 * A file is made and taken away: what may be written, only the system knows. @throws KeysockError ERR_CLI_FOLDER
 */
async function checkWritable(folder: string, random: string): Promise<Disk> {
  const path = join(folder, `.${random}${PART_SUFFIX}`)
  try {
    const file = await open(path, 'wx', PERMISSIONS)
    const { mtimeMs, mode } = await file.stat()
    await file.close()
    await unlink(path)
    return { nowMs: mtimeMs, allowedMode: mode & PERMISSIONS }
  } catch (error) {
    // A full disk can become empty, and part of a file may be there already: each transfer is told.
    if (codeOf(error) === 'ENOSPC') return { nowMs: undefined, allowedMode: 0 }
    const message = `nothing can be written into ${folder}: ${whyNot(error)}; give another folder with --out`
    throw new KeysockError('ERR_CLI_FOLDER', message, { cause: error })
  }
}

function unmakable(path: string, error: unknown): KeysockError {
  return new KeysockError('ERR_CLI_FOLDER', `cannot make the folder ${path}: ${whyNot(error)}`, { cause: error })
}

function whyNot(error: unknown): string {
  switch (codeOf(error)) {
    case 'ENOENT':
      return 'the system lets nobody make one there'
    case 'EACCES':
    case 'EPERM':
      return 'this user may not'
    case 'EROFS':
      return 'the disk is read-only'
    case 'ENOSPC':
      return 'the disk is full'
    default:
      return messageOf(error)
  }
}
