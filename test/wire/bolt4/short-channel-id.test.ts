import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  formatShortChannelId,
  packShortChannelId,
  parseShortChannelId,
  unpackShortChannelId,
} from '../../../src/wire/bolt4/short-channel-id.ts'
import { boltCode } from './arbitraries.ts'

describe('a short channel id', () => {
  it('packs block, transaction and output as lnd counts them', () => {
    expect(packShortChannelId({ block: 539_268, transaction: 845, output: 1 })).toBe(
      (539_268n << 40n) + (845n << 16n) + 1n,
    )
  })

  it('comes back from its parts and from its written form', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (id) => {
        expect(packShortChannelId(unpackShortChannelId(id))).toBe(id)
        expect(parseShortChannelId(formatShortChannelId(id))).toBe(id)
      }),
    )
  })

  it('reaches the blocks above those that lnd gives to aliases', () => {
    expect(formatShortChannelId(packShortChannelId({ block: 0xff_ffff, transaction: 0xff_ffff, output: 0xffff }))).toBe(
      '16777215x16777215x65535',
    )
  })

  it.each([
    { block: 0x100_0000, transaction: 0, output: 0 },
    { block: 0, transaction: 0x100_0000, output: 0 },
    { block: 0, transaction: 0, output: 0x1_0000 },
    { block: -1, transaction: 0, output: 0 },
    { block: 0.5, transaction: 0, output: 0 },
  ])('has no room for %o', (position) => {
    expect(() => packShortChannelId(position)).toThrow(RangeError)
  })

  it('is no number of more than 64 bits', () => {
    expect(() => unpackShortChannelId(2n ** 64n)).toThrow(RangeError)
    expect(() => formatShortChannelId(-1n)).toThrow(RangeError)
  })

  it.each(['', '1x2', '1x2x3x4', '01x2x3', ' 1x2x3', '16777216x0x0', '0x16777216x0', '0x0x65536', '-1x0x0'])(
    'is not written "%s"',
    (written) => {
      expect(boltCode(() => parseShortChannelId(written))).toBe('syntax')
    },
  )
})
