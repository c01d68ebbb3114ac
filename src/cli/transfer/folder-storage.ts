import { type FileHandle, link, lstat, mkdir, open, readdir, rename, statfs, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Entropy } from '../../index.ts'
import { DISK_MARGIN_BYTES, MAX_COPIES, MAX_PARTS, PART_SUFFIX } from './bounds.ts'
import { codeOf, TransferError, unwritable } from './errors.ts'
import { numberedName } from './file-name.ts'
import { hashOf, hashPrefix, sameBytes, shown } from './hashing.ts'
import { FilePart } from './file-part.ts'
import type { Offer } from './messages.ts'
import { readFrom } from './source.ts'
import type { Part, Storage } from './storage.ts'

interface PartFile {
  readonly path: string
  readonly size: number
}

/** Files in one folder, incomplete ones beside them (file-transfer §4.1). */
export class FolderStorage implements Storage {
  readonly #folder: string
  readonly #overwrite: boolean
  readonly #entropy: Entropy
  /** Paths of parts that a transfer holds. */
  readonly #used: Set<string> = new Set()

  private constructor(folder: string, options: { readonly overwrite: boolean; readonly entropy: Entropy }) {
    this.#folder = folder
    this.#overwrite = options.overwrite
    this.#entropy = options.entropy
  }

  /** Makes the folder where it is missing. @throws what the file system does */
  static async open(
    folder: string,
    options: { readonly overwrite: boolean; readonly entropy: Entropy },
  ): Promise<FolderStorage> {
    await mkdir(folder, { recursive: true })
    return new FolderStorage(folder, options)
  }

  async find({ name, content }: Offer): Promise<string | undefined> {
    if (content === undefined) return undefined
    for (let number = 1; number <= MAX_COPIES; number++) {
      const path = join(this.#folder, numberedName(name, number))
      const stat = await lstat(path).catch(() => undefined)
      if (stat === undefined) return undefined
      if (stat.isFile() && stat.size === content.size && sameBytes(await hashFile(path, stat.size), content.sha256)) {
        return path
      }
    }
    return undefined
  }

  async parts(offer: Offer): Promise<readonly Part[]> {
    const start = `${offer.name}.${partKey(offer)}-`
    const files = (await this.#partFiles(start)).filter(({ path }) => !this.#used.has(path))
    return files.toSorted((a, b) => b.size - a.size).map(({ path, size }) => this.#part(offer, path, size))
  }

  async create(offer: Offer): Promise<Part> {
    await this.#makeRoom()
    const random = shown(this.#entropy.bytes(4))
    const path = join(this.#folder, `${offer.name}.${partKey(offer)}-${random}${PART_SUFFIX}`)
    try {
      await (await open(path, 'wx')).close()
    } catch (error) {
      throw unwritable(path, error)
    }
    return this.#part(offer, path, 0)
  }

  async room(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#folder)
    return Math.max(0, bavail * bsize - DISK_MARGIN_BYTES)
  }

  #part(offer: Offer, path: string, size: number): Part {
    return new FilePart({
      path,
      size,
      use: () => {
        if (this.#used.has(path)) return false
        this.#used.add(path)
        return true
      },
      free: () => void this.#used.delete(path),
      name: () => this.#name(offer, path),
    })
  }

  async #partFiles(start: string): Promise<PartFile[]> {
    const found: PartFile[] = []
    for (const name of await readdir(this.#folder)) {
      if (!name.startsWith(start) || !name.endsWith(PART_SUFFIX)) continue
      const path = join(this.#folder, name)
      const stat = await lstat(path).catch(() => undefined)
      if (stat?.isFile() !== true) continue
      // It has its name already: the process ended before the other one went. To write to it would change a whole file.
      if (stat.nlink === 1) found.push({ path, size: stat.size })
      else if (!this.#used.has(path)) await unlink(path).catch(() => undefined)
    }
    return found
  }

  /** file-transfer §4.5: the smallest goes, since the least was paid for it. */
  async #makeRoom(): Promise<void> {
    const files = (await this.#partFiles('')).toSorted((a, b) => b.size - a.size)
    for (let excess = files.length + 1 - MAX_PARTS; excess > 0;) {
      const smallest = files.pop()
      if (smallest === undefined) return
      if (this.#used.has(smallest.path)) continue
      await unlink(smallest.path).catch(() => undefined)
      excess--
    }
  }

  /** The complete file at its place, without replacing another unless that is wanted (file-transfer §4.3). */
  async #name(offer: Offer, part: string): Promise<string> {
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
    // Other parts of the same file have nothing left to be of use for.
    if (offer.content !== undefined) for (const left of await this.parts(offer)) await left.discard()
    return path
  }
}

/** file-transfer §4.1 */
function partKey({ name, content }: Offer): string {
  if (content === undefined) return shown(hashOf(utf8('keysock stream'), utf8(name)).subarray(0, 8))
  const size = Buffer.alloc(8)
  size.writeBigUInt64BE(BigInt(content.size))
  return shown(hashOf(utf8('keysock file'), content.sha256, size, utf8(name)).subarray(0, 8))
}

function utf8(text: string): Uint8Array {
  return Buffer.from(text)
}

async function hashFile(path: string, size: number): Promise<Uint8Array> {
  const file = await open(path, 'r').catch(() => undefined)
  if (file === undefined) return new Uint8Array(0)
  try {
    return (await hashPrefix(readFrom(file), size))?.digest() ?? new Uint8Array(0)
  } finally {
    await file.close()
  }
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

/** A name is there after a crash when its folder is on the disk. */
async function syncFolder(folder: string): Promise<void> {
  // Some systems open no folders.
  const handle = await open(folder, 'r').catch(() => undefined)
  if (handle === undefined) return
  await handle.sync().catch(() => undefined)
  await handle.close()
}
