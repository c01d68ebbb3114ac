import { describe, expect, it } from 'vitest'
import { createEndpoint } from '../../src/index.ts'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
import { sell, type SaleResult } from '../../tools/demo/sale.ts'

async function sale(seed: string, capMsat: bigint, hang = 0.01): Promise<SaleResult> {
  const sim = createSimulation(demoNetwork({ failure: 0.1, hang }), { seed })
  const buyer = await sim.drive(createEndpoint({ backend: sim.backend('alice') }))
  const seller = await sim.drive(createEndpoint({ backend: sim.backend('bob') }))
  const file = sim.entropy.bytes(184_302)
  const prices = { firstMsat: 2_000n, laterMsat: 3_000n }
  return await sim.drive(sell({ seller, buyer, file, capMsat, ...prices, clock: sim.clock, onPrice: () => undefined }))
}

describe('a file that is sold by the kilobyte, a tenth of the payments failing', () => {
  it.for(['1', '2', '3', '4', '5', '6'])('costs what was asked, to the msat, at both ends (seed %s)', async (seed) => {
    const { agree, bytesRead, buyer, dueMsat, fileBytes, prices } = await sale(seed, 1_000_000n)
    expect(agree).toBe(true)
    expect(bytesRead).toBe(fileBytes)
    expect(prices).toEqual([2_000n, 3_000n])
    expect(dueMsat.buyer).toBe(dueMsat.seller)
    expect(dueMsat.buyer).toBeGreaterThan(2n * 184_302n)
    expect(dueMsat.buyer).toBeLessThan(3n * 184_302n)
    // At most one packet more, and the least amounts of packets that went to say nothing but that all had come.
    expect(buyer.amountsMsat).toBeGreaterThanOrEqual(dueMsat.buyer)
    expect(buyer.amountsMsat).toBeLessThan(dueMsat.buyer + 5_000n)
  })

  it.for(['1', '2', '3', '4', '5', '6'])('ends at the cap, and ledgers agree (seed %s)', async (seed) => {
    const { agree, buyer, bytesRead, dueMsat, fileBytes, isAtCap } = await sale(seed, 300_000n)
    expect(agree).toBe(true)
    expect(isAtCap).toBe(true)
    expect(bytesRead).toBeLessThan(fileBytes)
    expect(buyer.amountsMsat + buyer.feesMsat).toBeLessThanOrEqual(300_000n)
    expect(buyer.amountsMsat).toBeGreaterThanOrEqual(dueMsat.buyer)
  })

  it.for(['1', '2', '3', '4', '5', '6'])(
    'leaves nothing that was paid for where nothing hangs (seed %s)',
    async (seed) => {
      const { buyer, dueMsat } = await sale(seed, 300_000n, 0)
      // Less than two packets' worth.
      expect(buyer.amountsMsat - dueMsat.buyer).toBeLessThan(8_000n)
    },
  )
})
