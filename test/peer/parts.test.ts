import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HedgeBudget } from '../../src/transport/peer/hedge.ts'
import { Latency, SampleWindow } from '../../src/transport/peer/latency.ts'
import { Renewal } from '../../src/transport/peer/renewal.ts'
import { RouteTable } from '../../src/transport/peer/routes.ts'
import { SlotPool } from '../../src/transport/peer/slots.ts'
import { RoundRobin } from '../../src/transport/peer/round-robin.ts'
import { route } from './medium.ts'

describe('sample window', () => {
  test('its quantiles are those of the last samples, sorted', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: 50 }), { minLength: 1, maxLength: 100 }),
        fc.integer({ min: 1, max: 20 }),
        (values, size) => {
          const window = new SampleWindow(size)
          for (const value of values) window.add(value)
          const last = values.slice(-size).toSorted((a, b) => a - b)
          for (const share of [0.01, 0.5, 0.99, 1]) {
            expect(window.quantile(share)).toBe(last[Math.max(0, Math.ceil(share * last.length) - 1)])
          }
        },
      ),
    )
  })

  test('nothing is said without samples', () => {
    expect(new SampleWindow(4).quantile(0.5)).toBeUndefined()
  })
})

describe('base latency', () => {
  test('is that of payments in the order of sending: the quick ones of a growing window come back first', () => {
    const latency = new Latency()
    const back = Array.from({ length: 600 }, (_, i) => ({ sentAt: 5 * i, tookMs: [1_000, 2_000, 3_000][i % 3] ?? 0 }))
      .map(({ sentAt, tookMs }) => ({ at: sentAt + tookMs, tookMs }))
      .toSorted((a, b) => a.at - b.at)
    for (const { at, tookMs } of back) latency.add(at, tookMs, 1)
    latency.add(20_000, 2_000, 1)
    for (let i = 0; i < 64; i++) latency.add(20_000 + i, 2_000, 1)
    expect(latency.baseMs).toBe(2_000)
  })

  test('is the least window median, not the least sample', () => {
    const latency = new Latency()
    for (let index = 0; index < 200; index++) latency.add(index, index % 10 === 0 ? 1 : 100, 1)
    expect(latency.baseMs).toBe(100)
  })

  test('follows a slower network after two spans', () => {
    const latency = new Latency()
    for (let index = 0; index < 100; index++) latency.add(index, 100, 1)
    for (let index = 0; index < 700; index++) latency.add(1_000 * index + 100, 300, 1)
    expect(latency.baseMs).toBe(300)
  })

  test('leaves out what other peers of the process queue', () => {
    const latency = new Latency()
    for (let index = 0; index < 100; index++) latency.add(index, 180, 1.8)
    expect(latency.baseMs).toBe(100)
  })
})

describe('hedge delay', () => {
  test('is at least 5 s and at most 60 s', () => {
    const quick = new HedgeBudget()
    for (let index = 0; index < 300; index++) quick.settled(200)
    expect(quick.delayMs).toBe(5_000)
    const slow = new HedgeBudget()
    for (let index = 0; index < 300; index++) slow.settled(59_000)
    expect(slow.delayMs).toBe(60_000)
  })

  test('is 1.2 times the p99 of the last 256 samples', () => {
    const hedge = new HedgeBudget()
    for (let index = 0; index < 1_000; index++) hedge.settled(50_000)
    for (let index = 0; index < 256; index++) hedge.settled(index % 50 === 0 ? 10_000 : 9_000)
    expect(hedge.delayMs).toBe(12_000)
  })

  test('is four deviations above the smoothed time where that is more', () => {
    const hedge = new HedgeBudget()
    hedge.settled(8_000) // RFC 6298: SRTT 8 s, RTTVAR 4 s
    expect(hedge.delayMs).toBe(24_000)
  })

  test('leaves out attempts of 60 s and more', () => {
    const hedge = new HedgeBudget()
    for (let index = 0; index < 100; index++) hedge.settled(6_000)
    const before = hedge.delayMs
    hedge.settled(60_000)
    expect(hedge.delayMs).toBe(before)
  })

  test('doubles while more than a tenth of hedged originals settle later', () => {
    const hedge = new HedgeBudget()
    for (let index = 0; index < 100; index++) hedge.settled(200)
    for (let index = 0; index < 64; index++) hedge.overdueEnded(index < 6)
    expect(hedge.delayMs).toBe(5_000)
    for (let index = 0; index < 7; index++) hedge.overdueEnded(true)
    expect(hedge.delayMs).toBe(10_000)
    for (let index = 0; index < 64; index++) hedge.overdueEnded(false)
    expect(hedge.delayMs).toBe(5_000)
  })

  test('the budget is 8 and 5 % of the packets sent', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 500 }), (wishes) => {
        const hedge = new HedgeBudget()
        let sent = 0
        let hedged = 0
        for (const wish of wishes) {
          if (wish && hedge.left > 0) {
            hedge.take(true)
            hedged += 1
          } else {
            hedge.take(false)
            sent += 1
          }
          expect(hedged <= 8 + sent / 20).toBe(true)
        }
      }),
    )
  })
})

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

describe('routes', () => {
  const CEILING = { mostMsat: 10_000n, countsAmount: false }

  test('of a payee that says itself what they cost are bound by amount and fee together', () => {
    const table = new RouteTable()
    const dear = [
      route('a', ['a'], 483, { minAmountMsat: 990_000n, feeBaseMsat: 0n, feePpm: 0 }),
      route('b', ['b'], 483, { minAmountMsat: 5_000n, feeBaseMsat: 5_001n, feePpm: 0 }),
    ]
    expect(table.merge(0, dear, { mostMsat: 10_000n, countsAmount: true })).toEqual({ taken: 0, tooDearMsat: 10_001n })
    const fair = route('c', ['c'], 483, { minAmountMsat: 5_000n, feeBaseMsat: 5_000n, feePpm: 0 })
    expect(table.merge(0, [...dear, fair], { mostMsat: 10_000n, countsAmount: true }).taken).toBe(1)
    expect(table.all.map((state) => state.route.id)).toEqual(['c'])
    expect(table.merge(0, dear, CEILING).taken).toBe(2)
  })

  test('beyond the fee bound or two weeks of blocks are not taken', () => {
    const table = new RouteTable()
    const offered = [
      route('dear', ['a'], 483, { feeBaseMsat: 10_000n }),
      route('slow', ['b'], 483, { cltvDelta: 2_017 }),
      route('good', ['c'], 483, { cltvDelta: 2_016, feeBaseMsat: 9_999n }),
    ]
    expect(table.merge(0, offered, CEILING).taken).toBe(1)
    expect(table.all.map((state) => state.route.id)).toEqual(['good'])
  })

  test('a fee in millionths is rounded up before it meets the bound', () => {
    const table = new RouteTable()
    expect(table.merge(0, [route('r', ['a'], 483, { feeBaseMsat: 10_000n, feePpm: 1 })], CEILING)).toEqual({
      taken: 0,
      tooDearMsat: 10_001n,
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

  test('are eight at most', () => {
    const table = new RouteTable()
    for (let index = 0; index < 20; index++) table.merge(index, [route(`r${index}`, [`c${index}`], 483)], CEILING)
    expect(table.size).toBe(8)
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

describe('renewal', () => {
  test('asks at once, once, and again later and later where there is no answer', () => {
    const renewal = new Renewal(() => 0)
    const waits: number[] = []
    let now = 0
    for (let index = 0; index < 8; index++) {
      expect(renewal.take(now, 'none-left', [])).toEqual({ count: 3, avoid: [] })
      expect(renewal.take(now, 'none-left', [])).toBeUndefined()
      renewal.failed(now)
      const due = renewal.due('none-left') ?? Number.NaN
      waits.push(due - now)
      now = due
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
  })

  test('routes that are gone as soon as they are found are not asked for in a circle', () => {
    const renewal = new Renewal(() => 0)
    renewal.take(0, 'none-left', [])
    renewal.found(0)
    expect(renewal.take(0, 'none-left', [])).toBeDefined()
    renewal.found(0)
    expect(renewal.due('none-left')).toBe(1_000)
    renewal.worked()
    expect(renewal.due('none-left')).toBe(0)
  })

  test('routes in use are renewed after ten minutes, routes at rest are not', () => {
    const renewal = new Renewal(() => 0)
    renewal.take(0, 'none-left', [])
    renewal.found(0)
    expect(renewal.due('content')).toBeUndefined()
    renewal.used(5)
    expect(renewal.due('content')).toBe(600_000)
  })

  test('poor routes and wishes are asked for every 30 s at most', () => {
    const renewal = new Renewal(() => 0)
    renewal.take(0, 'none-left', [])
    renewal.found(0)
    expect(renewal.due('poor')).toBe(30_000)
    renewal.wishAround(['c'])
    expect(renewal.take(30_000, 'content', [])).toEqual({ count: 3, avoid: ['c'] })
  })
})
