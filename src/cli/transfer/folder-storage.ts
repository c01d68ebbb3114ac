import type { Stats } from 'node:fs'
import { type FileHandle, link, lstat, mkdir, open, readdir, rename, stat, statfs, unlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { equalBytes, toHex } from '../../floor/bytes.ts'
import { type Entropy, KeysockError } from '../../index.ts'
import { codeOf, messageOf, TransferError, unwritable } from './errors.ts'
import { FileHashes, hashOf } from './file-content.ts'
import { numberedName } from './file-name.ts'
import { FilePart, PartLocks } from './file-part.ts'
import { DISK_MARGIN_BYTES, MAX_COPIES, MAX_PARTS, OLD_PART_MS, PART_SUFFIX } from './limits.ts'
import type { TransferOffer } from './messages.ts'
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

/** The length of `.KEY-RANDOM.keysock-part`, what a part's name has after that of its file. */
const PART_ENDING_LENGTH: number = 1 + 16 + 1 + 8 + PART_SUFFIX.length

/** Files in one folder, incomplete ones beside them (file-transfer §4.1). */
export class FolderStorage implements Storage {
  readonly #folder: string
  readonly #overwrite: boolean
  readonly #entropy: Entropy
  /** When it was opened by the clock of the disk, ms since 1970; undefined: the disk was full. */
  readonly #openedMs: number | undefined
  readonly #locks: PartLocks = new PartLocks()
  readonly #hashes: FileHashes = new FileHashes()

  private constructor(
    folder: string,
    options: { readonly overwrite: boolean; readonly entropy: Entropy; readonly openedMs: number | undefined },
  ) {
    this.#openedMs = options.openedMs
    this.#folder = folder
    this.#overwrite = options.overwrite
    this.#entropy = options.entropy
  }

  /** Makes the folder where it is missing, and sees that it can be written into. @throws KeysockError ERR_CLI_FOLDER */
  static async open(
    folder: string,
    options: { readonly overwrite: boolean; readonly entropy: Entropy },
  ): Promise<FolderStorage> {
    await makeFolder(folder)
    const openedMs = await checkWritable(folder, toHex(options.entropy.bytes(4)))
    return new FolderStorage(folder, { ...options, openedMs })
  }

  async find({ name, content }: TransferOffer, signal: AbortSignal): Promise<string | undefined> {
    if (content === undefined) return undefined
    for (let number = 1; number <= MAX_COPIES; number++) {
      const path = join(this.#folder, numberedName(name, number))
      const stats = await lstat(path).catch(() => undefined)
      if (stats === undefined) return undefined
      if (!stats.isFile() || stats.size !== content.size) continue
      const sha256 = await this.#hashes.ofFile(path, signal)
      if (sha256 !== undefined && equalBytes(sha256, content.sha256)) return path
    }
    return undefined
  }

  async parts(offer: TransferOffer): Promise<readonly Part[]> {
    const files = (await this.#partFiles(partStart(offer))).filter(({ path }) => !this.#locks.isLocked(path))
    return files.toSorted((a, b) => b.size - a.size).map((file) => this.#part(offer, file))
  }

  async create(offer: TransferOffer): Promise<Part> {
    await this.#makeRoom()
    const random = toHex(this.#entropy.bytes(4))
    const path = join(this.#folder, `${partStart(offer)}${random}${PART_SUFFIX}`)
    this.#locks.lock(path)
    try {
      return this.#part(offer, { path, size: 0, file: await open(path, 'wx') })
    } catch (error) {
      this.#locks.unlock(path)
      throw unwritable(path, error)
    }
  }

  async room(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#folder).catch((error: unknown) => {
      throw unwritable(this.#folder, error)
    })
    return Math.max(0, bavail * bsize - DISK_MARGIN_BYTES)
  }

  /** Parts that nobody went on with for `OLD_PART_MS`; undefined: there are none. @throws TransferError STORAGE */
  async oldParts(): Promise<OldParts | undefined> {
    const openedMs = this.#openedMs
    if (openedMs === undefined) return undefined
    const old = (await this.#partFiles('')).filter(({ writtenMs }) => openedMs - writtenMs >= OLD_PART_MS)
    if (old.length === 0) return undefined
    const bytes = old.reduce((sum, { size }) => sum + size, 0)
    return { count: old.length, bytes, oldestMs: openedMs - Math.min(...old.map(({ writtenMs }) => writtenMs)) }
  }

  #part(offer: TransferOffer, file: Pick<PartFile, 'path' | 'size'> & { readonly file?: FileHandle }): Part {
    const name = (): Promise<string> => this.#name(offer, file.path)
    return new FilePart({ ...file, locks: this.#locks, hashes: this.#hashes, name })
  }

  async #partFiles(start: string): Promise<PartFile[]> {
    const found: PartFile[] = []
    const names = await readdir(this.#folder).catch((error: unknown) => {
      throw unwritable(this.#folder, error)
    })
    for (const name of names) {
      if (!name.startsWith(start) || !name.endsWith(PART_SUFFIX)) continue
      const path = join(this.#folder, name)
      const stats = await lstat(path).catch(() => undefined)
      if (stats?.isFile() !== true) continue
      // A file with a second name (a hard link) would change under that name as well.
      if (stats.nlink === 1) found.push({ path, size: stats.size, writtenMs: stats.mtimeMs })
      else if (await this.#isNamed(name, stats)) await this.#drop(path)
    }
    return found
  }

  /** Whether a part has the name of its file already: the process ended before the part's went (file-transfer §4.1). */
  async #isNamed(part: string, { dev, ino }: Stats): Promise<boolean> {
    const name = part.slice(0, -PART_ENDING_LENGTH)
    for (let number = 1; number <= MAX_COPIES; number++) {
      const stats = await lstat(join(this.#folder, numberedName(name, number))).catch(() => undefined)
      if (stats?.dev === dev && stats.ino === ino) return true
    }
    return false
  }

  /** Deletes a part that no transfer holds; false where one does. */
  async #drop(path: string): Promise<boolean> {
    if (!this.#locks.lock(path)) return false
    await unlink(path).catch(() => undefined)
    this.#locks.unlock(path)
    return true
  }

  /** file-transfer §4.5: of too many parts, the smallest goes, since the least was paid for it. */
  async #makeRoom(): Promise<void> {
    const files = (await this.#partFiles('')).toSorted((a, b) => b.size - a.size)
    for (let excess = files.length + 1 - MAX_PARTS; excess > 0;) {
      const smallest = files.pop()
      if (smallest === undefined) return
      if (await this.#drop(smallest.path)) excess--
    }
  }

  /** The complete file at its place, without replacing another unless that is wanted (file-transfer §4.3). */
  async #name(offer: TransferOffer, part: string): Promise<string> {
    let path: string | undefined
    if (this.#overwrite) {
      path = join(this.#folder, offer.name)
      await rename(part, path)
    } else {
      for (let number = 1; number <= MAX_COPIES && path === undefined; number++) {
        const wanted = join(this.#folder, numberedName(offer.name, number))
        if (await moveTo(part, wanted)) path = wanted
      }
      if (path === undefined) {
        throw new TransferError('EXISTS', `there are ${MAX_COPIES} files of that name already`)
      }
    }
    await syncFolder(this.#folder)
    // Other parts of the same file are of no use any more.
    if (offer.content !== undefined)
      for (const left of await this.#partFiles(partStart(offer))) await this.#drop(left.path)
    return path
  }
}

/** What names of parts of an offer begin with (file-transfer §4.1). */
function partStart(offer: TransferOffer): string {
  return `${offer.name}.${partKey(offer)}-`
}

function partKey({ name, content }: TransferOffer): string {
  if (content === undefined) return toHex(hashOf(utf8('keysock stream'), utf8(name)).subarray(0, 8))
  const size = Buffer.alloc(8)
  size.writeBigUInt64BE(BigInt(content.size))
  return toHex(hashOf(utf8('keysock file'), content.sha256, size, utf8(name)).subarray(0, 8))
}

function utf8(text: string): Uint8Array {
  return Buffer.from(text)
}

/** False where something is there. A link fails then, where a rename would replace it. */
async function moveTo(part: string, path: string): Promise<boolean> {
  try {
    await link(part, path)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    return await moveWithoutLink(part, path)
  }
  await unlink(part)
  return true
}

/** For file systems without links: an empty file takes the name first. */
async function moveWithoutLink(part: string, path: string): Promise<boolean> {
  let placeholder: FileHandle
  try {
    placeholder = await open(path, 'wx')
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw unwritable(path, error)
  }
  await placeholder.close()
  await rename(part, path)
  return true
}

/** Writes the folder to the disk: only then a new name in it outlives a crash. */
async function syncFolder(folder: string): Promise<void> {
  // Some systems open no folders.
  const handle = await open(folder, 'r').catch(() => undefined)
  if (handle === undefined) return
  await handle.sync().catch(() => undefined)
  await handle.close()
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
 * A file is made and taken away: what may be written, only the system knows. Its date is that of the disk now, ms since
 * 1970; undefined where the disk is full. @throws KeysockError ERR_CLI_FOLDER
 */
async function checkWritable(folder: string, random: string): Promise<number | undefined> {
  const path = join(folder, `.${random}${PART_SUFFIX}`)
  try {
    const file = await open(path, 'wx')
    const { mtimeMs } = await file.stat()
    await file.close()
    await unlink(path)
    return mtimeMs
  } catch (error) {
    // A full disk can become empty, and part of a file may be there already: each transfer is told.
    if (codeOf(error) === 'ENOSPC') return undefined
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
