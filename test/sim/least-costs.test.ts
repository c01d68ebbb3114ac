/** What searches know of the costs to come changes how long they take, and nothing else. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Route } from '../../src/medium/route.ts'
import { createSimulation, type Fault, mainnetLike, type NetworkDescription } from '../../src/sim.ts'

/** Enough for costs to be reckoned. */
const NODES = 1_000
/** So many searches of a sender for one amount go by without them. */
const SEARCHES_BEFORE = 8

interface Search {
  readonly to: string
  readonly amountMsat: bigint
}

/** The best route of each search, one after the other. */
async function bestRoutes(
  network: NetworkDescription,
  from: string,
  searches: readonly Search[],
  faults: readonly Fault[] = [],
): Promise<readonly (Route | undefined)[]> {
  const sim = createSimulation(network)
  const backend = sim.backend(from)
  await backend.start({ sink: () => {} })
  const routes: (Route | undefined)[] = []
  for (const { to, amountMsat } of searches) {
    const destination = { lane: 'node', publicKey: sim.keyOf(to) } as const
    const request = { destination, amountMsat, maxFeeMsat: 10_000n, count: 1 }
    if (routes.length === 2 * SEARCHES_BEFORE) for (const fault of faults) sim.fault(fault)
    routes.push((await sim.drive(backend.findRoutes(request)))[0])
  }
  await backend.stop()
  return routes
}

/** As a search weighs it, 100 msat for each hop and the least amount included, without what delays cost. */
function costOf(route: Route | undefined): bigint | undefined {
  if (route === undefined) return undefined
  const { channels, feeBaseMsat, feePpm, minAmountMsat } = route
  const feeMsat = feeBaseMsat + (minAmountMsat * BigInt(feePpm) + 999_999n) / 1_000_000n
  return feeMsat + minAmountMsat + 100n * BigInt(channels.length)
}

/** Of those with many channels. */
const hubs = fc.integer({ min: 0, max: 250 }).map((i) => `n${i}`)

test('a search finds what it finds where nothing is known yet', async () => {
  let found = 0
  await fc.assert(
    fc.asyncProperty(
      fc.integer(),
      hubs,
      fc.constantFrom(1n, 1_000n, 5_000n),
      fc.uniqueArray(hubs, { minLength: 2 * SEARCHES_BEFORE, maxLength: 2 * SEARCHES_BEFORE }),
      async (seed, from, amountMsat, to) => {
        const network = mainnetLike({ nodes: NODES, seed })
        const searches = to.map((each) => ({ to: each, amountMsat }))
        const there = await bestRoutes(network, from, searches)
        const back = await bestRoutes(network, from, searches.toReversed())
        expect(there.map(costOf)).toEqual(back.toReversed().map(costOf))
        found += there.filter((route) => route !== undefined).length
      },
    ),
    { numRuns: 10 },
  )
  expect(found).toBeGreaterThan(50)
}, 120_000)

test('what became cheaper is found by a sender that knew what it cost', async () => {
  const drawn = mainnetLike({ nodes: NODES, seed: 7 })
  const channels = drawn.channels.map((each, i) => ({ ...each, id: `${700_000 + i}x1x1` }))
  const names = Array.from({ length: 200 }, (_, i) => `n${i}`)
  const from = 'n200'
  const searches = names.map((to) => ({ to, amountMsat: 1_000n }))
  // What every fourth channel asks is gone.
  const free = { baseFeeMsat: 0, feePpm: 0, minHtlcMsat: 1 }
  const cheaper = channels.filter((_, i) => i % 4 === 0)
  const faults = cheaper.flatMap(({ between, id }) =>
    between.map((end): Fault => ({ name: 'policy-change', channel: id, from: end, policy: free })),
  )
  const knew = await bestRoutes({ ...drawn, channels }, from, searches, faults)
  const cold = await Promise.all(
    searches.slice(-20).map(async (search) => {
      const few = [...Array.from({ length: 2 * SEARCHES_BEFORE }, () => ({ to: from, amountMsat: 1_000n })), search]
      return (await bestRoutes({ ...drawn, channels }, from, few, faults)).at(-1)
    }),
  )
  expect(knew.slice(-20).map(costOf)).toEqual(cold.map(costOf))
}, 120_000)
