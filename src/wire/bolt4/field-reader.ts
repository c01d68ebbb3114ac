import { BoltError } from './errors.ts'

/**
 * Reads the fields of BOLT messages one after another and never past the end.
 *
 * @throws BoltError `syntax` where bytes are missing
 */
export class FieldReader {
  readonly #bytes: Uint8Array
  #position = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Bytes left. */
  get remaining(): number {
    return this.#bytes.length - this.#position
  }

  /** The next `length` bytes in a new array, which keeps nothing else alive. */
  take(length: number): Uint8Array {
    if (length > this.remaining) throw new BoltError('syntax', `${length} bytes are due and ${this.remaining} are left`)
    const start = this.#position
    this.#position += length
    return this.#bytes.slice(start, this.#position)
  }

  /** All bytes that are left. */
  rest(): Uint8Array {
    return this.take(this.remaining)
  }

  /** An unsigned big-endian integer of `size` bytes: BOLT 1's byte, u16, u32 and u64. */
  uint(size: 1 | 2 | 4 | 8): bigint {
    let value = 0n
    for (const byte of this.take(size)) value = (value << 8n) | BigInt(byte)
    return value
  }
}
