import { chacha20poly1305 } from '@noble/ciphers/chacha.js'

/** Bytes of the tag at the end of what is sealed. */
export const TAG_BYTES = 16

// Scratch for one call at a time. The cipher wants aligned words and off-heap buffers; keys that a
// connection holds stay small objects on V8's heap when they are copied here first.
const scratchKey = new Uint8Array(32)
const scratchNonce = new Uint8Array(12)
const nonceWords = new DataView(scratchNonce.buffer)

function prepare(key: Uint8Array, number: number, associated: Uint8Array): ReturnType<typeof chacha20poly1305> {
  scratchKey.set(key)
  // spec §4.7: 4 zero bytes, then the packet number as 8 bytes little-endian.
  nonceWords.setUint32(4, number >>> 0, true)
  nonceWords.setUint32(8, Math.floor(number / 0x100000000), true)
  return chacha20poly1305(scratchKey, scratchNonce, associated)
}

/** Ciphertext and tag of `plaintext`, 16 bytes longer than it, in a new array (spec §1.5, RFC 8439). */
export function seal(key: Uint8Array, number: number, associated: Uint8Array, plaintext: Uint8Array): Uint8Array {
  return prepare(key, number, associated).encrypt(plaintext)
}

/** The plaintext in a new array, or undefined when the tag is wrong or missing. */
export function unseal(
  key: Uint8Array,
  number: number,
  associated: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  if (sealed.length < TAG_BYTES) return undefined
  try {
    return prepare(key, number, associated).decrypt(sealed)
  } catch (error) {
    if (error instanceof Error && error.message === 'invalid tag') return undefined
    throw error
  }
}
