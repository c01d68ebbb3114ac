/** The bytes of files: read and written at a place, and hashed. */
import { createHash } from 'node:crypto'
import type { BigIntStats } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { BoundedMap } from '../../floor/bounded.ts'
import { MAX_HASHES } from './limits.ts'
import { orAborted } from './waiting.ts'

/** SHA-256 over pieces. */
export interface RunningHash {
  update(bytes: Uint8Array): void
  /** Of what came so far; more may follow. 32 bytes. */
  digest(): Uint8Array
}

/** Node's own: a file is as long as it likes, and is hashed on the thread of the protocol. */
export function runningHash(): RunningHash {
  const hash = createHash('sha256')
  return {
    update: (bytes) => void hash.update(bytes),
    digest: () => Uint8Array.from(hash.copy().digest()),
  }
}

export function hashOf(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = runningHash()
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** Reads at a place; fewer bytes than asked for, or none, at the end. */
export type ReadAt = (offset: number, length: number) => Promise<Uint8Array>

/** Reads of a file at any place. */
export function readFrom(file: FileHandle): ReadAt {
  return async (offset, length) => {
    const { bytesRead, buffer } = await file.read(new Uint8Array(length), 0, length, offset)
    return buffer.subarray(0, bytesRead)
  }
}

export interface HashOptions {
  /** Ends it: no further piece is read. */
  readonly signal?: AbortSignal | undefined
  /** Hears after each piece how far it is. */
  readonly onBytes?: ((bytes: number) => void) | undefined
}

/** Read and hashed at once: small enough that the protocol, which shares the thread, is not held up. */
const PIECE_BYTES = 262_144

/**
 * The hash of the first `length` bytes; undefined where there are fewer.
 * @throws the signal's reason, and what `read` does
 */
export async function hashPrefix(
  read: ReadAt,
  length: number,
  { signal, onBytes }: HashOptions = {},
): Promise<RunningHash | undefined> {
  const hash = runningHash()
  for (let at = 0; at < length;) {
    signal?.throwIfAborted()
    const bytes = await read(at, Math.min(PIECE_BYTES, length - at))
    if (bytes.length === 0) return undefined
    hash.update(bytes)
    at += bytes.length
    onBytes?.(at)
  }
  signal?.throwIfAborted()
  return hash
}

/** Writes every byte from a place on: one write may take only some. */
export async function writeAll(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, at + written)
    written += bytesWritten
  }
}

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
  readonly #known: BoundedMap<string, Known> = new BoundedMap(MAX_HASHES)
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
        this.#known.renew(path, known)
        return known.sha256
      }
      const sha256 = (await this.ofPrefix(readFrom(file), Number(stat.size), signal))?.digest()
      if (sha256 === undefined || !isUnchanged(stat, await file.stat({ bigint: true }))) return undefined
      this.#known.renew(path, { stat, sha256 })
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
}

/** A change of the bytes changes one of these. */
export function isUnchanged(a: BigIntStats, b: BigIntStats): boolean {
  return a.dev === b.dev && a.ino === b.ino && a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs
}
