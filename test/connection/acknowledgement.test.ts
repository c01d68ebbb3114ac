import { describe, expect, test } from 'vitest'
import { Acknowledgement } from '../../src/transport/connection/acknowledgement.ts'

describe('acknowledgement', () => {
  test('is due when 128 packets wait, or the delay has passed since the first', () => {
    const ack = new Acknowledgement()
    ack.received(1_000, 0, true, 30_000)
    ack.received(2_000, 1, true, 30_000)
    expect(ack.dueAt(0)).toBe(31_000)
    for (let number = 2; number < 128; number++) ack.received(3_000, number, true, 30_000)
    expect(ack.dueAt(0)).toBe(3_000)
  })

  test('says again what failed only while it is news', () => {
    const ack = new Acknowledgement()
    ack.received(0, 0, true, 30_000)
    const first = ack.sent()
    ack.received(0, 1, true, 30_000)
    const second = ack.sent()
    ack.fail(10, first)
    expect(ack.dueAt(0)).toBeUndefined()
    ack.fail(10, second)
    expect(ack.dueAt(0)).toBe(10)
    ack.confirm(ack.sent())
    ack.fail(20, second)
    expect(ack.dueAt(0)).toBeUndefined()
  })

  test('tells the highest 64 ranges, and none of what was forgotten', () => {
    const ack = new Acknowledgement()
    for (let number = 0; number < 2_000; number += 2) ack.received(0, number, true, 0)
    const frame = ack.frame(7)
    expect(frame?.ranges).toHaveLength(64)
    expect(frame?.ranges[0]).toEqual({ smallest: 1_998, largest: 1_998 })
    expect(ack.has(0)).toBe(false)
    expect(ack.has(1_998)).toBe(true)
  })
})
