/** Bytes that a varint takes: 1, 2, 4 or 8 (spec §1.3). @throws RangeError unless 0 <= value <= 2^53 - 1. */
export function varintSize(value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not a varint: ${value}`)
  if (value < 0x40) return 1
  if (value < 0x4000) return 2
  return value < 0x40000000 ? 4 : 8
}

/** Writes fields one after another into bytes of a fixed size. @throws RangeError where there is no room. */
export class Writer {
  readonly bytes: Uint8Array
  /** Where the next field goes. */
  position: number

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.position = 0
  }

  /** Bytes of room left. */
  get remaining(): number {
    return this.bytes.length - this.position
  }

  /** One byte. */
  u8(value: number): void {
    if (this.position >= this.bytes.length) throw new RangeError('no room left')
    this.bytes[this.position++] = value
  }

  /** Two bytes, big-endian. */
  u16(value: number): void {
    this.u8(value >>> 8)
    this.u8(value & 0xff)
  }

  /** 0 to 2^53 - 1, in the shortest form (spec §1.3). */
  varint(value: number): void {
    switch (varintSize(value)) {
      case 1:
        this.u8(value)
        break
      case 2:
        this.u16(value | 0x4000)
        break
      case 4:
        this.#u32((value | 0x80000000) >>> 0)
        break
      default:
        this.#u32((Math.floor(value / 0x100000000) | 0xc0000000) >>> 0)
        this.#u32(value >>> 0)
    }
  }

  #u32(value: number): void {
    this.u16(value >>> 16)
    this.u16(value & 0xffff)
  }

  /** As they are. */
  put(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.position)
    this.position += bytes.length
  }
}
