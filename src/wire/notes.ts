/**
 * NOTE, the packet of a message (spec §18): sealed to a node's key as message 1 of a handshake is, with a letter in it.
 */
import { concat } from '../floor/bytes.ts'
import { sealInto, TAG_BYTES, unseal } from './aead.ts'
import { Code, malformed, ProtocolError } from './errors.ts'
import { mixHash, mixKey, startNoise } from './handshake.ts'
import { DIGEST_BYTES } from './hashes.ts'
import { checkedPoint, ecdh, hmacSha256, POINT_BYTES, preimage, publicKey } from './keys.ts'
import { MAX_PACKET_BYTES, VERSION } from './packets.ts'
import { Reader } from './reader.ts'
import { varintSize, Writer } from './writer.ts'

/** The kind of a NOTE; connections have those below (spec §3.1). */
const NOTE_KIND = 5
const FIRST_BYTE = (VERSION << 4) | NOTE_KIND
/** Bytes of the header before its number: the first byte, attempt, failed below, the ephemeral key (spec §18.2). */
const FIXED_BYTES: number = 1 + 2 + POINT_BYTES
/** The highest number under one ephemeral key. */
export const MAX_NOTE_NUMBER = 65_535
/** The highest attempt under one id: its number is one byte. */
export const MAX_NOTE_ATTEMPT = 255
/** Bytes of a message's id. */
export const NOTE_ID_BYTES = 16

/** Numbers of parameters of a letter (spec §18.4). */
const CONTENT = 0x02
const LOCKED = 0x04

const text = new TextEncoder()

/** What stands in the clear. */
export interface NoteHeader {
  /** Which attempt under the message's id this is: 0 to 255. */
  readonly attempt: number
  /** All attempts with lower numbers have failed for certain, says their sender. */
  readonly failedBelow: number
  /** 33 bytes, a point of the curve. */
  readonly ephemeral: Uint8Array
  /** Which message under this key: 0 to 65,535. */
  readonly number: number
  /** Where its sealed letter begins. */
  readonly sealedOffset: number
}

/** A sender's half of the keys for one receiver: for one message, or for several that it lets the receiver link. */
export interface NoteKeys {
  readonly ephemeral: Uint8Array
  /** The AEAD key. */
  readonly key: Uint8Array
  /** The transcript, which the tag covers. */
  readonly associated: Uint8Array
  /** What preimages on the phantom lane follow from (spec §18.3). */
  readonly settle: Uint8Array
}

/** What came, or will come, as a stream: its hash, and how long it is. */
export interface Content {
  /** SHA-256, 32 bytes. */
  readonly sha256: Uint8Array
  readonly length: number
}

/** What is sealed in a NOTE. */
export interface Letter {
  /** 1 to 65,535. */
  readonly port: number
  /** The sender's block height. */
  readonly height: number
  /** 16 bytes. */
  readonly id: Uint8Array
  /** The message came as a stream; `data` is then empty. */
  readonly content: Content | undefined
  /** The payment's hash is one that the receiver issued: its application settles. */
  readonly isLocked: boolean
  readonly data: Uint8Array
}

/** Whether a record says that it is a NOTE. */
export function isNote(record: Uint8Array): boolean {
  return record[0] === FIRST_BYTE
}

/** Bytes of data that a letter has room for in a record of `recordBytes`; negative where not even an empty one fits. */
export function noteRoom(recordBytes: number, number: number, letter: Omit<Letter, 'data'>): number {
  const size = Math.min(recordBytes, MAX_PACKET_BYTES)
  return size - FIXED_BYTES - varintSize(number) - TAG_BYTES - headBytes(letter)
}

/** The sender's keys for messages to a node (spec §18.3). `ephemeralSecret`: 32 fresh random bytes in 1 .. n-1. */
export function senderKeys(receiverKey: Uint8Array, ephemeralSecret: Uint8Array): NoteKeys {
  return noteKeys(receiverKey, publicKey(ephemeralSecret), ecdh(ephemeralSecret, receiverKey))
}

/**
 * A NOTE with attempt 0 (spec §18.2). It is made once under a number of its keys, and copied for further attempts.
 *
 * @throws RangeError where the letter is too long, or a field of it out of its range
 */
export function makeNote(keys: NoteKeys, number: number, letter: Letter): Uint8Array {
  if (number > MAX_NOTE_NUMBER) throw new RangeError(`number ${number} of a NOTE`)
  const plaintext = encodeLetter(letter)
  const sealedOffset = FIXED_BYTES + varintSize(number)
  const size = sealedOffset + plaintext.length + TAG_BYTES
  if (size > MAX_PACKET_BYTES) throw new RangeError(`a NOTE of ${size} bytes`)
  const record = new Uint8Array(size)
  const writer = new Writer(record)
  writer.u8(FIRST_BYTE)
  writer.u8(0)
  writer.u8(0)
  writer.put(keys.ephemeral)
  writer.varint(number)
  sealInto(record, sealedOffset, { key: keys.key, number, associated: keys.associated, plaintext })
  return record
}

/** A NOTE as another attempt. */
export function noteAttempt(record: Uint8Array, attempt: number, failedBelow: number): Uint8Array {
  if (attempt > MAX_NOTE_ATTEMPT || failedBelow > attempt) throw new RangeError(`attempt ${attempt} of a NOTE`)
  const copy = record.slice()
  copy[1] = attempt
  copy[2] = failedBelow
  return copy
}

/** The preimage of an attempt on the phantom lane, where its letter is not locked (spec §18.3). */
export function notePreimage(keys: NoteKeys, number: number, attempt: number): Uint8Array {
  return preimage(keys.settle, number, attempt)
}

/** What stands in the clear, and cannot be trusted. @throws ProtocolError */
export function noteHeader(record: Uint8Array): NoteHeader {
  if (!isNote(record) || record.length > MAX_PACKET_BYTES) throw malformed('no NOTE')
  const reader = new Reader(record)
  reader.u8()
  const attempt = reader.u8()
  const failedBelow = reader.u8()
  if (failedBelow > attempt) throw malformed('a NOTE that has failed')
  const ephemeral = checkedPoint(reader.take(POINT_BYTES).slice())
  const number = reader.varint()
  if (number > MAX_NOTE_NUMBER) throw malformed(`number ${number} of a NOTE`)
  if (reader.remaining < TAG_BYTES) throw malformed('no room for a tag')
  return { attempt, failedBelow, ephemeral, number, sealedOffset: reader.position }
}

/**
 * Opens a NOTE; undefined where its tag is wrong.
 *
 * @throws ProtocolError for a letter that is malformed: PROTOCOL, or that has an unknown even parameter: UNSUPPORTED
 */
export function openNote(record: Uint8Array, header: NoteHeader, keys: NoteKeys): Letter | undefined {
  const plain = unseal(keys.key, header.number, keys.associated, record.subarray(header.sealedOffset))
  return plain === undefined ? undefined : decodeLetter(plain)
}

/**
 * The keys of a NOTE by ECDH(s, e), which the receiver's node computes. spec §18.3: Noise's message 1 with a prologue
 * of its own, so that no OPEN is a NOTE, and none has a key for the other.
 */
export function noteKeys(receiverKey: Uint8Array, ephemeral: Uint8Array, sharedSecret: Uint8Array): NoteKeys {
  const state = startNoise(concat(text.encode('keysock note'), Uint8Array.of(VERSION)), receiverKey)
  mixHash(state, ephemeral)
  const key = mixKey(state, sharedSecret)
  return { ephemeral, key, associated: state.h, settle: hmacSha256(state.ck, text.encode('keysock note settle')) }
}

/** Bytes of a letter before its data. */
function headBytes({ height, content, isLocked }: Omit<Letter, 'data'>): number {
  const parameters = parametersBytes({ content, isLocked })
  return 2 + varintSize(height) + NOTE_ID_BYTES + varintSize(parameters) + parameters
}

function parametersBytes({ content, isLocked }: Pick<Letter, 'content' | 'isLocked'>): number {
  const ofContent = content === undefined ? 0 : 2 + DIGEST_BYTES + varintSize(content.length)
  return ofContent + (isLocked ? 2 : 0)
}

/** A letter as bytes (spec §18.4). @throws RangeError */
function encodeLetter(letter: Letter): Uint8Array {
  const { port, height, id, content, isLocked, data } = letter
  if (!Number.isInteger(port) || port < 1 || port > 0xffff) throw new RangeError(`port ${port}`)
  if (id.length !== NOTE_ID_BYTES) throw new RangeError(`an id of ${id.length} bytes`)
  if (content !== undefined && (content.sha256.length !== DIGEST_BYTES || data.length > 0))
    throw new RangeError('a letter with content has no data, and a hash of 32 bytes')
  const bytes = new Uint8Array(headBytes(letter) + data.length)
  const writer = new Writer(bytes)
  writer.u16(port)
  writer.varint(height)
  writer.put(id)
  writer.varint(parametersBytes(letter))
  if (content !== undefined) {
    writer.varint(CONTENT)
    writer.varint(DIGEST_BYTES + varintSize(content.length))
    writer.put(content.sha256)
    writer.varint(content.length)
  }
  if (isLocked) {
    writer.varint(LOCKED)
    writer.varint(0)
  }
  writer.put(data)
  return bytes
}

/** @throws ProtocolError PROTOCOL where it is malformed, UNSUPPORTED for an unknown even parameter */
function decodeLetter(bytes: Uint8Array): Letter {
  const reader = new Reader(bytes)
  const port = reader.u16()
  if (port === 0) throw malformed('port 0')
  const height = reader.varint()
  const id = reader.take(NOTE_ID_BYTES).slice()
  const whole = reader.enter(reader.varint())
  const { content, isLocked } = readParameters(reader)
  reader.leave(whole)
  const data = reader.rest().slice()
  if (content !== undefined && data.length > 0) throw malformed('a letter with data beside its content')
  if (reader.unsupported !== undefined) throw new ProtocolError(Code.UNSUPPORTED, reader.unsupported)
  return { port, height, id, content, isLocked, data }
}

/** spec §5.9: in ascending order, none twice; an unknown odd one is skipped. */
function readParameters(reader: Reader): Pick<Letter, 'content' | 'isLocked'> {
  let content: Content | undefined
  let isLocked = false
  let previous = -1
  while (reader.remaining > 0) {
    const id = reader.varint()
    if (id <= previous) throw malformed('parameters out of order, or one twice')
    previous = id
    const outer = reader.enter(reader.varint())
    if (id === CONTENT) content = { sha256: reader.take(DIGEST_BYTES).slice(), length: reader.varint() }
    else if (id === LOCKED) isLocked = true
    else reader.skipUnknown('parameter', id)
    reader.leave(outer)
  }
  return { content, isLocked }
}
