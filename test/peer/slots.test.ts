import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SlotPool } from '../../src/transport/peer/slots.ts'

describe('slots', () => {
  test.each([
    [2, 1],
    [5, 2],
    [10, 4],
    [30, 7],
    [483, 120],
  ])('of %i slots anonymous peers have %i together', (slots, share) => {
    expect(SlotPool.limit(slots, true)).toBe(share)
  })

  test('anonymous peers have a quarter of a channel together, the others leave a sixteenth', () => {
    const pool = new SlotPool()
    const take = (peer: object, anonymous: boolean): number => {
      let count = 0
      while (pool.take(peer, anonymous, 'c', 483)) count += 1
      return count
    }
    expect(take({}, true) + take({}, true)).toBe(120)
    expect(take({}, false)).toBe(452 - 120)
    expect(pool.held('c')).toBe(452)
  })

  test('who comes late finds room', () => {
    const pool = new SlotPool()
    const [early, late] = [{}, {}]
    while (pool.take(early, false, 'c', 30)) {
      /* all that it gets */
    }
    pool.give(early, false, 'c')
    expect(pool.has(late, false, 'c', 30)).toBe(true)
    pool.take(late, false, 'c', 30)
    pool.give(early, false, 'c')
    expect(pool.has(early, false, 'c', 30)).toBe(false)
    expect(pool.has(late, false, 'c', 30)).toBe(true)
  })

  test('of a channel with fewer than 16 slots one is left free for its part of the time', () => {
    for (const slots of [5, 10, 15]) {
      const pool = new SlotPool()
      const peer = {}
      let area = 0
      for (let now = 0; now < 100_000; now += 50) {
        if (pool.held('c') > 0) pool.give(peer, false, 'c', now)
        while (pool.take(peer, false, 'c', slots, now)) {
          /* all that it gets */
        }
        area += pool.held('c') * 50
      }
      expect(area / 100_000).toBeGreaterThan(0.925 * slots)
      expect(area / 100_000).toBeLessThan(0.945 * slots)
    }
  })

  test('the last one of a small channel is soon taken again after what hung for hours', () => {
    const pool = new SlotPool()
    const peer = {}
    for (let i = 0; i < 3; i++) expect(pool.take(peer, false, 'c', 3, 10_000 + i)).toBe(true)
    pool.give(peer, false, 'c', 7_200_000)
    expect(pool.take(peer, false, 'c', 3, 7_220_000)).toBe(true)
  })

  test('who waits without holding any has its part before those who hold many', () => {
    const pool = new SlotPool()
    const [first, second, third] = [{}, {}, {}]
    for (const peer of [first, second]) for (let index = 0; index < 14; index++) pool.take(peer, false, 'c', 30)
    expect(pool.take(third, false, 'c', 30, 100)).toBe(false)
    pool.give(first, false, 'c', 150)
    expect(pool.take(first, false, 'c', 30, 150)).toBe(false)
    expect(pool.take(third, false, 'c', 30, 300)).toBe(true)
    // Who does not come back loses its part.
    pool.give(third, false, 'c', 5_000)
    expect(pool.take(first, false, 'c', 30, 5_000)).toBe(true)
  })

  test('a slot that is not held cannot be given back', () => {
    expect(() => new SlotPool().give({}, false, 'c')).toThrow('no slot')
  })

  test('never more than the limit is held, whoever takes and gives', () => {
    const peers = [{}, {}, {}, {}]
    const held = peers.map(() => 0)
    fc.assert(
      fc.property(fc.array(fc.record({ who: fc.nat({ max: 3 }), take: fc.boolean() }), { maxLength: 300 }), (steps) => {
        const pool = new SlotPool()
        held.fill(0)
        for (const { who, take } of steps) {
          const peer = peers[who] ?? {}
          const anonymous = who < 2
          if (take) {
            if (pool.take(peer, anonymous, 'c', 40)) held[who] = (held[who] ?? 0) + 1
          } else if ((held[who] ?? 0) > 0) {
            pool.give(peer, anonymous, 'c')
            held[who] = (held[who] ?? 0) - 1
          }
          const [a = 0, b = 0, c = 0, d = 0] = held
          expect(a + b).toBeLessThanOrEqual(10)
          expect(a + b + c + d).toBeLessThanOrEqual(37)
          expect(pool.held('c')).toBe(a + b + c + d)
        }
      }),
    )
  })

  test('keep nobody who waited once, and does not come again, for long', () => {
    const pool = new SlotPool()
    const [one, other] = [{}, {}]
    for (let i = 0; i < 451; i++) pool.take(i % 2 === 0 ? one : other, false, 'c', 483, 0)
    expect(pool.take({}, true, 'c', 483, 0)).toBe(true)
    for (let i = 0; i < 10_000; i++) expect(pool.take({}, true, 'c', 483, i * 50)).toBe(false)
    expect(pool.waiting('c')).toBeLessThan(20)
  })
})
