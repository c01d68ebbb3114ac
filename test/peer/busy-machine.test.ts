/** The window where others use the machines as well: 2 MB, ramp included, beside the best flood there. */
import { describe, expect, test } from 'vitest'
import { BusyMachine, inTurn, type Left } from './busy-machine.ts'
import { bentRates, oneHopRates, route, twoHopRates, World } from './medium.ts'
import { flood, sender, timeTo } from './transfer.ts'

const PACKETS = 2_000
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
const MEDIA = { 'one hop': oneHopRates, 'two hops': twoHopRates, 'two hops that bend slowly': bentRates }

const MACHINES: Readonly<Record<string, (seed: number) => readonly Left[]>> = {
  'at rest': () => [{ fromMs: 0, share: 1 }],
  'half of which others have': () => [{ fromMs: 0, share: 0.5 }],
  'with a quarter to three quarters left, for seconds': (seed) => inTurn(seed, [0.75, 0.25], { meanMs: 2_000 }),
  'with pauses of hundreds of ms': (seed) => inTurn(seed, [1, 0], { meanMs: 275 }),
  'at rest at first, then with a fifth to a half left': (seed) =>
    inTurn(seed, [0.5, 0.2], { meanMs: 2_000, quietMs: 2_500 }),
}

/** The least and the median share of what the best flood of a seed does. */
function compare(
  rates: readonly (readonly [number, number])[],
  left: (seed: number) => readonly Left[],
): { readonly least: number; readonly median: number } {
  const ratios = SEEDS.map((seed) => {
    const floods = [64, 128, 256].map((inFlight) => {
      const world = new World(seed)
      const machine = new BusyMachine(world, rates, left(seed))
      const progress = flood(world, inFlight, (_id, done) => machine.pay(done), 'a')
      world.run(600_000, () => progress.delivered >= PACKETS)
      return timeTo(progress, PACKETS)
    })
    const world = new World(seed)
    const machine = new BusyMachine(world, rates, left(seed))
    const own = sender(
      world,
      (_id, done) => machine.pay(done),
      () => [route('a', ['c', 'd'], 483)],
    )
    world.run(600_000, () => own.delivered >= PACKETS)
    return Math.min(...floods) / timeTo(own, PACKETS)
  }).toSorted((a, b) => a - b)
  return { least: ratios[0] ?? 0, median: ratios[ratios.length / 2] ?? 0 }
}

describe('on machines', () => {
  for (const [machine, left] of Object.entries(MACHINES)) {
    for (const [medium, rates] of Object.entries(MEDIA)) {
      test(`${machine}, over ${medium}: 0.91 of the best flood in the median, 0.83 for each seed`, () => {
        const { least, median } = compare(rates, left)
        expect(median).toBeGreaterThanOrEqual(0.91)
        expect(least).toBeGreaterThanOrEqual(0.83)
      })
    }
  }
})
