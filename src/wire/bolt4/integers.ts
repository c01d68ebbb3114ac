import { BoltError } from './errors.ts'

/** BOLT 1 "Fundamental Types": no amount exceeds 21 million bitcoin. In millisatoshi. */
export const MAX_MSAT = 2_100_000_000_000_000_000n

/** An unsigned big-endian integer of `size` bytes. @throws RangeError when the value does not fit. */
export function uintBytes(value: bigint | number, size: 1 | 2 | 4 | 8): Uint8Array {
  const whole = BigInt(value)
  if (whole < 0n || whole >= 1n << BigInt(8 * size)) throw new RangeError(`${whole} does not fit into ${size} bytes`)
  const bytes = new Uint8Array(size)
  let rest = whole
  for (let i = size - 1; i >= 0; i--) {
    bytes[i] = Number(rest & 0xffn)
    rest >>= 8n
  }
  return bytes
}

/**
 * BOLT 1's tu32 and tu64: big-endian without leading zeros, 0 to `max` bytes.
 *
 * @throws RangeError when the value does not fit
 */
export function truncatedBytes(value: bigint | number, max: 4 | 8): Uint8Array {
  const full = uintBytes(value, max)
  const first = full.findIndex((byte) => byte !== 0)
  return first < 0 ? new Uint8Array(0) : full.slice(first)
}

/** The value of a tu32 (`max` 4) or a tu64 (`max` 8). @throws BoltError `syntax` for more bytes or a leading zero. */
export function readTruncated(bytes: Uint8Array, max: 4 | 8): bigint {
  if (bytes.length > max) throw new BoltError('syntax', `a truncated integer has ${bytes.length} bytes; at most ${max}`)
  if (bytes[0] === 0) throw new BoltError('syntax', 'a truncated integer begins with a zero byte')
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return value
}

/** An amount as tu64. @throws RangeError for a negative one or more than 21 million bitcoin. */
export function msatBytes(amountMsat: bigint): Uint8Array {
  if (amountMsat > MAX_MSAT) throw new RangeError(`${amountMsat} msat are more than there can be`)
  return truncatedBytes(amountMsat, 8)
}

/** An amount in millisatoshi from a tu64. @throws BoltError `syntax` when malformed or more than 21 million bitcoin. */
export function readMsat(bytes: Uint8Array): bigint {
  const amountMsat = readTruncated(bytes, 8)
  if (amountMsat > MAX_MSAT) throw new BoltError('syntax', `${amountMsat} msat are more than there can be`)
  return amountMsat
}
