/** Generators of everything that src/wire encodes, in its canonical form. */
import fc from 'fast-check'
import type { AckRange, Frame, StreamFrame } from '../../src/wire/frames.ts'
import { publicKey } from '../../src/wire/keys.ts'
import type { Parameters } from '../../src/wire/parameters.ts'

/** The largest varint that is used. */
const MAX_VARINT: number = Number.MAX_SAFE_INTEGER

/** Numbers around every change of a varint's size, and any others. */
export const varint: fc.Arbitrary<number> = fc.oneof(
  fc.constantFrom(0, 1, 0x3f, 0x40, 0x3fff, 0x4000, 0x3fffffff, 0x40000000, 0xffffffff, 0x100000000, MAX_VARINT),
  fc.nat({ max: 0x3f }),
  fc.nat({ max: 0x3fff }),
  fc.nat({ max: 0x3fffffff }),
  fc.maxSafeNat(),
)

/** `length` bytes. */
export function bytesOf(length: number): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength: length, maxLength: length })
}

const points = Array.from({ length: 8 }, (_, i) => publicKey(new Uint8Array(32).fill(i + 1)))

/** Points of the curve, 33 bytes. */
const point: fc.Arbitrary<Uint8Array> = fc.constantFrom(...points)

const msat = varint.map(BigInt)

// Ranges from the highest number down: each step takes a gap and a length, for as long as there are numbers left.
const ranges: fc.Arbitrary<AckRange[]> = fc
  .tuple(varint, varint, fc.array(fc.tuple(varint, varint), { maxLength: 63 }))
  .map(([top, first, steps]) => {
    let smallest = Math.max(0, top - first)
    const found: AckRange[] = [{ smallest, largest: top }]
    for (const [gap, length] of steps) {
      const largest = smallest - gap - 2
      if (largest < 0) continue
      smallest = Math.max(0, largest - length)
      found.push({ smallest, largest })
    }
    return found
  })

export const streamFrame: fc.Arbitrary<StreamFrame> = fc
  .record({
    type: fc.constant('stream' as const),
    offset: varint,
    data: fc.uint8Array({ maxLength: 300 }),
    fin: fc.boolean(),
  })
  .map((frame) => ({ ...frame, offset: Math.min(frame.offset, MAX_VARINT - 1 - frame.data.length) }))

const shared = {
  maxData: fc.oneof(fc.constant(262_144), fc.integer({ min: 262_144, max: MAX_VARINT })),
  idleTimeoutMs: fc.oneof(fc.constantFrom(0, 1_800_000), fc.integer({ min: 10_000, max: MAX_VARINT })),
  ackDelayMs: fc.oneof(fc.constant(30_000), fc.nat({ max: 60_000 })),
}

/** Parameters of an ACCEPT. */
const acceptParameters: fc.Arbitrary<Parameters> = fc.record(shared)
/** Parameters of an OPEN. */
const openParameters: fc.Arbitrary<Parameters> = fc.oneof(
  acceptParameters,
  fc.record({ ...shared, directReply: point }),
  fc.record({ ...shared, identity: fc.record({ key: point, proof: bytesOf(32) }) }),
)

const reason = fc.string({ unit: 'grapheme', maxLength: 60 }).filter((text) => Buffer.byteLength(text) <= 128)
const note = fc.string({ unit: 'grapheme', maxLength: 100 }).filter((text) => Buffer.byteLength(text) <= 256)
const tariff = fc.record({
  openingMsat: msat,
  packetMsat: msat,
  kilobyteMsat: msat,
  uploadMsat: msat,
  secondMsat: msat,
  messageMsat: msat,
})
const limit = { limit: varint }

/** Any frame. */
export const frame: fc.Arbitrary<Frame> = fc.oneof(
  streamFrame,
  fc.record({ type: fc.constant('ack' as const), delivered: varint, ranges }),
  fc.record({ type: fc.constant('max-data' as const), ...limit }),
  fc.record({ type: fc.constant('blocked' as const), ...limit }),
  fc.record({
    type: fc.constant('reply-paths' as const),
    generation: varint,
    paths: fc.array(fc.record({ bytes: fc.uint8Array({ minLength: 1, maxLength: 512 }), expiryHeight: varint }), {
      minLength: 1,
      maxLength: 4,
    }),
  }),
  fc.record({ type: fc.constant('ping' as const), keepalive: fc.boolean() }),
  fc.record({ type: fc.constant('reset' as const), code: varint, reason }),
  fc.record({ type: fc.constant('refuse' as const), code: varint, reason }),
  fc.record({
    type: fc.constant('message' as const),
    id: bytesOf(16),
    data: fc.uint8Array({ maxLength: 512, size: 'max' }),
  }),
  fc.record({ type: fc.constant('price' as const), serial: varint, from: varint, tariff }),
  fc.record({ type: fc.constant('agree' as const), serial: varint }),
  fc.record({ type: fc.constant('bill' as const), dueMsat: msat }),
  fc.record({ type: fc.constant('cost' as const), dueMsat: msat }),
  fc.record({ type: fc.constant('receipt' as const), largest: varint, receivedMsat: msat }),
  fc.record({
    type: fc.constant('payment' as const),
    id: varint,
    kind: fc.integer({ min: 0, max: 2 }),
    reference: varint,
    amountMsat: msat,
    note,
  }),
  fc.record({ type: fc.constant('request' as const), id: varint, amountMsat: msat, note }),
  fc.record({ type: fc.constant('decline' as const), id: varint, reason }),
  fc.record({ type: fc.constant('surplus' as const), amountMsat: msat }),
  fc.record({ type: fc.constant('identify' as const), key: point, proof: bytesOf(32) }),
  fc.record({ type: fc.constant('accept' as const), parameters: acceptParameters }),
  fc.record({
    type: fc.constant('open' as const),
    port: fc.integer({ min: 1, max: 65_535 }),
    height: varint,
    parameters: openParameters,
  }),
)
