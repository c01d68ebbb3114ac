import { chacha20 } from '@noble/ciphers/chacha.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { concat } from '../../floor/bytes.ts'
import { isPoint, multiply, multiplySecret, quickMultiply, scalarOf } from '../curve.ts'
import { hmacSha256 } from '../keys.ts'
import { BoltError } from './errors.ts'

/**
 * The primitives that onions, blinded paths and failures share (BOLT 4 "Key Generation", "Pseudo Random Byte
 * Stream", "Shared Secret", "Blinding Ephemeral Onion Keys").
 */

const text = new TextEncoder()

/** BOLT 4 gives each key one message, so its nonces are zero: 12 bytes. */
export const ZERO_NONCE: Uint8Array = new Uint8Array(12)

/** What a key derived from a shared secret is for (BOLT 4 "Key Generation", "Returning Errors", "Route Blinding"). */
export type KeyUse = 'rho' | 'mu' | 'um' | 'pad' | 'ammag' | 'blinded_node_id'

/** HMAC-SHA256 of the secret under the name of the use: 32 bytes (BOLT 4 "Key Generation"). */
export function deriveKey(use: KeyUse, secret: Uint8Array): Uint8Array {
  return hmacSha256(text.encode(use), secret)
}

/**
 * The bytes XORed with the ChaCha20 stream of a key, which is used for one message (BOLT 4 "Pseudo Random Byte
 * Stream").
 */
export function xorStream(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  return chacha20(key, ZERO_NONCE, bytes)
}

/** Its argument, when that is a compressed point of secp256k1 (33 bytes). @throws BoltError `point` otherwise. */
export function checkedPoint(bytes: Uint8Array): Uint8Array {
  if (!isPoint(bytes)) throw new BoltError('point', 'not a compressed point of secp256k1')
  return bytes
}

/**
 * SHA256 of the compressed point secret x point, 32 bytes (BOLT 4 "Shared Secret").
 *
 * @throws BoltError `point` when the point is none
 * @throws RangeError when the secret is none
 */
export function sharedSecret(secret: Uint8Array, point: Uint8Array): Uint8Array {
  return sha256(multiply(secret, checkedPoint(point)))
}

/**
 * As `sharedSecret`, in less than half of the time, which hangs on the secret a little (`quickMultiply`): for keys that
 * only peel the onions of one path.
 *
 * @param point 33 bytes, looked at before
 * @throws RangeError when the secret is none, or the point
 */
export function quickSharedSecret(secret: Uint8Array, point: Uint8Array): Uint8Array {
  return sha256(quickMultiply(secret, point))
}

/**
 * What turns an ephemeral key into the next hop's: SHA256(key || shared secret) (BOLT 4 "Blinding Ephemeral Onion
 * Keys").
 */
export function blindingFactor(ephemeralKey: Uint8Array, secret: Uint8Array): Uint8Array {
  return sha256(concat(ephemeralKey, secret))
}

/**
 * A private key times a factor of 32 bytes, modulo the order of the group.
 *
 * @throws RangeError when the secret is none
 */
export function tweakSecret(secret: Uint8Array, factor: Uint8Array): Uint8Array {
  return multiplySecret(secret, factor)
}

/**
 * A point times a factor of 32 bytes: 33 bytes. A factor is used once.
 *
 * @throws BoltError `point` when the point is none
 */
export function tweakPoint(point: Uint8Array, factor: Uint8Array): Uint8Array {
  return quickMultiply(scalarOf(factor), checkedPoint(point))
}
