import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { forwardedByBlindedRelay, pathFeeMsat, relayFeeMsat } from '../../src/backends/sim/fees.ts'
import { MAX_EXACT_MSAT } from '../../src/backends/sim/limits.ts'
import { routeFeeMsat } from '../../src/medium/route.ts'

const amounts = fc.oneof(
  fc.integer({ min: 0, max: 10_000_000 }),
  fc.integer({ min: 0, max: MAX_EXACT_MSAT }),
  fc.integer({ min: MAX_EXACT_MSAT - 1_000_000, max: MAX_EXACT_MSAT }),
)
const policies = fc.record({
  baseFeeMsat: fc.integer({ min: 0, max: 1_000_000_000 }),
  feePpm: fc.oneof(fc.integer({ min: 0, max: 5_000 }), fc.integer({ min: 0, max: 1_000_000 })),
})

describe('a fee in numbers', () => {
  it('is for the payer of a path what the contract says of a route', () => {
    fc.assert(
      fc.property(policies, amounts, (policy, amountMsat) => {
        const route = { feeBaseMsat: BigInt(policy.baseFeeMsat), feePpm: policy.feePpm }
        expect(BigInt(pathFeeMsat(policy, amountMsat))).toBe(routeFeeMsat(route, BigInt(amountMsat)))
      }),
      { numRuns: 2_000 },
    )
  })

  it('is for a relay the same, rounded down', () => {
    fc.assert(
      fc.property(policies, amounts, (policy, amountMsat) => {
        const exact = BigInt(policy.baseFeeMsat) + (BigInt(amountMsat) * BigInt(policy.feePpm)) / 1_000_000n
        expect(BigInt(relayFeeMsat(policy, amountMsat))).toBe(exact)
      }),
      { numRuns: 2_000 },
    )
  })

  it('is for a relay that asks one for what comes in the sum of both, and never less than nothing', () => {
    const inbound = fc.record({
      baseFeeMsat: fc.integer({ min: -2_000_000_000, max: 2_000_000_000 }),
      feePpm: fc.integer({ min: -1_000_000, max: 1_000_000 }),
    })
    fc.assert(
      fc.property(policies, inbound, fc.integer({ min: 0, max: MAX_EXACT_MSAT / 4 }), (policy, asked, amountMsat) => {
        const amount = BigInt(amountMsat)
        const outbound = BigInt(policy.baseFeeMsat) + (amount * BigInt(policy.feePpm)) / 1_000_000n
        const sum = outbound + BigInt(asked.baseFeeMsat) + ((amount + outbound) * BigInt(asked.feePpm)) / 1_000_000n
        expect(BigInt(relayFeeMsat(policy, amountMsat, asked))).toBe(sum > 0n ? sum : 0n)
      }),
      { numRuns: 2_000 },
    )
  })

  it('is left to a blinded relay, which sends on as much as it can', () => {
    fc.assert(
      fc.property(policies, amounts, (policy, incomingMsat) => {
        const forwarded = forwardedByBlindedRelay(policy, incomingMsat)
        if (forwarded > 0) expect(forwarded + relayFeeMsat(policy, forwarded)).toBeLessThanOrEqual(incomingMsat)
        expect(forwarded + 1 + relayFeeMsat(policy, forwarded + 1)).toBeGreaterThan(incomingMsat)
      }),
      { numRuns: 2_000 },
    )
  })
})
