import { expect, it } from 'vitest'
import { type Route, routeFeeMsat } from '../../src/medium/route.ts'
import { type Fault, createSimulation, type NetworkDescription } from '../../src/sim.ts'

const capacityMsat = 5_000_000_000
/** From alice to bob over carol, or over dave for more. */
const twoWays: NetworkDescription = {
  nodes: ['alice', 'bob', 'carol', 'dave'].map((name) => ({ name })),
  channels: [
    { between: ['alice', 'carol'], capacityMsat, id: '1x1x1' },
    { between: ['carol', 'bob'], capacityMsat, id: '2x1x1', policy: { baseFeeMsat: 0 } },
    { between: ['alice', 'dave'], capacityMsat, id: '3x1x1' },
    { between: ['dave', 'bob'], capacityMsat, id: '4x1x1', policy: { baseFeeMsat: 500 } },
  ],
}

/** The best route before something happens and after it. */
async function routesAround(fault: Fault): Promise<readonly [Route, Route]> {
  const sim = createSimulation(twoWays)
  const alice = sim.backend('alice')
  await alice.start({ sink: () => {} })
  const destination = { lane: 'node', publicKey: sim.keyOf('bob') } as const
  const find = async (): Promise<Route> => {
    const found = alice.findRoutes({ destination, amountMsat: 1_000n, maxFeeMsat: 10_000n, count: 1 })
    return (await sim.drive(found))[0] as Route
  }
  const before = await find()
  sim.fault(fault)
  return [before, await find()]
}

it('a search after a change of policy goes by the new one', async () => {
  const change: Fault = { name: 'policy-change', channel: '2x1x1', from: 'carol', policy: { baseFeeMsat: 5_000 } }
  const [before, after] = await routesAround(change)
  expect([before.channels, after.channels]).toEqual([
    ['1x1x1', '2x1x1'],
    ['3x1x1', '4x1x1'],
  ])
})

it('a route that is found again after a change of policy costs what is asked now', async () => {
  const change: Fault = { name: 'policy-change', channel: '2x1x1', from: 'carol', policy: { baseFeeMsat: 300 } }
  const [before, after] = await routesAround(change)
  expect([routeFeeMsat(before, 1_000n), routeFeeMsat(after, 1_000n), after.channels]).toEqual([
    expect.any(BigInt),
    routeFeeMsat(before, 1_000n) + 300n,
    ['1x1x1', '2x1x1'],
  ])
})

it('a search after a channel was closed goes another way', async () => {
  const [, after] = await routesAround({ name: 'channel-closed', channel: '2x1x1' })
  expect(after.channels).toEqual(['3x1x1', '4x1x1'])
})
