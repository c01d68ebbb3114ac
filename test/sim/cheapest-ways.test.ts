import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CheapestWays } from '../../bench/network/cheapest.ts'
import { createSimulation, mainnetLike, type NetworkDescription, type PolicyOptions } from '../../src/sim.ts'

/** a - b - c, with what b asks of what goes on to c. */
function row(policy: PolicyOptions, own: PolicyOptions = {}): NetworkDescription {
  const channel = (between: [string, string], from: PolicyOptions): NetworkDescription['channels'][number] => ({
    between,
    capacityMsat: 1_000_000,
    balanceMsat: 500_000,
    policies: { [between[0]]: from, [between[1]]: {} },
  })
  return {
    nodes: ['a', 'b', 'c'].map((name) => ({ name })),
    channels: [channel(['a', 'b'], own), channel(['b', 'c'], policy)],
  }
}

describe('the cheapest way by policy', () => {
  it.for<[string, number | undefined, PolicyOptions, PolicyOptions]>([
    ['takes 1 msat where nobody asks for more', 1, {}, {}],
    ['has the base fee of a relay', 501, { baseFeeMsat: 500 }, {}],
    ['has the least amount, and the fee for that', 1_000 + 5, { minHtlcMsat: 1_000, feePpm: 5_000 }, {}],
    ["has the payer's own least amount in place of the fees", 2_000, { baseFeeMsat: 500 }, { minHtlcMsat: 2_000 }],
    ['has no fee of the payer', 1, {}, { baseFeeMsat: 9_000 }],
    ['is none where a direction is disabled', undefined, { disabled: true }, {}],
    ['is none above the largest amount', undefined, { minHtlcMsat: 600_000, maxHtlcMsat: 500_000 }, {}],
    ['is none above what the payer has', undefined, { minHtlcMsat: 600_000 }, {}],
  ])('%s', ([, msat, policy, own]) => {
    expect(new CheapestWays(row(policy, own)).packetMsat('a', 'c')).toBe(msat)
  })

  it('is never dearer than a route of the simulator, and there is one wherever that has one', async () => {
    let routes = 0
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const network = mainnetLike({ nodes: 120, seed })
        const ways = new CheapestWays(network)
        const sim = createSimulation(network, { seed })
        const payer = sim.backend('n2')
        await payer.start({ sink: () => {} })
        for (const name of ['n5', 'n12', 'n20', 'n30']) {
          const destination = { lane: 'node', publicKey: sim.keyOf(name) } as const
          const request = { destination, amountMsat: 1n, maxFeeMsat: 1_000_000_000n, count: 6 }
          const least = ways.packetMsat('n2', name)
          for (const { minAmountMsat, feeBaseMsat, feePpm } of await sim.drive(payer.findRoutes(request))) {
            const packetMsat = Number(minAmountMsat + feeBaseMsat) + Math.ceil((Number(minAmountMsat) * feePpm) / 1e6)
            routes++
            expect(least).toBeLessThanOrEqual(packetMsat)
          }
        }
        await payer.stop()
      }),
      { numRuns: 25 },
    )
    expect(routes).toBeGreaterThan(100)
  })
})
