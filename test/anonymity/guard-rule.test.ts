import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { graphView } from '../../src/backends/paths/candidates.ts'
import { fits } from '../../src/backends/paths/guard-rule.ts'
import { MIN_CROWD, MIN_CROWD_OF_TWO } from '../../src/backends/paths/limits.ts'
import { packetCostMsat } from '../../src/backends/paths/path-classes.ts'
import { toHex } from '../../src/floor/bytes.ts'
import type { PathResult, RelayWish } from '../../src/medium/reply-path.ts'
import { createSimulation, decodePath, type NetworkDescription, type Simulation } from '../../src/sim.ts'
import { attack, attackByRule, type Holdings } from '../../tools/attack/attack.ts'
import { GuardRule } from '../../tools/attack/guard-rule.ts'
import { marketNetwork } from './market-network.ts'

const PAYER = 'hub0'
/** Makers that are looked at in each network. */
const MAKERS = 40
const TAKEN_MSAT = 10_000n

async function pathsOf(sim: Simulation, maker: string, relays: RelayWish): Promise<PathResult | undefined> {
  const backend = sim.backend(maker)
  await backend.start({ sink: () => {} })
  const request = { count: 1, payer: sim.keyOf(PAYER), relays, lifetimeBlocks: 100, maxCostMsat: TAKEN_MSAT }
  try {
    return await sim.drive(backend.makePaths(request))
  } catch (error) {
    expect(error).toMatchObject({ code: 'no-path' })
    return undefined
  } finally {
    await backend.stop()
  }
}

interface Made {
  readonly maker: string
  readonly result: PathResult
  readonly holdings: Holdings
}

/** What `MAKERS` nodes of a network make, each for the same payer. */
async function made(network: NetworkDescription, relays: RelayWish): Promise<{ sim: Simulation; all: Made[] }> {
  const sim = createSimulation(network, { seed: '1' })
  const graph = sim.publicGraph()
  const all: Made[] = []
  for (let i = 0; i < MAKERS; i++) {
    const maker = `n${i}`
    const result = await pathsOf(sim, maker, relays)
    if (result === undefined) continue
    const paths = result.paths.map(({ bytes }) => bytes)
    all.push({ maker, result, holdings: { graph, responder: sim.keyOf(PAYER), paths } })
  }
  return { sim, all }
}

function fitting({ result }: Made): boolean {
  const { totals } = decodePath((result.paths[0] as PathResult['paths'][number]).bytes)
  return fits({ relays: result.relays ?? 1, totals, crowd: result.candidates ?? 0 })
}

describe('who knows how guards are chosen (spec §9.12)', () => {
  for (const relays of [1, 'auto'] as const) {
    test(`learns nothing of a path that fits: the crowd stays whole, with relays ${relays}`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.nat(), async (seed) => {
          const { sim, all } = await made(marketNetwork(seed), relays)
          const chosen = all.filter(fitting)
          expect(chosen.length).toBeGreaterThan(0)
          for (const { maker, result, holdings } of chosen) {
            const crowd = attack(holdings)
            expect(attackByRule(holdings)).toEqual(crowd)
            expect(crowd).toContain(toHex(sim.keyOf(maker)))
            expect(result.candidates).toBe(crowd.length)
            expect(crowd.length).toBeGreaterThanOrEqual(MIN_CROWD)
          }
        }),
        { numRuns: 3 },
      )
    })
  }

  test('is right less often than one in eight when it names the likeliest node', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const { sim, all } = await made(marketNetwork(seed), 'auto')
        const rule = new GuardRule(graphView(sim.publicGraph()), toHex(sim.keyOf(PAYER)))
        const one = all.filter((each) => fitting(each) && each.result.relays === 1)
        const chances = one.map(({ holdings: { paths } }) => {
          const { introduction, totals } = decodePath(paths[0] as Uint8Array)
          const weights = [...rule.weights({ introduction: toHex(introduction), relays: 1, totals }).values()]
          return Math.max(...weights) / weights.reduce((sum, weight) => sum + weight, 0)
        })
        expect(chances.reduce((sum, chance) => sum + chance, 0) / chances.length).toBeLessThan(1 / 8)
      }),
      { numRuns: 3 },
    )
  })

  test('excludes those with a better peer where a path does not fit, and never its maker', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const { sim, all } = await made(marketNetwork(seed), 1)
        for (const { maker, holdings } of all.filter((each) => !fitting(each))) {
          expect(attack(holdings)).toEqual(expect.arrayContaining(attackByRule(holdings)))
          expect(attack(holdings)).toContain(toHex(sim.keyOf(maker)))
        }
      }),
      { numRuns: 2 },
    )
  })
})

describe('a node', () => {
  test('never makes a path that costs more than it was told, and says what it costs', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const { all } = await made(marketNetwork(seed), 'auto')
        for (const { result } of all) {
          const { totals } = decodePath((result.paths[0] as PathResult['paths'][number]).bytes)
          expect(result.costMsat).toBe(BigInt(packetCostMsat(totals)))
          expect(result.costMsat).toBeLessThanOrEqual(TAKEN_MSAT)
        }
      }),
      { numRuns: 3 },
    )
  })

  test('is hidden no worse where it may take two relays, and among 128 or more where it takes two that fit', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const [one, auto] = [(await made(marketNetwork(seed), 1)).all, (await made(marketNetwork(seed), 'auto')).all]
        const hidden = (all: readonly Made[]): number =>
          all.filter(({ result }) => (result.candidates ?? 0) >= MIN_CROWD).length
        expect(hidden(auto)).toBeGreaterThanOrEqual(hidden(one))
        const lacking = one.filter((each) => !fitting(each)).map(({ maker }) => maker)
        const two = auto.filter(({ maker, result }) => lacking.includes(maker) && result.relays === 2)
        for (const { result } of two.filter(fitting)) expect(result.candidates).toBeGreaterThanOrEqual(MIN_CROWD_OF_TWO)
      }),
      { numRuns: 3 },
    )
  })
})
