import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_SHADOW_BLOCKS } from '../../src/backends/lnd/limits.ts'
import {
  amountRange,
  amountsFor,
  expiriesFor,
  finalExpiry,
  recordRoom,
  shadowed,
  wholeFee,
} from '../../src/backends/lnd/routes/route-costs.ts'
import { withInboundCost } from '../../src/backends/paths/path-classes.ts'
import { blindedPath, hop } from './route-samples.ts'

const HEIGHT = 850_000

describe('the costs of a route', () => {
  it('leave the room for a record that was measured on lnd', () => {
    const plan = { hops: [hop(1), hop(2)], shadowBlocks: 0 }
    expect(recordRoom({ hops: [hop(1)], shadowBlocks: 0 }, 2_000n, HEIGHT)).toBe(1_206)
    expect(recordRoom(plan, 2_000n, HEIGHT)).toBe(1_154)
    // 996 beside a keysend record of 42 bytes, with relay data of 41: here each has 48.
    expect(recordRoom({ hops: [hop(1)], blinded: blindedPath, shadowBlocks: 0 }, 2_000n, HEIGHT)).toBe(
      1_038 - 2 * 7 + 1,
    )
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

  it('hold what a relay asks for what comes in, which the last node does not', () => {
    const inbound = { baseMsat: 500n, ppm: 1_000n }
    const plan = { hops: [hop(1, { inbound }), hop(2, { feeBaseMsat: 1_000n, feePpm: 10_000n })], shadowBlocks: 0 }
    // 1,000 + 1 % of 100,000; then 500 + 0.1 % of 102,000.
    expect(amountsFor(plan, 100_000n)).toEqual([102_602n, 100_000n])
    const { feeBaseMsat, feePpm } = wholeFee(plan)
    expect(feeBaseMsat + (100_000n * BigInt(feePpm)) / 1_000_000n).toBeGreaterThanOrEqual(2_602n)
  })

  it('are less by a discount for what comes in, and never below nothing', () => {
    const dear = hop(2, { feeBaseMsat: 1_000n, feePpm: 10_000n })
    const less = { hops: [hop(1, { inbound: { baseMsat: -500n, ppm: -1_000n } }), dear], shadowBlocks: 0 }
    expect(amountsFor(less, 100_000n)).toEqual([101_398n, 100_000n])
    const none = { hops: [hop(1, { inbound: { baseMsat: -5_000n, ppm: -1_000_000n } }), dear], shadowBlocks: 0 }
    expect(amountsFor(none, 100_000n)).toEqual([100_000n, 100_000n])
    expect(wholeFee(none).feeBaseMsat).toBe(0n)
  })

  it('never charge more than the linear bound says', () => {
    const inbound = fc.record({ baseMsat: fc.bigInt(-5_000n, 5_000n), ppm: fc.bigInt(-1_000_000n, 10_000n) })
    const policy = fc.record(
      { feeBaseMsat: fc.bigInt(0n, 5_000n), feePpm: fc.bigInt(0n, 10_000n), inbound },
      { requiredKeys: ['feeBaseMsat', 'feePpm'] },
    )
    fc.assert(
      fc.property(
        fc.array(policy, { minLength: 1, maxLength: 6 }),
        fc.bigInt(1n, 10_000_000n),
        fc.boolean(),
        (terms, amount, isBlinded) => {
          const plan = {
            hops: terms.map((each, i) => hop(i, each)),
            shadowBlocks: 0,
            ...(isBlinded && { blinded: blindedPath }),
          }
          const { feeBaseMsat, feePpm } = wholeFee(plan)
          const charged = (amountsFor(plan, amount)[0] as bigint) - amount
          expect(charged).toBeLessThanOrEqual(feeBaseMsat + (amount * BigInt(feePpm) + 999_999n) / 1_000_000n)
        },
      ),
    )
  })
})

describe('what a relay on a path keeps', () => {
  it('is what lnd asks there with its fee for what comes in, whatever comes in', () => {
    const cost = fc.record({
      baseFeeMsat: fc.integer({ min: 0, max: 5_000 }),
      feePpm: fc.integer({ min: 0, max: 10_000 }),
      cltvDelta: fc.constant(80),
      minHtlcMsat: fc.constant(1),
    })
    const inbound = fc.record({
      baseFeeMsat: fc.integer({ min: -5_000, max: 5_000 }),
      feePpm: fc.integer({ min: -10_000, max: 10_000 }),
    })
    fc.assert(
      fc.property(cost, inbound, fc.bigInt(100_000n, 10_000_000_000n), (relay, asked, incoming) => {
        fc.pre(asked.baseFeeMsat > 0 || asked.feePpm > 0)
        const kept = withInboundCost(relay, asked)
        // As lnd sends on, rounded up, and then checks its fee.
        const scale = 1_000_000n + BigInt(kept.feePpm)
        const sent = ((incoming - BigInt(kept.baseFeeMsat)) * 1_000_000n + scale - 1n) / scale
        const outbound = BigInt(relay.baseFeeMsat) + (sent * BigInt(relay.feePpm)) / 1_000_000n
        const expected = outbound + BigInt(asked.baseFeeMsat) + ((sent + outbound) * BigInt(asked.feePpm)) / 1_000_000n
        expect(incoming - sent).toBeGreaterThanOrEqual(expected)
      }),
      { numRuns: 5_000 },
    )
  })
})
