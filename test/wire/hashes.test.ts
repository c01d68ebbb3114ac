/** The two builds of HMAC-SHA256, and SHA-256, beside a third one, Node's own. Random runs print their seed. */
import { createHash, createHmac } from 'node:crypto'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../src/floor/bytes.ts'
import { hmacSha256, hmacSha256Again, sha256 } from '../../src/wire/hashes.ts'
import { prepareSodium } from '../../src/wire/sodium.ts'

const bytes = (most: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength: most })
/** Also longer than what the build in WebAssembly has room for. */
const message = fc.oneof(
  bytes(130),
  fc.nat(3_000).map((length) => new Uint8Array(length).fill(length)),
)

function macByNode(key: Uint8Array, of: Uint8Array): string {
  return createHmac('sha256', key).update(of).digest('hex')
}

function macsAsNodeDoes(): void {
  fc.assert(
    fc.property(bytes(140), message, (key, of) => {
      expect(toHex(hmacSha256(key, of))).toBe(macByNode(key, of))
    }),
  )
}

function macsAsNodeDoesAgain(): void {
  fc.assert(
    // Few first bytes: keys take each other's places.
    fc.property(fc.array(fc.tuple(bytes(2), bytes(62), bytes(1_400)), { maxLength: 8 }), (all) => {
      const keyed = all.map(([first, rest, of]) => ({
        key: Uint8Array.of(...first.map((one) => one % 3), ...rest),
        of,
      }))
      for (const { key, of } of [...keyed, ...keyed.toReversed()])
        expect(toHex(hmacSha256Again(key, of))).toBe(macByNode(key, of))
    }),
  )
}

function knowsAKeyByItsBytes(): void {
  const key = new Uint8Array(32).fill(1)
  const of = Uint8Array.of(7)
  hmacSha256Again(key, of)
  key[31] = 2
  expect(toHex(hmacSha256Again(key, of))).toBe(macByNode(key, of))
}

function keepsResultsApart(): void {
  const key = new Uint8Array(32)
  const results = [hmacSha256(key, key), hmacSha256Again(key, key), sha256(key)]
  const before = results.map(toHex)
  hmacSha256(key, Uint8Array.of(1))
  hmacSha256Again(key, Uint8Array.of(2))
  sha256(Uint8Array.of(3))
  expect(results.map(toHex)).toEqual(before)
}

function refusesWhatIsTooLong(): void {
  expect(() => hmacSha256Again(new Uint8Array(65), new Uint8Array(1))).toThrow(RangeError)
  expect(() => hmacSha256Again(new Uint8Array(32), new Uint8Array(1_401))).toThrow(RangeError)
}

// RFC 4231, test case 2.
function knowsTheMessageOfTheRfc(): void {
  const text = new TextEncoder()
  const expected = '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'
  expect(toHex(hmacSha256(text.encode('Jefe'), text.encode('what do ya want for nothing?')))).toBe(expected)
  expect(toHex(hmacSha256Again(text.encode('Jefe'), text.encode('what do ya want for nothing?')))).toBe(expected)
}

describe.each([
  ['the HMAC in JavaScript, before the other is there', undefined],
  ['the HMAC in WebAssembly', prepareSodium],
])('%s', (_name, prepare) => {
  beforeAll(async () => await prepare?.())
  it('is the HMAC of Node', macsAsNodeDoes)
  it('is the HMAC of Node for keys that come again', macsAsNodeDoesAgain)
  it('knows a key by its bytes', knowsAKeyByItsBytes)
  it('changes no result later', keepsResultsApart)
  it('refuses what there is no room for', refusesWhatIsTooLong)
  it('is the HMAC of the RFC', knowsTheMessageOfTheRfc)
})

describe('SHA-256', () => {
  it('has the hashes of Node', () => {
    fc.assert(
      fc.property(message, (of) => {
        expect(toHex(sha256(of))).toBe(createHash('sha256').update(of).digest('hex'))
      }),
    )
  })

  // FIPS 180-2, appendix B.1.
  it('has the hash of the standard', () => {
    const expected = fromHex('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
    expect(sha256(new TextEncoder().encode('abc'))).toEqual(expected)
  })
})
