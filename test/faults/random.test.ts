import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Lane } from '../../src/medium/payment.ts'
import { demoNetwork, type Fault, type NetworkDescription } from '../../src/sim.ts'
import { expectNothingLeft, openEnds, transfer, type Direction } from './transfer.ts'

// Any faults at any times in the middle of a transfer. `FC_SEED` and `FC_RUNS` choose others.

const end = fc.constantFrom('alice', 'bob')
const node = fc.constantFrom('alice', 'bob', 'carol', 'dave', 'erin')
const delayMs = fc.constantFrom(0, 2, 5, 10, 20, 30, 50, 100)
const count = fc.integer({ min: 1, max: 8 })

/** Channels as the names of their ends; the test looks up the id. */
type Planned = Fault | { readonly name: ChannelFault; readonly between: readonly [string, string] }
type ChannelFault = 'channel-closed' | 'channel-force-closed' | 'liquidity-shift' | 'policy-change'

/** Of the two routes between alice and bob this one stays. */
const upper = fc.constantFrom<readonly [string, string]>(['alice', 'carol'], ['carol', 'bob'], ['carol', 'dave'])
const anywhere = fc.oneof(
  upper,
  fc.constantFrom<readonly [string, string]>(['alice', 'dave'], ['dave', 'erin'], ['erin', 'bob']),
)

const planned: fc.Arbitrary<Planned> = fc.oneof(
  fc.record({ name: fc.constant('node-restart' as const), node, forMs: fc.integer({ min: 100, max: 20_000 }) }),
  fc.record({ name: fc.constant('node-offline' as const), node, forMs: fc.integer({ min: 1, max: 60_000 }) }),
  fc.record({ name: fc.constant('stream-lost' as const), node: end, forMs: fc.integer({ min: 1, max: 20_000 }) }),
  fc.record({ name: fc.constant('interceptor-drops' as const), node: end, forMs: fc.integer({ min: 1, max: 5_000 }) }),
  fc.record({ name: fc.constant('process-blocked' as const), node: end, forMs: fc.integer({ min: 1, max: 300_000 }) }),
  fc.record({ name: fc.constant('killed-after-settle' as const), node: end, afterMs: delayMs }),
  fc.record({ name: fc.constant('killed-after-send' as const), from: end, afterMs: delayMs }),
  fc.record({
    name: fc.constant('verdict-lost' as const),
    node: end,
    end: fc.constantFrom('payer-fails' as const, 'relay-keeps' as const, 'offered-again' as const),
    count,
  }),
  fc.record({ name: fc.constant('zombie-offers' as const), node: end, count }),
  fc.record({ name: fc.constant('offered-again' as const), node: end, count }),
  fc.record({ name: fc.constant('duplicate-offer' as const), node: end, count }),
  fc.record({ name: fc.constant('payment-fails' as const), from: end, count }),
  fc.record({
    name: fc.constant('payment-hangs' as const),
    from: end,
    end: fc.constantFrom('fail' as const, 'land' as const),
    // A young connection owes few payments (spec §9.7): many that hang for an hour would end it.
    forMs: fc.integer({ min: 5_000, max: 600_000 }),
    count,
  }),
  fc.record({ name: fc.constant('relay-keeps' as const), from: end, count }),
  fc.record({ name: fc.constant('routes-forgotten' as const), node: end }),
  fc.record({ name: fc.constant('arrivals-replayed' as const), node: end, count: fc.integer({ min: 1, max: 50 }) }),
  fc.record({ name: fc.constant('blocks-found' as const), count }),
  fc.record({ name: fc.constant('foreign-payments' as const), count: fc.integer({ min: 1, max: 200 }) }),
  fc.record({
    name: fc.constant('foreign-bytes' as const),
    node: end,
    lane: fc.constantFrom('node' as const, 'phantom' as const),
    count: fc.integer({ min: 1, max: 500 }),
  }),
  fc.record({ name: fc.constantFrom('channel-closed' as const, 'channel-force-closed' as const), between: upper }),
  fc.record({ name: fc.constantFrom('liquidity-shift' as const, 'policy-change' as const), between: anywhere }),
)

/** Most while the transfer is in full swing, which takes seconds. */
const moment = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 2_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 60_000 }) },
)

const story = fc.record({
  seed: fc.integer({ min: 0, max: 1_000_000 }),
  lane: fc.constantFrom<Lane>('node', 'phantom'),
  direction: fc.constantFrom<Direction>('up', 'down'),
  requireInterceptor: fc.boolean(),
  faults: fc.array(fc.record({ planned, atMs: moment }), { minLength: 1, maxLength: 8 }),
})
type Story = typeof story extends fc.Arbitrary<infer Value> ? Value : never

function network(requireInterceptor: boolean): NetworkDescription {
  const demo = demoNetwork()
  const ends = new Set(['alice', 'bob'])
  return {
    ...demo,
    nodes: demo.nodes.map((each) => ({ ...each, requireInterceptor: requireInterceptor && ends.has(each.name) })),
  }
}

async function play({ seed, lane, direction, requireInterceptor, faults }: Story): Promise<void> {
  const ends = await openEnds(network(requireInterceptor), lane, seed)
  await transfer(ends, {
    lane,
    direction,
    midway: (sim) => {
      for (const { planned: fault, atMs } of faults) {
        const named =
          'between' in fault
            ? { name: fault.name, channel: sim.channelBetween(fault.between[0], fault.between[1]) }
            : fault
        sim.fault(named, sim.clock.now() + atMs)
      }
    },
  })
  await expectNothingLeft(ends)
}

const seed = Number(process.env['FC_SEED'] ?? 20_262)
const numRuns = Number(process.env['FC_RUNS'] ?? 60)

it('who lingers waits for a peer that was refused until it tries once a minute only', async () => {
  await play({
    seed: 91_102,
    lane: 'node',
    direction: 'down',
    requireInterceptor: false,
    faults: [{ planned: { name: 'process-blocked', node: 'alice', forMs: 93_419 }, atMs: 1_993 }],
  })
})

it('who lingers gives the peer a way to it when its own channels are closed', async () => {
  await play({
    seed: 566_283,
    lane: 'node',
    direction: 'down',
    requireInterceptor: false,
    faults: [
      { planned: { name: 'channel-closed', between: ['alice', 'carol'] }, atMs: 1_197 },
      { planned: { name: 'foreign-bytes', node: 'alice', lane: 'node', count: 1 }, atMs: 437 },
      { planned: { name: 'node-offline', node: 'bob', forMs: 1_055 }, atMs: 1_518 },
      { planned: { name: 'channel-force-closed', between: ['carol', 'bob'] }, atMs: 1_106 },
    ],
  })
})

it('who has the end and not all before it asks for the rest, where the server has no money left to say it', async () => {
  await play({
    seed: 217_536,
    lane: 'node',
    direction: 'up',
    requireInterceptor: false,
    faults: [
      { planned: { name: 'payment-fails', from: 'alice', count: 2 }, atMs: 0 },
      { planned: { name: 'channel-force-closed', between: ['carol', 'bob'] }, atMs: 1_656 },
      { planned: { name: 'payment-hangs', from: 'bob', end: 'fail', forMs: 5_000, count: 4 }, atMs: 852 },
      { planned: { name: 'channel-force-closed', between: ['carol', 'dave'] }, atMs: 544 },
      { planned: { name: 'interceptor-drops', node: 'alice', forMs: 1 }, atMs: 0 },
    ],
  })
})

it(
  `whatever happens, and when, everything comes, and nothing is left behind (FC_SEED=${seed})`,
  { timeout: 60_000 + 5_000 * numRuns },
  async () => {
    expect.hasAssertions()
    await fc.assert(fc.asyncProperty(story, play), { seed, numRuns, endOnFailure: false })
  },
)
