import { type FileHandle, open, unlink } from 'node:fs/promises'
import { equalBytes } from '../../floor/bytes.ts'
import { codeOf, unwritable } from './errors.ts'
import { type FileHashes, readFrom, runningHash, type RunningHash, writeAll } from './file-content.ts'
import { MAX_MTIME_S } from './limits.ts'
import type { Attributes } from './messages.ts'
import type { Part } from './storage.ts'

export interface FilePartOptions {
  readonly path: string
  readonly size: number
  readonly locks: PartLocks
  readonly hashes: FileHashes
  /** Open already: the part is new, empty and locked. */
  readonly file?: FileHandle
  /** What the file has beside its bytes; of the mode, what this side allows (file-transfer §7.7). */
  readonly attributes?: Attributes | undefined
  /** Gives the file its name. */
  readonly name: () => Promise<string>
}

/** An incomplete file. */
export class FilePart implements Part {
  readonly #options: FilePartOptions
  #size: number
  /** Open while this transfer has locked the part. */
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
    const { path, locks, hashes } = this.#options
    // Only a sender that knows the bytes may lock the part: it could keep others from it otherwise.
    const check = locks.check(path)
    if (check === undefined) return false
    let file: FileHandle | undefined
    try {
      file = await open(path, 'r+')
      const hash = await hashes.ofPrefix(readFrom(file), offset, signal)
      if (hash === undefined || !equalBytes(hash.digest(), sha256) || !check.lock()) return false
      this.#file = file
      await file.truncate(offset)
      this.#size = offset
      this.#hash = hash
      return true
    } catch (error) {
      if (this.#file !== undefined) locks.unlock(path)
      this.#file = undefined
      signal.throwIfAborted()
      if (codeOf(error) === 'ENOENT') return false
      throw unwritable(path, error)
    } finally {
      check.end()
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
    const { path, name, locks, attributes } = this.#options
    try {
      if (attributes !== undefined) await setAttributes(this.#open(), attributes)
      await this.#sync()
      return await name()
    } catch (error) {
      throw error instanceof Error && error.name === 'TransferError' ? error : unwritable(path, error)
    } finally {
      locks.unlock(path)
    }
  }

  async suspend(): Promise<void> {
    if (this.#file === undefined) return
    const { path, locks } = this.#options
    try {
      await this.#sync()
      // An empty part is of no use.
      if (this.#size === 0) await unlink(path).catch(() => undefined)
    } finally {
      locks.unlock(path)
    }
  }

  async discard(): Promise<void> {
    if (this.#file === undefined) return
    const { path, locks } = this.#options
    await this.#file.close().catch(() => undefined)
    this.#file = undefined
    await unlink(path).catch(() => undefined)
    locks.unlock(path)
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

/** Sets what a file has beside its bytes. A disk that keeps no modes or times has none, which is no failure. */
export async function setAttributes(file: FileHandle, { mode, mtimeS }: Attributes): Promise<void> {
  await file.chmod(mode).catch(() => undefined)
  if (mtimeS <= MAX_MTIME_S) await file.utimes(mtimeS, mtimeS).catch(() => undefined)
}

/** A part whose bytes are checked, before it is locked. */
export interface PartCheck {
  /** Locks the part; false where somebody has locked it since the check began, also if it is free again. */
  lock(): boolean
  end(): void
}

/** Which parts transfers hold, by path. */
export class PartLocks {
  readonly #locked: Set<string> = new Set()
  readonly #checks: Set<{ readonly path: string; isStale: boolean }> = new Set()

  isLocked(path: string): boolean {
    return this.#locked.has(path)
  }

  /** False where it is locked. */
  lock(path: string): boolean {
    if (this.#locked.has(path)) return false
    this.#locked.add(path)
    for (const check of this.#checks) if (check.path === path) check.isStale = true
    return true
  }

  unlock(path: string): void {
    this.#locked.delete(path)
  }

  /** Undefined where it is locked. The check is to be ended. */
  check(path: string): PartCheck | undefined {
    if (this.#locked.has(path)) return undefined
    const check = { path, isStale: false }
    this.#checks.add(check)
    return {
      lock: () => !check.isStale && this.lock(path),
      end: () => void this.#checks.delete(check),
    }
  }
}
