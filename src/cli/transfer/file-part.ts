import { type FileHandle, open, unlink } from 'node:fs/promises'
import { codeOf, unwritable } from './errors.ts'
import type { FileHashes } from './file-hashes.ts'
import { runningHash, type RunningHash, sameBytes } from './hashing.ts'
import type { PartUses } from './part-uses.ts'
import { readFrom } from './source.ts'
import type { Part } from './storage.ts'
import { writeAll } from './write-all.ts'

interface FilePartOptions {
  readonly path: string
  readonly size: number
  readonly uses: PartUses
  readonly hashes: FileHashes
  /** Of an empty part that is held already. */
  readonly file?: FileHandle
  /** Gives the file its name. */
  readonly name: () => Promise<string>
}

/** An incomplete file. */
export class FilePart implements Part {
  readonly #options: FilePartOptions
  #size: number
  /** While it is held. */
  #file: FileHandle | undefined
  #hash: RunningHash = runningHash()

  constructor(options: FilePartOptions) {
    this.#options = options
    this.#size = options.size
    this.#file = options.file
  }

  get size(): number {
    return this.#size
  }

  async continueFrom(offset: number, sha256: Uint8Array, signal: AbortSignal): Promise<boolean> {
    const { path, uses, hashes } = this.#options
    // Only who knows the bytes takes the part from others.
    const look = uses.look(path)
    if (look === undefined) return false
    let file: FileHandle | undefined
    try {
      file = await open(path, 'r+')
      const hash = await hashes.ofPrefix(readFrom(file), offset, signal)
      if (hash === undefined || !sameBytes(hash.digest(), sha256) || !look.take()) return false
      this.#file = file
      await file.truncate(offset)
      this.#size = offset
      this.#hash = hash
      return true
    } catch (error) {
      if (this.#file !== undefined) uses.free(path)
      this.#file = undefined
      signal.throwIfAborted()
      if (codeOf(error) === 'ENOENT') return false
      throw unwritable(path, error)
    } finally {
      look.end()
      if (this.#file === undefined) await file?.close()
    }
  }

  async append(bytes: Uint8Array): Promise<void> {
    try {
      await writeAll(this.#open(), bytes, this.#size)
    } catch (error) {
      throw unwritable(this.#options.path, error)
    }
    this.#hash.update(bytes)
    this.#size += bytes.length
  }

  digest(): Uint8Array {
    return this.#hash.digest()
  }

  async finish(): Promise<string> {
    const { path, name, uses } = this.#options
    try {
      await this.#sync()
      return await name()
    } catch (error) {
      throw error instanceof Error && error.name === 'TransferError' ? error : unwritable(path, error)
    } finally {
      uses.free(path)
    }
  }

  async suspend(): Promise<void> {
    if (this.#file === undefined) return
    const { path, uses } = this.#options
    try {
      await this.#sync()
      // Nothing is worth keeping of it.
      if (this.#size === 0) await unlink(path).catch(() => undefined)
    } finally {
      uses.free(path)
    }
  }

  async discard(): Promise<void> {
    if (this.#file === undefined) return
    const { path, uses } = this.#options
    await this.#file.close().catch(() => undefined)
    this.#file = undefined
    await unlink(path).catch(() => undefined)
    uses.free(path)
  }

  async #sync(): Promise<void> {
    const file = this.#open()
    this.#file = undefined
    try {
      await file.sync()
    } finally {
      await file.close()
    }
  }

  #open(): FileHandle {
    if (this.#file === undefined) throw new Error('this part is not being written')
    return this.#file
  }
}
