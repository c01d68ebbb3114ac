/** What is read of the record of a payment before anybody knows who sent it. */
import { isDeepStrictEqual } from 'node:util'
import { fromHex, toHex } from '../../../src/floor/bytes.ts'
import { sealInto } from '../../../src/wire/aead.ts'
import { ProtocolError } from '../../../src/wire/errors.ts'
import { checkPlaces, decodeFrames, isEliciting } from '../../../src/wire/frame-reader.ts'
import { encodeFrames } from '../../../src/wire/frame-writer.ts'
import { type Frame, MAX_ACK_RANGES, MAX_PATHS } from '../../../src/wire/frames.ts'
import { initiate } from '../../../src/wire/handshake.ts'
import { ecdh, publicKey } from '../../../src/wire/keys.ts'
import { makeNote, noteHeader, noteKeys, openNote, senderKeys } from '../../../src/wire/notes.ts'
import {
  decodeHeader,
  encodeHeader,
  headerBytes,
  kinds,
  MAX_PACKET_BYTES,
  sealPacket,
} from '../../../src/wire/packets.ts'
import { Reader } from '../../../src/wire/reader.ts'
import { Writer } from '../../../src/wire/writer.ts'
import { must, onlyThrows, type Target } from '../../../tools/fuzz/target.ts'
import { invalidFrames, unsupportedFrames, validFrames } from '../../wire/frame-cases.ts'

/** Where the frames of a packet begin; what cannot be read is one piece. */
export function frameStarts(bytes: Uint8Array): readonly number[] {
  const starts: number[] = []
  const reader = new Reader(bytes)
  onlyThrows([ProtocolError], () => {
    while (reader.remaining > 0) {
      starts.push(reader.position)
      const type = reader.varint()
      // PADDING, and a STREAM to the end.
      if (type === 0) continue
      if (type === 0x0c || type === 0x0e) break
      reader.take(reader.varint())
    }
  })
  return starts
}

/** spec §14: lists in frames are bounded, and each frame takes two bytes at least. */
function checkBounds(frames: readonly Frame[], bytes: Uint8Array): void {
  must(2 * frames.length <= bytes.length, 'more frames than bytes')
  for (const frame of frames) {
    if (frame.type === 'ack') must(frame.ranges.length <= MAX_ACK_RANGES, 'an ACK with too many ranges')
    if (frame.type === 'reply-paths') must(frame.paths.length <= MAX_PATHS, 'too many paths')
  }
}

const frames: Target = {
  name: 'frames',
  maxBytes: MAX_PACKET_BYTES,
  runsInCi: 8_000,
  fields: frameStarts,
  seeds: () => [...validFrames, ...invalidFrames, ...unsupportedFrames].map(({ hex }) => fromHex(hex)),
  run(input) {
    const decoded = onlyThrows([ProtocolError], () => decodeFrames(input))
    if (decoded === undefined) return
    checkBounds(decoded, input)
    isEliciting(decoded)
    // What was accepted can be written, and comes back as it was.
    must(isDeepStrictEqual(decodeFrames(encodeFrames(decoded)), decoded), 'frames that do not come back as they were')
    for (const kind of kinds) onlyThrows([ProtocolError], () => checkPlaces(kind, decoded))
  },
}

const SECRET = new Uint8Array(32).fill(7)
const KEY = publicKey(SECRET)
const OTHER = new Uint8Array(32).fill(9)
const CID = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
const KEYS = { seal: OTHER, settle: OTHER, transcript: OTHER }

const packets: Target = {
  name: 'packets',
  maxBytes: MAX_PACKET_BYTES + 1,
  runsInCi: 8_000,
  seeds: () => [
    initiate({ responderKey: KEY, cid: CID, ephemeralSecret: OTHER, frames: fromHex('2203000705') }).packet,
    sealPacket({ kind: 'early', cid: CID, number: 1 }, KEYS, fromHex('0c00aa')),
    sealPacket({ kind: 'data', cid: CID, number: 2 ** 40 }, KEYS, fromHex('120100')),
    sealPacket({ kind: 'reply', cid: undefined, number: 0 }, KEYS, new Uint8Array()),
    sealPacket({ kind: 'answer', cid: undefined, ephemeral: KEY, number: 3 }, KEYS, fromHex('2000')),
  ],
  run(input) {
    for (const addressing of ['cid', 'path'] as const) {
      const decoded = onlyThrows([ProtocolError], () => decodeHeader(input, addressing))
      if (decoded === undefined) continue
      const { header, sealedOffset } = decoded
      must(headerBytes(header.kind, addressing, header.number) === sealedOffset, 'a header of another size')
      const again = new Uint8Array(sealedOffset)
      encodeHeader(new Writer(again), header)
      // Bits 0x80 to 0x10 are the version, 0x08 the id, the rest the kind: all of them are checked.
      must(toHex(again) === toHex(input.subarray(0, sealedOffset)), 'a header that does not come back as it was')
    }
    onlyThrows([ProtocolError], () => noteHeader(input))
  },
}

const note = senderKeys(KEY, OTHER)
const received = noteKeys(KEY, note.ephemeral, ecdh(SECRET, note.ephemeral))
const LETTER = {
  port: 7,
  height: 800_000,
  id: new Uint8Array(16).fill(3),
  content: undefined,
  isLocked: false,
} as const

/** A letter of any bytes, sealed as a sender would. */
function sealed(letter: Uint8Array): Uint8Array {
  const empty = makeNote(note, 0, { ...LETTER, data: new Uint8Array() })
  const { sealedOffset } = noteHeader(empty)
  const record = new Uint8Array(sealedOffset + letter.length + 16)
  record.set(empty.subarray(0, sealedOffset))
  sealInto(record, sealedOffset, { key: note.key, number: 0, associated: note.associated, plaintext: letter })
  return record
}

const notes: Target = {
  name: 'notes',
  maxBytes: 1_200,
  runsInCi: 3_000,
  seeds: () => [
    fromHex(`0007800c3500${'03'.repeat(16)}00aabbcc`),
    fromHex(`0007800c3500${'03'.repeat(16)}020400`),
    fromHex(`0007800c3500${'03'.repeat(16)}230221${'05'.repeat(32)}0a`),
  ],
  run(input) {
    const record = sealed(input)
    const header = noteHeader(record)
    const letter = onlyThrows([ProtocolError], () => openNote(record, header, received))
    if (letter === undefined) return
    const again = makeNote(note, 0, letter)
    must(isDeepStrictEqual(openNote(again, noteHeader(again), received), letter), 'a letter that does not come back')
  },
}

export const targets: readonly Target[] = [frames, packets, notes]
