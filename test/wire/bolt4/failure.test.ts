import { sha256 } from '@noble/hashes/sha2.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  encodeFailure,
  failureCodes,
  MAX_FAILURE_BYTES,
  SEALED_FAILURE_BYTES,
  sealFailure,
} from '../../../src/wire/bolt4/failure.ts'
import { deriveKey } from '../../../src/wire/bolt4/sphinx.ts'
import { concat, fromHex, toHex } from '../../../src/floor/bytes.ts'
import { openFailure, wrapFailure } from './failure-opener.ts'
import { hopSecrets } from './onion-builder.ts'
import { itWithVectors } from './vectors.ts'

interface FailureVectors {
  readonly generate: {
    readonly session_key: string
    readonly failure_message: string
    readonly hops: readonly {
      readonly pubkey: string
      readonly hop_shared_secret: string
      readonly ammag_key: string
      readonly um_key?: string
    }[]
  }
  readonly errorpacket: string
}

const FILE = 'onion-error-test.json'

describe('the failure vectors of BOLT 4', () => {
  itWithVectors(
    'give the secrets and keys of every hop',
    FILE,
    ({ generate: { session_key, hops } }: FailureVectors) => {
      const secrets = hopSecrets(
        fromHex(session_key),
        hops.map(({ pubkey }) => fromHex(pubkey)),
      )
      expect(secrets.map(toHex)).toEqual(hops.map((hop) => hop.hop_shared_secret))
      expect(secrets.map((secret) => toHex(deriveKey('ammag', secret)))).toEqual(hops.map((hop) => hop.ammag_key))
      expect(toHex(deriveKey('um', secrets.at(-1)!))).toBe(hops.at(-1)?.um_key)
    },
  )

  itWithVectors('give the failure as it reaches the payer', FILE, ({ generate, errorpacket }: FailureVectors) => {
    const secrets = generate.hops.map((hop) => fromHex(hop.hop_shared_secret))
    const message = encodeFailure({ name: 'temporary_node_failure' })
    expect(toHex(message)).toBe(generate.failure_message)
    const sealed = sealFailure(secrets.at(-1)!, message)
    const arrived = secrets.slice(0, -1).reduceRight((failure, secret) => wrapFailure(secret, failure), sealed)
    expect(toHex(arrived)).toBe(errorpacket)
  })
})

describe('a failure message', () => {
  it.each([
    [{ name: 'temporary_node_failure' }, '2002'],
    [{ name: 'permanent_node_failure' }, '6002'],
    [
      { name: 'incorrect_or_unknown_payment_details', htlcMsat: 2_000n, height: 0xdeadbeef },
      '400f00000000000007d0deadbeef',
    ],
    [{ name: 'final_incorrect_cltv_expiry', cltvExpiry: 800_000 }, '0012000c3500'],
    [{ name: 'final_incorrect_htlc_amount', incomingMsat: 1_000n }, '001300000000000003e8'],
    [{ name: 'invalid_onion_payload', type: 65_536n, offset: 7 }, '4016fe000100000007'],
  ] as const)('of %o is %s', (failure, hex) => {
    expect(toHex(encodeFailure(failure))).toBe(hex)
  })

  it('about a blinded path names the onion by its hash', () => {
    const onion = new Uint8Array(1366).fill(3)
    expect(encodeFailure({ name: 'invalid_onion_blinding', onion })).toEqual(concat(fromHex('c018'), sha256(onion)))
  })

  it('has a code of its own for each failure', () => {
    expect(new Set(Object.values(failureCodes)).size).toBe(Object.keys(failureCodes).length)
  })

  it('is not written with a value out of its range', () => {
    expect(() =>
      encodeFailure({ name: 'incorrect_or_unknown_payment_details', htlcMsat: 1n, height: 2 ** 32 }),
    ).toThrow(RangeError)
  })
})

describe('a sealed failure', () => {
  const secrets = [1, 2, 3].map((i) => new Uint8Array(32).fill(i))

  it('has the one length that lnd takes, and only the payer can tell where it comes from', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 2, maxLength: MAX_FAILURE_BYTES }), fc.nat({ max: 2 }), (message, hop) => {
        const sealed = sealFailure(secrets[hop]!, message)
        expect(sealed).toHaveLength(SEALED_FAILURE_BYTES)
        expect(sealed).toHaveLength(292)
        const arrived = secrets.slice(0, hop).reduceRight((failure, secret) => wrapFailure(secret, failure), sealed)
        expect(openFailure(secrets, arrived)).toEqual({ hop, message })
      }),
    )
  })

  it('that was changed on its way has no origin', () => {
    const sealed = sealFailure(secrets[0]!, fromHex('2002'))
    expect(
      openFailure(
        secrets,
        sealed.map((byte, i) => (i === 290 ? byte ^ 1 : byte)),
      ),
    ).toBeUndefined()
  })

  it('has no room for a message of more than 256 bytes', () => {
    expect(() => sealFailure(secrets[0]!, new Uint8Array(257))).toThrow(RangeError)
  })
})
