/** The curve in WebAssembly beside the one in JavaScript. Random runs print their seed. */
import { secp256k1 } from '@noble/curves/secp256k1.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../src/floor/bytes.ts'
import {
  isPoint,
  isSecret,
  multiply,
  multiplySecret,
  publicKey,
  quickMultiply,
  scalarOf,
} from '../../src/wire/curve.ts'

const { Fn } = secp256k1.Point
const ORDER = Fn.ORDER
const scalar = (value: bigint): Uint8Array => fromHex(value.toString(16).padStart(64, '0'))
const EDGES = [0n, 1n, 2n, ORDER - 1n, ORDER, ORDER + 1n, 2n ** 256n - 1n].map(scalar)
const any32 = fc.oneof(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.constantFrom(...EDGES))
const secret = any32.filter((bytes) => secp256k1.utils.isValidSecretKey(bytes))
const point = secret.map((bytes) => secp256k1.getPublicKey(bytes, true))
const NO_POINT = Uint8Array.from({ length: 33 }, (_, i) => (i === 0 ? 2 : i === 32 ? 5 : 0))

describe('secp256k1 in WebAssembly', () => {
  it('knows the same secrets', () => {
    fc.assert(
      fc.property(any32, (bytes) => {
        expect(isSecret(bytes)).toBe(secp256k1.utils.isValidSecretKey(bytes))
      }),
    )
    expect(isSecret(new Uint8Array(31).fill(1))).toBe(false)
  })

  it('knows the same points', () => {
    const random = fc.uint8Array({ minLength: 33, maxLength: 33 }).map((bytes) => {
      bytes[0] = 2 + (bytes[0]! % 3)
      return bytes
    })
    fc.assert(
      fc.property(fc.oneof(point, random), (bytes) => {
        expect(isPoint(bytes)).toBe(secp256k1.utils.isValidPublicKey(bytes, true))
      }),
    )
    expect(isPoint(new Uint8Array(0))).toBe(false)
    expect(isPoint(secp256k1.getPublicKey(scalar(7n), false))).toBe(false)
    expect(isPoint(secp256k1.getPublicKey(scalar(7n), true).subarray(1))).toBe(false)
  })

  it('makes the same public keys', () => {
    fc.assert(
      fc.property(secret, (bytes) => {
        expect(toHex(publicKey(bytes))).toBe(toHex(secp256k1.getPublicKey(bytes, true)))
      }),
    )
  })

  it('multiplies points to the same, both ways', () => {
    fc.assert(
      fc.property(secret, point, (by, of) => {
        const expected = toHex(secp256k1.getSharedSecret(by, of, true))
        expect(toHex(multiply(by, of))).toBe(expected)
        expect(toHex(quickMultiply(by, of))).toBe(expected)
      }),
    )
  })

  it('multiplies secrets to the same', () => {
    fc.assert(
      fc.property(secret, any32, (by, factor) => {
        const product = Fn.mul(Fn.fromBytes(by), Fn.create(BigInt(`0x${toHex(factor)}`)))
        expect(toHex(multiplySecret(by, factor))).toBe(toHex(Fn.toBytes(product)))
      }),
    )
  })

  it('reduces a hash that exceeds the order', () => {
    expect(scalarOf(scalar(ORDER + 5n))).toEqual(scalar(5n))
    expect(scalarOf(scalar(5n))).toEqual(scalar(5n))
  })

  it.each(EDGES.filter((bytes) => !secp256k1.utils.isValidSecretKey(bytes)).map((bytes) => [toHex(bytes)] as const))(
    'refuses the secret %s',
    (hex) => {
      const one = publicKey(scalar(1n))
      expect(() => publicKey(fromHex(hex))).toThrow(RangeError)
      expect(() => multiply(fromHex(hex), one)).toThrow(RangeError)
      expect(() => quickMultiply(fromHex(hex), one)).toThrow(RangeError)
      expect(() => multiplySecret(fromHex(hex), scalar(1n))).toThrow(RangeError)
    },
  )

  it('lasts, whatever number of points that are none it is given', () => {
    const by = scalar(7n)
    for (let i = 0; i < 10_000; i++) {
      expect(isPoint(NO_POINT)).toBe(false)
      expect(() => quickMultiply(by, NO_POINT)).toThrow(RangeError)
      expect(() => multiply(by, NO_POINT)).toThrow(RangeError)
    }
    expect(toHex(multiply(by, publicKey(by)))).toBe(toHex(secp256k1.getSharedSecret(by, publicKey(by), true)))
  })
})
