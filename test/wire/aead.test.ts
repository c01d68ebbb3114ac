/** The two builds of ChaCha20-Poly1305 beside a third one, Node's own. Random runs print their seed. */
import { createCipheriv } from 'node:crypto'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { fromHex } from '../../src/floor/bytes.ts'
import { sealInto, TAG_BYTES, unseal, type SealInput } from '../../src/wire/aead.ts'
import { prepareSodium } from '../../src/wire/sodium.ts'

const bytes = (most: number, least = 0): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: least, maxLength: most })
const input: fc.Arbitrary<SealInput> = fc.record({
  key: bytes(32, 32),
  number: fc.oneof(fc.nat(), fc.maxSafeNat()),
  associated: bytes(82),
  plaintext: fc.oneof(
    bytes(70),
    fc.nat(1_284).chain((length) => bytes(length, length)),
  ),
})

function sealed(given: SealInput): Uint8Array {
  const record = new Uint8Array(3 + given.plaintext.length + TAG_BYTES)
  sealInto(record, 3, given)
  expect([...record.subarray(0, 3)]).toEqual([0, 0, 0])
  return record.subarray(3)
}

function sealedByNode({ key, number, associated, plaintext }: SealInput): Uint8Array {
  const nonce = Buffer.alloc(12)
  nonce.writeBigUInt64LE(BigInt(number), 4)
  const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(associated, { plaintextLength: plaintext.length })
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

function sealsAsNodeDoes(): void {
  fc.assert(
    fc.property(input, (given) => {
      expect(Buffer.from(sealed(given)).toString('hex')).toBe(Buffer.from(sealedByNode(given)).toString('hex'))
    }),
  )
}

function opensWhatItSealed(): void {
  fc.assert(
    fc.property(input, (given) => {
      expect(unseal(given.key, given.number, given.associated, sealed(given))).toEqual(given.plaintext)
    }),
  )
}

function opensNothingElse(): void {
  fc.assert(
    fc.property(input, fc.nat(), fc.nat(7), (given, place, bit) => {
      const changed = sealed(given)
      changed[place % changed.length]! ^= 1 << bit
      expect(unseal(given.key, given.number, given.associated, changed)).toBeUndefined()
      const whole = sealed(given)
      expect(unseal(given.key, given.number + (given.number > 0 ? -1 : 1), given.associated, whole)).toBeUndefined()
      expect(unseal(given.key, given.number, Uint8Array.of(...given.associated, 0), whole)).toBeUndefined()
      expect(unseal(given.key, given.number, given.associated, whole.subarray(0, place % whole.length))).toBeUndefined()
    }),
  )
}

// RFC 8439 appendix A.5, without its associated data and nonce: this protocol's nonces begin with 4 zero bytes. The key
// is that of the RFC; what comes out is Node's, written down.
function sealsTheKnownOne(): void {
  const given = {
    key: fromHex('1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0'),
    number: 0x0807060504,
    associated: fromHex('f33388860000000000004e91'),
    plaintext: new TextEncoder().encode('Internet-Drafts are draft documents'),
  }
  expect(Buffer.from(sealed(given)).toString('hex')).toBe(Buffer.from(sealedByNode(given)).toString('hex'))
}

describe('the build in JavaScript, before the other is there', () => {
  it('seals as Node does', sealsAsNodeDoes)
  it('opens what it sealed', opensWhatItSealed)
  it('opens nothing else', opensNothingElse)
  it('seals a known message', sealsTheKnownOne)
})

describe('the build in WebAssembly', () => {
  beforeAll(prepareSodium)
  it('seals as Node does', sealsAsNodeDoes)
  it('opens what it sealed', opensWhatItSealed)
  it('opens nothing else', opensNothingElse)
  it('seals a known message', sealsTheKnownOne)

  it('writes over nothing where an input is too long', () => {
    const given = { key: new Uint8Array(32), number: 1, associated: new Uint8Array(0), plaintext: new Uint8Array(9) }
    const long = { ...given, plaintext: new Uint8Array(1_285) }
    const wide = { ...given, associated: new Uint8Array(129) }
    expect(() => sealed(long)).toThrow(RangeError)
    expect(() => sealed(wide)).toThrow(RangeError)
    expect(() => sealed({ ...given, key: new Uint8Array(33) })).toThrow(RangeError)
    expect(() => unseal(given.key, 1, given.associated, new Uint8Array(1_301))).toThrow(RangeError)
    expect(unseal(given.key, 1, given.associated, sealedByNode(given))).toEqual(given.plaintext)
  })
})
