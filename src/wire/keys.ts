import { concat } from '../floor/bytes.ts'
import { isPoint, multiply, publicKey } from './curve.ts'
import { malformed } from './errors.ts'
import { hmacSha256, hmacSha256Again, sha256 } from './hashes.ts'

export { POINT_BYTES, publicKey } from './curve.ts'
export { hmacSha256 } from './hashes.ts'
/** Bytes of a key, a hash, a secret or a preimage. */
export const KEY_BYTES = 32

const text = new TextEncoder()

/** What packets of one direction and phase are sealed and paid with (spec §4.7). Each 32 bytes. */
export interface DirectionKeys {
  /** The AEAD key. */
  readonly seal: Uint8Array
  /** What preimages on the phantom lane derive from (spec §4.8). */
  readonly settle: Uint8Array
  /** The transcript hash that the tag covers: h1 for EARLY, h2 for all after. */
  readonly transcript: Uint8Array
}

/** Keys of the finished handshake; both sides hold equal ones (spec §4.7). */
export interface MainKeys {
  /** For DATA. */
  readonly toResponder: DirectionKeys
  /** For ANSWER and REPLY. */
  readonly toInitiator: DirectionKeys
}

/** The keys of EARLY, and of the preimages of OPEN and EARLY (spec §4.7, §4.8). */
export function deriveEarlyKeys(chainingKey: Uint8Array, transcript: Uint8Array): DirectionKeys {
  return deriveDirection(chainingKey, transcript, 'early', '')
}

/** The keys of everything after the handshake (spec §4.7). */
export function deriveMainKeys(chainingKey: Uint8Array, transcript: Uint8Array): MainKeys {
  return {
    toResponder: deriveDirection(chainingKey, transcript, 'main', ' i2r'),
    toInitiator: deriveDirection(chainingKey, transcript, 'main', ' r2i'),
  }
}

function deriveDirection(ck: Uint8Array, transcript: Uint8Array, phase: string, direction: string): DirectionKeys {
  return {
    seal: hmacSha256(ck, text.encode(`keysock ${phase} seal${direction}`)),
    settle: hmacSha256(ck, text.encode(`keysock ${phase} settle${direction}`)),
    transcript,
  }
}

/**
 * The preimage of the payment that carries a packet on the phantom lane, 32 bytes (spec §4.8).
 *
 * @param settle the settle key of the packet's direction, the early one for OPEN and EARLY
 * @param number the packet number; 0 for OPEN
 * @param attempt the copy of OPEN; 0 for all other packets
 */
export function preimage(settle: Uint8Array, number: number, attempt: number): Uint8Array {
  writeU32(0, Math.floor(number / 0x100000000))
  writeU32(4, number)
  scratchMessage[8] = attempt
  return hmacSha256Again(settle, scratchMessage)
}

// What the preimage is the HMAC of, put together here for one call at a time.
const scratchMessage = new Uint8Array(9)

function writeU32(at: number, value: number): void {
  scratchMessage[at] = value >>> 24
  scratchMessage[at + 1] = value >>> 16
  scratchMessage[at + 2] = value >>> 8
  scratchMessage[at + 3] = value
}

/** SHA256 of a preimage, 32 bytes: the hash of its payment. */
export function paymentHash(ofPreimage: Uint8Array): Uint8Array {
  return sha256(ofPreimage)
}

/**
 * The proof of an IDENTIFY frame, 32 bytes (spec §12.7). To be compared with `equalBytes`.
 *
 * @param sharedSecret ECDH of the node key and e_r: the initiator asks its node, the responder computes `ecdh(e_r, K)`
 * @param transcript h2: the `transcript` of either direction's main keys
 */
export function identifyProof(sharedSecret: Uint8Array, transcript: Uint8Array): Uint8Array {
  return hmacSha256(sharedSecret, concat(text.encode('keysock identify'), transcript))
}

/**
 * The proof of the parameter identity in an OPEN, 32 bytes (spec §6.16). To be compared with `equalBytes`.
 *
 * @param sharedSecret ECDH of the two node keys: each side asks its own node
 * @param transcript h after MixHash(e_i): `openTranscript`
 */
export function openIdentityProof(sharedSecret: Uint8Array, transcript: Uint8Array): Uint8Array {
  return hmacSha256(sharedSecret, concat(text.encode('keysock identify open'), transcript))
}

/** What takes 5 ms at the first secret, compiling, is done now: best where nobody waits for anything yet. */
export function prepareKeys(): void {
  const one = new Uint8Array(KEY_BYTES).fill(1)
  multiply(one, publicKey(one))
}

/**
 * SHA256 of the compressed point secret x point, 32 bytes, as in BOLT 8 (spec §1.5).
 *
 * @throws ProtocolError when `point` is none
 * @throws RangeError unless the secret is 32 bytes and in 1 .. n-1
 */
export function ecdh(secret: Uint8Array, point: Uint8Array): Uint8Array {
  return sha256(multiply(secret, checkedPoint(point)))
}

/** Its argument, when that is a compressed point of the curve (spec §1.5). @throws ProtocolError otherwise. */
export function checkedPoint(bytes: Uint8Array): Uint8Array {
  if (!isPoint(bytes)) throw malformed('not a point of secp256k1')
  return bytes
}
