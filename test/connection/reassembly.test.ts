import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { JOINED_BYTES, MAX_SEGMENTS } from '../../src/transport/connection/limits.ts'
import { Reassembly } from '../../src/transport/connection/reassembly.ts'

const LENGTH = 400

function byteAt(offset: number): number {
  return (offset * 7 + (offset >> 3)) & 0xff
}

function bytes(start: number, end: number): Uint8Array {
  return Uint8Array.from({ length: end - start }, (_, i) => byteAt(start + i))
}

const insertion = fc.record({ start: fc.nat(LENGTH), length: fc.nat(60), reads: fc.nat(2) })

describe('reassembly', () => {
  test('does what a map of bytes does, for any insertions and reads', () => {
    fc.assert(
      fc.property(fc.array(insertion, { maxLength: 60 }), (insertions) => {
        const reassembly = new Reassembly()
        const held = new Set<number>()
        let readOffset = 0
        for (const { start, length, reads } of insertions) {
          let fresh = 0
          for (let at = Math.max(start, readOffset); at < start + length; at++) if (!held.has(at)) fresh++
          for (let at = start; at < start + length; at++) held.add(at)
          expect(reassembly.insert(start, bytes(start, start + length))).toBe(fresh)
          for (let i = 0; i < reads; i++) {
            const data = reassembly.read()
            if (data === undefined) continue
            expect(data).toEqual(bytes(readOffset, readOffset + data.length))
            readOffset += data.length
          }
          let contiguous = readOffset
          while (held.has(contiguous)) contiguous++
          expect(reassembly.readOffset).toBe(readOffset)
          expect(reassembly.contiguous).toBe(contiguous)
          expect(reassembly.readable).toBe(contiguous - readOffset)
        }
      }),
      { numRuns: 2_000 },
    )
  })

  test('keeps few segments when a slow reader lets small ones pile up', () => {
    const reassembly = new Reassembly()
    for (let at = 0; at < 100_000; at++) reassembly.insert(at, bytes(at, at + 1))
    expect(reassembly.segments).toBeLessThanOrEqual(Math.ceil((2 * 100_000) / JOINED_BYTES))
    expect(reassembly.contiguous).toBe(100_000)
  })

  test('has no room for another segment behind a gap when all are taken, but always for what closes the gap', () => {
    const reassembly = new Reassembly()
    for (let i = 0; i < MAX_SEGMENTS; i++) reassembly.insert(10 + 2 * i, Uint8Array.of(1))
    expect(reassembly.hasRoom(10 + 2 * MAX_SEGMENTS)).toBe(false)
    expect(reassembly.hasRoom(0)).toBe(true)
  })

  test('does not hold a large packet for the sake of a small piece of it', () => {
    const reassembly = new Reassembly()
    const packet = new Uint8Array(1_300)
    reassembly.insert(0, packet.subarray(0, 1))
    expect(reassembly.read()?.buffer.byteLength).toBe(1)
  })
})
