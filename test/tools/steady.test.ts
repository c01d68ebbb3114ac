import { expect, it } from 'vitest'
import { compare } from '../../bench/steady/compare.ts'

it('a number that is worse by more than a twentieth is told, and one that is better or gone is not the same', () => {
  const rows = compare(
    { same: 100, little: 105, worse: 106, better: 50, added: 1 },
    { same: 100, little: 100, worse: 100, better: 100, gone: 1 },
  )
  const worse = rows.filter(({ isWorse }) => isWorse).map(({ name }) => name)
  expect(worse).toEqual(['worse', 'gone', 'added'])
})

it('nothing where there was nothing is no change, and something is worse', () => {
  expect(compare({ payments: 0 }, { payments: 0 }).map(({ isWorse }) => isWorse)).toEqual([false])
  expect(compare({ payments: 1 }, { payments: 0 }).map(({ isWorse }) => isWorse)).toEqual([true])
})
