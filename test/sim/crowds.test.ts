import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Crowds, holds } from '../../src/backends/sim/crowds.ts'

it('a crowd tells who is in it', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(60)), fc.nat(61), (indexes, asked) => {
      const crowd = new Crowds().add('a', indexes)
      expect(crowd).toHaveLength(indexes.length)
      expect(holds(crowd, asked)).toBe(indexes.includes(asked))
    }),
  )
})

it('crowds are forgotten where they are too many, also where nobody is in them', () => {
  const crowds = new Crowds(1_000)
  for (let i = 0; i < 100; i++) {
    crowds.add(`large ${i}`, [1, 2, 3, 4])
    crowds.add(`empty ${i}`, [])
    expect(crowds.size).toBeLessThanOrEqual(12)
    expect([...(crowds.get(`large ${i}`) ?? [])]).toEqual([1, 2, 3, 4])
  }
  expect(crowds.size).toBeGreaterThan(0)
  crowds.clear()
  expect(crowds.size).toBe(0)
})
