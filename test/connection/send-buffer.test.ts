import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SendBuffer } from '../../src/transport/connection/send-buffer.ts'

describe('the send buffer', () => {
  const step = fc.oneof(
    fc.record({ type: fc.constant('write' as const), size: fc.nat(3_000) }),
    fc.record({ type: fc.constant('take' as const), size: fc.integer({ min: 1, max: 1_200 }) }),
    fc.record({ type: fc.constant('lose' as const), index: fc.nat(50) }),
    fc.record({ type: fc.constant('deliver' as const), index: fc.nat(50) }),
  )

  test('delivers every byte once it is taken, lost and taken again in any order, and never sends what arrived', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const buffer = new SendBuffer()
        const arrived = new Set<number>()
        const taken: { start: number; end: number }[] = []
        let written = 0
        for (const each of steps) {
          if (each.type === 'write') {
            buffer.write(Uint8Array.from({ length: each.size }, (_, i) => (written + i) % 251))
            written += each.size
          } else if (each.type === 'take') {
            const piece = buffer.take(each.size, Infinity)
            if (piece === undefined) continue
            const bytes = buffer.bytes(piece)
            for (let at = piece.start; at < piece.end; at++) {
              expect(bytes[at - piece.start]).toBe(at % 251)
              expect(arrived.has(at)).toBe(false)
            }
            taken.push(piece)
          } else {
            const piece = taken[each.index % Math.max(1, taken.length)]
            if (piece === undefined) continue
            if (each.type === 'lose') {
              buffer.markLost(piece.start, piece.end)
            } else {
              buffer.markDelivered(piece.start, piece.end)
              for (let at = piece.start; at < piece.end; at++) arrived.add(at)
            }
          }
        }
        let floor = 0
        while (arrived.has(floor)) floor++
        expect(buffer.delivered).toBe(floor)
        expect(buffer.buffered).toBe(written - floor)
      }),
      { numRuns: 500 },
    )
  })

  test('joins small writes, so that a million of them stay small', () => {
    const buffer = new SendBuffer()
    for (let i = 0; i < 10_000; i++) buffer.write(Uint8Array.of(i & 0xff))
    const piece = buffer.take(10_000, Infinity)
    expect(piece === undefined ? 0 : buffer.bytes(piece)[9_999]).toBe(9_999 & 0xff)
  })

  test('takes nothing at or beyond the limit', () => {
    const buffer = new SendBuffer()
    buffer.write(new Uint8Array(100))
    expect(buffer.take(1_000, 40)).toEqual({ start: 0, end: 40 })
    expect(buffer.take(1_000, 40)).toBeUndefined()
  })
})
