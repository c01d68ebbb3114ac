import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RangeSet } from '../../src/transport/connection/range-set.ts'

const operation = fc.record({
  type: fc.constantFrom('add', 'add', 'remove', 'drop'),
  start: fc.nat(120),
  length: fc.nat(20),
})

describe('a range set', () => {
  test('does what a set of numbers does', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 80 }), fc.nat(120), fc.nat(30), (operations, from, length) => {
        const ranges = new RangeSet()
        const model = new Set<number>()
        for (const { type, start, length: size } of operations) apply(ranges, model, { type, start, end: start + size })
        checkEqual(ranges, model)
        const missing: number[] = []
        const parts = ranges.missing(from, from + length)
        for (let i = 0; i < parts.length; i += 2) {
          for (let value = parts[i] ?? 0; value < (parts[i + 1] ?? 0); value++) missing.push(value)
        }
        const expected: number[] = []
        for (let value = from; value < from + length; value++) if (!model.has(value)) expected.push(value)
        expect(missing).toEqual(expected)
        expect(ranges.covers(from, from + length)).toBe(expected.length === 0)
      }),
      { numRuns: 3_000 },
    )
  })

  test('joins ranges that touch', () => {
    const ranges = new RangeSet()
    ranges.add(0, 2)
    ranges.add(4, 6)
    ranges.add(2, 4)
    expect([ranges.count, ranges.start(0), ranges.end(0)]).toEqual([1, 0, 6])
  })
})

function apply(ranges: RangeSet, model: Set<number>, step: { type: string; start: number; end: number }): void {
  const { type, start, end } = step
  if (type === 'drop') {
    if (ranges.isEmpty) return
    const lowest = ranges.start(0)
    const dropped = ranges.dropLowest()
    for (let value = lowest; value < dropped; value++) model.delete(value)
    return
  }
  if (type === 'add') ranges.add(start, end)
  else ranges.remove(start, end)
  for (let value = start; value < end; value++) {
    if (type === 'add') model.add(value)
    else model.delete(value)
  }
}

function checkEqual(ranges: RangeSet, model: Set<number>): void {
  let count = 0
  for (let index = 0; index < ranges.count; index++) {
    if (index > 0) expect(ranges.start(index)).toBeGreaterThan(ranges.end(index - 1))
    for (let value = ranges.start(index); value < ranges.end(index); value++) {
      expect(model.has(value)).toBe(true)
      expect(ranges.has(value)).toBe(true)
      count++
    }
  }
  expect(count).toBe(model.size)
}
