import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HedgeBudget, HedgeDelay, RouteTimes } from '../../src/transport/peer/hedge.ts'

const freshRoute = (): { readonly times: RouteTimes } => ({ times: new RouteTimes() })
const HANG_SHARE = 0.01

function delayOf(samples: readonly number[], hangShare = HANG_SHARE): number {
  const delay = new HedgeDelay()
  const route = freshRoute()
  for (const ms of samples) delay.settled(route, ms)
  return delay.after(route, 2, hangShare)
}

const times = (count: number, ms: (index: number) => number): number[] => Array.from({ length: count }, (_, i) => ms(i))

describe('the hedge delay', () => {
  test('is 1.5 s for each channel before there is a sample, 3 s at least and 10 s at most', () => {
    const delay = new HedgeDelay()
    expect([1, 2, 3, 20].map((channels) => delay.after(freshRoute(), channels, HANG_SHARE))).toEqual([
      3_000, 3_000, 4_500, 10_000,
    ])
  })

  test('is at least 1 s and at most 60 s', () => {
    expect(delayOf(times(300, () => 200))).toBe(1_000)
    expect(delayOf(times(300, () => 59_000))).toBe(60_000)
  })

  test('is three times the first sample, and less as more come alike', () => {
    expect(delayOf([2_000])).toBe(6_000)
    expect(delayOf(times(20, () => 2_000))).toBeLessThan(2_100)
  })

  test('is a tenth above what all but twice the share that hangs take', () => {
    // 8 of 256 take 9 s: at 1 % hanging 5 of them may be slow, at 3 % 15.
    const samples = times(256, (index) => (index % 32 === 0 ? 9_000 : 4_000))
    expect(delayOf(samples, 0.01)).toBeCloseTo(9_900)
    expect(delayOf(samples, 0.03)).toBeCloseTo(4_400)
  })

  test('is longer where nothing hangs', () => {
    const samples = times(256, () => 4_000)
    expect(delayOf(samples, 0)).toBeCloseTo(6_400)
  })

  test('is the own one of a route that is known, and that of all before', () => {
    const delay = new HedgeDelay()
    const usual = freshRoute()
    const slow = freshRoute()
    for (let index = 0; index < 100; index++) delay.settled(usual, 2_000)
    for (let index = 0; index < 31; index++) delay.settled(slow, 8_000)
    expect(delay.after(slow, 2, 0.1)).toBeCloseTo(8_800)
    delay.settled(slow, 8_000)
    expect(delay.after(usual, 2, 0.1)).toBeCloseTo(2_200)
    expect(delay.after(slow, 2, 0.1)).toBeCloseTo(8_800)
  })

  test('leaves out attempts of 60 s and more', () => {
    expect(delayOf([...times(100, () => 6_000), 60_000])).toBe(delayOf(times(100, () => 6_000)))
  })
})

describe('the hedge budget', () => {
  const COST = 2_000n

  /** Copies that may go of a kind after so many packets were sent. */
  function most(budget: HedgeBudget, reason: 'early' | 'hedge'): number {
    let count = 0
    for (; budget.allows(reason, COST); count++) budget.take(reason, COST)
    return count
  }

  test('has 16 copies before anything was sent, for a connection that is fresh', () => {
    expect(most(new HedgeBudget(), 'hedge')).toBe(16)
  })

  test('grows with what was sent: 7 % of it at the hanging that is usual, and 1 % for what is not late yet', () => {
    const budget = new HedgeBudget()
    for (let index = 0; index < 1_000; index++) budget.take('data', COST)
    expect(most(budget, 'hedge')).toBe(16 + 70)
    expect(most(budget, 'early')).toBe(16 + 10)
  })

  test('grows with the share that hangs', () => {
    const budget = new HedgeBudget()
    for (let index = 0; index < 1_000; index++) budget.take('data', COST)
    budget.hung(100)
    expect(budget.hangShare).toBeCloseTo(0.505, 2)
    expect(most(budget, 'hedge')).toBeGreaterThan(2_000)
  })

  test('forgets a hang that came back, and what was long ago', () => {
    const budget = new HedgeBudget()
    budget.hung(10)
    const before = budget.hangShare
    budget.cameBack()
    expect(budget.hangShare).toBeLessThan(before)
    for (let index = 0; index < 5_000; index++) budget.decided(1_000)
    budget.ripen(100_000, 10_000)
    expect(budget.hangShare).toBeLessThan(0.001)
  })

  test('does not count what was decided before hangs of the same time could show', () => {
    const budget = new HedgeBudget()
    for (let index = 0; index < 5_000; index++) budget.decided(95_000)
    budget.ripen(100_000, 10_000)
    expect(budget.hangShare).toBe(0.01)
  })

  test('is one of money, too: copies over a dearer route are fewer', () => {
    const budget = new HedgeBudget()
    for (let index = 0; index < 1_000; index++) budget.take('data', COST)
    let count = 0
    for (; budget.allows('hedge', 10n * COST); count++) budget.take('hedge', 10n * COST)
    expect(count).toBe(16 + 7)
  })

  test('does not bind what the receiver waits for', () => {
    const budget = new HedgeBudget()
    most(budget, 'hedge')
    expect(budget.allows('urgent', COST)).toBe(true)
  })

  test('is what it was when a grant is given back', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('data', 'hedge', 'early', 'urgent'), { maxLength: 200 }), (reasons) => {
        const budget = new HedgeBudget()
        for (const reason of reasons) budget.take(reason, COST)
        for (const reason of reasons) budget.giveBack(reason, COST)
        expect([budget.copies, budget.left]).toEqual([0, 16])
      }),
    )
  })
})
