import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RoundRobin } from '../../src/transport/peer/round-robin.ts'

describe('turns', () => {
  test('go round', () => {
    const turns = new RoundRobin()
    const [a, b] = [{}, {}]
    turns.enqueue(a)
    turns.enqueue(b)
    turns.enqueue(a)
    expect(turns.next()).toBe(a)
    turns.enqueue(a)
    expect(turns.next()).toBe(b)
    expect(turns.next()).toBe(a)
    expect(turns.next()).toBeUndefined()
  })

  test('a connection with nothing under way goes first, once in a round', () => {
    const turns = new RoundRobin()
    const [a, b, c, d, e] = [{}, {}, {}, {}, {}]
    for (const token of [a, b, c]) turns.enqueue(token)
    turns.enqueue(d, true)
    turns.enqueue(e, true)
    turns.enqueue(d)
    expect(turns.size).toBe(5)
    expect(turns.next()).toBe(d)
    turns.enqueue(d, true)
    for (const token of [e, a, b]) expect(turns.next()).toBe(token)
    turns.enqueue(a)
    for (const token of [c, d, a]) expect(turns.next()).toBe(token)
    expect(turns.next()).toBeUndefined()
  })

  test('who becomes one with nothing under way while it waits goes before the others of its round', () => {
    const turns = new RoundRobin()
    const [a, b] = [{}, {}]
    turns.enqueue(a)
    turns.enqueue(b)
    turns.enqueue(b, true)
    expect(turns.size).toBe(2)
    expect([turns.next(), turns.next(), turns.next()]).toEqual([b, a, undefined])
  })

  test('turns that could not be used come again, in their order', () => {
    const turns = new RoundRobin()
    const [a, b, c] = [{}, {}, {}]
    for (const token of [a, b, c]) turns.enqueue(token)
    turns.giveBack([turns.next() ?? {}, turns.next() ?? {}])
    turns.enqueue(a)
    expect(turns.size).toBe(3)
    for (const token of [a, b, c]) expect(turns.next()).toBe(token)
  })

  test('all who wait are looked at, a few at a time, and one that was served meanwhile waits for the next round', () => {
    const turns = new RoundRobin()
    const tokens = Array.from({ length: 10 }, () => ({}))
    for (const token of tokens) turns.enqueue(token)
    const seen = new Set<object>()
    for (let i = 0; i < 4; i++) for (const token of turns.some(3)) seen.add(token)
    expect(seen.size).toBe(10)
    const [first, last] = [tokens[0] ?? {}, tokens[9] ?? {}]
    turns.take(last)
    turns.enqueue(last)
    expect(turns.next()).toBe(first)
    for (const token of [...tokens.slice(1, 9), last]) expect(turns.next()).toBe(token)
  })

  test('whoever always wants more has as many turns as any other, whatever is alone', () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }), { maxLength: 40 }), (steps) => {
        const turns = new RoundRobin()
        const tokens = Array.from({ length: 8 }, (_, index) => ({ index, count: 0 }))
        for (const token of tokens) turns.enqueue(token)
        for (const step of steps) {
          const token = turns.next() as { index: number; count: number }
          if (step[0] === true) {
            turns.giveBack([token])
            continue
          }
          token.count += 1
          for (const each of tokens) turns.enqueue(each, step[each.index] === true)
        }
        const counts = tokens.map(({ count }) => count)
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
      }),
    )
  })

  test('a connection that leaves is forgotten', () => {
    const turns = new RoundRobin()
    const [a, b] = [{}, {}]
    turns.enqueue(a)
    turns.enqueue(b)
    turns.forget(a)
    expect(turns.next()).toBe(b)
    expect(turns.size).toBe(0)
  })

  test('there is no round where nobody waits, however the last one went', () => {
    const [a, b] = [{}, {}]
    const leave: readonly ((turns: RoundRobin) => void)[] = [
      (turns) => turns.next(),
      (turns) => turns.take(b),
      (turns) => turns.forget(b),
    ]
    for (const last of leave) {
      const turns = new RoundRobin()
      turns.enqueue(a)
      turns.enqueue(b)
      expect([turns.next(), turns.isIdle]).toEqual([a, false])
      last(turns)
      expect(turns.isIdle).toBe(true)
    }
  })
})
