import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../src/floor/bytes.ts'
import { Code, ProtocolError } from '../../src/wire/errors.ts'
import { type DirectionKeys, publicKey } from '../../src/wire/keys.ts'
import {
  type Addressing,
  decodeHeader,
  frameCapacity,
  type Header,
  headerBytes,
  kinds,
  MAX_PACKET_BYTES,
  openPacket,
  type OpenHeader,
  sealPacket,
} from '../../src/wire/packets.ts'
import { bytesOf, varint } from './arbitraries.ts'
import * as noise from './noise.ts'

const keys: DirectionKeys = {
  seal: new Uint8Array(32).fill(1),
  settle: new Uint8Array(32).fill(2),
  transcript: new Uint8Array(32).fill(3),
}
const cid = fromHex('0102030405060708')
const ephemeral = publicKey(new Uint8Array(32).fill(4))

type Sealed = Exclude<Header, OpenHeader>

function addressingOf(header: Header): Addressing {
  return header.cid === undefined ? 'path' : 'cid'
}

const anyCid = fc.option(bytesOf(8), { nil: undefined })
const header: fc.Arbitrary<Sealed> = fc.oneof(
  fc.record({ kind: fc.constant('early' as const), cid: bytesOf(8), number: varint }),
  fc.record({ kind: fc.constantFrom('data' as const, 'reply' as const), cid: anyCid, number: varint }),
  fc.record({ kind: fc.constant('answer' as const), cid: anyCid, ephemeral: bytesOf(33), number: varint }),
)

function errorOf(record: Uint8Array, addressing: Addressing): ProtocolError {
  try {
    decodeHeader(record, addressing)
  } catch (error) {
    if (error instanceof ProtocolError) return error
    throw error
  }
  throw new Error('was accepted')
}

describe('a packet', () => {
  it('opens to the header and frames that it was sealed with', () => {
    fc.assert(
      fc.property(header, fc.uint8Array({ maxLength: 1200, size: 'max' }), (given, frames) => {
        const record = sealPacket(given, keys, frames)
        const decoded = decodeHeader(record, addressingOf(given))
        expect(decoded.header).toEqual(given)
        expect(decoded.sealedOffset).toBe(headerBytes(given.kind, addressingOf(given), given.number))
        expect(openPacket(record, decoded, keys)).toEqual(frames)
      }),
      { numRuns: 500 },
    )
  })

  it('is sealed as RFC 8439 says, over transcript and header, with its number as the nonce', () => {
    fc.assert(
      fc.property(header, fc.uint8Array({ maxLength: 100 }), (given, frames) => {
        const record = sealPacket(given, keys, frames)
        const { sealedOffset } = decodeHeader(record, addressingOf(given))
        const associated = Buffer.concat([keys.transcript, record.subarray(0, sealedOffset)])
        const expected = noise.encrypt(keys.seal, given.number, associated, frames)
        expect(toHex(record.subarray(sealedOffset))).toBe(expected.toString('hex'))
      }),
    )
  })

  it('does not open with any bit of it turned, nor under another key or transcript', () => {
    const record = sealPacket({ kind: 'data', cid, number: 0x1234 }, keys, fromHex('120100'))
    for (let bit = 8 * 9; bit < 8 * record.length; bit++) {
      const turned = record.slice()
      turned[bit >> 3] = (turned[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      let opened
      try {
        opened = openPacket(turned, decodeHeader(turned, 'cid'), keys)
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError)
      }
      expect(opened, `bit ${bit}`).toBeUndefined()
    }
    const decoded = decodeHeader(record, 'cid')
    expect(openPacket(record, decoded, keys)).toBeDefined()
    expect(openPacket(record, decoded, { ...keys, seal: keys.settle })).toBeUndefined()
    expect(openPacket(record, decoded, { ...keys, transcript: keys.settle })).toBeUndefined()
  })

  it('does not open as another kind of the same layout', () => {
    const record = sealPacket({ kind: 'data', cid, number: 1 }, keys, fromHex('120100'))
    record[0] = 0x1c
    expect(openPacket(record, decodeHeader(record, 'cid'), keys)).toBeUndefined()
  })

  it('fills a record to the last byte with as many bytes of frames as frameCapacity says', () => {
    fc.assert(
      fc.property(header, fc.integer({ min: 100, max: 1500 }), (given, recordBytes) => {
        const capacity = frameCapacity(given.kind, addressingOf(given), given.number, recordBytes)
        const size = sealPacket(given, keys, new Uint8Array(capacity)).length
        expect(size).toBe(Math.min(recordBytes, MAX_PACKET_BYTES))
      }),
    )
  })

  it('has no room for frames in a record that its header and tag overrun', () => {
    expect(frameCapacity('open', 'cid', 0, 59)).toBe(0)
    expect(frameCapacity('open', 'cid', 0, 50)).toBe(-9)
    expect(frameCapacity('data', 'path', 63, 18)).toBe(0)
  })

  it('is never made larger than the most there can be, nor with fields of a wrong size', () => {
    const data = { kind: 'data', cid, number: 1 } as const
    expect(sealPacket(data, keys, new Uint8Array(1274)).length).toBe(1300)
    expect(() => sealPacket(data, keys, new Uint8Array(1275))).toThrow(RangeError)
    expect(() => sealPacket({ ...data, cid: new Uint8Array(7) }, keys, new Uint8Array())).toThrow(RangeError)
    expect(() => sealPacket({ ...data, number: 2 ** 53 }, keys, new Uint8Array())).toThrow(RangeError)
    const answer = { kind: 'answer', cid, ephemeral: ephemeral.subarray(1), number: 1 } as const
    expect(() => sealPacket(answer, keys, new Uint8Array())).toThrow(RangeError)
  })
})

describe('a header', () => {
  const tag = '00'.repeat(16)
  const id = toHex(cid)
  const e = toHex(ephemeral)

  it('keeps no part of the record', () => {
    const record = fromHex(`1b${id}${e}07${tag}`)
    const { header: decoded } = decodeHeader(record, 'cid')
    record.fill(0xff)
    expect(decoded).toEqual({ kind: 'answer', cid, ephemeral, number: 7 })
  })

  it.each([
    ['an OPEN', `18${id}05${e}${tag}`, 'cid', { kind: 'open', cid, attempt: 5, ephemeral, number: 0 }],
    ['an EARLY', `19${id}4040${tag}`, 'cid', { kind: 'early', cid, number: 64 }],
    ['a DATA', `1a${id}01${tag}`, 'cid', { kind: 'data', cid, number: 1 }],
    ['a DATA over its own path', `1201${tag}`, 'path', { kind: 'data', cid: undefined, number: 1 }],
    ['an ANSWER over its own path', `13${e}00${tag}`, 'path', { kind: 'answer', cid: undefined, ephemeral, number: 0 }],
    ['a REPLY', `1c${id}c01fffffffffffff${tag}`, 'cid', { kind: 'reply', cid, number: 2 ** 53 - 1 }],
  ] as const)('of %s is read', (_, hex, addressing, expected) => {
    expect(decodeHeader(fromHex(hex), addressing).header).toEqual(expected)
  })

  it.each([
    ['17 bytes', `1201${tag.slice(2)}`, 'path'],
    ['1,301 bytes', `1201${'00'.repeat(1299)}`, 'path'],
    ['no bytes', '', 'path'],
    ['kind 5', `1d${id}01${tag}`, 'cid'],
    ['kind 7 without an id', `1701${tag}`, 'path'],
    ['an id where the path is enough', `1a${id}01${tag}`, 'path'],
    ['no id where one is needed', `1201${tag}${tag}`, 'cid'],
    ['an OPEN without an id', `1000${e}${tag}`, 'path'],
    ['an OPEN with an id over a connection’s path', `18${id}00${e}${tag}`, 'path'],
    ['an EARLY without an id', `1101${tag}`, 'path'],
    ['an OPEN whose key is not on the curve', `18${id}0002${'00'.repeat(31)}05${tag}`, 'cid'],
    ['an OPEN whose key is cut short', `18${id}00${e.slice(2)}`, 'cid'],
    ['no room for a tag', `1a${id}01${tag.slice(2)}`, 'cid'],
    ['a number not in its shortest form', `124001${tag}`, 'path'],
    ['a number above 2^53 - 1', `12c020000000000000${tag}`, 'path'],
  ] as const)('is malformed with %s', (_, hex, addressing) => {
    expect(errorOf(fromHex(hex), addressing).code).toBe(Code.PROTOCOL)
  })

  it.each(['0', '2', 'f'])('of version %s is told apart', (version) => {
    expect(errorOf(fromHex(`${version}201${tag}`), 'path').code).toBe(Code.VERSION)
  })

  it('has kinds in the order of their numbers', () => {
    expect(kinds).toEqual(['open', 'early', 'data', 'answer', 'reply'])
  })
})
