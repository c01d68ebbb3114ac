import { describe, expect, test } from 'vitest'
import { RouteTable } from '../../src/transport/peer/routes.ts'
import { route } from './medium.ts'

describe('routes', () => {
  const CEILING = 10_000n

  test('are bound by amount and fee together', () => {
    const table = new RouteTable()
    const dear = [
      route('a', ['a'], 483, { minAmountMsat: 990_000n, feeBaseMsat: 0n, feePpm: 0 }),
      route('b', ['b'], 483, { minAmountMsat: 5_000n, feeBaseMsat: 5_001n, feePpm: 0 }),
    ]
    expect(table.merge(0, dear, CEILING)).toEqual({
      taken: 0,
      tooExpensiveMsat: 10_001n,
    })
    const fair = route('c', ['c'], 483, { minAmountMsat: 5_000n, feeBaseMsat: 5_000n, feePpm: 0 })
    expect(table.merge(0, [...dear, fair], CEILING).taken).toBe(1)
    expect(table.all.map((state) => state.route.id)).toEqual(['c'])
  })

  test('beyond the fee bound or two weeks of blocks are not taken', () => {
    const table = new RouteTable()
    const offered = [
      route('dear', ['a'], 483, { feeBaseMsat: 10_000n }),
      route('slow', ['b'], 483, { cltvDelta: 2_017 }),
      route('good', ['c'], 483, { cltvDelta: 2_016, feeBaseMsat: 8_999n }),
    ]
    expect(table.merge(0, offered, CEILING).taken).toBe(1)
    expect(table.all.map((state) => state.route.id)).toEqual(['good'])
  })

  test('over which no amount can go are not taken', () => {
    const table = new RouteTable()
    const offered = [
      route('none', ['a'], 483, { minAmountMsat: 1_000n, maxAmountMsat: 990n }),
      route('one', ['b'], 483, { minAmountMsat: 1_000n, maxAmountMsat: 1_000n }),
    ]
    expect(table.merge(0, offered, CEILING).taken).toBe(1)
    expect(table.all.map((state) => state.route.id)).toEqual(['one'])
  })

  test('a fee in millionths is rounded up before it meets the bound', () => {
    const table = new RouteTable()
    expect(table.merge(0, [route('r', ['a'], 483, { feeBaseMsat: 9_000n, feePpm: 1 })], CEILING)).toEqual({
      taken: 0,
      tooExpensiveMsat: 10_001n,
    })
  })

  test('over the same channels keep their history under a new id', () => {
    const table = new RouteTable()
    table.merge(0, [route('old', ['a', 'b'], 483)], CEILING)
    const state = table.all[0]
    if (state === undefined) throw new Error('no route')
    table.succeeded(10, state, 123)
    table.merge(20, [route('new', ['a', 'b'], 483)], CEILING)
    expect(table.all).toHaveLength(1)
    expect(table.all[0]?.route.id).toBe('new')
    expect(table.all[0]?.latencyMs).toBe(123)
  })

  test('are 24 at most', () => {
    const table = new RouteTable()
    for (let index = 0; index < 40; index++) table.merge(index, [route(`r${index}`, [`c${index}`], 483)], CEILING)
    expect(table.size).toBe(24)
  })

  test('a channel named in a failure counts against all routes over it', () => {
    const table = new RouteTable()
    table.merge(0, [route('a', ['x', 'm'], 483), route('b', ['y', 'm'], 483), route('c', ['z', 'n'], 483)], CEILING)
    const [a, b, c] = table.all
    if (a === undefined || b === undefined || c === undefined) throw new Error('three routes')
    const failure = { status: 'failed', reason: 'temporary-channel-failure', place: 'route', channel: 'm' } as const
    table.failed(0, a, { failure, sentAt: 0 })
    expect(a.failing).toBeGreaterThan(b.failing)
    expect(b.failing).toBeGreaterThan(0)
    expect(c.failing).toBe(0)
  })

  test('a penalty decays', () => {
    const table = new RouteTable()
    table.merge(0, [route('a', ['x'], 483)], CEILING)
    const [a] = table.all
    if (a === undefined) throw new Error('one route')
    const failure = { status: 'failed', reason: 'timeout', place: 'route' } as const
    for (let index = 0; index < 5; index++) table.failed(0, a, { failure, sentAt: 0 })
    const before = a.failing
    table.failed(120_000, a, { failure, sentAt: 120_000 })
    expect(a.failing).toBeLessThan(before / 4 + 0.07)
  })
})
