import { expect, it } from 'vitest'
import { growthOf, heapFit, lineThrough, type Sample } from '../../bench/soak/sample.ts'
import { Soak } from '../../bench/soak/simulated.ts'

/** `./dev soak` runs for hours; here counts only: memory depends on what else a test's process does. */
const HOURS = 1 / 3

it('after twenty minutes of mixed traffic with crashes and faults nothing is left over', async () => {
  const { counts, kept, left, payments } = await new Soak(1).run(HOURS)
  expect(left).toEqual([])
  expect(payments).toBeGreaterThan(500)
  expect(counts['closed']).toBeGreaterThan(20)
  expect((counts['crash'] ?? 0) + (counts['restart'] ?? 0)).toBeGreaterThan(0)
  expect(Object.keys(counts).filter((what) => what.startsWith('failed'))).toEqual([])
  // spec §14: what ended is remembered for as long as something of it may come.
  expect(Object.keys(kept)).not.toContain('deadlines')
})

it('what tables and connections take is told apart from what only grows', () => {
  const samples = Array.from({ length: 50 }, (_, i) => {
    const [tableEntries, connections] = [(i * 37) % 101, (i * 13) % 17]
    return {
      atMs: i,
      tableEntries,
      connections,
      heapBytes: 1_000 + 4 * i + 3 * tableEntries + 20 * connections,
    } as Sample
  })
  const fit = heapFit(samples, { fromMs: 0 })
  expect(fit.baseBytes).toBeCloseTo(1_000)
  expect(fit.grownBytes).toBeCloseTo(4 * 49)
  expect(fit.entryBytes).toBeCloseTo(3)
  expect(fit.connectionBytes).toBeCloseTo(20)
})

it('a straight line through samples tells how much a number grew', () => {
  expect(lineThrough([0, 1, 2, 3].map((x) => ({ x, y: 10 + 2 * x })))).toEqual({ first: 10, growth: 6 })
  const samples = [5, 100, 110, 120].map((heapBytes, atMs) => ({ atMs, heapBytes }) as Sample)
  expect(growthOf(samples, ({ heapBytes }) => heapBytes, { fromMs: 1 })).toBeCloseTo(0.2)
})
