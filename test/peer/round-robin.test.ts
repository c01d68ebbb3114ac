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
