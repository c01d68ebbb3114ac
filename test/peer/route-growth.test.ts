import { describe, expect, test } from 'vitest'
import { RouteGrowth } from '../../src/transport/peer/route-growth.ts'

/** Deliveries at this rate for so long, all while more was to be sent. */
function deliver(growth: RouteGrowth, from: number, perSecond: number, forMs: number, held = true): number {
  for (let now = from; now < from + forMs; now += 1_000 / perSecond) growth.delivered(now, held, 500)
  return from + forMs
}

describe('routes', () => {
  test('are three as long as there is not more to send', () => {
    const growth = new RouteGrowth()
    growth.found(3)
    deliver(growth, 0, 50, 10_000, false)
    expect(growth.wantsMore).toBe(false)
    expect(growth.wanted).toBe(3)
  })

  test('are asked for as long as new ones bring more', () => {
    const growth = new RouteGrowth()
    growth.found(3)
    let now = 0
    for (const [wanted, perSecond] of [
      [6, 50],
      [12, 100],
      [16, 150],
    ] as const) {
      now = deliver(growth, now, perSecond, 8_000)
      expect(growth.wantsMore).toBe(true)
      expect(growth.wanted).toBe(wanted)
      growth.asked()
      expect(growth.wantsMore).toBe(false)
      growth.found(4)
    }
    deliver(growth, now, 300, 20_000)
    expect(growth.wantsMore).toBe(false)
  })

  test('are enough where new ones bring nothing, or there are none', () => {
    for (const fresh of [3, 0]) {
      const growth = new RouteGrowth()
      growth.found(3)
      let now = deliver(growth, 0, 50, 5_000)
      growth.asked()
      growth.found(fresh)
      now = deliver(growth, now, 50, 20_000)
      expect(growth.wantsMore).toBe(false)
      // Ten minutes later they are looked for again, and there are others.
      growth.found(1)
      deliver(growth, now, 50, 5_000)
      expect(growth.wantsMore).toBe(true)
    }
  })

  test('where all slots are taken are asked for at once, as many as one request may name', () => {
    const growth = new RouteGrowth()
    growth.found(3)
    growth.slotsTaken()
    expect(growth.wantsMore).toBe(true)
    expect(growth.wanted).toBe(16)
  })
})
