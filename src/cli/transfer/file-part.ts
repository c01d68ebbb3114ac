import { type FileHandle, open, unlink } from 'node:fs/promises'
import { unwritable } from './errors.ts'
import { hashPrefix, runningHash, type RunningHash, sameBytes } from './hashing.ts'
import { readFrom } from './source.ts'
import type { Part } from './storage.ts'

interface FilePartOptions {
  readonly path: string
  readonly size: number
  /** Takes it for one transfer; false where another one has it. */
  readonly use: () => boolean
  readonly free: () => void
  /** Gives the file its name. */
  readonly name: () => Promise<string>
}

/** An incomplete file. */
export class FilePart implements Part {
  readonly #options: FilePartOptions
  #size: number
  #file: FileHandle | undefined
  #hash: RunningHash = runningHash()

  constructor(options: FilePartOptions) {
    this.#options = options
    this.#size = options.size
  }

  get size(): number {
    return this.#size
  }

  async continueFrom(offset: number, sha256: Uint8Array): Promise<boolean> {
    const { path, use, free } = this.#options
    if (!use()) return false
    try {
      const file = await open(path, 'r+')
      const hash = await hashPrefix(readFrom(file), offset).catch(() => undefined)
      if (hash !== undefined && sameBytes(hash.digest(), sha256)) {
        await file.truncate(offset)
        this.#size = offset
        this.#file = file
        this.#hash = hash
        return true
      }
      await file.close()
    } catch (error) {
      free()
      throw unwritable(path, error)
    }
    free()
    return false
  }

  async append(bytes: Uint8Array): Promise<void> {
    try {
      for (let written = 0; written < bytes.length;) {
        const result = await this.#open().write(bytes, written, bytes.length - written, this.#size + written)
        written += result.bytesWritten
      }
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
    try {
      await this.#sync()
      return await this.#options.name()
    } catch (error) {
      throw error instanceof Error && error.name === 'TransferError' ? error : unwritable(this.#options.path, error)
    } finally {
      this.#options.free()
    }
  }

  async suspend(): Promise<void> {
    if (this.#file === undefined) return
    try {
      await this.#sync()
      // Nothing is worth keeping of it.
      if (this.#size === 0) await unlink(this.#options.path).catch(() => undefined)
    } finally {
      this.#options.free()
    }
  }

  async discard(): Promise<void> {
    await this.#file?.close().catch(() => undefined)
    this.#file = undefined
    await unlink(this.#options.path).catch(() => undefined)
    this.#options.free()
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
