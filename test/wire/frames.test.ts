import { NO_TARIFF } from '../../src/wire/tariffs.ts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../src/floor/bytes.ts'
import { Code, ProtocolError } from '../../src/wire/errors.ts'
import { checkPlaces, decodeFrames, isEliciting, UnsupportedError } from '../../src/wire/frame-reader.ts'
import {
  encodeFrames,
  fitAck,
  frameSize,
  FrameWriter,
  lastStreamDataRoom,
  streamDataRoom,
} from '../../src/wire/frame-writer.ts'
import type { AckFrame, Frame, StreamFrame } from '../../src/wire/frames.ts'
import { type Kind, kinds } from '../../src/wire/packets.ts'
import { frame, streamFrame, varint } from './arbitraries.ts'
import { invalidFrames, unsupportedFrames, validFrames } from './frame-cases.ts'

function decodeError(hex: string): ProtocolError {
  try {
    decodeFrames(fromHex(hex))
  } catch (error) {
    if (error instanceof ProtocolError) return error
    throw error
  }
  throw new Error(`${hex} was accepted`)
}

describe('frames', () => {
  it.each(validFrames)('decode: $name', ({ hex, frames }) => {
    expect(decodeFrames(fromHex(hex))).toEqual(frames)
  })

  it.each(validFrames.filter(({ canonical }) => canonical))('encode: $name', ({ hex, frames }) => {
    expect(toHex(encodeFrames(frames))).toBe(hex)
  })

  it.each(invalidFrames)('are malformed: $name', ({ hex }) => {
    expect(decodeError(hex).code).toBe(Code.PROTOCOL)
  })

  it.each(unsupportedFrames)('are not supported, but leave the rest readable: $name', ({ hex, frames }) => {
    const error = decodeError(hex)
    expect(error.code).toBe(Code.UNSUPPORTED)
    expect(error instanceof UnsupportedError && error.frames).toEqual(frames)
  })

  it('come back as they were, for any frames', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 6 }), (frames) => {
        const bytes = encodeFrames(frames)
        const decoded = decodeFrames(bytes)
        expect(decoded).toEqual(frames)
        expect(encodeFrames(decoded)).toEqual(bytes)
      }),
      { numRuns: 2000 },
    )
  })

  it('take as many bytes as frameSize says', () => {
    fc.assert(
      fc.property(frame, (one) => {
        const size = frameSize(one)
        const exact = new FrameWriter(size)
        expect(exact.add(one)).toBe(true)
        expect(exact.remaining).toBe(0)
        const small = new FrameWriter(size - 1)
        expect(small.add(one)).toBe(false)
        expect(small.length).toBe(0)
      }),
    )
  })

  it('refer to the bytes they were decoded from', () => {
    const bytes = fromHex('0c00aabb')
    const [decoded] = decodeFrames(bytes)
    bytes[2] = 0xcc
    expect(decoded?.type === 'stream' && toHex(decoded.data)).toBe('ccbb')
  })

  it('ask for acknowledgement, all but ACK', () => {
    const received: AckFrame = { type: 'ack', delivered: 0, ranges: [{ smallest: 0, largest: 0 }] }
    expect(isEliciting([])).toBe(false)
    expect(isEliciting([received])).toBe(false)
    expect(isEliciting([received, { type: 'ping', keepalive: false }])).toBe(true)
  })
})

describe('a frame that must not be written', () => {
  const stream: StreamFrame = { type: 'stream', offset: 0, data: new Uint8Array(1), fin: false }
  const parameters = { maxData: 262_144, idleTimeoutMs: 0, ackDelayMs: 0 }
  const path = { bytes: new Uint8Array(1), expiryHeight: 1 }
  const bad: readonly (readonly [string, Frame])[] = [
    ['a stream beyond 2^53 - 2', { ...stream, offset: Number.MAX_SAFE_INTEGER - 1 }],
    ['a stream at a negative offset', { ...stream, offset: -1 }],
    ['an ACK without ranges', { type: 'ack', delivered: 0, ranges: [] }],
    ['an ACK of 65 ranges', { type: 'ack', delivered: 0, ranges: descending(65) }],
    ['an ACK whose ranges touch', { type: 'ack', delivered: 0, ranges: ranges(9, 9, 8, 8) }],
    ['an ACK whose ranges ascend', { type: 'ack', delivered: 0, ranges: ranges(1, 1, 5, 5) }],
    ['an ACK range upside down', { type: 'ack', delivered: 0, ranges: ranges(5, 4) }],
    ['no reply paths', { type: 'reply-paths', generation: 0, paths: [] }],
    ['five reply paths', { type: 'reply-paths', generation: 0, paths: [path, path, path, path, path] }],
    ['an empty path', { type: 'reply-paths', generation: 0, paths: [{ ...path, bytes: new Uint8Array() }] }],
    ['a path of 513 bytes', { type: 'reply-paths', generation: 0, paths: [{ ...path, bytes: new Uint8Array(513) }] }],
    ['a message id of 15 bytes', { type: 'message', id: new Uint8Array(15), data: new Uint8Array() }],
    ['a message of 513 bytes', { type: 'message', id: new Uint8Array(16), data: new Uint8Array(513) }],
    ['a negative amount', { type: 'bill', dueMsat: -1n }],
    ['an amount above 2^53 - 1', { type: 'bill', dueMsat: 2n ** 53n }],
    [
      'a price above 2^53 - 1',
      { type: 'price', serial: 0, from: 0, tariff: { ...NO_TARIFF, kilobyteMsat: 2n ** 64n } },
    ],
    ['a key of 32 bytes', { type: 'identify', key: new Uint8Array(32), proof: new Uint8Array(32) }],
    ['a port of 0', { type: 'open', port: 0, height: 0, parameters }],
    ['a port of 65,536', { type: 'open', port: 65_536, height: 0, parameters }],
    ['too small a window', { type: 'accept', parameters: { ...parameters, maxData: 262_143 } }],
    ['too short an idle timeout', { type: 'accept', parameters: { ...parameters, idleTimeoutMs: 9_999 } }],
    ['too long an ACK delay', { type: 'accept', parameters: { ...parameters, ackDelayMs: 60_001 } }],
    [
      'an ACCEPT with direct replies',
      { type: 'accept', parameters: { ...parameters, directReply: new Uint8Array(33) } },
    ],
    [
      'an ACCEPT with an identity',
      {
        type: 'accept',
        parameters: { ...parameters, identity: { key: new Uint8Array(33), proof: new Uint8Array(32) } },
      },
    ],
    [
      'a proof of 31 bytes',
      {
        type: 'open',
        port: 1,
        height: 0,
        parameters: { ...parameters, identity: { key: new Uint8Array(33), proof: new Uint8Array(31) } },
      },
    ],
    [
      'a direct reply of 32 bytes',
      { type: 'open', port: 1, height: 0, parameters: { ...parameters, directReply: new Uint8Array(32) } },
    ],
  ]
  it.each(bad)('is %s', (_, one) => {
    expect(() => frameSize(one)).toThrow(RangeError)
    const writer = new FrameWriter(2000)
    expect(() => writer.add(one)).toThrow(RangeError)
    expect(writer.length).toBe(0)
  })
})

function ranges(...bounds: readonly number[]): AckFrame['ranges'] {
  const made = []
  for (let i = 0; i < bounds.length; i += 2) made.push({ smallest: bounds[i] ?? 0, largest: bounds[i + 1] ?? 0 })
  return made
}

function descending(count: number): AckFrame['ranges'] {
  return Array.from({ length: count }, (_, i) => ({ smallest: 1000 - 2 * i, largest: 1000 - 2 * i }))
}

describe('a reason', () => {
  it('is cut to 128 bytes between two characters', () => {
    const long: Frame = { type: 'reset', code: 0, reason: 'x' + 'é'.repeat(100) }
    expect(decodeFrames(encodeFrames([long]))).toEqual([{ ...long, reason: 'x' + 'é'.repeat(63) }])
  })

  it('keeps a byte order mark', () => {
    const marked: Frame = { type: 'reset', code: 0, reason: '\uFEFFa' }
    expect(decodeFrames(encodeFrames([marked]))).toEqual([marked])
  })
})

describe('a packet filled to the last byte', () => {
  const offsets = varint.map((offset) => Math.min(offset, Number.MAX_SAFE_INTEGER - 20_000))
  const room = fc.oneof(fc.nat({ max: 80 }), fc.nat({ max: 1300 }), fc.integer({ min: 16_370, max: 16_400 }))

  it('holds as much in a STREAM with a length as streamDataRoom says, and no more', () => {
    fc.assert(
      fc.property(offsets, room, fc.boolean(), (offset, remaining, fin) => {
        const most = streamDataRoom(offset, remaining)
        const stream = (length: number): StreamFrame => ({ type: 'stream', offset, data: new Uint8Array(length), fin })
        if (most >= 0) expect(frameSize(stream(most))).toBeLessThanOrEqual(remaining)
        expect(frameSize(stream(Math.max(0, most + 1)))).toBeGreaterThan(remaining)
      }),
    )
  })

  it('holds as much in a STREAM to the end as lastStreamDataRoom says, and no more', () => {
    fc.assert(
      fc.property(offsets, room, fc.boolean(), (offset, remaining, fin) => {
        const most = lastStreamDataRoom(offset, remaining)
        const writer = new FrameWriter(remaining)
        const stream = (length: number): StreamFrame => ({ type: 'stream', offset, data: new Uint8Array(length), fin })
        expect(writer.addLast(stream(Math.max(0, most + 1)))).toBe(false)
        if (most < 0) return
        expect(writer.addLast(stream(most))).toBe(true)
        expect(writer.length).toBe(remaining)
        expect(decodeFrames(writer.bytes())).toEqual([stream(most)])
      }),
    )
  })

  it('takes nothing after a STREAM to the end', () => {
    const writer = new FrameWriter(100)
    expect(writer.addLast({ type: 'stream', offset: 0, data: new Uint8Array(3), fin: true })).toBe(true)
    expect(writer.remaining).toBe(0)
    expect(writer.add({ type: 'ping', keepalive: true })).toBe(false)
    expect(writer.length).toBe(5)
  })

  it('takes an ACK without the ranges that do not fit', () => {
    fc.assert(
      fc.property(frame, fc.nat({ max: 400 }), (one, remaining) => {
        if (one.type !== 'ack') return
        const fitting = fitAck(one, remaining)
        const count = fitting?.ranges.length ?? 0
        if (fitting !== undefined) expect(frameSize(fitting)).toBeLessThanOrEqual(remaining)
        expect(fitting?.ranges ?? []).toEqual(one.ranges.slice(0, count))
        if (count === one.ranges.length) return
        expect(frameSize({ ...one, ranges: one.ranges.slice(0, count + 1) })).toBeGreaterThan(remaining)
      }),
      { numRuns: 3000 },
    )
  })
})

describe('the places of frames', () => {
  const parameters = { maxData: 262_144, idleTimeoutMs: 0, ackDelayMs: 0 }
  const ping: Frame = { type: 'ping', keepalive: false }
  const payment: Frame = { type: 'payment', id: 0, kind: 0, reference: 0, amountMsat: 1n, note: '' }
  const stream: Frame = { type: 'stream', offset: 0, data: new Uint8Array(), fin: false }
  const open: Frame = { type: 'open', port: 1, height: 0, parameters }
  const accept: Frame = { type: 'accept', parameters }
  const refuse: Frame = { type: 'refuse', code: 5, reason: '' }
  const first: { readonly [K in Kind]?: Frame } = { open, answer: accept }

  // spec §5.13: the kinds of packet that each frame may stand in.
  const allowed: readonly (readonly [Frame, readonly Kind[]])[] = [
    [stream, kinds],
    [{ type: 'message', id: new Uint8Array(16), data: new Uint8Array() }, kinds],
    [{ type: 'reply-paths', generation: 0, paths: [{ bytes: new Uint8Array(1), expiryHeight: 0 }] }, kinds],
    [{ type: 'ack', delivered: 0, ranges: [{ smallest: 0, largest: 0 }] }, ['data', 'answer', 'reply']],
    [{ type: 'max-data', limit: 0 }, ['data', 'answer', 'reply']],
    [{ type: 'blocked', limit: 0 }, ['data', 'answer', 'reply']],
    [ping, ['data', 'answer', 'reply']],
    [{ type: 'reset', code: 0, reason: '' }, ['data', 'answer', 'reply']],
    [payment, ['data', 'answer', 'reply']],
    [{ type: 'request', id: 0, amountMsat: 1n, note: '' }, ['data', 'answer', 'reply']],
    [{ type: 'decline', id: 0, reason: '' }, ['data', 'answer', 'reply']],
    [{ type: 'price', serial: 0, from: 0, tariff: NO_TARIFF }, ['answer', 'reply']],
    [{ type: 'bill', dueMsat: 0n }, ['answer', 'reply']],
    [{ type: 'cost', dueMsat: 0n }, ['answer', 'reply']],
    [{ type: 'receipt', largest: 0, receivedMsat: 0n }, ['answer', 'reply']],
    [{ type: 'agree', serial: 0 }, ['data']],
    [{ type: 'surplus', amountMsat: 0n }, ['data']],
    [{ type: 'identify', key: new Uint8Array(33), proof: new Uint8Array(32) }, ['data']],
  ]
  it.each(allowed)('let $type stand where the spec has it, and nowhere else', (one, where) => {
    for (const kind of kinds) {
      const lead = first[kind]
      const check = (): void => checkPlaces(kind, lead === undefined ? [one] : [lead, one])
      if (where.includes(kind)) check()
      else expect(check).toThrow(ProtocolError)
    }
  })

  it.each([
    ['open', open],
    ['answer', accept],
    ['answer', refuse],
  ] as const)('let an %s packet begin with $type, and have it nowhere else', (kind, one) => {
    checkPlaces(kind, [one, stream])
    expect(() => checkPlaces(kind, [stream, one])).toThrow(ProtocolError)
    expect(() => checkPlaces(kind, [one, one])).toThrow(ProtocolError)
    for (const other of kinds) if (other !== kind) expect(() => checkPlaces(other, [one])).toThrow(ProtocolError)
  })

  it('let no OPEN or ANSWER go without the frame that must lead it, but any other packet be empty', () => {
    for (const kind of ['open', 'answer'] as const) expect(() => checkPlaces(kind, [])).toThrow(ProtocolError)
    for (const kind of ['early', 'data', 'reply'] as const) checkPlaces(kind, [])
  })
})

describe('a decoder', () => {
  it('makes no more frames than there are pairs of bytes', () => {
    const empty = encodeFrames([
      { type: 'stream', offset: 0, data: new Uint8Array(), fin: false },
      { type: 'max-data', limit: 0 },
    ])
    expect(decodeFrames(new Uint8Array(1300)).length).toBe(0)
    expect(decodeFrames(empty).length).toBe(2)
    fc.assert(
      fc.property(streamFrame, (one) => {
        const bytes = encodeFrames([one, one, one])
        expect(decodeFrames(bytes).length).toBeLessThanOrEqual(bytes.length / 2)
      }),
    )
  })
})
