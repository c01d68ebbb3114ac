import { createHash } from 'node:crypto'
import { bytesToHex } from '@noble/hashes/utils.js'

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

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}

/** In hexadecimal. */
export function shown(bytes: Uint8Array): string {
  return bytesToHex(bytes)
}

/** Reads at a place; fewer bytes than asked for, or none, at the end. */
export type ReadAt = (offset: number, length: number) => Promise<Uint8Array>

export interface HashOptions {
  /** Ends it: no further piece is read. */
  readonly signal?: AbortSignal | undefined
  /** Hears after each piece how far it is. */
  readonly onBytes?: ((bytes: number) => void) | undefined
}

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
