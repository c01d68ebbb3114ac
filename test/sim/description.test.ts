import { describe, expect, it } from 'vitest'
import {
  createSimulation,
  demoNetwork,
  hubNetwork,
  line,
  randomNetwork,
  SimulationError,
  type NetworkDescription,
} from '../../src/sim.ts'

const pair = (change: Partial<NetworkDescription>): NetworkDescription => ({
  nodes: [{ name: 'a' }, { name: 'b' }],
  channels: [{ between: ['a', 'b'], capacityMsat: 1_000_000 }],
  ...change,
})

describe('a description of a network', () => {
  it.for<[string, NetworkDescription, string]>([
    ['no node', pair({ nodes: [], channels: [] }), 'at least one node'],
    ['two nodes of one name', pair({ nodes: [{ name: 'a' }, { name: 'a' }] }), "two nodes are called 'a'"],
    ['a channel to nobody', pair({ channels: [{ between: ['a', 'c'], capacityMsat: 1 }] }), "no node 'c'"],
    ['a channel to itself', pair({ channels: [{ between: ['a', 'a'], capacityMsat: 1 }] }), 'two different nodes'],
    [
      'more balance than capacity',
      pair({ channels: [{ between: ['a', 'b'], capacityMsat: 1, balanceMsat: 2 }] }),
      'a balance of 2',
    ],
    ['half a millisatoshi', pair({ channels: [{ between: ['a', 'b'], capacityMsat: 1.5 }] }), 'not a whole number'],
    [
      'an amount in words',
      pair({ channels: [{ between: ['a', 'b'], capacityMsat: 'much' }] }),
      "'much' is not an amount",
    ],
    [
      'a policy of a stranger',
      pair({ channels: [{ between: ['a', 'b'], capacityMsat: 1, policies: { c: {} } }] }),
      "'c' is not an end",
    ],
    ['too many slots', pair({ policyDefaults: { maxHtlcs: 484 } }), 'not between 1 and 483'],
    ['a probability above one', pair({ failure: 2 }), 'failure: 2'],
    ['an unknown latency', pair({ latency: 'warp' as never }), "'warp'"],
    ['an unknown fault', pair({ faults: [{ name: 'flood', chance: 1 }] }), "no fault 'flood'"],
    ['a fault without its probability', pair({ faults: [{ name: 'payment-fails', perHour: 1 }] }), "needs 'chance'"],
  ])('with %s is refused', ([, description, message]) => {
    expect(() => createSimulation(description)).toThrow(SimulationError)
    expect(() => createSimulation(description)).toThrow(message)
  })

  it('survives JSON, with amounts in decimal digits', () => {
    const description = pair({
      channels: [{ between: ['a', 'b'], capacityMsat: '900000000000000' }],
      hang: 0.1,
      faults: [{ name: 'node-restart', perHour: 1 }],
    })
    const sim = createSimulation(JSON.parse(JSON.stringify(description)) as NetworkDescription)
    expect(sim.stats().nodes[0]?.balanceMsat).toBe(450_000_000_000_000)
  })

  it('keeps private nodes and channels out of the public graph', () => {
    const sim = createSimulation({
      nodes: [{ name: 'a' }, { name: 'b' }, { name: 'c', public: false }],
      channels: [
        { between: ['a', 'b'], capacityMsat: 1_000 },
        { between: ['a', 'b'], capacityMsat: 1_000, private: true },
        { between: ['b', 'c'], capacityMsat: 1_000 },
      ],
    })
    expect(sim.publicGraph().nodes.map((node) => node.alias)).toEqual(['a', 'b'])
    expect(sim.publicGraph().channels).toHaveLength(1)
  })
})

describe('the ready-made networks', () => {
  it.for<[string, NetworkDescription, string, string]>([
    ['a line', line(5), 'n0', 'n4'],
    ['the demo', demoNetwork(), 'alice', 'bob'],
    ['the hub', hubNetwork(), 'leaf0', 'leaf5'],
    ['a random one', randomNetwork({ seed: 3, nodes: 30 }), 'n0', 'n29'],
  ])('%s leads from one end to the other', async ([, description, from, to]) => {
    const sim = createSimulation(description)
    const backend = sim.backend(from)
    await backend.start({ sink: () => {} })
    const destination = { lane: 'node', publicKey: sim.keyOf(to) } as const
    const routes = await sim.drive(
      backend.findRoutes({ destination, amountMsat: 1_000n, maxFeeMsat: 1_000_000n, count: 2 }),
    )
    expect(routes.length).toBeGreaterThanOrEqual(1)
  })

  it('the demo has two routes without a common channel, and no channel between its ends', async () => {
    const sim = createSimulation(demoNetwork())
    expect(() => sim.channelBetween('alice', 'bob')).toThrow(SimulationError)
    const alice = sim.backend('alice')
    await alice.start({ sink: () => {} })
    const destination = { lane: 'node', publicKey: sim.keyOf('bob') } as const
    const [a, b] = await sim.drive(
      alice.findRoutes({ destination, amountMsat: 1_000n, maxFeeMsat: 1_000_000n, count: 2 }),
    )
    expect(a?.channels.filter((channel) => b?.channels.includes(channel))).toEqual([])
  })

  it('knows a key that another simulation of the same seed gave, and none of another seed', async () => {
    const [same, other] = [3, 4].map((seed) => createSimulation(line(4), { seed }).keyOf('n3'))
    const sim = createSimulation(line(4), { seed: 3 })
    const payer = sim.backend('n0')
    await payer.start({ sink: () => {} })
    const find = (publicKey: Uint8Array = new Uint8Array()): Promise<readonly unknown[]> =>
      sim.drive(
        payer.findRoutes({
          destination: { lane: 'node', publicKey },
          amountMsat: 1_000n,
          maxFeeMsat: 10_000n,
          count: 1,
        }),
      )
    expect(await find(same)).toHaveLength(1)
    expect(await find(other)).toEqual([])
  })

  it('finds no route whose relays ask for more than the caller pays, and another one that asks for less', async () => {
    const sim = createSimulation({
      nodes: ['a', 'dear', 'b', 'c', 'z'].map((name) => ({ name })),
      channels: [
        { between: ['a', 'dear'], capacityMsat: 1_000_000 },
        { between: ['dear', 'z'], capacityMsat: 1_000_000, policy: { baseFeeMsat: 400 } },
        { between: ['a', 'b'], capacityMsat: 1_000_000 },
        { between: ['b', 'c'], capacityMsat: 1_000_000, policy: { baseFeeMsat: 190 } },
        { between: ['c', 'z'], capacityMsat: 1_000_000, policy: { baseFeeMsat: 190 } },
      ],
    })
    const payer = sim.backend('a')
    await payer.start({ sink: () => {} })
    const destination = { lane: 'node', publicKey: sim.keyOf('z') } as const
    const lengths = async (maxFeeMsat: bigint): Promise<number[]> => {
      const found = await sim.drive(payer.findRoutes({ destination, amountMsat: 1_000n, maxFeeMsat, count: 1 }))
      return found.map(({ channels }) => channels.length)
    }
    // Two hops are worth more than the 20 msat that three would save.
    expect(await lengths(1_000n)).toEqual([2])
    expect(await lengths(399n)).toEqual([3])
    expect(await lengths(300n)).toEqual([])
  })

  it('finds its way over a hinted private channel', async () => {
    const sim = createSimulation({
      nodes: [{ name: 'a' }, { name: 'b' }, { name: 'c', public: false }],
      channels: [
        { between: ['a', 'b'], capacityMsat: 1_000_000 },
        { between: ['b', 'c'], capacityMsat: 1_000_000 },
      ],
    })
    const a = sim.backend('a')
    await a.start({ sink: () => {} })
    const hint = {
      publicKey: sim.keyOf('b'),
      channelId: sim.channelBetween('b', 'c'),
      feeBaseMsat: 1_000n,
      feePpm: 1,
      cltvDelta: 80,
    }
    const request = { amountMsat: 1_000n, maxFeeMsat: 10_000n, count: 1 }
    const publicKey = sim.keyOf('c')
    expect(await sim.drive(a.findRoutes({ ...request, destination: { lane: 'node', publicKey } }))).toEqual([])
    expect(
      await sim.drive(a.findRoutes({ ...request, destination: { lane: 'node', publicKey, hints: [hint] } })),
    ).toHaveLength(1)
  })
})
