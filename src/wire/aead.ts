import { chacha20poly1305 } from '@noble/ciphers/chacha.js'

/** Bytes of the tag at the end of what is sealed. */
export const TAG_BYTES = 16
/** Bytes of ciphertext and tag at most: no packet is larger (spec §2.8). */
const MAX_SEALED_BYTES = 1300

// Scratch for one call at a time. The cipher wants aligned words and off-heap buffers; keys that a
// connection holds stay small objects on V8's heap when they are copied here first.
const scratchKey = new Uint8Array(32)
const scratchNonce = new Uint8Array(12)
const nonceWords = new DataView(scratchNonce.buffer)
const scratchSealed = new Uint8Array(MAX_SEALED_BYTES)

function prepare(key: Uint8Array, number: number, associated: Uint8Array): ReturnType<typeof chacha20poly1305> {
  scratchKey.set(key)
  // spec §4.7: 4 zero bytes, then the packet number as 8 bytes little-endian.
  nonceWords.setUint32(4, number >>> 0, true)
  nonceWords.setUint32(8, Math.floor(number / 0x100000000), true)
  return chacha20poly1305(scratchKey, scratchNonce, associated)
}

/** What a seal covers, and under which key and nonce. */
export interface SealInput {
  /** 32 bytes. */
  readonly key: Uint8Array
  /** The packet number. */
  readonly number: number
  /** The associated data. */
  readonly associated: Uint8Array
  /** At most 1,284 bytes. */
  readonly plaintext: Uint8Array
}

/**
 * Writes ciphertext and tag, 16 bytes longer than the plaintext, into `record` from `offset` on
 * (ChaCha20-Poly1305: spec §1.5, RFC 8439).
 */
export function sealInto(record: Uint8Array, offset: number, input: SealInput): void {
  const output = scratchSealed.subarray(0, input.plaintext.length + TAG_BYTES)
  prepare(input.key, input.number, input.associated).encrypt(input.plaintext, output)
  record.set(output, offset)
}

/** The plaintext in a new array, or undefined when the tag is wrong or missing. @throws Error for a key that is none */
export function unseal(
  key: Uint8Array,
  number: number,
  associated: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  if (sealed.length < TAG_BYTES) return undefined
  const cipher = prepare(key, number, associated)
  try {
    return cipher.decrypt(sealed)
  } catch {
    // With key, nonce and length as they have to be, the tag alone can be wrong.
    return undefined
  }
}
