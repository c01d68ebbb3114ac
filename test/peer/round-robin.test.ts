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

  test('a connection with nothing under way goes before those that have some, in turn with them', () => {
    const turns = new RoundRobin()
    const [a, b, c, d, e] = [{}, {}, {}, {}, {}]
    for (const token of [a, b, c]) turns.enqueue(token)
    turns.enqueue(d, true)
    turns.enqueue(e, true)
    turns.enqueue(d)
    expect(turns.size).toBe(5)
    for (const token of [d, a, e, b, c]) expect(turns.next()).toBe(token)
    expect(turns.next()).toBeUndefined()
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
})
