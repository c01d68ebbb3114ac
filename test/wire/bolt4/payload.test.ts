import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BoltError } from '../../../src/wire/bolt4/errors.ts'
import {
  decodeBlindedFinal,
  decodeClearFinal,
  decodePayload,
  encodePayload,
  KEYSEND_TYPE,
  type Payload,
} from '../../../src/wire/bolt4/payload.ts'
import { encodeTlvStream } from '../../../src/wire/bolt4/tlv.ts'
import { fromHex } from '../../../src/floor/bytes.ts'
import { publicKey } from '../../../src/wire/keys.ts'
import { boltCode, likelyStreams, orBoltError, payloads } from './arbitraries.ts'

const RECORD_TYPE = 1_936_679_787n
const customRecords = new Map([[RECORD_TYPE, fromHex('c0ffee')]])
const none = new Map<bigint, Uint8Array>()
const clear: Payload = { amountMsat: 2_000n, cltvExpiry: 800_000, customRecords }
const blinded: Payload = { ...clear, totalAmountMsat: 2_000n, encryptedData: fromHex('00112233') }

describe('a payload', () => {
  it('comes back as it was written', () => {
    fc.assert(
      fc.property(payloads, (payload) => {
        expect(decodePayload(encodePayload(payload))).toEqual(payload)
      }),
    )
  })

  it('shows the records of all custom types, even ones too', () => {
    const records = new Map([
      [65_536n, fromHex('01')],
      [2n ** 64n - 1n, fromHex('')],
    ])
    expect(decodePayload(encodePayload({ customRecords: records })).customRecords).toEqual(records)
  })

  it('shows a keysend preimage by its name', () => {
    const keysendPreimage = new Uint8Array(32).fill(9)
    const stream = encodeTlvStream([{ type: KEYSEND_TYPE, value: keysendPreimage }])
    expect(decodePayload(stream)).toEqual({ keysendPreimage, customRecords: none })
  })

  it.each([
    ['an amount with a leading zero', '020100', 'syntax'],
    ['an amount of 9 bytes', '0209010101010101010101', 'syntax'],
    ['an amount beyond 21 million bitcoin', '02081d24b2dfac520001', 'syntax'],
    ['an expiry of 5 bytes', '04050101010101', 'syntax'],
    ['a channel id of 4 bytes', '060401010101', 'syntax'],
    ['payment data shorter than its secret', `081f${'01'.repeat(31)}`, 'syntax'],
    ['payment data with 9 bytes of total', `0829${'01'.repeat(41)}`, 'syntax'],
    ['a path key that is no point', `0c21${'05'.repeat(33)}`, 'point'],
    ['a path key of 32 bytes', `0c20${'02'.repeat(32)}`, 'point'],
    ['a preimage of 31 bytes', `ff0000000146c6616c1f${'01'.repeat(31)}`, 'syntax'],
    ['the unknown even type 0', '0000', 'unknown-even'],
    ['the unknown even type 14', '0e00', 'unknown-even'],
    ['the unknown even type 65534', 'fdfffe00', 'unknown-even'],
    ['types that descend', '04010102010a', 'syntax'],
    ['a type twice', '020101020101', 'syntax'],
  ])('is refused with %s', (_, hex, code) => {
    expect(boltCode(() => decodePayload(fromHex(hex)))).toBe(code)
  })

  it('is not written with a payment secret of another length than 32 bytes', () => {
    const paymentData = { paymentSecret: new Uint8Array(31), totalMsat: 1n }
    expect(() => encodePayload({ ...clear, paymentData })).toThrow(RangeError)
  })

  it('is not written with a custom record of a type below 65,536', () => {
    expect(() => encodePayload({ customRecords: new Map([[65_535n, fromHex('')]]) })).toThrow(RangeError)
  })

  it('gives an error of one class for any bytes, and one form for what it accepts', () => {
    fc.assert(
      fc.property(likelyStreams, (stream) => {
        orBoltError(() => decodeClearFinal(stream))
        orBoltError(() => decodeBlindedFinal(stream))
        const payload = orBoltError(() => decodePayload(stream))
        // Unknown odd types below the custom range are let go, so only the known ones come back.
        if (!(payload instanceof BoltError)) expect(decodePayload(encodePayload(payload))).toEqual(payload)
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('the payload of a last hop without a blinded path', () => {
  const decode = (payload: Payload): unknown => decodeClearFinal(encodePayload(payload))

  it('has an amount, an expiry and records', () => {
    expect(decode(clear)).toEqual({ amountMsat: 2_000n, cltvExpiry: 800_000, totalMsat: 2_000n, customRecords })
  })

  it('takes the total of its payment data', () => {
    const paymentSecret = new Uint8Array(32).fill(3)
    expect(decode({ ...clear, paymentData: { paymentSecret, totalMsat: 5_000n } })).toMatchObject({
      amountMsat: 2_000n,
      totalMsat: 5_000n,
      paymentSecret,
    })
  })

  it('takes a total that stands alone', () => {
    expect(decode({ ...clear, totalAmountMsat: 5_000n })).toMatchObject({ amountMsat: 2_000n, totalMsat: 5_000n })
  })

  it('may have a keysend record and metadata', () => {
    const extra = { keysendPreimage: new Uint8Array(32).fill(9), paymentMetadata: new Uint8Array(0) }
    expect(decode({ ...clear, ...extra })).toMatchObject(extra)
  })

  it('passes over unknown odd types', () => {
    const stream = fromHex('02030102030401011300')
    expect(decodeClearFinal(stream)).toMatchObject({ amountMsat: 66_051n, customRecords: none })
  })

  it.each(['amountMsat', 'cltvExpiry'] as const)('is refused without %s', (name) => {
    const { [name]: _, ...rest } = clear
    expect(boltCode(() => decode(rest as Payload))).toBe('missing')
  })

  it.each([
    { shortChannelId: 1n },
    { encryptedData: new Uint8Array(0) },
    { pathKey: publicKey(new Uint8Array(32).fill(1)) },
  ])('is refused with %o', (extra) => {
    expect(boltCode(() => decode({ ...clear, ...extra }))).toBe('forbidden')
  })
})

describe('the payload of the last hop of a blinded path', () => {
  const decode = (payload: Payload): unknown => decodeBlindedFinal(encodePayload(payload))

  it('has an amount, an expiry, a total, encrypted data and records', () => {
    expect(decode(blinded)).toEqual({
      amountMsat: 2_000n,
      cltvExpiry: 800_000,
      totalMsat: 2_000n,
      encryptedData: fromHex('00112233'),
      customRecords,
    })
  })

  it('may have a keysend record', () => {
    const keysendPreimage = new Uint8Array(32).fill(9)
    expect(decode({ ...blinded, keysendPreimage })).toMatchObject({ keysendPreimage, customRecords })
  })

  it.each(['amountMsat', 'cltvExpiry', 'totalAmountMsat', 'encryptedData'] as const)(
    'is refused without %s',
    (name) => {
      const { [name]: _, ...rest } = blinded
      expect(boltCode(() => decode(rest as Payload))).toBe('missing')
    },
  )

  it.each([
    { shortChannelId: 1n },
    { pathKey: publicKey(new Uint8Array(32).fill(1)) },
    { paymentMetadata: new Uint8Array(1) },
    { paymentData: { paymentSecret: new Uint8Array(32), totalMsat: 1n } },
  ])('is refused with %o', (extra) => {
    expect(boltCode(() => decode({ ...blinded, ...extra }))).toBe('forbidden')
  })

  it('is refused with an unknown type below the custom range, even an odd one', () => {
    const stream = fromHex('0201010401010a001201011300')
    expect(orBoltError(() => decodeBlindedFinal(stream))).toMatchObject({ code: 'forbidden', tlvType: 19n })
  })
})
