import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Latency, SampleWindow } from '../../src/transport/peer/latency.ts'

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

  test('a cleared one counts anew, whatever room it has', () => {
    const window = new SampleWindow(20)
    for (let i = 0; i < 30; i++) window.add(i)
    window.clear()
    for (let i = 0; i < 25; i++) window.add(100 + i)
    expect([window.count, window.quantile(0), window.quantile(1)]).toEqual([20, 105, 124])
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
