/**
 * secp256k1, by libsecp256k1 in WebAssembly: the one file of src that calls it (spec/decisions/0025).
 *
 * Nothing that its functions refuse may reach them: they leave by an exception of JavaScript, which does not give back
 * what they took of the module's stack, so that three thousand points which are none would end it for the process. So
 * all that comes in is looked at first, by functions that return.
 */
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { isPointCompressed, isPrivate, pointAdd, pointFromScalar, pointMultiply, privateSub } from 'tiny-secp256k1'
import { toHex, fromHex } from '../floor/bytes.ts'

/** Bytes of a compressed point of secp256k1. */
export const POINT_BYTES = 33
/** Bytes of a scalar. */
const SCALAR_BYTES = 32
/** The order of the group (SEC 2, "Recommended Parameters secp256k1"). */
const ORDER = 0xffffffff_ffffffff_ffffffff_fffffffe_baaedce6_af48a03b_bfd25e8c_d0364141n

/** Whether these are the 33 bytes of a point. */
export function isPoint(bytes: Uint8Array): boolean {
  return bytes.length === POINT_BYTES && isPointCompressed(bytes)
}

/** Whether this is a private key: 32 bytes, 1 to n - 1. */
export function isSecret(bytes: Uint8Array): boolean {
  return isPrivate(bytes)
}

/** Its argument, when that is a private key: 32 bytes, 1 to n - 1. @throws RangeError otherwise. */
export function checkedSecret(secret: Uint8Array): Uint8Array {
  if (!isSecret(secret)) throw new RangeError('a private key is 32 bytes, from 1 to n - 1')
  return secret
}

/** The public key of a secret, 33 bytes, in a time that does not hang on it. @throws RangeError when it is none */
export function publicKey(secret: Uint8Array): Uint8Array {
  return found(pointFromScalar(checkedSecret(secret), true))
}

/**
 * secret x point, 33 bytes. How long it takes says nothing of the secret: the library's multiplication hangs on its
 * scalar a little, so each of two gets a part of the secret, (s - r) and r, where r looks random to whoever lacks the
 * secret, whatever point he chose.
 *
 * @param point 33 bytes that `isPoint` has accepted
 * @throws RangeError when the secret or the point is none
 */
export function multiply(secret: Uint8Array, point: Uint8Array): Uint8Array {
  const mask = hmac(sha256, checkedSecret(secret), point)
  // Both fail once in 2^127.
  const rest = isSecret(mask) ? privateSub(secret, mask) : null
  if (rest === null || !isSecret(rest)) return quickMultiply(secret, point)
  return found(pointAdd(quickMultiply(rest, point), quickMultiply(mask, point), true))
}

/**
 * As `multiply`, in less than half of the time, which hangs on the scalar a little: for scalars that are used once, and
 * for keys that only peel the onions of one path, of which there are a hundred a second. (lnd's own onions are peeled
 * like that with the node's key.)
 *
 * @throws RangeError when the scalar or the point is none
 */
export function quickMultiply(scalar: Uint8Array, point: Uint8Array): Uint8Array {
  if (!isPoint(point)) throw new RangeError('not a compressed point of secp256k1')
  return found(pointMultiply(point, checkedSecret(scalar), true))
}

/** A private key times a scalar, modulo the order of the group: 32 bytes. @throws RangeError when the secret is none */
export function multiplySecret(secret: Uint8Array, scalar: Uint8Array): Uint8Array {
  return scalarBytes((toNumber(checkedSecret(secret)) * toNumber(scalar)) % ORDER)
}

/**
 * A hash as a scalar, reduced as by other implementations: it exceeds the order, or is zero, with a chance of 2^-127.
 */
export function scalarOf(hash: Uint8Array): Uint8Array {
  return isSecret(hash) ? hash : scalarBytes(toNumber(hash) % ORDER)
}

function toNumber(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(bytes)}`)
}

function scalarBytes(scalar: bigint): Uint8Array {
  return fromHex(scalar.toString(16).padStart(2 * SCALAR_BYTES, '0'))
}

function found(point: Uint8Array | null): Uint8Array {
  // A scalar from 1 to n - 1 times a point is a point.
  if (point === null) throw new RangeError('the point at infinity')
  return point
}
