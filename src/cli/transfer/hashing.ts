import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'

/** SHA-256 over pieces. */
export interface RunningHash {
  update(bytes: Uint8Array): void
  /** Of what came so far; more may follow. 32 bytes. */
  digest(): Uint8Array
}

export function runningHash(): RunningHash {
  const hash = sha256.create()
  return {
    update: (bytes) => void hash.update(bytes),
    digest: () => hash.clone().digest(),
  }
}

export function hashOf(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = sha256.create()
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

const PIECE_BYTES = 262_144

/**
 * The hash of the first `length` bytes; undefined where there are fewer. `onBytes` hears how far it is.
 */
export async function hashPrefix(
  read: ReadAt,
  length: number,
  onBytes?: (bytes: number) => void,
): Promise<RunningHash | undefined> {
  const hash = runningHash()
  for (let at = 0; at < length;) {
    const bytes = await read(at, Math.min(PIECE_BYTES, length - at))
    if (bytes.length === 0) return undefined
    hash.update(bytes)
    at += bytes.length
    onBytes?.(at)
  }
  return hash
}
