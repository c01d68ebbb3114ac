/**
 * Random and mutated bytes into every decoder: they throw ProtocolError or return something bounded. Each
 * run has its own seed; KEYSOCK_SEED=n repeats one.
 */
import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { ProtocolError } from '../../src/wire/errors.ts'
import { checkPlaces, decodeFrames } from '../../src/wire/frame-reader.ts'
import { encodeFrames } from '../../src/wire/frame-writer.ts'
import { type Frame, MAX_ACK_RANGES, MAX_PATHS } from '../../src/wire/frames.ts'
import { initiate, respond } from '../../src/wire/handshake.ts'
import { type DirectionKeys, publicKey } from '../../src/wire/keys.ts'
import { type Addressing, decodeHeader, kinds, openPacket, sealPacket } from '../../src/wire/packets.ts'
import { frame } from './arbitraries.ts'
import { fromHex } from '../../src/floor/bytes.ts'
import { invalidFrames, unsupportedFrames, validFrames } from './frame-cases.ts'

const ROUNDS = 100_000
const seed = Number(process.env['KEYSOCK_SEED'] ?? (process.env['CI'] === undefined ? Date.now() >>> 0 : 20_260))

// mulberry32: good enough to reach every branch, and the same everywhere.
function randomFrom(start: number): (below: number) => number {
  let state = start | 0
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

type Random = (below: number) => number

function randomBytes(random: Random, most: number): Uint8Array {
  return Uint8Array.from({ length: random(most + 1) }, () => random(256))
}

const interesting = [0x00, 0x01, 0x02, 0x3f, 0x40, 0x41, 0x7f, 0x80, 0xbf, 0xc0, 0xff]

// One to four changes: a byte replaced, bytes removed, bytes put in, the end cut off, a piece repeated.
function mutated(random: Random, original: Uint8Array): Uint8Array {
  let bytes = [...original]
  for (let change = random(4); change >= 0; change--) {
    const at = random(bytes.length + 1)
    const value = random(2) === 0 ? random(256) : (interesting[random(interesting.length)] ?? 0)
    switch (random(5)) {
      case 0:
        if (at < bytes.length) bytes[at] = value
        break
      case 1:
        bytes.splice(at, 1 + random(4))
        break
      case 2:
        bytes.splice(at, 0, value)
        break
      case 3:
        bytes = bytes.slice(0, at)
        break
      default:
        bytes.splice(at, 0, ...bytes.slice(at, at + random(64)))
    }
  }
  return Uint8Array.from(bytes)
}

function protocolErrorOnly<T>(decode: () => T): T | undefined {
  try {
    return decode()
  } catch (error) {
    if (error instanceof ProtocolError) return undefined
    throw error
  }
}

function sizesBounded(frames: readonly Frame[], bytes: Uint8Array): boolean {
  let total = 0
  for (const one of frames) {
    if (one.type === 'ack' && one.ranges.length > MAX_ACK_RANGES) return false
    if (one.type === 'reply-paths' && one.paths.length > MAX_PATHS) return false
    total += one.type === 'ack' ? one.ranges.length : 1
  }
  return total <= bytes.length / 2
}

describe(`with seed ${seed}, decoders`, () => {
  it(`throw nothing but ProtocolError and stay bounded over ${ROUNDS} sequences of frames`, () => {
    const random = randomFrom(seed)
    const corpus = [
      ...[...validFrames, ...invalidFrames, ...unsupportedFrames].map(({ hex }) => fromHex(hex)),
      ...fc.sample(fc.array(frame, { maxLength: 4 }), { numRuns: 200, seed }).map((frames) => encodeFrames(frames)),
    ]
    let accepted = 0
    for (let round = 0; round < ROUNDS; round++) {
      const original = corpus[random(corpus.length)] ?? new Uint8Array()
      const bytes = random(4) === 0 ? randomBytes(random, 200) : mutated(random, original)
      const frames = protocolErrorOnly(() => decodeFrames(bytes))
      if (frames === undefined) continue
      accepted++
      if (!sizesBounded(frames, bytes)) throw new Error(`unbounded: ${Buffer.from(bytes).toString('hex')}`)
      // What was accepted can be written, and comes back as it was.
      const again = encodeFrames(frames)
      if (again.length > 4 * bytes.length) throw new Error(`grew: ${Buffer.from(bytes).toString('hex')}`)
      if (round % 10 === 0) expect(decodeFrames(again)).toEqual(frames)
      protocolErrorOnly(() => checkPlaces(kinds[random(kinds.length)] ?? 'data', frames))
    }
    expect(accepted).toBeGreaterThan(ROUNDS / 100)
  })

  it(`throw nothing but ProtocolError over ${ROUNDS} packets, and open none of them that was changed`, () => {
    const random = randomFrom(seed + 1)
    const fill = (value: number): Uint8Array => new Uint8Array(32).fill(value)
    const keys: DirectionKeys = { seal: fill(1), settle: fill(2), transcript: fill(3) }
    const cid = new Uint8Array(8).fill(5)
    const responderKey = publicKey(fill(6))
    const open = initiate({ responderKey, cid, ephemeralSecret: fill(7), frames: fromHex('2203000705') }).packet
    const corpus = [
      open,
      sealPacket({ kind: 'early', cid, number: 1 }, keys, fromHex('0c00aa')),
      sealPacket({ kind: 'data', cid, number: 2 ** 40 }, keys, fromHex('120100')),
      sealPacket({ kind: 'reply', cid: undefined, number: 0 }, keys, new Uint8Array()),
      sealPacket({ kind: 'answer', cid, ephemeral: publicKey(fill(8)), number: 3 }, keys, fromHex('2000')),
    ]
    const originals = new Set(corpus.map((packet) => Buffer.from(packet).toString('hex')))
    for (let round = 0; round < ROUNDS; round++) {
      const original = corpus[random(corpus.length)] ?? open
      const record = random(4) === 0 ? randomBytes(random, 1400) : mutated(random, original)
      const addressing: Addressing = random(2) === 0 ? 'cid' : 'path'
      const decoded = protocolErrorOnly(() => decodeHeader(record, addressing))
      if (decoded === undefined) continue
      const { header, sealedOffset } = decoded
      const opened =
        header.kind === 'open'
          ? respond({
              responderKey,
              cid: header.cid,
              ephemeral: header.ephemeral,
              sharedSecret: fill(9),
              sealed: record.subarray(sealedOffset),
            })
          : openPacket(record, decoded, keys)
      if (opened !== undefined && !originals.has(Buffer.from(record).toString('hex'))) {
        throw new Error(`opened: ${Buffer.from(record).toString('hex')}`)
      }
    }
  })
})
