import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { GossipGraph, GossipPolicy } from '../../src/backends/sim/gossip-graph.ts'
import { readDescribedGraph } from '../../src/backends/sim/describegraph.ts'
import { mainnetGraph } from '../../src/backends/sim/mainnet-like.ts'
import {
  createSimulation,
  networkFromGraph,
  SimulationError,
  type ChannelDescription,
  type DescribedGraph,
  type DrawOptions,
} from '../../src/sim.ts'

const FEATURES = { '9': { name: 'tlv-onion' }, '25': { name: 'route-blinding' } }

/** As lncli prints it: two channels between a and b, one of them without a word of b; c has one way alone. */
const GRAPH: DescribedGraph = {
  nodes: [
    { pub_key: '02aa', features: FEATURES },
    { pub_key: '02bb', features: { '9': { name: 'tlv-onion' } } },
    { pub_key: '02cc', features: {} },
  ],
  edges: [
    {
      channel_id: String((700_000n << 40n) | (3n << 16n) | 1n),
      node1_pub: '02aa',
      node2_pub: '02bb',
      capacity: '1000000',
      node1_policy: policy({ fee_base_msat: '1000', fee_rate_milli_msat: '250', max_htlc_msat: '990000000' }),
      node2_policy: policy({ inbound_fee_base_msat: -100, inbound_fee_rate_milli_msat: -20 }),
    },
    {
      channel_id: '700000x4x0',
      node1_pub: '02aa',
      node2_pub: '02bb',
      capacity: 50_000,
      node1_policy: policy({ min_htlc: 1, time_lock_delta: 34 }),
      node2_policy: null,
    },
    {
      channel_id: '700001x1x0',
      node1_pub: '02bb',
      node2_pub: '02cc',
      capacity: '20000',
      node1_policy: policy({ disabled: true }),
      node2_policy: policy({}),
    },
  ],
}

function policy(change: object): NonNullable<DescribedGraph['edges'][number]['node1_policy']> {
  return {
    time_lock_delta: 80,
    min_htlc: '1000',
    fee_base_msat: '0',
    fee_rate_milli_msat: '0',
    disabled: false,
    max_htlc_msat: '0',
    ...change,
  }
}

/** The graph with one entry changed, as a program in JavaScript may pass it. */
function changed(change: (graph: { nodes: object[]; edges: Record<string, unknown>[] }) => unknown): never {
  const copy = structuredClone(GRAPH) as unknown as { nodes: object[]; edges: Record<string, unknown>[] }
  return (change(copy) ?? copy) as never
}

/** What `lncli describegraph` would print of it. */
function described({ nodes, channels }: GossipGraph): DescribedGraph {
  const write = (each: GossipPolicy | undefined): ReturnType<typeof policy> | null =>
    each === undefined
      ? null
      : {
          time_lock_delta: each.cltvDelta,
          min_htlc: String(each.minHtlcMsat),
          fee_base_msat: String(each.baseFeeMsat),
          fee_rate_milli_msat: String(each.feePpm),
          inbound_fee_base_msat: each.inboundBaseFeeMsat,
          inbound_fee_rate_milli_msat: each.inboundFeePpm,
          max_htlc_msat: String(each.maxHtlcMsat),
          disabled: each.disabled,
        }
  return {
    nodes: nodes.map(({ name }) => ({ pub_key: name, features: FEATURES })),
    edges: channels.map(({ ends, capacityMsat, policies }) => ({
      node1_pub: ends[0],
      node2_pub: ends[1],
      capacity: String(capacityMsat / 1_000),
      node1_policy: write(policies[0]),
      node2_policy: write(policies[1]),
    })),
  }
}

const smallGraphs = fc
  .record({ nodes: fc.integer({ min: 10, max: 120 }), seed: fc.string({ maxLength: 5 }) })
  .map(({ nodes, seed }) => mainnetGraph(nodes, seed))

describe('the network of a graph that lncli prints', () => {
  it('has what gossip tells: capacities, fees, inbound fees, deltas, bounds, ids', () => {
    const sim = createSimulation(networkFromGraph(GRAPH, { privateNodes: 0 }))
    const [first, second] = sim.publicGraph().channels
    expect(sim.publicGraph().nodes.map(({ alias }) => alias)).toEqual(['02aa', '02bb', '02cc'])
    expect(first).toMatchObject({ id: '700000x3x1', capacityMsat: 1_000_000_000 })
    expect(first?.policies[0]).toMatchObject({ baseFeeMsat: 1_000, feePpm: 250, maxHtlcMsat: 990_000_000 })
    expect(first?.inbound[1]).toEqual({ baseFeeMsat: -100, feePpm: -20 })
    expect(second?.policies[0]).toMatchObject({ cltvDelta: 34, minHtlcMsat: 1, maxHtlcMsat: 50_000_000 })
  })

  it('lets nothing pass where a direction is disabled, or its node has said nothing', () => {
    const sim = createSimulation(networkFromGraph(GRAPH))
    const disabled = sim.publicGraph().channels.map(({ policies }) => policies.map((each) => each.disabled))
    expect(disabled).toEqual([
      [false, false],
      [false, true],
      [true, false],
    ])
  })

  it('takes a node that tells its features for one that blinds routes only if it says so', () => {
    const blinding = createSimulation(networkFromGraph(GRAPH))
      .publicGraph()
      .nodes.map((node) => [node.alias, node.routeBlinding])
    expect(blinding).toEqual([
      ['02aa', true],
      ['02bb', false],
      ['02cc', true],
    ])
  })

  it('has a node that only a channel names', () => {
    const graph = changed(({ edges }) => ({ nodes: [], edges }))
    expect(networkFromGraph(graph, { privateNodes: 0 }).nodes.map(({ name }) => name)).toEqual(['02aa', '02bb', '02cc'])
  })

  it.for<[string, (graph: { nodes: object[]; edges: Record<string, unknown>[] }) => unknown, string]>([
    ['a list', () => [], 'the graph: it is no object'],
    ['text', () => 'nodes', 'the graph: it is no object'],
    ['an object without lists', () => ({ nodes: [] }), "it has no lists 'nodes' and 'edges'"],
    ['a node without key', ({ nodes }) => void nodes.push({}), 'nodes[3].pub_key: undefined is no public key'],
    ['a node twice', ({ nodes }) => void nodes.push({ pub_key: '02aa' }), 'a second node has the key 02aa'],
    ['a channel of one node', ({ edges }) => edit(edges, 'node2_pub', '02aa'), 'edges[0]: a channel lies between two'],
    ['a capacity in words', ({ edges }) => edit(edges, 'capacity', 'much'), 'edges[0].capacity: "much" is no whole'],
    ['a capacity below nought', ({ edges }) => edit(edges, 'capacity', '-1'), 'edges[0].capacity: -1 is below 0'],
    ['no capacity', ({ edges }) => edit(edges, 'capacity', undefined), 'edges[0].capacity: undefined is no whole'],
    ['an id twice', ({ edges }) => edit(edges, 'channel_id', '700000x4x0'), 'a second channel has the id 700000x4x0'],
    ['an id that lost digits', ({ edges }) => edit(edges, 'channel_id', 7.7e17), 'has lost digits as a number'],
    ['an id in words', ({ edges }) => edit(edges, 'channel_id', 'x'), "'x' is no short channel id"],
    ['a policy in words', ({ edges }) => edit(edges, 'node1_policy', 'x'), 'edges[0].node1_policy: it is no object'],
    [
      'a fee in part',
      ({ edges }) => edit(edges, 'node1_policy', policy({ fee_base_msat: 0.5 })),
      'edges[0].node1_policy.fee_base_msat: 0.5 is no whole number',
    ],
    [
      'a switch in words',
      ({ edges }) => edit(edges, 'node1_policy', policy({ disabled: 'no' })),
      'edges[0].node1_policy.disabled: "no" is neither true nor false',
    ],
  ])('with %s is refused', ([, change, message]) => {
    const make = (): unknown => networkFromGraph(changed(change))
    expect(make).toThrow(SimulationError)
    expect(make).toThrow(expect.objectContaining({ code: 'bad-graph' }))
    expect(make).toThrow(message)
  })

  it('takes what nobody would pay for the most that it knows', () => {
    const wild = policy({ fee_rate_milli_msat: '4294967295', time_lock_delta: 65_535, fee_base_msat: '4294967295' })
    const graph = changed(({ edges }) => edit(edges, 'node1_policy', wild))
    const [channel] = createSimulation(networkFromGraph(graph)).publicGraph().channels
    expect(channel?.policies[0]).toMatchObject({ feePpm: 1_000_000, cltvDelta: 2_016, baseFeeMsat: 4_294_967_295 })
  })

  it('is the same graph, written and read again', () => {
    fc.assert(
      fc.property(smallGraphs, (graph) => {
        const read = readDescribedGraph(JSON.parse(JSON.stringify(described(graph))) as DescribedGraph)
        expect(read.channels).toEqual(graph.channels)
        expect(read.nodes).toEqual(graph.nodes)
      }),
      { numRuns: 30 },
    )
  })
})

function edit(edges: Record<string, unknown>[], name: string, value: unknown): void {
  ;(edges[0] as Record<string, unknown>)[name] = value
}

describe('what gossip does not tell', () => {
  const gossip = described(mainnetGraph(300, 'a graph'))
  const channels = (options: DrawOptions): readonly ChannelDescription[] => networkFromGraph(gossip, options).channels

  it('is drawn by seed, and changes nothing that gossip tells', () => {
    const told = (list: readonly ChannelDescription[]): unknown =>
      list.map(({ between, capacityMsat, policies = {} }) => [
        between,
        capacityMsat,
        Object.values(policies).map(({ baseFeeMsat, feePpm, cltvDelta }) => [baseFeeMsat, feePpm, cltvDelta]),
      ])
    const one = channels({ seed: 1, privateNodes: 0 })
    expect(channels({ seed: 1, privateNodes: 0 })).toEqual(one)
    expect(channels({ seed: 2, privateNodes: 0 })).not.toEqual(one)
    expect(told(channels({ seed: 2, privateNodes: 0 }))).toEqual(told(one))
  })

  it.for([
    ['uniform', 0.5],
    ['bimodal', 0.02],
  ] as const)('balances are %s: %f of them lie in the middle half', ([balances, middle]) => {
    const parts = channels({ balances }).map((each) => Number(each.balanceMsat) / Number(each.capacityMsat))
    expect(parts.every((part) => part >= 0 && part <= 1)).toBe(true)
    const share = parts.filter((part) => part > 0.25 && part < 0.75).length / parts.length
    expect(Math.abs(share - middle)).toBeLessThan(0.12)
    expect(Math.abs(parts.filter((part) => part < 0.5).length / parts.length - 0.5)).toBeLessThan(0.1)
  })

  it('slots are those of the software that a node shows by its defaults, the lower of two ends', () => {
    const software = (name: string): string => name.replace(/\d/, '')
    const shown = { lnd: [80, '1000'], cln: [34, '1'], ldk: [72, '1'], eclair: [144, '1'] } as const
    const names = ['lnd1', 'lnd2', 'cln1', 'cln2', 'ldk1', 'ldk2', 'eclair1', 'eclair2']
    const asks = (name: string): ReturnType<typeof policy> => {
      const [delta, min] = shown[software(name) as keyof typeof shown]
      return policy({ time_lock_delta: delta, min_htlc: min })
    }
    const edges = names.flatMap((a, i) =>
      names.slice(i + 1).map((b) => ({
        node1_pub: a,
        node2_pub: b,
        capacity: 1_000_000,
        node1_policy: asks(a),
        node2_policy: asks(b),
      })),
    )
    const drawn = networkFromGraph({ nodes: [], edges }, { privateNodes: 0 }).channels
    const slots = { lnd: 483, cln: 30, ldk: 50, eclair: 30 } as const
    const rest = drawn.filter(({ between: [a, b], policies = {} }) => {
      const least = Math.min(...[a, b].map((name) => slots[software(name) as keyof typeof slots]))
      return Object.values(policies).some(({ maxHtlcs }) => maxHtlcs !== least)
    })
    // Channels without a fee in their commitments are drawn: one of fifty.
    expect(rest.length).toBeLessThanOrEqual(3)
    expect(rest.flatMap(({ policies = {} }) => Object.values(policies).map(({ maxHtlcs }) => maxHtlcs))).toEqual(
      rest.flatMap(() => [114, 114]),
    )
  })

  it('slots can be a number, and others hold a share of them on average', () => {
    const policies = channels({ slots: 30, others: 0.1, privateNodes: 0 }).flatMap((each) =>
      Object.values(each.policies ?? {}).filter(({ disabled }) => disabled !== true),
    )
    expect(policies.every(({ maxHtlcs }) => maxHtlcs === 30)).toBe(true)
    const held = policies.reduce((sum, { othersHtlcs = 0 }) => sum + othersHtlcs, 0) / policies.length
    expect(Math.abs(held - 3)).toBeLessThan(0.5)
  })

  it('relays with limits are so many as asked for', () => {
    const { nodes } = networkFromGraph(gossip, { pairLimits: 0.5, circuitBreakers: 0.2, privateNodes: 0 })
    expect(Math.abs(nodes.filter(({ pairShare }) => pairShare === 0.05).length / nodes.length - 0.5)).toBeLessThan(0.1)
    const breakers = nodes.filter(({ peerLimits }) => peerLimits?.maxPending === 5)
    expect(Math.abs(breakers.length / nodes.length - 0.2)).toBeLessThan(0.1)
  })

  it('nodes at which payments hang are so many as asked for', () => {
    const { nodes } = networkFromGraph(gossip, { hangingNodes: 0.3, privateNodes: 0 })
    expect(Math.abs(nodes.filter(({ hang }) => hang === 0.1).length / nodes.length - 0.3)).toBeLessThan(0.1)
  })

  it('LDK nodes take 50 payments and a tenth of a channel at once, and some ask 354 sat of each', () => {
    const drawn = channels({ ldk: 1, privateNodes: 0 })
    const policies = drawn.flatMap((each) => Object.values(each.policies ?? {}).map((asked) => ({ ...asked, each })))
    const used = policies.filter(({ disabled }) => disabled !== true)
    for (const { maxHtlcs, maxInFlightMsat, maxHtlcMsat, each } of used) {
      const most = Math.floor(Number(each.capacityMsat) / 10)
      expect([maxHtlcs, maxInFlightMsat]).toEqual([50, most])
      expect(Number(maxHtlcMsat)).toBeLessThanOrEqual(most)
    }
    const plain = channels({ privateNodes: 0 }).flatMap((each) => Object.values(each.policies ?? {}))
    const share = (all: readonly { minHtlcMsat?: unknown }[]): number =>
      all.filter(({ minHtlcMsat = 0 }) => Number(minHtlcMsat) >= 354_000).length / all.length
    expect(Math.abs(share(used) - share(plain) - 0.1)).toBeLessThan(0.05)
  })

  it('nodes behind private channels are in no public graph, and are reached by their hints', async () => {
    const sim = createSimulation(networkFromGraph(gossip, { privateNodes: 0.1, balances: 'uniform' }), { seed: 1 })
    const known = sim.publicGraph().nodes.map(({ alias }) => alias)
    expect(known).toHaveLength(300)
    expect(known.filter((name) => name.startsWith('private'))).toEqual([])
    const hidden = sim.backend('private-0')
    await hidden.start({ sink: () => {} })
    const hints = await hidden.routeHints?.()
    const payer = sim.backend('n0')
    await payer.start({ sink: () => {} })
    const request = { amountMsat: 1_000n, maxFeeMsat: 10_000_000n, count: 1 }
    const find = (given: typeof hints = []): Promise<readonly unknown[]> =>
      sim.drive(
        payer.findRoutes({
          ...request,
          destination: { lane: 'node', publicKey: sim.keyOf('private-0'), hints: given },
        }),
      )
    expect(await find()).toEqual([])
    expect(await find(hints)).toHaveLength(1)
  })

  it('private channels have ids that no channel of the graph has', () => {
    const graph = changed(({ edges }) => edit(edges, 'channel_id', '16000000x0x0'))
    const { channels: drawn } = networkFromGraph(graph, { privateNodes: 1 })
    expect(drawn.filter(({ id }) => id?.startsWith('16000000x') === true).length).toBeGreaterThan(3)
    expect(() => createSimulation({ ...networkFromGraph(graph, { privateNodes: 1 }) })).not.toThrow()
    expect(new Set(drawn.map(({ id }) => id)).size).toBe(drawn.length)
  })

  it.for<[object, string]>([
    [{ balance: 'uniform' }, 'there is no option balance; it is written balances'],
    [{ balances: 'normal' }, "balances is 'uniform' or 'bimodal'; got normal"],
    [{ slots: 484 }, 'slots is'],
    [{ slots: 'lnd' }, 'slots is'],
    [{ others: 2 }, 'others is a share of 0..1; got 2'],
    [{ pairLimits: -1 }, 'pairLimits is a share'],
    [{ circuitBreakers: Number.NaN }, 'circuitBreakers is a share'],
    [{ privateNodes: 'many' }, 'privateNodes is a share'],
    [{ latencySpread: 9 }, 'latencySpread is a number of 0..3'],
    [{ latency: 'warp' }, 'latency is one of'],
    [{ latency: 5 }, 'latency is one of'],
    [{ seed: {} }, 'seed is a text or a number'],
    [{ seed: Number.NaN }, 'seed is a text or a number'],
    [{ others: '0.5' }, 'others is a share of 0..1'],
    [{ latencySpread: '1' }, 'latencySpread is a number of 0..3'],
    [null as never, 'the options are an object; got null'],
    ['seed' as never, 'the options are an object; got seed'],
  ])('is refused with %o', ([options, message]) => {
    const make = (): unknown => networkFromGraph(GRAPH, options)
    expect(make).toThrow(expect.objectContaining({ code: 'bad-option' }))
    expect(make).toThrow(message)
  })
})
