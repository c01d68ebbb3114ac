import { expect, it } from 'vitest'
import { packetCostMsat, type Route, type RoutePreference } from '../../src/medium/route.ts'
import { createSimulation, type NetworkDescription } from '../../src/sim.ts'

const capacityMsat = 5_000_000_000
const tiny = { minHtlcMsat: 1, baseFeeMsat: 0, feePpm: 0 }
/** From alice to bob: over carol for 1 sat, or over dave, erin and frank for 1 msat. */
const twoWays: NetworkDescription = {
  nodes: ['alice', 'bob', 'carol', 'dave', 'erin', 'frank'].map((name) => ({ name })),
  channels: [
    { between: ['alice', 'carol'], capacityMsat },
    { between: ['carol', 'bob'], capacityMsat, policy: { baseFeeMsat: 0 } },
    { between: ['alice', 'dave'], capacityMsat, policy: tiny },
    { between: ['dave', 'erin'], capacityMsat, policy: tiny },
    { between: ['erin', 'frank'], capacityMsat, policy: tiny },
    { between: ['frank', 'bob'], capacityMsat, policy: tiny },
  ],
}

async function best(network: NetworkDescription, prefer?: RoutePreference): Promise<Route> {
  const sim = createSimulation(network)
  const alice = sim.backend('alice')
  await alice.start({ sink: () => {} })
  const destination = { lane: 'node', publicKey: sim.keyOf('bob') } as const
  const request = { destination, amountMsat: 1n, maxFeeMsat: 10_000n, count: 1, ...(prefer && { prefer }) }
  const [route] = await sim.drive(alice.findRoutes(request))
  if (route === undefined) throw new Error('no route')
  return route
}

it.each([
  ['cheap', 4, 1n],
  ['balanced', 4, 1n],
  ['fast', 2, 1_001n],
  [undefined, 4, 1n],
] as const)('who prefers what is %s takes %i channels at %i msat a packet', async (prefer, channels, costMsat) => {
  const route = await best(twoWays, prefer)
  expect([route.channels.length, packetCostMsat(route)]).toEqual([channels, costMsat])
})

it('of two ways the one with the lower amount is taken, though it has more channels', async () => {
  const [first, ...others] = twoWays.channels
  const dear = { between: ['carol', 'bob'] as const, capacityMsat, policy: { baseFeeMsat: 0, minHtlcMsat: 100_000 } }
  const usual = others.slice(1).map((channel) => ({ ...channel, policy: { baseFeeMsat: 1_000 } }))
  const route = await best({ ...twoWays, channels: [first as (typeof others)[number], dear, ...usual] }, 'fast')
  expect([route.channels.length, route.minAmountMsat]).toEqual([4, 1_000n])
})
