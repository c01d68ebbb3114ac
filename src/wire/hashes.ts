import { hmac } from '@noble/hashes/hmac.js'
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js'
import { equalBytes } from '../floor/bytes.ts'
import { checkLength, type Sodium, whenPrepared } from './sodium.ts'

/** Bytes of SHA-256, and of an HMAC with it. */
export const DIGEST_BYTES = 32
/** Bytes of a key and of a message that libsodium's places hold: an onion with its hash is the longest message. */
const MAX_KEY_BYTES = 64
const MAX_HASHED_BYTES = 1_400
/** Keys whose half of the work is kept: with more connections than that busy at once, some of it is done anew. */
const KEPT_KEYS = 64

/** One build of HMAC-SHA256 (spec §1.5, RFC 2104). */
interface Hmac {
  mac(key: Uint8Array, message: Uint8Array): Uint8Array
  /** As `mac`, quicker from the second time on that the key comes. */
  macAgain(key: Uint8Array, message: Uint8Array): Uint8Array
}

/** In JavaScript: what there is from the first moment on, and everywhere. */
class PortableHmac implements Hmac {
  mac(key: Uint8Array, message: Uint8Array): Uint8Array {
    return hmac(nobleSha256, key, message)
  }

  macAgain(key: Uint8Array, message: Uint8Array): Uint8Array {
    return this.mac(key, message)
  }
}

/** libsodium's, in WebAssembly: a third of the time, and a sixth for a key that comes again. */
class SodiumHmac implements Hmac {
  readonly #sodium: Sodium
  readonly #portable = new PortableHmac()
  readonly #stateBytes: number
  // Places in its memory, for one call at a time.
  readonly #key: number
  readonly #message: number
  readonly #digest: number
  readonly #state: number
  /** States that have taken in a key, one behind the other, and these keys. */
  readonly #kept: number
  readonly #keptKeys: (Uint8Array | undefined)[] = Array.from({ length: KEPT_KEYS })

  constructor(sodium: Sodium) {
    this.#sodium = sodium
    this.#stateBytes = sodium._crypto_kdf_hkdf_sha256_statebytes()
    this.#key = sodium._malloc(MAX_KEY_BYTES)
    this.#message = sodium._malloc(MAX_HASHED_BYTES)
    this.#digest = sodium._malloc(DIGEST_BYTES)
    this.#state = sodium._malloc(this.#stateBytes)
    this.#kept = sodium._malloc(KEPT_KEYS * this.#stateBytes)
  }

  mac(key: Uint8Array, message: Uint8Array): Uint8Array {
    if (key.length > MAX_KEY_BYTES || message.length > MAX_HASHED_BYTES) return this.#portable.mac(key, message)
    const sodium = this.#sodium
    const memory = sodium.HEAPU8
    memory.set(key, this.#key)
    memory.set(message, this.#message)
    // RFC 5869: HKDF-Extract is the HMAC of what it is given under the salt.
    sodium._crypto_kdf_hkdf_sha256_extract(this.#digest, this.#key, key.length, this.#message, message.length)
    return this.#result()
  }

  macAgain(key: Uint8Array, message: Uint8Array): Uint8Array {
    const sodium = this.#sodium
    const from = this.#keyed(key)
    const memory = sodium.HEAPU8
    memory.copyWithin(this.#state, from, from + this.#stateBytes)
    memory.set(message, this.#message)
    sodium._crypto_kdf_hkdf_sha256_extract_update(this.#state, this.#message, message.length)
    sodium._crypto_kdf_hkdf_sha256_extract_final(this.#state, this.#digest)
    return this.#result()
  }

  /** Where a state is that has taken in `key`. */
  #keyed(key: Uint8Array): number {
    const slot = (key[0] ?? 0) % KEPT_KEYS
    const at = this.#kept + slot * this.#stateBytes
    const kept = this.#keptKeys[slot]
    if (kept !== undefined && equalBytes(kept, key)) return at
    this.#keptKeys[slot] = key.slice()
    this.#sodium.HEAPU8.set(key, this.#key)
    this.#sodium._crypto_kdf_hkdf_sha256_extract_init(at, this.#key, key.length)
    return at
  }

  #result(): Uint8Array {
    return this.#sodium.HEAPU8.slice(this.#digest, this.#digest + DIGEST_BYTES)
  }
}

let build: Hmac = new PortableHmac()

whenPrepared((sodium) => {
  build = new SodiumHmac(sodium)
})

/** HMAC-SHA256 over a message (spec §1.5): 32 bytes. */
export function hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array {
  return build.mac(key, message)
}

/**
 * As `hmacSha256`, for a key that comes for many messages.
 *
 * @param key at most 64 bytes
 * @param message at most 1,400 bytes
 * @throws RangeError for longer ones
 */
export function hmacSha256Again(key: Uint8Array, message: Uint8Array): Uint8Array {
  checkLength(key.length, MAX_KEY_BYTES)
  checkLength(message.length, MAX_HASHED_BYTES)
  return build.macAgain(key, message)
}

// Making one anew takes as long as hashing 32 bytes.
const empty = nobleSha256.create()
const scratch = nobleSha256.create()

/** SHA256 of a message: 32 bytes. */
export function sha256(message: Uint8Array): Uint8Array {
  return empty._cloneInto(scratch).update(message).digest()
}
