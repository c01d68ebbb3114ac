import { sealInto, TAG_BYTES, unseal } from './aead.ts'
import { Code, malformed, ProtocolError } from './errors.ts'
import { checkedPoint, type DirectionKeys, KEY_BYTES, POINT_BYTES } from './keys.ts'
import { Reader } from './reader.ts'
import { varintSize, Writer } from './writer.ts'

/** The version in the first byte (spec §3.1). */
export const VERSION = 1
/** Bytes of a connection id (spec §3.3). */
export const CID_BYTES = 8
/** The smallest packet: the shortest header and a tag around one byte (spec §2.8). */
const MIN_PACKET_BYTES = 18
/** The largest packet: what BOLT 4 leaves for all hop payloads (spec §2.8). */
export const MAX_PACKET_BYTES = 1300
/** The highest attempt of an OPEN (spec §3.8). */
export const MAX_ATTEMPT = 255

/** The kinds of packet; a kind's number is its place (spec §3.1). */
export const kinds = ['open', 'early', 'data', 'answer', 'reply'] as const

/** `open`, `early` and `data` come from the initiator, `answer` and `reply` from the responder. */
export type Kind = (typeof kinds)[number]

/**
 * What tells a packet's connection (spec §3.3): the id in its header (node lane, and phantom lanes that
 * many connections share), or the path that it came over (a path out of REPLY_PATHS).
 */
export type Addressing = 'cid' | 'path'

/** The header of an OPEN. Its number is 0. */
export interface OpenHeader {
  readonly kind: 'open'
  readonly cid: Uint8Array
  /** Which copy this is: 0 to 255 (spec §3.8). */
  readonly attempt: number
  /** The initiator's ephemeral key e_i: 33 bytes, a point of the curve. */
  readonly ephemeral: Uint8Array
  readonly number: 0
}

interface EarlyHeader {
  readonly kind: 'early'
  readonly cid: Uint8Array
  readonly number: number
}

interface MainHeader {
  readonly kind: 'data' | 'reply'
  /** Absent where the path names the connection. */
  readonly cid: Uint8Array | undefined
  readonly number: number
}

interface AnswerHeader {
  readonly kind: 'answer'
  readonly cid: Uint8Array | undefined
  /** The responder's ephemeral key e_r: 33 bytes; `completeInitiator` finds out whether it is a point. */
  readonly ephemeral: Uint8Array
  readonly number: number
}

/** What stands in the clear before the sealed frames. */
export type Header = OpenHeader | EarlyHeader | MainHeader | AnswerHeader

/** A header that was read, and where in the record its sealed frames begin. */
export interface DecodedHeader {
  readonly header: Header
  readonly sealedOffset: number
}

/** Bytes before the sealed frames (spec §3.1). */
export function headerBytes(kind: Kind, addressing: Addressing, number: number): number {
  const cid = addressing === 'cid' ? CID_BYTES : 0
  switch (kind) {
    case 'open':
      return 1 + CID_BYTES + 1 + POINT_BYTES
    case 'answer':
      return 1 + cid + POINT_BYTES + varintSize(number)
    case 'early':
    case 'data':
    case 'reply':
      return 1 + cid + varintSize(number)
  }
}

/**
 * Bytes that the frames of a packet can take so that it fills a record of `recordBytes`; negative when not
 * even an empty packet fits. No packet is larger than MAX_PACKET_BYTES, however large the record.
 */
export function frameCapacity(kind: Kind, addressing: Addressing, number: number, recordBytes: number): number {
  return Math.min(recordBytes, MAX_PACKET_BYTES) - headerBytes(kind, addressing, number) - TAG_BYTES
}

/**
 * Reads what stands in the clear. `cid` and `ephemeral` are copies.
 *
 * @param record the value of the custom record
 * @param addressing what must name the connection where the record came from (spec §3.3)
 * @throws ProtocolError VERSION for another version than 1, PROTOCOL for anything else: the packet is dropped
 *   (spec §15)
 */
export function decodeHeader(record: Uint8Array, addressing: Addressing): DecodedHeader {
  // spec §2.8: no packet is smaller or larger.
  if (record.length < MIN_PACKET_BYTES || record.length > MAX_PACKET_BYTES) throw malformed('the size of a packet')
  const reader = new Reader(record)
  const first = reader.u8()
  if (first >>> 4 !== VERSION) throw new ProtocolError(Code.VERSION, `version ${first >>> 4} is not spoken`)
  const kind = kinds[first & 7]
  if (kind === undefined) throw malformed(`unknown kind ${first & 7}`)
  // spec §3.3: present exactly where nothing else names the connection.
  if (((first & 8) !== 0) !== (addressing === 'cid')) throw malformed('a connection id where none belongs, or none')
  const cid = addressing === 'cid' ? reader.take(CID_BYTES).slice() : undefined
  const header = decodeFields(reader, kind, cid)
  if (reader.remaining < TAG_BYTES) throw malformed('no room for a tag')
  return { header, sealedOffset: reader.position }
}

function decodeFields(reader: Reader, kind: Kind, cid: Uint8Array | undefined): Header {
  switch (kind) {
    case 'open': {
      if (cid === undefined) throw malformed('an OPEN without a connection id')
      const attempt = reader.u8()
      return { kind, cid, attempt, ephemeral: checkedPoint(reader.take(POINT_BYTES).slice()), number: 0 }
    }
    case 'early':
      if (cid === undefined) throw malformed('an EARLY without a connection id')
      return { kind, cid, number: reader.varint() }
    case 'answer': {
      const ephemeral = reader.take(POINT_BYTES).slice()
      return { kind, cid, ephemeral, number: reader.varint() }
    }
    case 'data':
    case 'reply':
      return { kind, cid, number: reader.varint() }
  }
}

/** Writes a header to the start of `writer`; a `cid` of undefined is left out. */
export function encodeHeader(writer: Writer, header: Header): void {
  const { cid } = header
  writer.u8((VERSION << 4) | (cid === undefined ? 0 : 8) | kinds.indexOf(header.kind))
  if (cid !== undefined) {
    if (cid.length !== CID_BYTES) throw new RangeError('a connection id is 8 bytes')
    writer.put(cid)
  }
  if (header.kind === 'open') writer.u8(header.attempt)
  if (header.kind === 'open' || header.kind === 'answer') {
    if (header.ephemeral.length !== POINT_BYTES) throw new RangeError('an ephemeral key is 33 bytes')
    writer.put(header.ephemeral)
  }
  if (header.kind !== 'open') writer.varint(header.number)
}

// The associated data of every packet but OPEN (spec §3.2), put together here for one call at a time.
const scratchAssociated = new Uint8Array(KEY_BYTES + 1 + CID_BYTES + POINT_BYTES + 8)

function associatedData(transcript: Uint8Array, record: Uint8Array, sealedOffset: number): Uint8Array {
  scratchAssociated.set(transcript)
  for (let i = 0; i < sealedOffset; i++) scratchAssociated[KEY_BYTES + i] = record[i] ?? 0
  return scratchAssociated.subarray(0, KEY_BYTES + sealedOffset)
}

/**
 * A whole packet, of any kind but OPEN (that is `initiate`'s). A number must never be used again with the
 * same keys (spec §3.4).
 *
 * @param keys early keys for `early`, main keys of the direction for the others
 * @param frames encoded frames, at most `frameCapacity` bytes of them
 * @throws RangeError when the packet would exceed MAX_PACKET_BYTES or a field is out of range
 */
export function sealPacket(header: Exclude<Header, OpenHeader>, keys: DirectionKeys, frames: Uint8Array): Uint8Array {
  const sealedOffset = headerBytes(header.kind, header.cid === undefined ? 'path' : 'cid', header.number)
  const size = sealedOffset + frames.length + TAG_BYTES
  if (size > MAX_PACKET_BYTES) throw new RangeError(`a packet of ${size} bytes`)
  const record = new Uint8Array(size)
  encodeHeader(new Writer(record), header)
  const associated = associatedData(keys.transcript, record, sealedOffset)
  sealInto(record, sealedOffset, { key: keys.seal, number: header.number, associated, plaintext: frames })
  return record
}

/**
 * The frames of a packet of any kind but OPEN (that is `respond`'s) in a new array, or undefined when the
 * tag is wrong: then the packet is dropped or refused and has no other effect (spec §4.10).
 */
export function openPacket(record: Uint8Array, packet: DecodedHeader, keys: DirectionKeys): Uint8Array | undefined {
  const { header, sealedOffset } = packet
  return unseal(
    keys.seal,
    header.number,
    associatedData(keys.transcript, record, sealedOffset),
    record.subarray(sealedOffset),
  )
}
