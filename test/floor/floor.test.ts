import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { BackOff, backOffMs } from '../../src/floor/back-off.ts'
import { BoundedMap, BoundedSet } from '../../src/floor/bounded.ts'
import { LONGEST_TIMER_MS, pause, processClock } from '../../src/floor/clock.ts'
import { DecayingRate } from '../../src/floor/decaying-rate.ts'
import { processEntropy } from '../../src/floor/entropy.ts'

describe('the clock of the process', () => {
  beforeEach(() => vi.useFakeTimers())
  afterEach(() => vi.useRealTimers())

  it('fires a timer that is further away than one of Node reaches when its time has come, not at once', () => {
    const fired = vi.fn<() => void>()
    const atMs = processClock.now() + 3 * LONGEST_TIMER_MS
    processClock.schedule(atMs, fired)
    vi.advanceTimersByTime(3 * LONGEST_TIMER_MS - 1)
    expect(fired).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(fired).toHaveBeenCalledOnce()
  })

  it('tells whole milliseconds, by which the time of a timer has come when it fires', () => {
    vi.advanceTimersByTime(0.4)
    const startMs = processClock.now()
    expect(startMs).toBe(Math.floor(startMs))
    const atMs = startMs + 10.25
    const fired = vi.fn<() => void>(() => expect(processClock.now()).toBeGreaterThanOrEqual(atMs))
    processClock.schedule(atMs, fired)
    vi.advanceTimersByTime(20)
    expect(fired).toHaveBeenCalledOnce()
    expect(fired).toHaveReturned()
  })

  it('waits on where a timer of Node comes early', () => {
    const startMs = processClock.now()
    const fired = vi.fn<() => void>()
    processClock.schedule(startMs + 10, fired)
    const early = vi.spyOn(performance, 'now').mockReturnValue(startMs + 9.9)
    vi.advanceTimersByTime(10)
    expect(fired).not.toHaveBeenCalled()
    early.mockReturnValue(startMs + 10.9)
    vi.advanceTimersByTime(1)
    expect(fired).toHaveBeenCalledOnce()
    early.mockRestore()
  })

  it('cancels a timer in every part of its way', () => {
    const fired = vi.fn<() => void>()
    const cancel = processClock.schedule(processClock.now() + 2 * LONGEST_TIMER_MS, fired)
    vi.advanceTimersByTime(LONGEST_TIMER_MS + 1)
    cancel()
    vi.advanceTimersByTime(2 * LONGEST_TIMER_MS)
    expect(fired).not.toHaveBeenCalled()
  })

  it('fires what is past in the next turn', async () => {
    const fired = vi.fn<() => void>()
    processClock.schedule(processClock.now() - 1_000, fired)
    expect(fired).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(0)
    expect(fired).toHaveBeenCalledOnce()
  })

  it('pauses for as long as it is told', async () => {
    const done = vi.fn<() => void>()
    void pause(500).then(done)
    await vi.advanceTimersByTimeAsync(499)
    expect(done).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    expect(done).toHaveBeenCalledOnce()
  })
})

describe('the entropy of the process', () => {
  it('gives as many bytes as are asked for, and others each time', () => {
    expect(processEntropy.bytes(32)).toHaveLength(32)
    expect(processEntropy.bytes(32)).not.toEqual(processEntropy.bytes(32))
  })
})

describe('a back-off', () => {
  it('doubles from the least delay to the most, and begins anew when it is reset', () => {
    const backOff = new BackOff({ minMs: 100, maxMs: 500 })
    expect([backOff.next(), backOff.next(), backOff.next(), backOff.next()]).toEqual([100, 200, 400, 500])
    expect(backOff.times).toBe(4)
    expect(backOff.delayMs).toBe(500)
    backOff.reset()
    expect(backOff.next()).toBe(100)
  })

  it('stays at the most however often it was in vain', () => {
    const backOff = new BackOff({ minMs: 1, maxMs: 60_000 })
    for (let i = 0; i < 5_000; i++) backOff.next()
    expect(backOff.next()).toBe(60_000)
    expect(backOffMs({ minMs: 1, maxMs: 60_000 }, 1e6)).toBe(60_000)
  })
})

describe('a bounded table', () => {
  it('drops the entry that was inserted first', () => {
    const map = new BoundedMap<string, number>(2)
    map.set('a', 1).set('b', 2).set('a', 3).set('c', 4)
    expect([...map]).toEqual([
      ['b', 2],
      ['c', 4],
    ])
  })

  it('keeps an entry that is renewed', () => {
    const map = new BoundedMap(2, [
      ['a', 1],
      ['b', 2],
    ])
    map.renew('a', 3)
    map.set('c', 4)
    expect([...map]).toEqual([
      ['a', 3],
      ['c', 4],
    ])
  })

  it('takes no more at the start than its bound', () => {
    expect([...new BoundedSet(2, ['a', 'b', 'c'])]).toEqual(['b', 'c'])
  })

  it('drops what is beyond a lower bound, oldest first', () => {
    const map = new BoundedMap(3, [
      ['a', 1],
      ['b', 2],
      ['c', 3],
    ])
    const dropped: string[] = []
    const set = new BoundedSet(3, ['a', 'b', 'c'], (value) => dropped.push(value))
    map.limit(2)
    set.limit(1)
    expect([...map.keys()]).toEqual(['b', 'c'])
    expect([...set]).toEqual(['c'])
    expect(dropped).toEqual(['a', 'b'])
  })

  it('drops the value that was added first', () => {
    const set = new BoundedSet<number>(3)
    for (let i = 0; i < 10; i++) set.add(i)
    expect([...set]).toEqual([7, 8, 9])
  })

  it('tells what it drops', () => {
    const dropped: number[] = []
    const set = new BoundedSet<number>(2, [], (value) => dropped.push(value))
    for (const value of [1, 2, 1, 3, 4]) set.add(value)
    expect(dropped).toEqual([1, 2])
  })
})

describe('DecayingRate', () => {
  it('counts what happened lately, and forgets it in time', () => {
    const rate = new DecayingRate(60_000)
    expect(rate.perSecond(1_000)).toBe(0)
    for (let i = 0; i < 120; i++) rate.add(1_000)
    expect(rate.perSecond(1_000)).toBe(2)
    expect(rate.perSecond(61_000)).toBeCloseTo(2 / Math.E)
    expect(rate.perSecond(600_000)).toBeLessThan(0.001)
  })
})
