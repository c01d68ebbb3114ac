import { type FileHandle, open, unlink } from 'node:fs/promises'
import { codeOf, unwritable } from './errors.ts'
import { equalBytes } from '../../floor/bytes.ts'
import { runningHash, type RunningHash, type FileHashes, readFrom, writeAll } from './file-content.ts'
import type { Part } from './storage.ts'

interface FilePartOptions {
  readonly path: string
  readonly size: number
  readonly uses: PartLocks
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
    const look = uses.check(path)
    if (look === undefined) return false
    let file: FileHandle | undefined
    try {
      file = await open(path, 'r+')
      const hash = await hashes.ofPrefix(readFrom(file), offset, signal)
      if (hash === undefined || !equalBytes(hash.digest(), sha256) || !look.take()) return false
      this.#file = file
      await file.truncate(offset)
      this.#size = offset
      this.#hash = hash
      return true
    } catch (error) {
      if (this.#file !== undefined) uses.unlock(path)
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
      uses.unlock(path)
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
      uses.unlock(path)
    }
  }

  async discard(): Promise<void> {
    if (this.#file === undefined) return
    const { path, uses } = this.#options
    await this.#file.close().catch(() => undefined)
    this.#file = undefined
    await unlink(path).catch(() => undefined)
    uses.unlock(path)
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

/** A part that is looked at, before it is taken. */
export interface PartCheck {
  /** Takes the part; false where somebody took it since the look began, also if it is free again. */
  take(): boolean
  end(): void
}

/** Which parts transfers hold, by path. */
export class PartLocks {
  readonly #held: Set<string> = new Set()
  readonly #looks: Set<{ readonly path: string; isStale: boolean }> = new Set()

  isLocked(path: string): boolean {
    return this.#held.has(path)
  }

  /** False where it is held. */
  lock(path: string): boolean {
    if (this.#held.has(path)) return false
    this.#held.add(path)
    for (const look of this.#looks) if (look.path === path) look.isStale = true
    return true
  }

  unlock(path: string): void {
    this.#held.delete(path)
  }

  /** Undefined where it is held. The look is to be ended. */
  check(path: string): PartCheck | undefined {
    if (this.#held.has(path)) return undefined
    const look = { path, isStale: false }
    this.#looks.add(look)
    return {
      take: () => !look.isStale && this.lock(path),
      end: () => void this.#looks.delete(look),
    }
  }
}
