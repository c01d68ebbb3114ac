import { describe, expect, it } from 'vitest'
import { HOP_PAYLOADS_BYTES } from '../../src/wire/bolt4/onion.ts'
import { largestRecord, onionBytes, truncatedLength, type HopSize } from '../../src/wire/bolt4/onion-size.ts'

const EXPIRY = 850_100

function clear(hops: number, amountMsat: number): HopSize[] {
  return Array.from({ length: hops }, () => ({ kind: 'clear', amountMsat, expiry: EXPIRY }))
}

function keysendOver(channels: number, amountMsat: number): number {
  return largestRecord([...clear(channels - 1, amountMsat), { kind: 'keysend', amountMsat, expiry: EXPIRY }])
}

/** I -> N -> P, with clear relays before I and blinded relays between. */
function phantom(options: { clear?: number; relays?: number; keysend?: boolean }): number {
  const { relays = 2, keysend = false } = options
  const blinded = Array.from({ length: relays }, (_, i): HopSize => ({
    kind: 'blinded',
    encryptedBytes: 41,
    introduction: i === 0,
  }))
  const last: HopSize = { kind: 'phantom', amountMsat: 5_000, expiry: EXPIRY, encryptedBytes: 17, keysend }
  return largestRecord([...clear(options.clear ?? 0, 5_000), ...blinded, last])
}

describe('the largest record', () => {
  it.for([1, 2, 3, 5, 8, 19])('over %i clear channels is 1258 - 52 N', (channels) => {
    expect(keysendOver(channels, 5_000)).toBe(1_258 - 52 * channels)
  })

  it.for([1, 2, 8])('over %i clear channels is a byte less a hop from 65,536 msat on', (channels) => {
    expect(keysendOver(channels, 65_535)).toBe(1_258 - 52 * channels)
    expect(keysendOver(channels, 65_536)).toBe(1_258 - 53 * channels)
  })

  it('on I -> N -> P next to a keysend record is 996, as measured; 42 more without one', () => {
    expect(phantom({ keysend: true })).toBe(996)
    expect(phantom({})).toBe(1_038)
  })

  it('loses 52 for each clear relay before I, and about 80 for a second blinded relay', () => {
    expect(phantom({ clear: 1, keysend: true })).toBe(944)
    expect(phantom({ clear: 1 }) - phantom({ clear: 2 })).toBe(52)
    expect(phantom({}) - phantom({ relays: 3 })).toBe(76)
  })

  it('is exact: one more byte does not fit', () => {
    for (let channels = 1; channels <= 20; channels++) {
      const hops: HopSize[] = [...clear(channels - 1, 1_000), { kind: 'keysend', amountMsat: 1_000, expiry: EXPIRY }]
      const size = largestRecord(hops)
      expect(onionBytes(hops, size)).toBeLessThanOrEqual(HOP_PAYLOADS_BYTES)
      expect(onionBytes(hops, size + 1)).toBeGreaterThan(HOP_PAYLOADS_BYTES)
    }
  })

  it('does not exist where the hops alone fill the onion', () => {
    expect(keysendOver(27, 5_000)).toBe(-1)
  })
})

describe('a truncated integer', () => {
  it.for([
    [0, 0],
    [255, 1],
    [256, 2],
    [65_535, 2],
    [65_536, 3],
    [2 ** 40, 6],
  ])('of %i takes %i bytes', ([value, bytes]) => {
    expect(truncatedLength(value as number)).toBe(bytes)
  })
})
