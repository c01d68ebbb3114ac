import { chacha20 } from '@noble/ciphers/chacha.js'
import type { WeierstrassPoint } from '@noble/curves/abstract/weierstrass.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { bytesToNumberBE } from '@noble/curves/utils.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { concat } from '../../floor/bytes.ts'
import { hmacSha256, POINT_BYTES } from '../keys.ts'
import { BoltError } from './errors.ts'

/**
 * The primitives that onions, blinded paths and failures share (BOLT 4 "Key Generation", "Pseudo Random Byte
 * Stream", "Shared Secret", "Blinding Ephemeral Onion Keys").
 */

const { Point } = secp256k1
const { Fn } = Point
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
  if (pointOf(bytes) === undefined) throw new BoltError('point', 'not a compressed point of secp256k1')
  return bytes
}

/** Its argument, when that is a private key: 32 bytes, 1 to n - 1. @throws RangeError otherwise. */
export function checkedSecret(secret: Uint8Array): Uint8Array {
  if (!secp256k1.utils.isValidSecretKey(secret)) throw new RangeError('a private key is 32 bytes, from 1 to n - 1')
  return secret
}

/**
 * SHA256 of the compressed point secret x point, 32 bytes (BOLT 4 "Shared Secret").
 *
 * @throws BoltError `point` when the point is none
 * @throws RangeError when the secret is none
 */
export function sharedSecret(secret: Uint8Array, point: Uint8Array): Uint8Array {
  return sha256(secp256k1.getSharedSecret(checkedSecret(secret), checkedPoint(point), true))
}

/** A point of secp256k1. */
export type CurvePoint = WeierstrassPoint<bigint>

/** The point of 33 bytes, or undefined where they are none. */
export function pointOf(bytes: Uint8Array): CurvePoint | undefined {
  try {
    return bytes.length === POINT_BYTES ? Point.fromBytes(bytes) : undefined
  } catch {
    return undefined
  }
}

/**
 * As `sharedSecret`, in two fifths of the time, which hangs on the secret a little: for keys that only peel the onions
 * of one path, of which there are a hundred a second. (lnd's own onions are peeled like that with the node's key.)
 *
 * @throws RangeError when the secret is none
 */
export function quickSharedSecret(secret: Uint8Array, point: CurvePoint): Uint8Array {
  return sha256(point.multiplyUnsafe(Fn.fromBytes(checkedSecret(secret))).toBytes(true))
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
  return Fn.toBytes(Fn.mul(Fn.fromBytes(checkedSecret(secret)), scalar(factor)))
}

/** A point times a factor of 32 bytes: 33 bytes. @throws BoltError `point` when the point is none. */
export function tweakPoint(point: Uint8Array, factor: Uint8Array): Uint8Array {
  return Point.fromBytes(checkedPoint(point)).multiply(scalar(factor)).toBytes(true)
}

/**
 * A hash as a scalar, reduced as by other implementations: it exceeds the order, or is zero, with a chance of 2^-127.
 */
function scalar(factor: Uint8Array): bigint {
  return Fn.create(bytesToNumberBE(factor))
}
