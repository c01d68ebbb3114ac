import { bytesToHex } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { classOf, totalCost } from '../../src/backends/paths/path-classes.ts'
import {
  candidateInitiators,
  createSimulation,
  decodePath,
  demoNetwork,
  hubNetwork,
  line,
  mainnetLike,
  type NetworkDescription,
  type Simulation,
} from '../../src/sim.ts'
import { startPair, phantomPayment } from './pair.ts'

async function pathOf(
  sim: Simulation,
  maker: string,
  payer: string,
  relays: 1 | 2 = 1,
): Promise<{ bytes: Uint8Array; candidates: number }> {
  const backend = sim.backend(maker)
  await backend.start({ sink: () => {} })
  const made = await sim.drive(backend.makePaths({ count: 1, payer: sim.keyOf(payer), relays, lifetimeBlocks: 100 }))
  await backend.stop()
  return { bytes: made.paths[0]?.bytes ?? new Uint8Array(), candidates: made.candidates ?? 0 }
}

function namesOf(sim: Simulation, keys: readonly string[]): string[] {
  const aliases = new Map(sim.publicGraph().nodes.map((node) => [node.publicKey, node.alias]))
  return keys.map((key) => aliases.get(key) ?? key)
}

describe('the bytes of a path', () => {
  it('are 250 for one relay and 325 for two', async () => {
    const sim = createSimulation(demoNetwork())
    expect((await pathOf(sim, 'alice', 'bob')).bytes).toHaveLength(250)
    expect((await pathOf(sim, 'alice', 'bob', 2)).bytes).toHaveLength(325)
  })

  it('name the introduction node, never the payer, never the maker', async () => {
    const sim = createSimulation(demoNetwork())
    for (const payer of ['bob', 'carol', 'dave', 'erin']) {
      const { introduction } = decodePath((await pathOf(sim, 'alice', payer)).bytes)
      const [name] = namesOf(sim, [bytesToHex(introduction)])
      expect(['carol', 'dave']).toContain(name)
      expect(name).not.toBe(payer)
    }
  })

  it('that are not those of a path are refused, whatever they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(() => decodePath(bytes)).toThrow(expect.objectContaining({ code: 'bad-request' }))
      }),
    )
  })

  it('that were altered are refused, or still read as a path of the same form', async () => {
    const { bytes } = await pathOf(createSimulation(demoNetwork()), 'alice', 'bob')
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const altered = bytes.slice()
        altered[at] = (altered[at] ?? 0) ^ flip
        try {
          expect(decodePath(altered).blindedIds).toHaveLength(2)
        } catch (error) {
          expect(error).toMatchObject({ code: 'bad-request' })
        }
      }),
    )
  })
})

describe('an introduction node', () => {
  it('is kept for all paths and payers, while it can be', async () => {
    const sim = createSimulation(hubNetwork())
    const guards = new Set<string>()
    for (const payer of ['leaf1', 'leaf2', 'leaf3'])
      guards.add(bytesToHex(decodePath((await pathOf(sim, 'leaf0', payer)).bytes).introduction))
    expect(guards.size).toBe(1)
  })

  it('is replaced by a standby when it is away, without room, or without route blinding', async () => {
    const sim = createSimulation(hubNetwork())
    const introduction = async (): Promise<string> =>
      namesOf(sim, [bytesToHex(decodePath((await pathOf(sim, 'leaf0', 'leaf1')).bytes).introduction)])[0] ?? ''
    const guard = await introduction()
    sim.fault({ name: 'channel-drained', channel: sim.channelBetween('leaf0', guard), from: guard })
    expect(await introduction()).not.toBe(guard)
  })

  it('that was given up stands nowhere on a path of two relays', async () => {
    const sim = createSimulation(hubNetwork())
    const backend = sim.backend('leaf0')
    await backend.start({ sink: () => {} })
    const request = { count: 1, payer: sim.keyOf('leaf1'), relays: 2, lifetimeBlocks: 100 } as const
    const { guards = [] } = await sim.drive(backend.makePaths(request))
    expect(guards).toHaveLength(2)
    for (const relay of guards) {
      const again = await sim.drive(backend.makePaths({ ...request, avoidGuards: [relay] }))
      expect(again.guards).not.toContain(relay)
    }
    await backend.stop()
  })

  it('is missing where the only peer has no other channel', async () => {
    await expect(pathOf(createSimulation(line(2)), 'n1', 'n0')).rejects.toMatchObject({ code: 'no-path' })
    await expect(pathOf(createSimulation(line(3)), 'n2', 'n1')).rejects.toMatchObject({ code: 'no-path' })
  })
})

describe('the candidates that a payer is left with', () => {
  it('are the fitting neighbours of the introduction node, the maker among them, the payer not', async () => {
    const sim = createSimulation(hubNetwork())
    const { bytes, candidates } = await pathOf(sim, 'leaf0', 'leaf1')
    const names = namesOf(sim, candidateInitiators(sim.publicGraph(), decodePath(bytes), sim.keyOf('leaf1')))
    expect(names.toSorted()).toEqual(['leaf0', 'leaf2', 'leaf3', 'leaf4', 'leaf5'])
    expect(candidates).toBe(5)
  })

  it('leave out nodes whose policy rounds to other classes', async () => {
    const hub = hubNetwork()
    const channels = hub.channels.map((channel) =>
      channel.between[1] === 'leaf3' ? { ...channel, policy: { baseFeeMsat: 30_000 } } : channel,
    )
    const sim = createSimulation({ ...hub, channels })
    const { bytes } = await pathOf(sim, 'leaf0', 'leaf1')
    expect(namesOf(sim, candidateInitiators(sim.publicGraph(), decodePath(bytes), sim.keyOf('leaf1')))).not.toContain(
      'leaf3',
    )
  })

  it('always have the maker among them, for one relay and for two', async () => {
    for (const relays of [1, 2] as const) {
      const sim = createSimulation(demoNetwork())
      const { bytes } = await pathOf(sim, 'alice', 'bob', relays)
      expect(namesOf(sim, candidateInitiators(sim.publicGraph(), decodePath(bytes), sim.keyOf('bob')))).toContain(
        'alice',
      )
    }
  })

  it('are as many as the backend tells, also where directions are disabled', async () => {
    let told = 0
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.constantFrom<1 | 2>(1, 2), async (seed, relays) => {
        const sim = createSimulation(mainnetLike({ nodes: 80, seed }), { seed })
        // What was found for one payer serves the next: one of the crowd, a neighbour of the guard, and others.
        for (const maker of ['n3', 'n9', 'n15']) {
          for (const payer of ['n1', 'n4', 'n9', 'n40', 'n70']) {
            const made = await pathOf(sim, maker, payer, relays).catch(() => undefined)
            if (made === undefined) continue
            told++
            const found = candidateInitiators(sim.publicGraph(), decodePath(made.bytes), sim.keyOf(payer))
            expect(found).toHaveLength(made.candidates)
          }
        }
      }),
      { numRuns: 12 },
    )
    expect(told).toBeGreaterThan(60)
  })

  it('do not depend on small differences of policy, since totals are rounded up', () => {
    const published = (baseFeeMsat: number, feePpm: number): unknown =>
      classOf(totalCost([{ baseFeeMsat, feePpm, cltvDelta: 80, minHtlcMsat: 1_000 }], 32))
    expect(published(1, 1)).toEqual(published(999, 99))
    expect(published(1_001, 1)).not.toEqual(published(999, 99))
  })
})

describe('a path in use', () => {
  it('is paid what was rounded up: it ends at the maker', async () => {
    const pair = await startPair()
    const before = balance(pair.sim, 'bob')
    const payment = await phantomPayment(pair)
    const outcome = await pair.alice.pay(payment)
    await pair.sim.run()
    expect(outcome).toMatchObject({ status: 'delivered' })
    expect(balance(pair.sim, 'bob') - before).toBeGreaterThanOrEqual(Number(payment.amountMsat))
  })

  it('shows each node no more than its neighbours', async () => {
    const sim = await seenOnTheWay(demoNetwork())
    // alice pays over bob's path: the relay sees both, alice's log must not hold bob's key, bob's not alice's.
    expect(text(sim, 'alice')).not.toContain(bytesToHex(sim.keyOf('bob')).slice(2))
    expect(text(sim, 'bob').replaceAll(/"argument":\{"count".*?\}/g, '')).not.toContain(
      bytesToHex(sim.keyOf('alice')).slice(2),
    )
    expect(text(sim, 'bob')).toContain('"kind":"htlc"')
  })
})

function balance(sim: Simulation, name: string): number {
  return sim.stats().nodes.find((node) => node.name === name)?.balanceMsat ?? 0
}

/** A payment from alice to bob over bob's blinded path, with all eyes open from when alice has the path's bytes. */
async function seenOnTheWay(description: NetworkDescription): Promise<Simulation> {
  const pair = await startPair(description, { observe: 'all' })
  await pair.alice.pay(await phantomPayment(pair))
  await pair.sim.run()
  return pair.sim
}

function text(sim: Simulation, name: string): string {
  return JSON.stringify(sim.observed(name), (_, value: unknown) => {
    if (value instanceof Uint8Array) return bytesToHex(value)
    return typeof value === 'bigint' ? String(value) : value
  })
}
