import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SlotPool } from '../../src/transport/peer/slots.ts'

describe('slots', () => {
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
})
