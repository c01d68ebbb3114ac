import { BoltError } from './errors.ts'
import type { FieldReader } from './field-reader.ts'
import { uintBytes } from './integers.ts'

/** Bytes that a bigsize takes: 1, 3, 5 or 9 (BOLT 1 appendix A). @throws RangeError unless 0 <= value < 2^64. */
export function bigSizeBytes(value: bigint): 1 | 3 | 5 | 9 {
  if (value < 0n || value >= 1n << 64n) throw new RangeError(`not a bigsize: ${value}`)
  if (value < 0xfdn) return 1
  if (value < 0x1_0000n) return 3
  return value < 0x1_0000_0000n ? 5 : 9
}

/** BOLT 1's bigsize in its shortest form. @throws RangeError unless 0 <= value < 2^64. */
export function encodeBigSize(value: bigint): Uint8Array {
  const size = bigSizeBytes(value)
  if (size === 1) return uintBytes(value, 1)
  const bytes = new Uint8Array(size)
  // 0xfd announces 2 bytes, 0xfe 4 and 0xff 8.
  bytes[0] = size === 3 ? 0xfd : size === 5 ? 0xfe : 0xff
  bytes.set(size === 3 ? uintBytes(value, 2) : uintBytes(value, size === 5 ? 4 : 8), 1)
  return bytes
}

/** A bigsize from the reader. @throws BoltError `syntax` when it is cut off or not in its shortest form. */
export function readBigSize(reader: FieldReader): bigint {
  const first = reader.uint(1)
  if (first < 0xfdn) return first
  const width = first === 0xfdn ? 2 : first === 0xfen ? 4 : 8
  const value = reader.uint(width)
  if (bigSizeBytes(value) !== width + 1) throw new BoltError('syntax', 'a bigsize is not in its shortest form')
  return value
}
