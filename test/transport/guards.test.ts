import { expect, it } from 'vitest'
import { Guards } from '../../src/transport/driver/guards.ts'
import { GUARD_TRUST_MS } from '../../src/transport/limits.ts'

it('a silent chain is given up with each of its relays, but for one that brought something by another path', () => {
  const guards = new Guards()
  guards.made(['p1'], ['front', 'peer'])
  expect(guards.silent(0, ['front', 'peer'])).toBe(true)
  expect(guards.avoided).toEqual(['front', 'peer'])
  const others = new Guards()
  others.made(['p1'], ['peer'])
  others.heard(0, 'p1')
  expect(others.silent(1, ['front', 'peer'])).toBe(true)
  expect(others.avoided).toEqual(['front'])
  expect(others.silent(1, ['peer'])).toBe(false)
  expect(others.silent(GUARD_TRUST_MS, ['peer'])).toBe(true)
})

it('two chains are given up at most; where no path is without them, the peers are taken again first', () => {
  const guards = new Guards()
  guards.silent(0, ['front', 'peer'])
  guards.forgive()
  expect(guards.avoided).toEqual(['front'])
  expect(guards.silent(0, ['second', 'peer'])).toBe(true)
  expect(guards.silent(0, ['third', 'other'])).toBe(false)
  expect(guards.avoided).toEqual(['front', 'second', 'peer'])
  guards.forgive()
  guards.forgive()
  expect(guards.avoided).toBeUndefined()
})
