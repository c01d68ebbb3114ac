import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { KEY_BYTES } from './keys.ts'
import { checkLength, type Sodium, whenPrepared } from './sodium.ts'

/** Bytes of the tag at the end of what is sealed. */
export const TAG_BYTES = 16
/** Bytes of ciphertext and tag at most: no packet is larger (spec §2.8). */
const MAX_SEALED_BYTES = 1300
/** Bytes of associated data at most: a transcript, and the longest header (spec §3.2). */
const MAX_ASSOCIATED_BYTES = 128
const NONCE_BYTES = 12

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

type OpenInput = Omit<SealInput, 'plaintext'> & { readonly sealed: Uint8Array }

/** One build of ChaCha20-Poly1305 (spec §1.5, RFC 8439). */
interface Aead {
  sealInto(record: Uint8Array, offset: number, input: SealInput): void
  /** Undefined when the tag is wrong. `sealed` has a tag's bytes at least. */
  unseal(input: OpenInput): Uint8Array | undefined
}

/** In JavaScript: what there is from the first moment on, and everywhere. */
class PortableAead implements Aead {
  // Scratch for one call at a time. The cipher wants aligned words and off-heap buffers; keys that a
  // connection holds stay small objects on V8's heap when they are copied here first.
  readonly #key = new Uint8Array(KEY_BYTES)
  readonly #nonce = new Uint8Array(NONCE_BYTES)
  readonly #sealed = new Uint8Array(MAX_SEALED_BYTES)

  sealInto(record: Uint8Array, offset: number, input: SealInput): void {
    const output = this.#sealed.subarray(0, input.plaintext.length + TAG_BYTES)
    this.#prepare(input).encrypt(input.plaintext, output)
    record.set(output, offset)
  }

  unseal(input: OpenInput): Uint8Array | undefined {
    const cipher = this.#prepare(input)
    try {
      return cipher.decrypt(input.sealed)
    } catch {
      // With key, nonce and length as they have to be, the tag alone can be wrong.
      return undefined
    }
  }

  #prepare({ key, number, associated }: Omit<OpenInput, 'sealed'>): ReturnType<typeof chacha20poly1305> {
    this.#key.set(key)
    writeNonce(this.#nonce, 0, number)
    return chacha20poly1305(this.#key, this.#nonce, associated)
  }
}

/** libsodium's, in WebAssembly: a third of the time (bench/results/crypto.md). */
class SodiumAead implements Aead {
  readonly #sodium: Sodium
  // Places in its memory, for one call at a time.
  readonly #key: number
  readonly #nonce: number
  readonly #associated: number
  readonly #plain: number
  readonly #sealed: number

  constructor(sodium: Sodium) {
    this.#sodium = sodium
    this.#key = sodium._malloc(KEY_BYTES)
    this.#nonce = sodium._malloc(NONCE_BYTES)
    this.#associated = sodium._malloc(MAX_ASSOCIATED_BYTES)
    this.#plain = sodium._malloc(MAX_SEALED_BYTES)
    this.#sealed = sodium._malloc(MAX_SEALED_BYTES)
  }

  sealInto(record: Uint8Array, offset: number, input: SealInput): void {
    const sodium = this.#sodium
    const { plaintext, associated } = input
    const { length } = plaintext
    this.#put(input)
    checkLength(length + TAG_BYTES, MAX_SEALED_BYTES)
    sodium.HEAPU8.set(plaintext, this.#plain)
    const [to, from] = [this.#sealed, this.#plain]
    const [aad, aadBytes] = [this.#associated, associated.length]
    sodium._crypto_aead_chacha20poly1305_ietf_encrypt(
      to,
      0,
      from,
      length,
      0,
      aad,
      aadBytes,
      0,
      0,
      this.#nonce,
      this.#key,
    )
    record.set(sodium.HEAPU8.subarray(to, to + length + TAG_BYTES), offset)
  }

  unseal(input: OpenInput): Uint8Array | undefined {
    const sodium = this.#sodium
    const { sealed, associated } = input
    const { length } = sealed
    this.#put(input)
    checkLength(length, MAX_SEALED_BYTES)
    sodium.HEAPU8.set(sealed, this.#sealed)
    const [to, from] = [this.#plain, this.#sealed]
    const [aad, aadBytes] = [this.#associated, associated.length]
    const failed = sodium._crypto_aead_chacha20poly1305_ietf_decrypt(
      to,
      0,
      0,
      from,
      length,
      0,
      aad,
      aadBytes,
      0,
      this.#nonce,
      this.#key,
    )
    return failed === 0 ? sodium.HEAPU8.slice(to, to + length - TAG_BYTES) : undefined
  }

  #put({ key, number, associated }: Omit<OpenInput, 'sealed'>): void {
    const memory = this.#sodium.HEAPU8
    if (key.length !== KEY_BYTES) throw new RangeError(`a key of ${key.length} bytes`)
    checkLength(associated.length, MAX_ASSOCIATED_BYTES)
    memory.set(key, this.#key)
    memory.set(associated, this.#associated)
    writeNonce(memory, this.#nonce, number)
  }
}

/** spec §4.7: 4 zero bytes, then the packet number as 8 bytes little-endian. */
function writeNonce(into: Uint8Array, at: number, number: number): void {
  let [low, high] = [number >>> 0, Math.floor(number / 0x100000000)]
  for (let i = 0; i < 4; i++) {
    into[at + i] = 0
    into[at + 4 + i] = low & 0xff
    into[at + 8 + i] = high & 0xff
    low >>>= 8
    high >>>= 8
  }
}

let aead: Aead = new PortableAead()

whenPrepared((sodium) => {
  aead = new SodiumAead(sodium)
})

/** Writes ciphertext and tag, 16 bytes longer than the plaintext, into `record` from `offset` on. */
export function sealInto(record: Uint8Array, offset: number, input: SealInput): void {
  aead.sealInto(record, offset, input)
}

/** The plaintext in a new array, or undefined when the tag is wrong or missing. @throws Error for a key that is none */
export function unseal(
  key: Uint8Array,
  number: number,
  associated: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  if (sealed.length < TAG_BYTES) return undefined
  return aead.unseal({ key, number, associated, sealed })
}
