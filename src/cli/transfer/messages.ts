import type { Readable } from 'node:stream'
import { equalBytes } from '../../floor/bytes.ts'
import { type CodeName, codeName, CODES, TransferError } from './errors.ts'
import { nameComplaint, visible } from './file-name.ts'
import {
  MAX_DATA_BYTES,
  MAX_ENTRIES,
  MAX_LIST_BYTES,
  MAX_RANGES,
  NAME_BYTES,
  OFFER_BYTES,
  PREAMBLE,
  REASON_BYTES,
  SESSION_BYTES,
  SHA256_BYTES,
} from './limits.ts'

/** What is known of a file before it is sent; a stream has none. */
export interface Content {
  readonly size: number
  readonly sha256: Uint8Array
}

/** The permission bits of a mode, which are all that is taken of one (file-transfer §7.7). */
export const PERMISSIONS = 0o777

export function isSameContent(a: Content | undefined, b: Content | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.size === b.size && equalBytes(a.sha256, b.sha256)
}

/** What a file system keeps of a file beside its bytes (file-transfer §7.7). */
export interface Attributes {
  /** Permission bits, 0 to 0o777. */
  readonly mode: number
  /** When it was changed last, seconds since 1970. */
  readonly mtimeS: number
}

/** Of the list of a set (file-transfer §7.2). */
export interface SetShape {
  /** How many files and folders. */
  readonly entries: number
  /** The length of the list. */
  readonly listBytes: number
}

export interface TransferOffer {
  readonly name: string
  /** 16 bytes */
  readonly session: Uint8Array
  /** Of a set: the sum of its files, and the hash of its list. */
  readonly content: Content | undefined
  /** Several files and folders. */
  readonly set?: SetShape | undefined
  readonly attributes?: Attributes | undefined
}

/** Files that a receiver wants, in the order of the list: `count` from `first` on; above offset 0 it is one. */
export interface WantedRange {
  readonly first: number
  readonly count: number
  readonly offset: number
}

/** What the two sides say (file-transfer §1.4). */
export type Message =
  | ({ readonly type: 'offer' } & TransferOffer)
  | { readonly type: 'start'; readonly offset: number; readonly sha256: Uint8Array }
  | { readonly type: 'data'; readonly bytes: Uint8Array }
  | { readonly type: 'end'; readonly size: number; readonly sha256: Uint8Array }
  | { readonly type: 'list'; readonly bytes: Uint8Array }
  | {
      readonly type: 'file'
      readonly index: number
      readonly offset: number
      /** Of the bytes before the offset; undefined: there are none. */
      readonly sha256: Uint8Array | undefined
    }
  | { readonly type: 'skip'; readonly index: number }
  | { readonly type: 'have'; readonly offset: number }
  | { readonly type: 'wait' }
  | { readonly type: 'done' }
  | { readonly type: 'want'; readonly ranges: readonly WantedRange[] }
  | { readonly type: 'error'; readonly code: CodeName; readonly reason: string }

export type MessageType = Message['type']

interface Shape {
  readonly number: number
  readonly type: MessageType
  readonly min: number
  readonly max: number
}

const RANGE_BYTES = 16

const SHAPES: readonly Shape[] = [
  { number: 1, type: 'offer', min: 0, max: OFFER_BYTES },
  { number: 2, type: 'start', min: 8 + SHA256_BYTES, max: 8 + SHA256_BYTES },
  { number: 3, type: 'data', min: 1, max: MAX_DATA_BYTES },
  { number: 4, type: 'end', min: 8 + SHA256_BYTES, max: 8 + SHA256_BYTES },
  { number: 5, type: 'list', min: 1, max: MAX_DATA_BYTES },
  { number: 6, type: 'file', min: 4, max: 12 + SHA256_BYTES },
  { number: 7, type: 'skip', min: 4, max: 4 },
  { number: 16, type: 'have', min: 8, max: 8 },
  { number: 17, type: 'wait', min: 0, max: 0 },
  { number: 18, type: 'done', min: 0, max: 0 },
  { number: 19, type: 'want', min: 0, max: RANGE_BYTES * MAX_RANGES },
  { number: 32, type: 'error', min: 1, max: 1 + REASON_BYTES },
]

/** Bytes of a message before its body. */
export const HEAD_BYTES = 3

const FIELD = { name: 0, session: 2, size: 4, sha256: 6, set: 8, mode: 9, mtime: 11 } as const

/** What the head of a message announces. @throws TransferError MALFORMED, before a byte of the body is waited for */
export function readHead(head: Uint8Array): { readonly type: MessageType; readonly length: number } {
  const [number = 0, high = 0, low = 0] = head
  const length = high * 256 + low
  const shape = SHAPES.find((other) => other.number === number)
  if (shape === undefined) throw malformed(`a message of type ${number}`)
  if (length < shape.min || length > shape.max) throw malformed(`${shape.type} with ${length} bytes`)
  return { type: shape.type, length }
}

/** @throws TransferError MALFORMED, UNSUPPORTED or NAME */
export function decodeBody(type: MessageType, body: Uint8Array): Message {
  switch (type) {
    case 'offer':
      return { type, ...decodeOffer(body) }
    case 'start':
      return { type, offset: readNumber(body), sha256: body.slice(8) }
    case 'data':
      return { type, bytes: body }
    case 'end':
      return { type, size: readNumber(body), sha256: body.slice(8) }
    case 'list':
      return { type, bytes: body }
    case 'file':
      return { type, ...decodeFile(body) }
    case 'skip':
      return { type, index: readCount(body, 0) }
    case 'want':
      return { type, ranges: decodeRanges(body) }
    case 'have':
      return { type, offset: readNumber(body) }
    case 'wait':
    case 'done':
      return { type }
    case 'error':
      return { type, code: codeName(body[0] ?? 0), reason: visible(Buffer.from(body.subarray(1)).toString('utf8')) }
  }
}

export function encodeMessage(message: Message): Uint8Array {
  const body = encodeBody(message)
  const shape = SHAPES.find(({ type }) => type === message.type)
  if (shape === undefined || body.length > shape.max) throw new RangeError(`${message.type}: ${body.length} bytes`)
  const bytes = new Uint8Array(HEAD_BYTES + body.length)
  bytes.set([shape.number, body.length >> 8, body.length & 0xff])
  bytes.set(body, HEAD_BYTES)
  return bytes
}

function encodeBody(message: Message): Uint8Array {
  switch (message.type) {
    case 'offer':
      return encodeOffer(message)
    case 'start':
      return Buffer.concat([encodeNumber(message.offset), message.sha256])
    case 'data':
      return message.bytes
    case 'end':
      return Buffer.concat([encodeNumber(message.size), message.sha256])
    case 'list':
      return message.bytes
    case 'file':
      return message.sha256 === undefined
        ? encodeCount(message.index)
        : Buffer.concat([encodeCount(message.index), encodeNumber(message.offset), message.sha256])
    case 'skip':
      return encodeCount(message.index)
    case 'want':
      return Buffer.concat(
        message.ranges.flatMap(({ first, count, offset }) => [
          encodeCount(first),
          encodeCount(count),
          encodeNumber(offset),
        ]),
      )
    case 'have':
      return encodeNumber(message.offset)
    case 'wait':
    case 'done':
      return new Uint8Array(0)
    case 'error':
      return Buffer.concat([Uint8Array.of(CODES[message.code]), cut(Buffer.from(message.reason), REASON_BYTES)])
  }
}

/** An offer is a list of fields (file-transfer §2.1). */
function encodeOffer({ name, session, content, set, attributes }: TransferOffer): Uint8Array {
  const fields: (readonly [number, Uint8Array])[] = [
    [FIELD.name, Buffer.from(name)],
    [FIELD.session, session],
  ]
  if (content !== undefined) {
    fields.push([FIELD.size, encodeNumber(content.size)], [FIELD.sha256, content.sha256])
  }
  if (set !== undefined) fields.push([FIELD.set, Buffer.concat([encodeCount(set.entries), encodeCount(set.listBytes)])])
  if (attributes !== undefined) {
    const { mode, mtimeS } = attributes
    fields.push([FIELD.mode, Uint8Array.of(mode >> 8, mode & 0xff)], [FIELD.mtime, encodeNumber(mtimeS)])
  }
  return Buffer.concat(fields.flatMap(([type, value]) => [Uint8Array.of(type, value.length), value]))
}

function decodeOffer(body: Uint8Array): TransferOffer {
  const fields = readFields(body)
  const name = fields.get(FIELD.name)
  const session = fields.get(FIELD.session)
  if (name === undefined || session?.length !== SESSION_BYTES) throw malformed('an offer without name or session')
  const content = contentOf(fields)
  return {
    name: readName(name),
    session,
    content,
    set: setOf(fields, content),
    attributes: content === undefined ? undefined : attributesOf(fields),
  }
}

type Fields = ReadonlyMap<number, Uint8Array>

function contentOf(fields: Fields): Content | undefined {
  const size = fields.get(FIELD.size)
  const sha256 = fields.get(FIELD.sha256)
  if ((size === undefined) !== (sha256 === undefined)) throw malformed('an offer with only one of size and hash')
  if (size === undefined || sha256 === undefined) return undefined
  if (size.length !== 8 || sha256.length !== SHA256_BYTES)
    throw malformed('an offer with a size or hash of wrong length')
  return { size: readNumber(size), sha256 }
}

/** file-transfer §7.10: what is larger is refused before a byte of it comes. */
function setOf(fields: Fields, content: Content | undefined): SetShape | undefined {
  const set = fields.get(FIELD.set)
  if (set === undefined) return undefined
  if (set.length !== 8 || content === undefined) throw malformed('a set without size and hash, or of wrong length')
  const [entries, listBytes] = [readCount(set, 0), readCount(set, 4)]
  if (entries === 0 || listBytes === 0) throw malformed('a set of nothing')
  if (entries > MAX_ENTRIES || listBytes > MAX_LIST_BYTES)
    throw new TransferError('TOO_LARGE', `the receiver takes ${MAX_ENTRIES} files and folders at most`)
  return { entries, listBytes }
}

/** Of a file alone; they may be left out, and what is none counts as left out. */
function attributesOf(fields: Fields): Attributes | undefined {
  const mode = fields.get(FIELD.mode)
  const mtime = fields.get(FIELD.mtime)
  if (mode?.length !== 2 || mtime?.length !== 8) return undefined
  return { mode: (((mode[0] ?? 0) << 8) | (mode[1] ?? 0)) & PERMISSIONS, mtimeS: readNumber(mtime) }
}

/** The index alone, or with what the receiver's part is known by. */
function decodeFile(body: Uint8Array): Omit<Extract<Message, { type: 'file' }>, 'type'> {
  const index = readCount(body, 0)
  if (body.length === 4) return { index, offset: 0, sha256: undefined }
  if (body.length !== 12 + SHA256_BYTES) throw malformed(`file with ${body.length} bytes`)
  return { index, offset: readNumber(body.subarray(4)), sha256: body.slice(12) }
}

function decodeRanges(body: Uint8Array): readonly WantedRange[] {
  if (body.length % RANGE_BYTES !== 0) throw malformed(`want with ${body.length} bytes`)
  const ranges: WantedRange[] = []
  for (let at = 0; at < body.length; at += RANGE_BYTES) {
    ranges.push({
      first: readCount(body, at),
      count: readCount(body, at + 4),
      offset: readNumber(body.subarray(at + 8)),
    })
  }
  return ranges
}

/** Ascending types; unknown odd ones stay unread, unknown even ones must be understood (file-transfer §2.1). */
function readFields(body: Uint8Array): Map<number, Uint8Array> {
  const fields = new Map<number, Uint8Array>()
  const known: readonly number[] = Object.values(FIELD)
  let last = -1
  for (let at = 0; at < body.length;) {
    const type = body[at] ?? 0
    const length = body[at + 1]
    if (length === undefined || at + 2 + length > body.length) throw malformed('a field that ends beyond the offer')
    if (type <= last) throw malformed('fields that do not ascend')
    if (!known.includes(type) && type % 2 === 0) {
      throw new TransferError('UNSUPPORTED', `the offer has a field of type ${type}, which this version does not know`)
    }
    fields.set(type, body.slice(at + 2, at + 2 + length))
    last = type
    at += 2 + length
  }
  return fields
}

/** @throws TransferError NAME */
function readName(bytes: Uint8Array): string {
  let name: string
  try {
    if (bytes.length > NAME_BYTES) throw new RangeError('long')
    name = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new TransferError('NAME', `the name must be at most ${NAME_BYTES} bytes of UTF-8`)
  }
  const complaint = nameComplaint(name)
  if (complaint !== undefined) throw new TransferError('NAME', `the name cannot be taken: ${complaint}`)
  return name
}

function encodeNumber(value: number): Uint8Array {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}

function encodeCount(value: number): Uint8Array {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function readCount(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(at)
}

/** The first 8 bytes. @throws TransferError MALFORMED above 2^53 - 1 */
function readNumber(bytes: Uint8Array): number {
  const value = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(0)
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed('a number above 2^53 - 1')
  return Number(value)
}

/** The text in at most so many bytes, with no half character at the end. */
function cut(text: Buffer, maxBytes: number): Uint8Array {
  let length = Math.min(text.length, maxBytes)
  while (length > 0 && length < text.length && ((text[length] ?? 0) & 0xc0) === 0x80) length--
  return text.subarray(0, length)
}

export function malformed(what: string): TransferError {
  return new TransferError('MALFORMED', `not the file transfer protocol: ${what}`)
}

const FROM_SENDER: readonly MessageType[] = ['offer', 'start', 'data', 'end', 'list', 'file', 'skip', 'error']
const FROM_RECEIVER: readonly MessageType[] = ['have', 'wait', 'done', 'want', 'error']

/**
 * One side's messages, read one at a time: what is not asked for stays in the stream. Never holds more than one
 * message and one chunk of the stream. The stream is left open.
 */
export class MessageReader {
  readonly #chunks: AsyncIterator<Uint8Array>
  readonly #from: 'sender' | 'receiver'
  readonly #onBytes: () => void
  #rest: Uint8Array = new Uint8Array(0)
  #begun: boolean

  /** @param onBytes is called for every chunk, also where it does not complete a message */
  constructor(stream: Readable, from: 'sender' | 'receiver', onBytes: () => void = () => undefined) {
    this.#chunks = stream.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>
    this.#from = from
    this.#onBytes = onBytes
    this.#begun = from === 'receiver' // only the sender's stream has a preamble
  }

  /**
   * The next message; undefined when the stream has ended between two messages.
   * @throws TransferError for bytes that are no message of this side, else what the stream throws
   */
  async next(): Promise<Message | undefined> {
    if (!this.#begun) {
      const preamble = await this.#read(PREAMBLE.length)
      if (preamble === undefined) return undefined
      checkPreamble(preamble)
      this.#begun = true
    }
    const head = await this.#read(HEAD_BYTES)
    if (head === undefined) return undefined
    const { type, length } = readHead(head)
    const expected = this.#from === 'sender' ? FROM_SENDER : FROM_RECEIVER
    if (!expected.includes(type)) throw malformed(`${type} from the ${this.#from}`)
    const body = length === 0 ? new Uint8Array(0) : await this.#read(length)
    if (body === undefined) throw malformed('an end in the middle of a message')
    return decodeBody(type, body)
  }

  /** Reads to the end and drops what comes: a stream that is not read does not end. */
  discard(): void {
    const read = async (): Promise<void> => {
      while ((await this.#chunks.next()).done !== true);
    }
    read().catch(() => undefined) // the stream's error has been told, or is of no interest
  }

  /** Exactly so many bytes; undefined where the stream ends before the first. */
  async #read(length: number): Promise<Uint8Array | undefined> {
    while (this.#rest.length < length) {
      const chunk = await this.#chunks.next()
      if (chunk.done === true) {
        if (this.#rest.length === 0) return undefined
        throw malformed('an end in the middle of a message')
      }
      this.#onBytes()
      this.#rest = this.#rest.length === 0 ? chunk.value : Buffer.concat([this.#rest, chunk.value])
    }
    const taken = Uint8Array.from(this.#rest.subarray(0, length))
    this.#rest = this.#rest.subarray(length)
    return taken
  }
}

/** The sender's stream begins with a mark and the version (file-transfer §1.3). */
function checkPreamble(bytes: Uint8Array): void {
  const mark = PREAMBLE.length - 1
  if (bytes.subarray(0, mark).some((byte, index) => byte !== PREAMBLE[index])) throw malformed('it does not begin so')
  if (bytes[mark] !== PREAMBLE[mark]) {
    throw new TransferError('UNSUPPORTED', `version ${bytes[mark] ?? 0} of the protocol; this side knows 1`)
  }
}
