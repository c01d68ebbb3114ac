import { describe, expect, test } from 'vitest'
import { ReceiveWindow } from '../../src/transport/connection/receive-window.ts'

describe('the receive window', () => {
  const make = (grow: (bytes: number) => boolean = () => true): ReceiveWindow =>
    new ReceiveWindow({ now: 0, initial: 1_000, max: 8_000, grow })

  test('goes up when half of it was read, doubling while reading is fast', () => {
    const window = make()
    expect(window.raise(100, 499)).toBe(false)
    expect(window.raise(100, 500)).toBe(true)
    expect([window.window, window.limit]).toEqual([2_000, 2_500])
    expect(window.raise(20_000, 1_500)).toBe(true)
    expect([window.window, window.limit]).toEqual([2_000, 3_500])
  })

  test('does not double beyond its maximum, nor when the endpoint has no room', () => {
    const refused = make(() => false)
    refused.raise(1, 600)
    expect(refused.window).toBe(1_000)
    const window = make()
    for (let read = 0; read < 100_000; read += 500) window.raise(1, read)
    expect([window.window, window.grown]).toEqual([8_000, 7_000])
  })

  test('doubles while bytes that come in order are read at once', () => {
    const window = make()
    for (let end = 100; end <= 2_000; end += 100) {
      expect(window.widen(end, end, end - 100, 100)).toBe(false)
      window.raise(end, end)
    }
    expect(window.window).toBe(4_000)
  })

  test('is widened by disorder, not by a reader that is slow', () => {
    expect(make().widen(1, 700, 0, 700)).toBe(false)
    const window = make()
    expect(window.widen(1, 700, 0, 0)).toBe(true)
    expect(window.limit).toBe(4_000)
  })

  test('is raised for disorder by a quarter of it at least, or stays', () => {
    const window = make(() => false)
    expect(window.widen(1, 600, 249, 0)).toBe(false)
    expect(window.widen(1, 600, 250, 0)).toBe(true)
    expect([window.window, window.limit]).toEqual([1_000, 1_250])
  })

  test('does not count as raised by a BLOCKED of which nothing came', () => {
    const window = make()
    expect(window.unblock(15_000, 0, 1_000)).toBe(false)
    expect(window.raise(20_000, 500)).toBe(true)
    expect([window.window, window.limit]).toEqual([1_000, 1_500])
  })

  test('never shrinks', () => {
    const window = make()
    let limit = 0
    for (let read = 0; read < 5_000; read += 100) {
      window.raise(read * 50, read)
      window.unblock(read * 50, read, 900)
      expect(window.limit).toBeGreaterThanOrEqual(limit)
      limit = window.limit
    }
  })
})
