import { malformed } from './errors.ts'

/**
 * Reads fields from bytes, never past the end. Slices alias the input.
 *
 * @throws ProtocolError PROTOCOL where bytes are missing
 */
export class Reader {
  readonly bytes: Uint8Array
  /** Where the next field begins. */
  position: number
  /** Where reading stops: the end of the bytes, or of the frame that is being read. */
  end: number
  #unsupported: string | undefined

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.position = 0
    this.end = bytes.length
  }

  /** Bytes left. */
  get remaining(): number {
    return this.end - this.position
  }

  /** One byte. */
  u8(): number {
    if (this.position >= this.end) throw malformed('a field runs past the end')
    return this.bytes[this.position++] ?? 0
  }

  /** Two bytes, big-endian. */
  u16(): number {
    return (this.u8() << 8) | this.u8()
  }

  /** 1, 2, 4 or 8 bytes: 0 to 2^53 - 1, in the shortest form (spec §1.3). */
  varint(): number {
    const first = this.u8()
    if (first < 0x40) return first
    if (first < 0x80) {
      const value = ((first & 0x3f) << 8) | this.u8()
      if (value < 0x40) throw malformed('a varint is not in its shortest form')
      return value
    }
    let value = first & 0x3f
    if (first < 0xc0) {
      value = value * 0x1000000 + this.#u24()
      if (value < 0x4000) throw malformed('a varint is not in its shortest form')
      return value
    }
    const high = value * 0x1000000 + this.#u24()
    const low = this.u8() * 0x1000000 + this.#u24()
    if (high === 0 && low < 0x40000000) throw malformed('a varint is not in its shortest form')
    if (high > 0x1fffff) throw malformed('a varint exceeds 2^53 - 1')
    return high * 0x100000000 + low
  }

  #u24(): number {
    return (this.u8() << 16) | (this.u8() << 8) | this.u8()
  }

  /** The next `length` bytes, as a view of the input. */
  take(length: number): Uint8Array {
    if (length > this.end - this.position) throw malformed('a field runs past the end')
    const start = this.position
    this.position += length
    return this.bytes.subarray(start, this.position)
  }

  /** All bytes that are left, as a view of the input. */
  rest(): Uint8Array {
    return this.take(this.end - this.position)
  }

  /** Passes over what is left of a frame or parameter of unknown type: an odd one may be ignored (spec §5.2, §5.9). */
  skipUnknown(what: 'frame' | 'parameter', type: number): void {
    if (type % 2 === 0) this.#unsupported ??= `${what} ${type}`
    this.rest()
  }

  /** The first frame or parameter that must be understood, its type being even, and is not (spec §5.2, §5.9). */
  get unsupported(): string | undefined {
    return this.#unsupported
  }

  /** Narrows reading to the next `length` bytes; returns what `leave` needs to widen it again. */
  enter(length: number): number {
    if (length > this.end - this.position) throw malformed('a length runs past the end')
    const outer = this.end
    this.end = this.position + length
    return outer
  }

  /** Ends what `enter` began. @throws ProtocolError PROTOCOL when not every byte was read (spec §5.1). */
  leave(outer: number): void {
    if (this.position !== this.end) throw malformed('bytes are left over')
    this.end = outer
  }
}
