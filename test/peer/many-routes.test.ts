/** Many routes with few slots each, over the project's simulator: what they bring together. */
import { describe, expect, test } from 'vitest'
import { floodOver, parallel, type Parallel, peerOver } from './over-simulator.ts'

/** Quick networks deliver as much in less time. */
const FOR_MS = { fast: 20_000, slow: 120_000 }
const SEEDS = ['1', '2', '3', '4']

/** Delivered over all seeds, beside the best flood of each route alone. */
async function compare(
  network: Parallel & { readonly latency: keyof typeof FOR_MS },
  factors: readonly number[],
): Promise<{ readonly ratio: number; readonly failedShare: number; readonly routes: readonly number[] }> {
  const forMs = FOR_MS[network.latency]
  let flooded = 0
  const runs = []
  for (const seed of SEEDS) {
    for (const slots of new Set(network.slots)) {
      const alone = parallel({ ...network, slots: [slots] })
      const floods = []
      for (const factor of factors) {
        floods.push(await floodOver(alone, { seed, inFlight: Math.ceil(slots * factor), forMs }))
      }
      flooded += Math.max(...floods) * network.slots.filter((each) => each === slots).length
    }
    runs.push(await peerOver(parallel(network), seed, forMs))
  }
  const delivered = runs.reduce((sum, run) => sum + run.delivered, 0)
  const failed = runs.reduce((sum, run) => sum + run.failed, 0)
  return {
    ratio: delivered / flooded,
    failedShare: failed / (failed + delivered),
    routes: runs.map((run) => run.routes),
  }
}

const times = (count: number, slots: number): number[] => Array.from({ length: count }, () => slots)

describe('minutes over disjoint routes with few slots, ramp included', () => {
  for (const latency of ['fast', 'slow'] as const) {
    test(`8 of our own channels with 10 slots, ${latency}: 0.92 of the flood of one times 8`, async () => {
      const { ratio, routes } = await compare({ slots: times(8, 10), where: 'own', latency }, [1])
      expect(routes).toEqual(times(SEEDS.length, 8))
      expect(ratio).toBeGreaterThanOrEqual(0.92)
      expect(ratio).toBeLessThan(0.97)
    })
  }

  test('16 of our own channels with 5 slots: 0.92', async () => {
    const { ratio, routes } = await compare({ slots: times(16, 5), where: 'own', latency: 'fast' }, [1])
    expect(routes).toEqual(times(SEEDS.length, 16))
    expect(ratio).toBeGreaterThanOrEqual(0.92)
  })

  test('8 relays with 10 slots, which only refusals tell of: 0.9 of floods with three times as many in flight', async () => {
    const { ratio, failedShare } = await compare({ slots: times(8, 10), where: 'relay', latency: 'slow' }, [2, 3])
    expect(ratio).toBeGreaterThanOrEqual(0.9)
    expect(failedShare).toBeLessThan(0.4)
  })

  test('relays with 5, 6, 10 and 30 slots where 5 % fail by chance: 0.9', async () => {
    const network = { slots: [5, 5, 6, 6, 10, 10, 30, 30], where: 'relay', latency: 'slow', failing: 0.05 } as const
    expect((await compare(network, [2, 3])).ratio).toBeGreaterThanOrEqual(0.9)
  })

  test('8 of our own channels with 10 slots, 1 % hanging for minutes and hours, 5 % failing: 0.85', async () => {
    const network = { slots: times(8, 10), where: 'own', latency: 'slow', failing: 0.05, hanging: 0.01 } as const
    expect((await compare(network, [1])).ratio).toBeGreaterThanOrEqual(0.85)
  })

  test('one relay with 30 slots, 1 % hanging, 5 % failing: 0.85', async () => {
    const network = { slots: [30], where: 'relay', latency: 'slow', failing: 0.05, hanging: 0.01 } as const
    expect((await compare(network, [2, 3])).ratio).toBeGreaterThanOrEqual(0.85)
  })
})
