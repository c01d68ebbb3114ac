import { secp256k1 } from '@noble/curves/secp256k1.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { buildBlindedPath, deriveBlindedKey, nextPathKey } from '../../../src/wire/bolt4/blinded-path.ts'
import {
  decodeEncryptedData,
  encodeEncryptedData,
  openEncryptedData,
  type EncryptedData,
  type PaymentConstraints,
  type PaymentRelay,
} from '../../../src/wire/bolt4/encrypted-data.ts'
import { parseShortChannelId } from '../../../src/wire/bolt4/short-channel-id.ts'
import { fromHex, toHex } from '../../../src/floor/bytes.ts'
import { publicKey } from '../../../src/wire/keys.ts'
import { boltCode, secrets } from './arbitraries.ts'
import { itWithVectors } from './vectors.ts'

interface HopVector {
  readonly session_key?: string
  readonly node_id: string
  readonly tlvs: {
    readonly padding?: string
    readonly short_channel_id?: string
    readonly next_path_key_override?: string
    readonly path_id?: string
    readonly payment_relay?: {
      readonly cltv_expiry_delta: number
      readonly fee_proportional_millionths: number
      readonly fee_base_msat?: number
    }
    readonly payment_constraints?: { readonly max_cltv_expiry: number; readonly htlc_minimum_msat: number }
    readonly allowed_features?: { readonly features: readonly number[] }
    readonly [unknown: `unknown_tag_${number}`]: string
  }
  readonly encoded_tlvs: string
  readonly path_key: string
  readonly shared_secret: string
  readonly encrypted_data: string
  readonly blinded_node_id: string
}

interface RouteBlindingVectors {
  readonly generate: { readonly hops: readonly HopVector[] }
  readonly route: {
    readonly first_node_id: string
    readonly first_path_key: string
    readonly hops: readonly { readonly blinded_node_id: string; readonly encrypted_data: string }[]
  }
  readonly unblind: {
    readonly hops: readonly {
      readonly node_privkey: string
      readonly path_key: string
      readonly blinded_privkey: string
      readonly decrypted_data: string
      readonly next_path_key: string
      readonly next_path_key_override?: string
    }[]
  }
}

const FILE = 'route-blinding-test.json'

describe('the route blinding vectors of BOLT 4', () => {
  itWithVectors('give the encoding of every hop’s data, and it decodes', FILE, (vectors: RouteBlindingVectors) => {
    expect(vectors.generate.hops).toHaveLength(4)
    for (const hop of vectors.generate.hops) {
      const data = dataOf(hop)
      expect(toHex(encodeEncryptedData(data))).toBe(hop.encoded_tlvs)
      expect(decodeEncryptedData(fromHex(hop.encoded_tlvs))).toEqual(data)
    }
  })

  itWithVectors(
    'give the two routes and the one that they join to',
    FILE,
    ({ generate, route }: RouteBlindingVectors) => {
      // A session key begins a route; two makers joined theirs.
      const routes: HopVector[][] = []
      for (const hop of generate.hops) {
        if (hop.session_key === undefined) routes.at(-1)?.push(hop)
        else routes.push([hop])
      }
      expect(routes.map(({ length }) => length)).toEqual([2, 2])
      const built = routes.map((hops) =>
        buildBlindedPath({
          sessionKey: fromHex(hops[0]?.session_key ?? ''),
          hops: hops.map((hop) => ({ nodeId: fromHex(hop.node_id), data: fromHex(hop.encoded_tlvs) })),
        }),
      )
      for (const [i, { path, lastPathKey }] of built.entries()) {
        expect(toHex(path.pathKey)).toBe(routes[i]?.[0]?.path_key)
        expect(toHex(path.introductionNodeId)).toBe(routes[i]?.[0]?.node_id)
        expect(toHex(lastPathKey)).toBe(routes[i]?.at(-1)?.path_key)
      }
      const joined = built.flatMap(({ path }) => path.hops)
      expect(joined.map(({ blindedNodeId }) => toHex(blindedNodeId))).toEqual(
        route.hops.map((hop) => hop.blinded_node_id),
      )
      expect(joined.map(({ encryptedData }) => toHex(encryptedData))).toEqual(
        route.hops.map((hop) => hop.encrypted_data),
      )
      expect(toHex(built[0]?.path.introductionNodeId ?? new Uint8Array(0))).toBe(route.first_node_id)
      expect(toHex(built[0]?.path.pathKey ?? new Uint8Array(0))).toBe(route.first_path_key)
    },
  )

  itWithVectors('give each hop’s keys, its data and the next path key', FILE, (vectors: RouteBlindingVectors) => {
    for (const [i, hop] of vectors.unblind.hops.entries()) {
      const pathKey = fromHex(hop.path_key)
      const key = deriveBlindedKey({ privateKey: fromHex(hop.node_privkey), pathKey })
      const made = vectors.generate.hops[i]
      expect(toHex(key.privateKey)).toBe(hop.blinded_privkey)
      expect(toHex(publicKey(key.privateKey))).toBe(made?.blinded_node_id)
      expect(toHex(key.sharedSecret)).toBe(made?.shared_secret)
      const stream = openEncryptedData(key.sharedSecret, fromHex(made?.encrypted_data ?? ''))
      expect(toHex(stream)).toBe(hop.decrypted_data)
      expect(toHex(nextPathKey(pathKey, key.sharedSecret))).toBe(hop.next_path_key)
      const override = decodeEncryptedData(stream).nextPathKeyOverride
      expect(override && toHex(override)).toBe(hop.next_path_key_override)
    }
  })
})

describe('a blinded path', () => {
  it('can be walked by its hops, each with its own key alone', () => {
    fc.assert(
      fc.property(secrets, fc.array(secrets, { minLength: 1, maxLength: 4 }), (sessionKey, privateKeys) => {
        const hops = privateKeys.map((key, i) => ({ nodeId: publicKey(key), data: Uint8Array.of(1, 1, i) }))
        const { path, lastPathKey } = buildBlindedPath({ sessionKey, hops })
        let { pathKey } = path
        for (const [i, privateKey] of privateKeys.entries()) {
          const key = deriveBlindedKey({ privateKey, pathKey })
          expect(publicKey(key.privateKey)).toEqual(path.hops[i]?.blindedNodeId)
          expect(openEncryptedData(key.sharedSecret, path.hops[i]!.encryptedData)).toEqual(hops[i]?.data)
          if (i < hops.length - 1) pathKey = nextPathKey(pathKey, key.sharedSecret)
        }
        expect(pathKey).toEqual(lastPathKey)
      }),
      { numRuns: 30 },
    )
  })

  it('shows no key of its hops but the first, and other keys each time', () => {
    const nodeIds = [1, 2, 3].map((i) => publicKey(new Uint8Array(32).fill(i)))
    const hops = nodeIds.map((nodeId) => ({ nodeId, data: new Uint8Array(4) }))
    const [one, two] = [4, 5].map((i) => buildBlindedPath({ sessionKey: new Uint8Array(32).fill(i), hops }).path)
    const seen = [one, two].flatMap((path) =>
      path!.hops.flatMap((hop) => [toHex(hop.blindedNodeId), toHex(hop.encryptedData)]),
    )
    expect(new Set(seen).size).toBe(12)
    for (const nodeId of nodeIds) expect(seen).not.toContain(toHex(nodeId))
  })

  it('is not made of nothing, nor with keys that are none', () => {
    const sessionKey = new Uint8Array(32).fill(1)
    const hops = [{ nodeId: publicKey(sessionKey), data: new Uint8Array(0) }]
    expect(() => buildBlindedPath({ sessionKey, hops: [] })).toThrow(RangeError)
    expect(() => buildBlindedPath({ sessionKey: new Uint8Array(32), hops })).toThrow(RangeError)
    expect(() => buildBlindedPath({ sessionKey: new Uint8Array(31), hops })).toThrow(RangeError)
    const bad = [{ nodeId: new Uint8Array(33).fill(5), data: new Uint8Array(0) }]
    expect(boltCode(() => buildBlindedPath({ sessionKey, hops: bad }))).toBe('point')
  })

  it('gives no keys for a path key that is no point', () => {
    const privateKey = new Uint8Array(32).fill(1)
    const uncompressed = secp256k1.getPublicKey(privateKey, false)
    for (const pathKey of [new Uint8Array(33), new Uint8Array(0), uncompressed]) {
      expect(boltCode(() => deriveBlindedKey({ privateKey, pathKey }))).toBe('point')
      expect(boltCode(() => nextPathKey(pathKey, privateKey))).toBe('point')
    }
  })
})

function dataOf({ tlvs }: HopVector): EncryptedData {
  const unknown = Object.entries(tlvs).flatMap(([name, value]) =>
    name.startsWith('unknown_tag_') ? [{ type: BigInt(name.slice(12)), value: fromHex(value as string) }] : [],
  )
  return {
    ...(tlvs.padding !== undefined && { paddingBytes: tlvs.padding.length / 2 }),
    ...(tlvs.short_channel_id !== undefined && { shortChannelId: parseShortChannelId(tlvs.short_channel_id) }),
    ...(tlvs.next_path_key_override !== undefined && { nextPathKeyOverride: fromHex(tlvs.next_path_key_override) }),
    ...(tlvs.path_id !== undefined && { pathId: fromHex(tlvs.path_id) }),
    ...(tlvs.payment_relay && { paymentRelay: relayOf(tlvs.payment_relay) }),
    ...(tlvs.payment_constraints && { paymentConstraints: constraintsOf(tlvs.payment_constraints) }),
    ...(tlvs.allowed_features && { allowedFeatures: featureBytes(tlvs.allowed_features.features) }),
    ...(unknown.length > 0 && { unknown }),
  }
}

function relayOf(relay: NonNullable<HopVector['tlvs']['payment_relay']>): PaymentRelay {
  return {
    cltvExpiryDelta: relay.cltv_expiry_delta,
    feeProportionalMillionths: relay.fee_proportional_millionths,
    feeBaseMsat: relay.fee_base_msat ?? 0,
  }
}

function constraintsOf(constraints: NonNullable<HopVector['tlvs']['payment_constraints']>): PaymentConstraints {
  return { maxCltvExpiry: constraints.max_cltv_expiry, htlcMinimumMsat: BigInt(constraints.htlc_minimum_msat) }
}

function featureBytes(bits: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(bits.length === 0 ? 0 : Math.floor(Math.max(...bits) / 8) + 1)
  for (const bit of bits) {
    const at = bytes.length - 1 - Math.floor(bit / 8)
    bytes[at] = (bytes[at] ?? 0) | (1 << (bit % 8))
  }
  return bytes
}
