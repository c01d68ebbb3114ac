import { open } from 'node:fs/promises'
import type { BigIntStats } from 'node:fs'
import { orAborted } from './abort.ts'
import { MAX_HASHES } from './bounds.ts'
import { hashPrefix, type ReadAt, type RunningHash } from './hashing.ts'
import { readFrom } from './source.ts'

interface Known {
  readonly stat: BigIntStats
  readonly sha256: Uint8Array
}

/**
 * Hashes of what is in a folder. Strangers cause this work, so one file is read at a time, whoever asks, and that of a
 * whole file is remembered until the file changes (file-transfer §4.5).
 */
export class FileHashes {
  /** By path, the one that was asked for last at the end. */
  readonly #known: Map<string, Known> = new Map()
  #last: Promise<void> = Promise.resolve()

  /**
   * Of a whole file; undefined where it cannot be read, or changes while it is.
   * @throws the signal's reason
   */
  async ofFile(path: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const file = await open(path, 'r').catch(() => undefined)
    if (file === undefined) return undefined
    try {
      const stat = await file.stat({ bigint: true })
      const known = this.#known.get(path)
      if (known !== undefined && isUnchanged(known.stat, stat)) {
        this.#remember(path, known)
        return known.sha256
      }
      const sha256 = (await this.ofPrefix(readFrom(file), Number(stat.size), signal))?.digest()
      if (sha256 === undefined || !isUnchanged(stat, await file.stat({ bigint: true }))) return undefined
      this.#remember(path, { stat, sha256 })
      return sha256
    } catch {
      signal.throwIfAborted()
      // What cannot be read is not known to be the same.
      return undefined
    } finally {
      await file.close()
    }
  }

  /**
   * Of the first bytes of what is read; undefined where there are fewer.
   * @throws the signal's reason, and what `read` does
   */
  async ofPrefix(read: ReadAt, length: number, signal: AbortSignal): Promise<RunningHash | undefined> {
    const before = this.#last
    const done = Promise.withResolvers<void>()
    this.#last = before.then(() => done.promise)
    try {
      await orAborted(before, signal)
      return await hashPrefix(read, length, { signal })
    } finally {
      done.resolve()
    }
  }

  #remember(path: string, known: Known): void {
    this.#known.delete(path)
    this.#known.set(path, known)
    const [oldest] = this.#known.keys()
    if (this.#known.size > MAX_HASHES && oldest !== undefined) this.#known.delete(oldest)
  }
}

/** A change of the bytes changes one of these. */
function isUnchanged(a: BigIntStats, b: BigIntStats): boolean {
  return a.dev === b.dev && a.ino === b.ino && a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs
}
