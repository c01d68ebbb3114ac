/** What searches know of the costs to come changes how long they take, and nothing else. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { relayFeeMsat } from '../../src/backends/sim/fees.ts'
import type { Route } from '../../src/medium/route.ts'
import {
  type ChannelDescription,
  createSimulation,
  type Fault,
  mainnetLike,
  type NetworkDescription,
} from '../../src/sim.ts'

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

/** Amounts that a search looks for ways at, beside the one that is asked for. */
const SEARCHED_AMOUNTS_MSAT = [1_000, 10_000, 100_000]
/** No fee is less than 1 msat; what delays cost is far below. */
const ALIKE = 0.5

/** A network that tells what its routes cost. */
class PricedNetwork {
  readonly description: NetworkDescription
  readonly #channels = new Map<string, ChannelDescription>()

  constructor(drawn: NetworkDescription) {
    const channels = drawn.channels.map((each, i) => ({ ...each, id: `${700_000 + i}x1x1` }))
    for (const each of channels) this.#channels.set(each.id, each)
    this.description = { ...drawn, channels }
  }

  /** What a route costs at the best of the amounts that it passes, as a search weighs it; Infinity: no route. */
  costOf(route: Route | undefined, { to, amountMsat }: Search): number {
    if (route === undefined) return Infinity
    const amounts = [Number(amountMsat), ...SEARCHED_AMOUNTS_MSAT.filter((each) => each > amountMsat)]
    return Math.min(...amounts.map((each) => this.#at(each, route.channels.toReversed(), to)))
  }

  /** `channels`: the last one first. */
  #at(amountMsat: number, channels: readonly string[], to: string): number {
    let sentMsat = amountMsat
    let end = to
    let cost = amountMsat
    for (const [i, id] of channels.entries()) {
      const { between, policies } = this.#channels.get(id) as ChannelDescription
      end = between[0] === end ? between[1] : between[0]
      const { baseFeeMsat = 1_000, feePpm = 1, minHtlcMsat = 1_000, maxHtlcMsat = Infinity } = policies?.[end] ?? {}
      if (sentMsat < Number(minHtlcMsat) || sentMsat > Number(maxHtlcMsat)) return Infinity
      cost += 100
      if (i === channels.length - 1) break
      const feeMsat = relayFeeMsat({ baseFeeMsat: Number(baseFeeMsat), feePpm }, sentMsat)
      cost += feeMsat
      sentMsat += feeMsat
    }
    return cost
  }
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
        const network = new PricedNetwork(mainnetLike({ nodes: NODES, seed }))
        const searches = to.map((each) => ({ to: each, amountMsat }))
        const there = await bestRoutes(network.description, from, searches)
        const back = (await bestRoutes(network.description, from, searches.toReversed())).toReversed()
        for (const [i, search] of searches.entries()) {
          const [cold, knew] = i < SEARCHES_BEFORE ? [there[i], back[i]] : [back[i], there[i]]
          expect(cold === undefined).toBe(knew === undefined)
          const coldCost = network.costOf(cold, search)
          const knewCost = network.costOf(knew, search)
          // No way, or only one over channels that pass none of the amounts: nothing is known of these.
          if (knewCost === Infinity) expect(coldCost).toBe(Infinity)
          if (knewCost === Infinity) continue
          found++
          // Of less than what most channels pass, what is found depends on which way to a node is seen first.
          expect(coldCost).toBeGreaterThan(knewCost - ALIKE)
          if (amountMsat >= 1_000n) expect(coldCost).toBeLessThan(knewCost + ALIKE)
        }
      },
    ),
    { numRuns: 10 },
  )
  expect(found).toBeGreaterThan(50)
})

test('of less than most channels pass, a search that knows finds the way that costs less', async () => {
  // One relay's fee raises 1 msat to what the channel in front of it passes at least.
  const network = new PricedNetwork(mainnetLike({ nodes: NODES, seed: -1_000_000_768 }))
  const search = { to: 'n73', amountMsat: 1n }
  const others = Array.from({ length: 2 * SEARCHES_BEFORE }, (_, i) => ({ to: `n${200 + i}`, amountMsat: 1n }))
  const [first] = await bestRoutes(network.description, 'n75', [search])
  const last = (await bestRoutes(network.description, 'n75', [...others, search])).at(-1)
  expect(network.costOf(last, search)).toBe(1_201)
  expect(network.costOf(first, search)).toBeGreaterThanOrEqual(1_201)
})

test('what became cheaper is found by a sender that knew what it cost', async () => {
  const { description } = new PricedNetwork(mainnetLike({ nodes: NODES, seed: 7 }))
  const { channels } = description
  const from = 'n200'
  const searches = Array.from({ length: 200 }, (_, i) => ({ to: `n${i}`, amountMsat: 1_000n }))
  // What every fourth channel asks is gone.
  const free = { baseFeeMsat: 0, feePpm: 0, minHtlcMsat: 1 }
  const isCheaper = (i: number): boolean => i % 4 === 0
  const faults = channels.flatMap(({ between, id = '' }, i) =>
    isCheaper(i) ? between.map((end): Fault => ({ name: 'policy-change', channel: id, from: end, policy: free })) : [],
  )
  const network = new PricedNetwork({
    ...description,
    channels: channels.map((each, i) =>
      isCheaper(i) ? { ...each, policies: Object.fromEntries(each.between.map((end) => [end, free])) } : each,
    ),
  })
  const knew = await bestRoutes(description, from, searches, faults)
  const cold = await Promise.all(
    searches.slice(-20).map(async (search) => {
      const few = [...Array.from({ length: 2 * SEARCHES_BEFORE }, () => ({ to: from, amountMsat: 1_000n })), search]
      return (await bestRoutes(description, from, few, faults)).at(-1)
    }),
  )
  const costs = (routes: readonly (Route | undefined)[]): readonly number[] =>
    routes.map((route, i) => network.costOf(route, searches.at(i - 20) as Search))
  expect(costs(knew.slice(-20))).toEqual(costs(cold))
})
