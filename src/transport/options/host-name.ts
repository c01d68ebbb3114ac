/** The name of a node as a host: its key in base32, and `.keysock` (spec §1.7). */
import { checkedPoint, POINT_BYTES } from '../../wire/keys.ts'
import { KeysockError } from '../errors.ts'

/** RFC 4648 §6, in lower case (spec §1.7). */
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'
const DIGIT_BITS = 5
/** 264 bits in digits of 5: 53 of them, with one bit to spare. */
const BASE32_DIGITS: number = Math.ceil((POINT_BYTES * 8) / DIGIT_BITS)
const SUFFIX = '.keysock'
/** One between two dots; the underscore is that of services in DNS. */
const LABEL = /^[a-z0-9_-]{1,63}$/
/** The longest name that DNS has, without the dot at its end. */
const MAX_HOST_CHARACTERS = 253

/** Whether a text can only be meant as a host name of keysock. */
export function isHostName(text: string): boolean {
  return /\.keysock\.?$/i.test(text)
}

/** `KEY.keysock` of a public key, 33 bytes (spec §1.7). */
export function formatHostName(publicKey: Uint8Array): string {
  return encodeKey(publicKey) + SUFFIX
}

/** The public key, 33 bytes, that a host name has (spec §1.7). @throws KeysockError ERR_KEYSOCK_HOST_NAME */
export function parseHostName(name: string): Uint8Array {
  const label = labelOf(name)
  if (label === undefined) throw notOne(`it is written KEY${SUFFIX}, in ${MAX_HOST_CHARACTERS} characters at most`)
  const key = decodeKey(label)
  if (key === undefined)
    throw notOne(`before ${SUFFIX} stand the ${BASE32_DIGITS} characters, a to z and 2 to 7, of a public key in base32`)
  try {
    return checkedPoint(key)
  } catch (cause) {
    throw notOne('its characters are no public key; check them for a typing error', cause)
  }
}

/** The last label before `.keysock`, in lower case; undefined for a name of another kind. */
function labelOf(name: string): string | undefined {
  const lower = name.toLowerCase().replace(/\.$/, '')
  if (!lower.endsWith(SUFFIX) || lower.length > MAX_HOST_CHARACTERS) return undefined
  const labels = lower.slice(0, -SUFFIX.length).split('.')
  return labels.every((label) => LABEL.test(label)) ? labels.at(-1) : undefined
}

function encodeKey(key: Uint8Array): string {
  let text = ''
  let bits = 0
  let value = 0
  for (const byte of key) {
    value = (value << 8) | byte
    bits += 8
    for (; bits >= DIGIT_BITS; bits -= DIGIT_BITS) text += ALPHABET.charAt((value >> (bits - DIGIT_BITS)) & 31)
    value &= (1 << bits) - 1
  }
  return bits === 0 ? text : text + ALPHABET.charAt((value << (DIGIT_BITS - bits)) & 31)
}

/** 33 bytes; undefined where there are other characters, another length, or a bit to spare that is not 0. */
function decodeKey(label: string): Uint8Array | undefined {
  if (label.length !== BASE32_DIGITS) return undefined
  const bytes = new Uint8Array(POINT_BYTES)
  let position = 0
  let bits = 0
  let value = 0
  for (const character of label) {
    const digit = ALPHABET.indexOf(character)
    if (digit === -1) return undefined
    value = (value << DIGIT_BITS) | digit
    bits += DIGIT_BITS
    if (bits < 8) continue
    bits -= 8
    bytes[position++] = value >> bits
    value &= (1 << bits) - 1
  }
  return value === 0 ? bytes : undefined
}

function notOne(why: string, cause?: unknown): KeysockError {
  return new KeysockError('ERR_KEYSOCK_HOST_NAME', `this is no host name of a node: ${why}`, { cause })
}
