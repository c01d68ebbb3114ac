import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeEncryptedData,
  encodeEncryptedData,
  encodePadded,
  openEncryptedData,
  sealEncryptedData,
} from '../../../src/wire/bolt4/encrypted-data.ts'
import { BoltError } from '../../../src/wire/bolt4/errors.ts'
import { encodeTlvStream } from '../../../src/wire/bolt4/tlv.ts'
import { concat, fromHex } from '../../../src/floor/bytes.ts'
import { boltCode, encryptedData, likelyStreams, orBoltError } from './arbitraries.ts'

describe('the data for a hop of a blinded path', () => {
  it('comes back as it was written', () => {
    fc.assert(
      fc.property(encryptedData, (data) => {
        expect(decodeEncryptedData(encodeEncryptedData(data))).toEqual(data)
      }),
    )
  })

  it('may be empty', () => {
    expect(encodeEncryptedData({})).toEqual(new Uint8Array(0))
    expect(decodeEncryptedData(new Uint8Array(0))).toEqual({})
  })

  it.each([
    ['a channel id of 7 bytes', '020700000000000000', 'syntax'],
    ['a channel id of 9 bytes', '0209000000000000000000', 'syntax'],
    ['a node id that is no point', `0421${'05'.repeat(33)}`, 'point'],
    ['a relay without its fee', '0a050024000000', 'syntax'],
    ['a base fee with a leading zero', '0a0700240000009600', 'syntax'],
    ['a base fee of 5 bytes', '0a0b0024000000960102030405', 'syntax'],
    ['constraints without a height', '0c03000001', 'syntax'],
    ['a least amount with a leading zero', '0c060000000100ff', 'syntax'],
    ['an unknown even type', '1000', 'unknown-even'],
    ['an unknown even type of the custom range', 'fe0001000000', 'unknown-even'],
  ])('is refused with %s', (_, hex, code) => {
    expect(boltCode(() => decodeEncryptedData(fromHex(hex)))).toBe(code)
  })

  it('names the type that a complaint is about', () => {
    const error = orBoltError(() => decodeEncryptedData(fromHex('020700000000000000')))
    expect(error).toBeInstanceOf(BoltError)
    expect(error).toMatchObject({ tlvType: 2n })
  })

  it('is not written with a value out of its range', () => {
    const relay = { cltvExpiryDelta: 65_536, feeProportionalMillionths: 0, feeBaseMsat: 0 }
    expect(() => encodeEncryptedData({ paymentRelay: relay })).toThrow(RangeError)
    expect(() => encodeEncryptedData({ nextNodeId: new Uint8Array(32) })).toThrow(RangeError)
    expect(() =>
      encodeEncryptedData({ unknown: [{ type: 2n, value: new Uint8Array(8) }], shortChannelId: 1n }),
    ).toThrow(RangeError)
  })

  it('gives an error of one class for any bytes, and one form for what it accepts', () => {
    fc.assert(
      fc.property(likelyStreams, (stream) => {
        const data = orBoltError(() => decodeEncryptedData(stream))
        if (!(data instanceof BoltError) && data.paddingBytes === undefined) {
          expect(encodeEncryptedData(data)).toEqual(stream)
        }
      }),
      { numRuns: 1_000 },
    )
  })
})

describe('padding', () => {
  it('makes all hops equally long and changes nothing else', () => {
    fc.assert(
      fc.property(fc.array(encryptedData, { minLength: 1, maxLength: 6 }), fc.nat({ max: 600 }), (hops, leastBytes) => {
        const padded = encodePadded(hops, leastBytes)
        const [{ length } = { length: 0 }] = padded
        expect(length).toBeGreaterThanOrEqual(leastBytes)
        for (const [i, stream] of padded.entries()) {
          expect(stream.length).toBe(length)
          const { paddingBytes: _, ...rest } = decodeEncryptedData(stream)
          const { paddingBytes: __, ...expected } = hops[i] ?? {}
          expect(rest).toEqual(expected)
        }
      }),
    )
  })

  it.each([0, 1, 2, 3, 253, 254, 255, 256, 257, 258])('bridges a difference of %d bytes', (difference) => {
    const long = { pathId: new Uint8Array(difference + 60) }
    const short = { pathId: new Uint8Array(60) }
    // Behind this record both path ids have a length field of the same size, or of one that is 2 bytes longer.
    const [a, b] = encodePadded([long, short])
    expect(a?.length).toBe(b?.length)
    const bare = encodeEncryptedData(long).length
    expect((a?.length ?? 0) - bare).toBeLessThanOrEqual(3)
  })

  it('is not given where the data would be longer than an onion', () => {
    expect(encodePadded([{}], 1_300)[0]).toHaveLength(1_300)
    expect(() => encodePadded([{}], 1_301)).toThrow(RangeError)
  })

  it('adds nothing to hops that are equal already', () => {
    const hop = { shortChannelId: 7n }
    expect(encodePadded([hop, hop])).toEqual([encodeEncryptedData(hop), encodeEncryptedData(hop)])
  })
})

describe('sealed data', () => {
  const secret = new Uint8Array(32).fill(7)
  const stream = encodeTlvStream([{ type: 6n, value: fromHex('deadbeef') }])

  it('opens under the secret that sealed it, and under no other', () => {
    const sealed = sealEncryptedData(secret, stream)
    expect(sealed.length).toBe(stream.length + 16)
    expect(openEncryptedData(secret, sealed)).toEqual(stream)
    expect(boltCode(() => openEncryptedData(new Uint8Array(32).fill(8), sealed))).toBe('encrypted-data')
  })

  it('does not open when a bit changed or bytes are missing or added', () => {
    const sealed = sealEncryptedData(secret, stream)
    for (let i = 0; i < sealed.length; i++) {
      const changed = sealed.map((byte, at) => (at === i ? byte ^ 1 : byte))
      expect(boltCode(() => openEncryptedData(secret, changed))).toBe('encrypted-data')
      expect(boltCode(() => openEncryptedData(secret, sealed.slice(0, i)))).toBe('encrypted-data')
    }
    expect(boltCode(() => openEncryptedData(secret, concat(sealed, Uint8Array.of(0))))).toBe('encrypted-data')
  })
})
