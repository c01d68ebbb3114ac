import { describe, expect, test } from 'vitest'
import { Renewal } from '../../src/transport/peer/renewal.ts'

describe('renewal', () => {
  test('asks at once, once, and again later and later where there is no answer', () => {
    const renewal = new Renewal({ chance: () => 0 })
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
    const renewal = new Renewal({ chance: () => 0 })
    renewal.take(0, 'none-left', [])
    renewal.found(0)
    expect(renewal.take(0, 'none-left', [])).toBeDefined()
    renewal.found(0)
    expect(renewal.due('none-left')).toBe(1_000)
    renewal.worked()
    expect(renewal.due('none-left')).toBe(0)
  })

  test('routes in use are renewed after ten minutes, routes at rest are not', () => {
    const renewal = new Renewal({ chance: () => 0 })
    renewal.take(0, 'none-left', [])
    renewal.found(0)
    expect(renewal.due('content')).toBeUndefined()
    renewal.used(5)
    expect(renewal.due('content')).toBe(600_000)
  })

  test('poor routes and wishes are asked for every 30 s at most', () => {
    const renewal = new Renewal({ chance: () => 0 })
    renewal.take(0, 'none-left', [])
    renewal.found(0)
    expect(renewal.due('poor')).toBe(30_000)
    renewal.wishAround(['c'])
    expect(renewal.take(30_000, 'content', [])).toEqual({ count: 3, avoid: ['c'] })
  })
})
