import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, equalBytes, fromHex, toHex } from '../../src/floor/bytes.ts'
import { Code, codeName, codes, peerError, ProtocolError } from '../../src/wire/errors.ts'
import { Reader } from '../../src/wire/reader.ts'
import { varintSize, Writer } from '../../src/wire/writer.ts'
import { varint } from './arbitraries.ts'

function written(value: number): Uint8Array {
  const writer = new Writer(new Uint8Array(8))
  writer.varint(value)
  return writer.bytes.subarray(0, writer.position)
}

// RFC 9000 §A.1 and both sides of every change of size.
const forms: readonly (readonly [number, string])[] = [
  [0, '00'],
  [37, '25'],
  [63, '3f'],
  [64, '4040'],
  [15_293, '7bbd'],
  [16_383, '7fff'],
  [16_384, '80004000'],
  [494_878_333, '9d7f3e7d'],
  [1_073_741_823, 'bfffffff'],
  [1_073_741_824, 'c000000040000000'],
  [4_294_967_295, 'c0000000ffffffff'],
  [4_294_967_296, 'c000000100000000'],
  [9_007_199_254_740_991, 'c01fffffffffffff'],
]

describe('a varint', () => {
  it.each(forms)('of %d is %s', (value, hex) => {
    expect(toHex(written(value))).toBe(hex)
    expect(new Reader(fromHex(hex)).varint()).toBe(value)
    expect(varintSize(value)).toBe(hex.length / 2)
  })

  it('comes back as it was written, in as many bytes as varintSize says', () => {
    fc.assert(
      fc.property(varint, (value) => {
        const bytes = written(value)
        const reader = new Reader(bytes)
        expect(reader.varint()).toBe(value)
        expect(reader.remaining).toBe(0)
        expect(bytes.length).toBe(varintSize(value))
      }),
    )
  })

  it.each(['4000', '403f', '80000000', '80003fff', 'c000000000000000', 'c00000003fffffff'])(
    'in the longer form %s is malformed',
    (hex) => {
      expect(() => new Reader(fromHex(hex)).varint()).toThrow(/shortest/)
    },
  )

  it.each(['c020000000000000', 'ffffffffffffffff'])('above 2^53 - 1 such as %s is malformed', (hex) => {
    expect(() => new Reader(fromHex(hex)).varint()).toThrow(ProtocolError)
  })

  it.each(['', '40', '800040', 'c01fffffffffff'])('that is cut short to "%s" is malformed', (hex) => {
    expect(() => new Reader(fromHex(hex)).varint()).toThrow(ProtocolError)
  })

  it.each([-1, 0.5, Number.NaN, 2 ** 53, Infinity])('cannot be made of %d', (value) => {
    expect(() => varintSize(value)).toThrow(RangeError)
  })
})

describe('a reader', () => {
  it('never reads past its end', () => {
    const reader = new Reader(fromHex('0102030405'))
    expect(() => reader.take(6)).toThrow(ProtocolError)
    expect(toHex(reader.take(4))).toBe('01020304')
    expect(() => reader.u16()).toThrow(ProtocolError)
  })

  it('never reads past the end of what it entered', () => {
    const reader = new Reader(fromHex('010203'))
    const outer = reader.enter(1)
    expect(reader.u8()).toBe(1)
    expect(() => reader.u8()).toThrow(ProtocolError)
    reader.leave(outer)
    expect(toHex(reader.rest())).toBe('0203')
  })

  it('does not leave what it has not read to the end, nor enter more than there is', () => {
    const reader = new Reader(fromHex('010203'))
    expect(() => reader.enter(4)).toThrow(ProtocolError)
    const outer = reader.enter(2)
    expect(() => reader.leave(outer)).toThrow(ProtocolError)
  })
})

describe('a writer', () => {
  it('never writes past its end', () => {
    const writer = new Writer(new Uint8Array(1))
    expect(() => writer.put(new Uint8Array(2))).toThrow(RangeError)
    writer.u8(1)
    expect(() => writer.u8(1)).toThrow(RangeError)
  })
})

describe('bytes', () => {
  it('go to hexadecimal and back', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(fromHex(toHex(bytes))).toEqual(bytes)
      }),
    )
    expect(toHex(fromHex('00Ff10'))).toBe('00ff10')
  })

  it.each(['0', '0g', '+1', ' 1', '0x'])('are not read from "%s"', (hex) => {
    expect(() => fromHex(hex)).toThrow(RangeError)
  })

  it('are equal when all of them are', () => {
    expect(equalBytes(fromHex('0102'), fromHex('0102'))).toBe(true)
    expect(equalBytes(fromHex('0102'), fromHex('0103'))).toBe(false)
    expect(equalBytes(fromHex('0102'), fromHex('0302'))).toBe(false)
    expect(equalBytes(fromHex('0102'), fromHex('010200'))).toBe(false)
    expect(equalBytes(new Uint8Array(), new Uint8Array())).toBe(true)
  })

  it('are joined in order', () => {
    expect(toHex(concat(fromHex('01'), new Uint8Array(), fromHex('0203')))).toBe('010203')
  })
})

describe('the codes', () => {
  it('stand in the order of their numbers', () => {
    expect(codes.map(({ number }) => number)).toEqual(codes.map((_, place) => place))
    expect(new Set(codes.map(({ name }) => name)).size).toBe(codes.length)
  })

  it('have names, and unknown ones have numbers', () => {
    expect(codeName(Code.FINAL_OFFSET)).toBe('FINAL_OFFSET')
    expect(codeName(20)).toBe('UNKNOWN_20')
    expect(codeName(256)).toBe('APPLICATION_256')
  })

  it('tell the application what the spec says', () => {
    expect(peerError(Code.IDLE, 'reset')).toBe('ETIMEDOUT')
    expect(peerError(Code.UNSUPPORTED, 'reset')).toBe('ECONNRESET')
    expect(peerError(Code.UNSUPPORTED, 'refuse')).toBe('ECONNREFUSED')
    expect(peerError(Code.PRICE, 'refuse')).toBe('ERR_KEYSOCK_PRICE')
    expect(peerError(4711, 'reset')).toBe('ECONNRESET')
  })
})
