import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodePath, encodePath, type PathParts } from '../../src/backends/paths/reply-path.ts'
import { publicKey } from '../../src/wire/keys.ts'

const point = (n: number): Uint8Array => publicKey(new Uint8Array(32).fill(n))

const blindedPath: PathParts = {
  introduction: point(1),
  pathKey: point(2),
  blindedIds: [point(3), point(4)],
  data: [new Uint8Array(48).fill(1), new Uint8Array(48).fill(2), new Uint8Array(16).fill(3)],
  totals: { baseFeeMsat: 1_000, feePpm: 100, cltvDelta: 144, minHtlcMsat: 1_000 },
}

describe('a reply path', () => {
  it('comes back as it was written', () => {
    expect(decodePath(encodePath(blindedPath))).toEqual(blindedPath)
    const long = {
      ...blindedPath,
      blindedIds: [point(3), point(4), point(5)],
      data: [...blindedPath.data, new Uint8Array(16)],
    }
    expect(decodePath(encodePath(long))).toEqual(long)
  })

  it('is refused in any other form, and never with another error', () => {
    const good = encodePath(blindedPath)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.nat(good.length), fc.nat(255), (noise, at, value) => {
        const changed = good.slice()
        changed[at] = value
        for (const bytes of [noise, good.slice(0, at), changed]) {
          try {
            expect(encodePath(decodePath(bytes))).toEqual(bytes)
          } catch (error) {
            expect(error).toMatchObject({ code: 'bad-request' })
          }
        }
      }),
    )
  })
})
