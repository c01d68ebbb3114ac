import { expect, it } from 'vitest'
import { ToldArrivals } from '../../src/transport/driver/told-arrivals.ts'
import { MAX_TOLD_ARRIVALS } from '../../src/transport/limits.ts'

it('an arrival is new once, also one that comes after later ones', () => {
  const told = new ToldArrivals()
  expect([1n, 3n, 2n, 3n, 2n, 1n].map((index) => told.add(index))).toEqual([true, true, true, false, false, false])
})

it('what a former process had is not new, and all is where the node begins anew', () => {
  const told = new ToldArrivals(10n)
  expect([10n, 3n, 11n].map((index) => told.add(index))).toEqual([false, false, true])
  told.forget()
  expect([10n, 3n, 11n].map((index) => told.add(index))).toEqual([true, true, true])
})

it('one that is forgotten is not new, so that nothing counts twice', () => {
  const told = new ToldArrivals()
  for (let index = 2; index <= MAX_TOLD_ARRIVALS + 2; index++) told.add(BigInt(index))
  expect([1n, 2n, 3n].map((index) => told.add(index))).toEqual([false, false, false])
})
