import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../../src/floor/bytes.ts'
import {
  bigSizeBytes,
  encodeBigSize,
  readBigSize,
  FieldReader,
  decodeTlvStream,
  encodeTlvStream,
} from '../../../src/wire/bolt4/tlv.ts'
import {
  MAX_MSAT,
  msatBytes,
  readMsat,
  readTruncated,
  truncatedBytes,
  uintBytes,
} from '../../../src/wire/bolt4/integers.ts'
import { boltCode, likelyStreams, orBoltError } from './arbitraries.ts'

const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })

describe('a bigsize', () => {
  // BOLT 1 appendix A: both sides of every change of length.
  it.each([
    [0n, '00'],
    [252n, 'fc'],
    [253n, 'fd00fd'],
    [65_535n, 'fdffff'],
    [65_536n, 'fe00010000'],
    [2n ** 32n - 1n, 'feffffffff'],
    [2n ** 32n, 'ff0000000100000000'],
    [2n ** 64n - 1n, 'ffffffffffffffffff'],
  ])('writes %d as %s and reads it again', (value, hex) => {
    expect(toHex(encodeBigSize(value))).toBe(hex)
    expect(bigSizeBytes(value)).toBe(hex.length / 2)
    expect(readBigSize(new FieldReader(fromHex(hex)))).toBe(value)
  })

  it.each(['fd00fc', 'fd0000', 'fe0000ffff', 'ff00000000ffffffff'])('is refused in the longer form %s', (hex) => {
    expect(boltCode(() => readBigSize(new FieldReader(fromHex(hex))))).toBe('syntax')
  })

  it.each(['', 'fd', 'fd00', 'fe', 'feffff', 'ff', 'ffffffffff'])('is refused cut off after "%s"', (hex) => {
    expect(boltCode(() => readBigSize(new FieldReader(fromHex(hex))))).toBe('syntax')
  })

  it('has no form for what 64 bits do not hold', () => {
    expect(() => encodeBigSize(2n ** 64n)).toThrow(RangeError)
    expect(() => encodeBigSize(-1n)).toThrow(RangeError)
  })
})

describe('an integer', () => {
  it('of a fixed size comes back', () => {
    fc.assert(fc.property(u64, (value) => new FieldReader(uintBytes(value, 8)).uint(8) === value))
  })

  it('that does not fit its size is refused', () => {
    expect(() => uintBytes(65_536, 2)).toThrow(RangeError)
    expect(() => uintBytes(-1, 8)).toThrow(RangeError)
    expect(() => uintBytes(1.5, 8)).toThrow(RangeError)
  })

  it('is truncated to no more bytes than it needs', () => {
    fc.assert(
      fc.property(u64, (value) => {
        const bytes = truncatedBytes(value, 8)
        expect(bytes[0]).not.toBe(0)
        expect(readTruncated(bytes, 8)).toBe(value)
      }),
    )
    expect(truncatedBytes(0, 4)).toEqual(new Uint8Array(0))
    expect(truncatedBytes(256, 4)).toEqual(Uint8Array.of(1, 0))
  })

  it('with a leading zero or a byte too many is refused where it is a truncated one', () => {
    expect(boltCode(() => readTruncated(Uint8Array.of(0), 8))).toBe('syntax')
    expect(boltCode(() => readTruncated(Uint8Array.of(0, 1), 8))).toBe('syntax')
    expect(boltCode(() => readTruncated(Uint8Array.of(1, 0, 0, 0, 0), 4))).toBe('syntax')
  })

  it('is no amount beyond 21 million bitcoin', () => {
    expect(readMsat(msatBytes(MAX_MSAT))).toBe(MAX_MSAT)
    expect(() => msatBytes(MAX_MSAT + 1n)).toThrow(RangeError)
    expect(boltCode(() => readMsat(truncatedBytes(MAX_MSAT + 1n, 8)))).toBe('syntax')
  })
})

describe('a TLV stream', () => {
  const streams = fc.uniqueArray(fc.record({ type: u64, value: fc.uint8Array({ maxLength: 300 }) }), {
    selector: ({ type }) => type,
    maxLength: 8,
  })

  it('comes back in the order of its types', () => {
    fc.assert(
      fc.property(streams, (records) => {
        const decoded = decodeTlvStream(encodeTlvStream(records))
        expect(decoded).toEqual(records.toSorted((a, b) => (a.type < b.type ? -1 : 1)))
      }),
    )
  })

  it('has one form only: what decodes is what encodes', () => {
    fc.assert(
      fc.property(likelyStreams, (bytes) => {
        const records = orBoltError(() => decodeTlvStream(bytes))
        if (Array.isArray(records)) expect(encodeTlvStream(records)).toEqual(bytes)
      }),
    )
  })

  it.each([
    ['a type cut off', 'fd01'],
    ['a type in a longer form', 'fd000100'],
    ['no length', '0f'],
    ['a length cut off', '0ffd26'],
    ['a length in a longer form', '0ffd000100'],
    ['a value cut off', '0f0201'],
    ['a length beyond all bounds', '0fffffffffffffffffff00'],
    ['a type twice', '01000100'],
    ['types that descend', '0200010100'],
  ])('with %s is refused', (_, hex) => {
    expect(boltCode(() => decodeTlvStream(fromHex(hex)))).toBe('syntax')
  })

  it('is not written with a type twice', () => {
    const record = { type: 5n, value: new Uint8Array(0) }
    expect(() => encodeTlvStream([record, record])).toThrow(RangeError)
  })

  it('gives values that stay when its bytes are used again', () => {
    const bytes = fromHex('0102aabb')
    const [record] = decodeTlvStream(bytes)
    bytes.fill(0)
    expect(record?.value).toEqual(Uint8Array.of(0xaa, 0xbb))
  })
})
