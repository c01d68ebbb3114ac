import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HedgeBudget } from '../../src/transport/peer/hedge.ts'

describe('hedge delay', () => {
  test('is at least 5 s and at most 60 s', () => {
    const quick = new HedgeBudget()
    for (let index = 0; index < 300; index++) quick.settled(200)
    expect(quick.delayMs).toBe(5_000)
    const slow = new HedgeBudget()
    for (let index = 0; index < 300; index++) slow.settled(59_000)
    expect(slow.delayMs).toBe(60_000)
  })

  test('is 1.2 times the p99 of the last 256 samples', () => {
    const hedge = new HedgeBudget()
    for (let index = 0; index < 1_000; index++) hedge.settled(50_000)
    for (let index = 0; index < 256; index++) hedge.settled(index % 50 === 0 ? 10_000 : 9_000)
    expect(hedge.delayMs).toBe(12_000)
  })

  test('is four deviations above the smoothed time where that is more', () => {
    const hedge = new HedgeBudget()
    hedge.settled(8_000) // RFC 6298: SRTT 8 s, RTTVAR 4 s
    expect(hedge.delayMs).toBe(24_000)
  })

  test('leaves out attempts of 60 s and more', () => {
    const hedge = new HedgeBudget()
    for (let index = 0; index < 100; index++) hedge.settled(6_000)
    const before = hedge.delayMs
    hedge.settled(60_000)
    expect(hedge.delayMs).toBe(before)
  })

  test('doubles while more than a tenth of hedged originals settle later', () => {
    const hedge = new HedgeBudget()
    for (let index = 0; index < 100; index++) hedge.settled(200)
    for (let index = 0; index < 64; index++) hedge.overdueEnded(index < 6)
    expect(hedge.delayMs).toBe(5_000)
    for (let index = 0; index < 7; index++) hedge.overdueEnded(true)
    expect(hedge.delayMs).toBe(10_000)
    for (let index = 0; index < 64; index++) hedge.overdueEnded(false)
    expect(hedge.delayMs).toBe(5_000)
  })

  test('the budget is 8 and 5 % of the packets sent', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 500 }), (wishes) => {
        const hedge = new HedgeBudget()
        let sent = 0
        let hedged = 0
        for (const wish of wishes) {
          if (wish && hedge.left > 0) {
            hedge.take(true)
            hedged += 1
          } else {
            hedge.take(false)
            sent += 1
          }
          expect(hedged <= 8 + sent / 20).toBe(true)
        }
      }),
    )
  })
})
