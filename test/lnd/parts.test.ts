import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_SHADOW_BLOCKS } from '../../src/backends/lnd/limits.ts'
import { readCredentials } from '../../src/backends/lnd/rpc/connection.ts'
import { recordOf } from '../../src/backends/lnd/rpc/raw-messages.ts'
import { failureOf, outcomeOf } from '../../src/backends/lnd/payments/outcome.ts'
import { decodePath, encodePath, type PathParts } from '../../src/backends/paths/reply-path.ts'
import type { HopPolicy } from '../../src/backends/lnd/routes/policies.ts'
import {
  amountRange,
  amountsFor,
  expiriesFor,
  finalExpiry,
  recordRoom,
  shadowed,
  wholeFee,
} from '../../src/backends/lnd/routes/route-costs.ts'
import { publicKey } from '../../src/wire/keys.ts'

const HEIGHT = 850_000

function hop(i: number, changes: Partial<HopPolicy> = {}): HopPolicy {
  return {
    channel: `${i}x1x0`,
    chanId: String(i),
    from: `n${i}`,
    to: `n${i + 1}`,
    feeBaseMsat: 1_000n,
    feePpm: 1n,
    cltvDelta: 80,
    minHtlcMsat: 1_000n,
    maxHtlcMsat: 1_000_000_000n,
    ...changes,
  }
}

const point = (n: number): Uint8Array => publicKey(new Uint8Array(32).fill(n))

const parts: PathParts = {
  introduction: point(1),
  pathKey: point(2),
  blindedIds: [point(3), point(4)],
  data: [new Uint8Array(48).fill(1), new Uint8Array(48).fill(2), new Uint8Array(16).fill(3)],
  totals: { baseFeeMsat: 1_000, feePpm: 100, cltvDelta: 144, minHtlcMsat: 1_000 },
}

describe('a reply path', () => {
  it('comes back as it was written', () => {
    expect(decodePath(encodePath(parts))).toEqual(parts)
    const long = { ...parts, blindedIds: [point(3), point(4), point(5)], data: [...parts.data, new Uint8Array(16)] }
    expect(decodePath(encodePath(long))).toEqual(long)
  })

  it('is refused in any other form, and never with another error', () => {
    const good = encodePath(parts)
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

describe('the costs of a route', () => {
  it('leave the room for a record that was measured on lnd', () => {
    const plan = { hops: [hop(1), hop(2)], shadowBlocks: 0 }
    expect(recordRoom({ hops: [hop(1)], shadowBlocks: 0 }, 2_000n, HEIGHT)).toBe(1_206)
    expect(recordRoom(plan, 2_000n, HEIGHT)).toBe(1_154)
    // 996 beside a keysend record of 42 bytes, with relay data of 41: here each has 48.
    expect(recordRoom({ hops: [hop(1)], blinded: parts, shadowBlocks: 0 }, 2_000n, HEIGHT)).toBe(1_038 - 2 * 7 + 1)
  })

  it('have one shadow for each connection, within the bound that the route was judged by', () => {
    const plan = { hops: [hop(1), hop(2)], shadowBlocks: MAX_SHADOW_BLOCKS }
    const expiry = (seed: number | undefined): number => finalExpiry(shadowed(plan, seed), HEIGHT)
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), (seed) => {
        expect(expiry(seed)).toBe(expiry(seed))
        expect(expiry(seed)).toBeLessThanOrEqual(expiry(undefined))
        expect(expiry(seed)).toBeGreaterThanOrEqual(expiry(undefined) - MAX_SHADOW_BLOCKS)
      }),
    )
    expect(new Set([0, 1, 72, 73].map(expiry)).size).toBe(3)
  })

  it('leave the room for a record that has no preimage beside it, at the phantom of a node', () => {
    const plan = { hops: [hop(1), hop(2)], phantom: true, shadowBlocks: 0 }
    expect(recordRoom(plan, 2_000n, HEIGHT)).toBe(1_154 + 42)
    expect(finalExpiry(plan, HEIGHT)).toBe(finalExpiry({ ...plan, phantom: false }, HEIGHT) - 40)
    expect(expiriesFor(plan, HEIGHT)).toEqual([finalExpiry(plan, HEIGHT) + 80, finalExpiry(plan, HEIGHT)])
  })

  it("hold to every sender's least amount, our own included", () => {
    const plan = { hops: [hop(1), hop(2)], shadowBlocks: 0 }
    expect(amountRange(plan).min).toBe(1_000n)
    const strict = { hops: [hop(1, { minHtlcMsat: 5_000n }), hop(2)], shadowBlocks: 0 }
    expect(amountRange(strict).min).toBe(4_000n)
    expect(amountsFor(plan, 1_000n)).toEqual([2_000n, 1_000n])
  })

  it('never charge more than the linear bound says', () => {
    const policy = fc.record({ feeBaseMsat: fc.bigInt(0n, 5_000n), feePpm: fc.bigInt(0n, 10_000n) })
    fc.assert(
      fc.property(
        fc.array(policy, { minLength: 1, maxLength: 6 }),
        fc.bigInt(1n, 10_000_000n),
        fc.boolean(),
        (terms, amount, isBlinded) => {
          const plan = {
            hops: terms.map((each, i) => hop(i, each)),
            shadowBlocks: 0,
            ...(isBlinded && { blinded: parts }),
          }
          const { baseMsat, ppm } = wholeFee(plan)
          const charged = (amountsFor(plan, amount)[0] as bigint) - amount
          expect(charged).toBeLessThanOrEqual(baseMsat + (amount * BigInt(ppm) + 999_999n) / 1_000_000n)
        },
      ),
    )
  })
})

describe("lnd's failures", () => {
  const clear = { hops: [hop(1), hop(2)], shadowBlocks: 0 }
  const blinded = { ...clear, blinded: parts }
  // The second hop leads to the phantom of a node.
  const phantom = { ...clear, phantom: true }

  it.for([
    ['TEMPORARY_CHANNEL_FAILURE', 0, clear, { reason: 'temporary-channel-failure', place: 'local', channel: '1x1x0' }],
    ['TEMPORARY_CHANNEL_FAILURE', 1, clear, { reason: 'temporary-channel-failure', place: 'route', channel: '2x1x0' }],
    ['FEE_INSUFFICIENT', 1, clear, { reason: 'policy', place: 'route', channel: '2x1x0' }],
    ['UNKNOWN_NEXT_PEER', 1, clear, { reason: 'unknown-next-peer', place: 'route', channel: '2x1x0' }],
    ['UNREADABLE_FAILURE', 0, clear, { reason: 'temporary-channel-failure', place: 'route' }],
    ['INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS', 2, clear, { reason: 'rejected-by-node', place: 'destination' }],
    ['FINAL_EXPIRY_TOO_SOON', 2, clear, { reason: 'expiry', place: 'destination' }],
    ['INVALID_ONION_BLINDING', 2, blinded, { reason: 'blinded', place: 'introduction' }],
    ['TEMPORARY_CHANNEL_FAILURE', 2, blinded, { reason: 'blinded', place: 'introduction' }],
    ['EXPIRY_TOO_SOON', 2, blinded, { reason: 'expiry', place: 'introduction' }],
    [
      'TEMPORARY_CHANNEL_FAILURE',
      1,
      blinded,
      { reason: 'temporary-channel-failure', place: 'route', channel: '2x1x0' },
    ],
    ['UNKNOWN_NEXT_PEER', 1, phantom, { reason: 'unknown-next-peer', place: 'destination' }],
    ['TEMPORARY_CHANNEL_FAILURE', 1, phantom, { reason: 'temporary-channel-failure', place: 'destination' }],
    ['INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS', 2, phantom, { reason: 'refused', place: 'destination', refusal: 5 }],
    ['FINAL_INCORRECT_HTLC_AMOUNT', 2, phantom, { reason: 'rejected-by-node', place: 'destination' }],
  ] as const)('%s at %i have a place and a reason', ([code, position, plan, expected]) => {
    expect(failureOf({ code, failure_source_index: position, height: 5 }, plan)).toMatchObject({
      status: 'failed',
      ...expected,
    })
  })

  it('blame no channel where lnd could not read who failed, unless there is only one', () => {
    const unreadable = { code: 'UNREADABLE_FAILURE', failure_source_index: 0, height: 0 }
    for (const plan of [clear, blinded, phantom, { ...blinded, hops: [hop(1)] }])
      expect(failureOf(unreadable, plan)).not.toHaveProperty('channel')
    expect(failureOf(unreadable, { ...clear, hops: [hop(1)] })).toMatchObject({ place: 'route', channel: '1x1x0' })
  })

  it('are remembered by lnd as what became of the money', () => {
    const route = { hops: [{ chan_id: '1', pub_key: '', encrypted_data: Buffer.of(1) }], total_fees_msat: '7' }
    const attempt = { status: 'SUCCEEDED', route, failure: null } as const
    expect(outcomeOf({ status: 'SUCCEEDED', fee_msat: '7', htlcs: [attempt] })).toEqual({
      status: 'delivered',
      feeMsat: 7n,
    })
    expect(outcomeOf({ status: 'FAILED', fee_msat: '0', htlcs: [] })).toMatchObject({ status: 'failed' })
    expect(outcomeOf({ status: 'INITIATED', fee_msat: '0', htlcs: [] })).toEqual({ status: 'in-flight' })
  })
})

describe('a record', () => {
  it('is found under the key that the protocol loader makes of its type', () => {
    expect(recordOf({ 'kcos\0\0\0\0': Buffer.of(1, 2) })).toEqual(Uint8Array.of(1, 2))
    expect(recordOf({ other: Buffer.of(1) })).toBeUndefined()
  })
})

describe('where a node is', () => {
  const macaroon = 'ab'.repeat(100)

  it('is read from files, text and the environment', () => {
    const folder = mkdtempSync(join(tmpdir(), 'keysock-lnd-'))
    try {
      const cert = join(folder, 'tls.cert')
      writeFileSync(cert, '-----BEGIN CERTIFICATE-----')
      const base64 = Buffer.from('-----BEGIN CERTIFICATE-----').toString('base64')
      const expected = { socket: 'h:1', cert: base64, macaroon }
      expect(readCredentials({ socket: 'h:1', cert, macaroon })).toEqual(expected)
      const environment = {
        LNCLI_RPCSERVER: 'h:1',
        LNCLI_LNDDIR: folder,
        LND_MACAROON_BASE64: Buffer.from(macaroon, 'hex').toString('base64'),
      }
      expect(readCredentials({}, environment)).toEqual(expected)
      // What is given comes first.
      expect(readCredentials({ socket: 'other:2' }, environment).socket).toBe('other:2')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('names the file that is missing, and shows no secret', () => {
    expect(() => readCredentials({ lndDir: '/nowhere', macaroon })).toThrow('/nowhere/tls.cert')
    const secret = `${'cd'.repeat(40)}!`
    const cert = '-----BEGIN CERTIFICATE-----'
    expect(() => readCredentials({ cert, macaroon: secret })).toThrow(/macaroon is neither/)
    expect(() => readCredentials({ cert, macaroon: secret })).not.toThrow(/cdcd/)
  })
})
