/** `a ‖ b ‖ ...` in a new array. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const whole = new Uint8Array(length)
  let position = 0
  for (const part of parts) {
    whole.set(part, position)
    position += part.length
  }
  return whole
}

/** Whether two arrays hold the same bytes, in a time that depends on their lengths alone (spec §4.11). */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0)
  return difference === 0
}

/**
 * Lower-case hexadecimal, two digits a byte, as one flat string: connection ids, hashes and public keys are the keys of
 * tables for as long as connections live, and a string put together from pieces would keep all of them.
 */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

/**
 * A byte a character, as one flat string: for what is kept long and looked at seldom. An array takes 200 bytes beside
 * what is in it, a string 16.
 */
export function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

/** What `toText` was given. */
export function fromText(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'))
}

/** The bytes of an even number of hexadecimal digits in either case. @throws RangeError for anything else. */
export function fromHex(hex: string): Uint8Array {
  if (hex.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(hex)) {
    throw new RangeError('expected an even number of hexadecimal digits')
  }
  return new Uint8Array(Buffer.from(hex, 'hex'))
}
