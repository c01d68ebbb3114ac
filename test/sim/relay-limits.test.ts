import { sha256 } from '@noble/hashes/sha2.js'
import { describe, expect, it } from 'vitest'
import { pairSlots } from '../../src/backends/sim/relay-limits.ts'
import type { Backend } from '../../src/backends/backend.ts'
import type { PaymentOutcome } from '../../src/medium/payment.ts'
import type { Route } from '../../src/medium/route.ts'
import {
  createSimulation,
  line,
  type NetworkDescription,
  type NodeOptions,
  type PolicyOptions,
  type Simulation,
} from '../../src/sim.ts'

const HOLD_MS = 600_000

/** alice - relay - bob, and 'other', who reaches bob over the relay as well. */
function network(relay: NodeOptions, policyDefaults: PolicyOptions = {}): NetworkDescription {
  return {
    nodes: [{ name: 'alice' }, { name: 'other' }, { name: 'relay', ...relay }, { name: 'bob' }],
    channels: [
      { between: ['alice', 'relay'], capacityMsat: 1_000_000_000 },
      { between: ['other', 'relay'], capacityMsat: 1_000_000_000 },
      { between: ['relay', 'bob'], capacityMsat: 1_000_000_000 },
    ],
    policyDefaults,
  }
}

interface Payer {
  readonly sim: Simulation
  readonly backend: Backend
  readonly route: Route
}

async function startPayer(
  description: NetworkDescription,
  options: { readonly name?: string; readonly seed?: number } = {},
): Promise<Payer> {
  const sim = createSimulation(description, { seed: options.seed ?? 1 })
  const backend = sim.backend(options.name ?? 'alice')
  await backend.start({ sink: () => {} })
  const destination = { lane: 'node', publicKey: sim.keyOf('bob') } as const
  const [route] = await sim.drive(
    backend.findRoutes({ destination, amountMsat: 1_000n, maxFeeMsat: 100_000n, count: 1 }),
  )
  if (route === undefined) throw new Error('the network has no route')
  return { sim, backend, route }
}

/** Pays so many times at once; all of them hang somewhere on the way for ten minutes, then settle. */
function payAtOnce({ sim, backend, route }: Payer, count: number): Promise<PaymentOutcome[]> {
  sim.fault({ name: 'payment-hangs', hop: 2, forMs: HOLD_MS, end: 'land', count })
  const pay = (): Promise<PaymentOutcome> => {
    const preimage = sim.entropy.bytes(32)
    const payment = { record: new Uint8Array(100), amountMsat: route.minAmountMsat, hash: sha256(preimage), preimage }
    return backend.pay({ routeId: route.id, ...payment })
  }
  return sim.drive(Promise.all(Array.from({ length: count }, pay)))
}

function settled(outcomes: readonly PaymentOutcome[]): number {
  return outcomes.filter(({ status }) => status === 'settled').length
}

it('a direction takes no more than may be under way in it at once', async () => {
  const payer = await startPayer(network({}, { maxInFlightMsat: 5_500 }))
  const outcomes = await payAtOnce(payer, 8)
  expect(settled(outcomes)).toBeLessThan(6)
  expect(outcomes.some((each) => each.status === 'failed')).toBe(true)
})

it('payments hang at a node that holds them, and at no other', async () => {
  const quick = { hang: { probability: 0, leastMs: 60_000, mostMs: 60_000, landing: 1 } }
  const timed = async (relay: NodeOptions): Promise<number> => {
    const payer = await startPayer({ ...network(relay), ...quick })
    const startMs = payer.sim.clock.now()
    const preimage = payer.sim.entropy.bytes(32)
    const { id: routeId, minAmountMsat: amountMsat } = payer.route
    const payment = { routeId, record: new Uint8Array(100), amountMsat, hash: sha256(preimage), preimage }
    await payer.sim.drive(payer.backend.pay(payment))
    return payer.sim.clock.now() - startMs
  }
  expect(await timed({ hang: 1 })).toBeGreaterThan(60_000)
  expect(await timed({})).toBeLessThan(5_000)
})

describe('a relay that lets one pair of channels have 5 % of its slots', () => {
  it.for([
    [483, 10],
    [193, 10],
    [114, 6],
    [50, 5],
    [30, 5],
    [3, 3],
  ] as const)('of %i slots lets it have %i', ([slots, ofPair]) => {
    expect(pairSlots(slots, 0.05)).toBe(ofPair)
  })

  it('refuses what is above that, at the relay, and takes as many again afterwards', async () => {
    const payer = await startPayer(network({ pairShare: 0.05 }))
    const outcomes = await payAtOnce(payer, 25)
    expect(settled(outcomes)).toBe(10)
    const refused = outcomes.filter(({ status }) => status === 'failed')
    expect(refused).toHaveLength(15)
    expect(refused[0]).toMatchObject({ reason: 'temporary-channel-failure', place: 'route' })
    expect(settled(await payAtOnce(payer, 25))).toBe(10)
    expect(payer.sim.audit()).toEqual([])
  })

  it('counts each pair by itself', async () => {
    const payer = await startPayer(network({ pairShare: 0.05 }))
    const { sim } = payer
    sim.fault({ name: 'foreign-payments', from: 'other', to: 'bob', count: 10, overMs: 1 })
    sim.fault({ name: 'payment-hangs', from: 'other', forMs: HOLD_MS, count: 10 })
    expect(settled(await payAtOnce(payer, 10))).toBe(10)
  })
})

describe('a circuit breaker', () => {
  it('lets a peer have so many payments under way, whatever their way on', async () => {
    const payer = await startPayer(network({ peerLimits: { maxPending: 5 } }))
    expect(settled(await payAtOnce(payer, 12))).toBe(5)
    expect(settled(await payAtOnce(payer, 12))).toBe(5)
  })

  it('lets a peer have so many payments an hour, ten of them at once', async () => {
    const payer = await startPayer(network({ peerLimits: { perHour: 60 } }, { baseFeeMsat: 0 }))
    expect(settled(await payAtOnce(payer, 20))).toBe(10)
    // The ten minutes of holding have earned ten again.
    expect(settled(await payAtOnce(payer, 20))).toBe(10)
    expect(payer.sim.audit()).toEqual([])
  })

  it('does not bind the node itself', async () => {
    const description = { ...network({}), nodeDefaults: { peerLimits: { maxPending: 1 } } }
    expect(settled(await payAtOnce(await startPayer(description, { name: 'relay' }), 8))).toBe(8)
  })
})

describe("other people's payments", () => {
  it('hold slots, more or less of them with time, the same for one seed', async () => {
    const run = async (seed: number): Promise<number[]> => {
      const payer = await startPayer(network({}, { maxHtlcs: 30, othersHtlcs: 15 }), { seed })
      const counts: number[] = []
      for (let i = 0; i < 12; i++) counts.push(settled(await payAtOnce(payer, 30)))
      return counts
    }
    const counts = await run(1)
    expect(await run(1)).toEqual(counts)
    expect(await run(2)).not.toEqual(counts)
    const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length
    // Two channels of 30, each with 15 in use: the fuller of the two decides.
    expect(mean).toBeGreaterThan(9)
    expect(mean).toBeLessThan(16)
    expect(new Set(counts).size).toBeGreaterThan(3)
  })
})

describe('a direction that is disabled', () => {
  it('is in no route, and the other way is', async () => {
    const description: NetworkDescription = {
      ...line(3),
      channels: [
        { between: ['n0', 'n1'], capacityMsat: 1_000_000_000 },
        { between: ['n1', 'n2'], capacityMsat: 1_000_000_000, policies: { n1: { disabled: true } } },
      ],
    }
    const sim = createSimulation(description)
    const routes = async (from: string, to: string): Promise<number> => {
      const backend = sim.backend(from)
      await backend.start({ sink: () => {} })
      const request = { amountMsat: 1_000n, maxFeeMsat: 100_000n, count: 2 }
      const destination = { lane: 'node', publicKey: sim.keyOf(to) } as const
      const found = await sim.drive(backend.findRoutes({ destination, ...request }))
      await backend.stop()
      return found.length
    }
    expect(await routes('n0', 'n2')).toBe(0)
    expect(await routes('n2', 'n0')).toBe(1)
  })

  it('refuses what comes over a route that was found before', async () => {
    const payer = await startPayer(network({}))
    const channel = payer.sim.channelBetween('relay', 'bob')
    payer.sim.fault({ name: 'policy-change', channel, from: 'relay', policy: { disabled: true } })
    expect(await payAtOnce(payer, 1)).toMatchObject([{ reason: 'temporary-channel-failure', place: 'route' }])
  })
})
