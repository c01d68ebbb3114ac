import { describe, expect, it } from 'vitest'
import type { Lane } from '../../src/medium/payment.ts'
import { demoNetwork, type Fault, type NetworkDescription, type Simulation } from '../../src/sim.ts'
import { balances, expectNothingLeft, MINUTE, openEnds, transfer, type Direction } from './transfer.ts'

/** One fault, or several that belong together. */
interface Case {
  readonly name: string
  readonly faults: (sim: Simulation) => readonly Fault[]
  readonly network?: NetworkDescription
  /** Balances shift by other hands, too. */
  readonly shifts?: boolean
  /** Payments of others that must all arrive. */
  readonly others?: number
  /** Where, and in the middle of what, such a thing happens at all. */
  readonly lane?: Lane
  readonly direction?: Direction
}

const requiring: NetworkDescription = {
  ...demoNetwork(),
  nodes: demoNetwork().nodes.map((node) => ({
    ...node,
    requireInterceptor: node.name === 'alice' || node.name === 'bob',
  })),
}

const ends = ['alice', 'bob'] as const
const DELAYS_MS = [0, 5, 10, 30, 50] as const

/** When a node settles offers: alice those of the answer, bob those of the question, on one lane. */
function settling(node: 'alice' | 'bob'): Pick<Case, 'lane' | 'direction'> {
  return node === 'alice' ? { direction: 'down' } : { direction: 'up', lane: 'phantom' }
}

const cases: readonly Case[] = [
  ...['alice', 'carol', 'dave', 'bob'].map((node) => ({
    name: `the node of ${node} is killed and restarted`,
    faults: () => [{ name: 'node-restart', node } as const],
  })),
  ...ends.map((node) => ({
    name: `the streams to the node of ${node} are cut`,
    faults: () => [{ name: 'stream-lost', node } as const],
  })),
  { name: 'bob is away for a minute', faults: () => [{ name: 'node-offline', node: 'bob', forMs: MINUTE }] },
  {
    name: 'a channel has no balance left, either way',
    shifts: true,
    faults: (sim) => [
      { name: 'channel-drained', channel: sim.channelBetween('carol', 'bob'), from: 'carol' },
      { name: 'channel-drained', channel: sim.channelBetween('alice', 'dave'), from: 'dave' },
    ],
  },
  {
    name: 'a channel is closed, and another route is there',
    faults: (sim) => [{ name: 'channel-closed', channel: sim.channelBetween('carol', 'bob') }],
  },
  {
    name: 'a channel is force-closed with HTLCs in flight',
    faults: (sim) => [{ name: 'channel-force-closed', channel: sim.channelBetween('alice', 'carol') }],
  },
  ...ends.flatMap((node) =>
    [50, 2_000].flatMap((forMs) => [
      {
        name: `the interceptor of ${node} is gone for ${forMs} ms`,
        faults: () => [{ name: 'interceptor-drops', node, forMs } as const],
      },
      {
        name: `the interceptor of ${node}, which requires it, is gone for ${forMs} ms`,
        network: requiring,
        faults: () => [{ name: 'interceptor-drops', node, forMs } as const],
      },
    ]),
  ),
  ...ends.flatMap((node) =>
    DELAYS_MS.flatMap((afterMs) => [
      {
        name: `the node of ${node} is killed ${afterMs} ms after a settle`,
        ...settling(node),
        faults: () => [{ name: 'killed-after-settle', node, afterMs } as const],
      },
      {
        name: `the node of ${node} is killed ${afterMs} ms after a send`,
        direction: node === 'alice' ? ('up' as const) : ('down' as const),
        faults: () => [{ name: 'killed-after-send', from: node, afterMs } as const],
      },
    ]),
  ),
  ...ends.map((node) => ({
    name: `settled HTLCs come again to ${node} at each restart`,
    ...settling(node),
    faults: () => [
      { name: 'zombie-offers', node, count: 2 } as const,
      ...[1, 2, 3].map(() => ({ name: 'node-restart', node }) as const),
    ],
  })),
  ...ends.map((node) => ({
    name: `the process of ${node} is blocked for five minutes while the payments of others pass`,
    shifts: true,
    others: 200,
    faults: () => [
      { name: 'process-blocked', node } as const,
      { name: 'foreign-payments', from: 'carol', to: 'dave', count: 100, overMs: 4 * MINUTE } as const,
      { name: 'foreign-payments', from: 'erin', to: 'carol', count: 100, overMs: 4 * MINUTE } as const,
    ],
  })),
  {
    name: '200 payments of others go on',
    shifts: true,
    faults: () => [{ name: 'foreign-payments', count: 200 }],
  },
  ...ends.map((node) => ({
    name: `strangers send 1000 times in a minute bytes under our type to ${node}`,
    shifts: true,
    faults: () => [{ name: 'foreign-bytes', node, from: 'erin' } as const],
  })),
  {
    name: "strangers send 1000 times in a minute bytes under our type to the phantom of bob's node",
    shifts: true,
    lane: 'phantom',
    faults: () => [{ name: 'foreign-bytes', node: 'bob', from: 'erin', lane: 'phantom' }],
  },
]

const lanes: readonly Lane[] = ['node', 'phantom']
const directions: readonly Direction[] = ['up', 'down']

describe.for(lanes)(
  'a transfer over the %s lane loses nothing, pays within its cap and leaves nothing behind',
  (lane) => {
    describe.for(directions)('%s', (direction) => {
      const fitting = cases.filter(
        (each) => (each.lane ?? lane) === lane && (each.direction ?? direction) === direction,
      )
      it.for(fitting.map((each) => [each.name, each] as const))(
        'while %s',
        async ([name, { faults, network, shifts, others }]) => {
          const both = await openEnds(network ?? demoNetwork(), lane, name)
          const { sim } = both
          const before = balances(sim)
          await transfer(both, {
            lane,
            direction,
            midway: () => {
              for (const [i, fault] of faults(sim).entries()) sim.fault(fault, sim.clock.now() + i * 5_000)
            },
          })
          await expectNothingLeft(both)
          expect(sim.stats().faultsWaiting, 'it happened').toBe(0)
          if (others !== undefined) expect(sim.stats().foreign).toEqual({ sent: others, settled: others, failed: 0 })
          if (shifts === true) return
          const after = balances(sim)
          for (const end of ends) {
            const lost = (before.get(end) ?? 0) - (after.get(end) ?? 0)
            expect(lost, 'no more is lost than the account says').toBeLessThanOrEqual(Number(both[end].stats.spentMsat))
          }
        },
      )
    })
  },
)
