/**
 * The one list of frames (spec §5.3): each with its number on the wire, where it may stand, and how its body
 * is measured, written and read.
 */
import { malformed } from './errors.ts'
import {
  type AckFrame,
  type AckRange,
  type Frame,
  MAX_ACK_RANGES,
  MAX_MESSAGE_BYTES,
  MAX_OFFSET,
  MAX_PATH_BYTES,
  MAX_NOTE_BYTES,
  MAX_PATHS,
  MAX_REASON_BYTES,
  MESSAGE_ID_BYTES,
  PaymentKind,
  type ReplyPath,
  type StreamFrame,
} from './frames.ts'
import { checkedPoint, KEY_BYTES, POINT_BYTES } from './keys.ts'
import type { Kind } from './packets.ts'
import { parametersSize, readParameters, writeParameters } from './parameters.ts'
import type { Reader } from './reader.ts'
import { readTariff, tariffSize, writeTariff } from './tariffs.ts'
import { varintSize, type Writer } from './writer.ts'

/** How one type of frame is written and read. Sizes are bytes of the body alone. */
export interface Codec<F extends Frame> {
  /** The type on the wire; one byte each in version 1. */
  readonly number: number
  /** Whether it asks for acknowledgement (spec §5.3, §8.1). */
  readonly eliciting: boolean
  /** The kinds of packet that it may stand in (spec §5.13). */
  readonly kinds: readonly Kind[]
  /** Whether it may only be the first frame of its packet. */
  readonly first: boolean
  /** Bytes of the body. @throws RangeError for a frame that must not be written */
  size(frame: F): number
  write(writer: Writer, frame: F): void
  /** Reads a body up to the reader's end. @throws ProtocolError */
  read(reader: Reader): F
}

/** Type of a padding byte (spec §5.1). */
export const PADDING = 0x00
/** The highest kind of a PAYMENT (spec §12.9). */
const MAX_PAYMENT_KIND = PaymentKind.ANSWER
/** Added to STREAM's number: the stream ends after the data (spec §5.3). */
export const STREAM_FIN = 0x02
/** Added to STREAM's number: no length, the data run to the end of the packet (spec §5.3). */
export const STREAM_TO_END = 0x04

// Which kinds of packet a frame may stand in (spec §5.13).
const everywhere: readonly Kind[] = ['open', 'early', 'data', 'answer', 'reply']
const afterOpening: readonly Kind[] = ['data', 'answer', 'reply']
const fromResponder: readonly Kind[] = ['answer', 'reply']

/** Every frame but PADDING, by the `type` of its value. */
export const codecs: { readonly [T in Frame['type']]: Codec<Extract<Frame, { type: T }>> } = {
  ack: {
    number: 0x02,
    eliciting: false,
    kinds: afterOpening,
    first: false,
    size: ackSize,
    write: writeAck,
    read: readAck,
  },
  'max-data': {
    number: 0x04,
    eliciting: true,
    kinds: afterOpening,
    first: false,
    size: ({ limit }) => varintSize(limit),
    write: (writer, { limit }) => writer.varint(limit),
    read: (reader) => ({ type: 'max-data', limit: reader.varint() }),
  },
  blocked: {
    number: 0x06,
    eliciting: true,
    kinds: afterOpening,
    first: false,
    size: ({ limit }) => varintSize(limit),
    write: (writer, { limit }) => writer.varint(limit),
    read: (reader) => ({ type: 'blocked', limit: reader.varint() }),
  },
  // The FIN and to-the-end forms are STREAM_FIN and STREAM_TO_END above this number.
  stream: {
    number: 0x08,
    eliciting: true,
    kinds: everywhere,
    first: false,
    size({ offset, data }) {
      if (offset + data.length > MAX_OFFSET) throw new RangeError(`a stream of more than ${MAX_OFFSET} bytes`)
      return varintSize(offset) + data.length
    },
    write(writer, { offset, data }) {
      writer.varint(offset)
      writer.put(data)
    },
    read: (reader) => readStream(reader, false),
  },
  'reply-paths': {
    number: 0x10,
    eliciting: true,
    kinds: everywhere,
    first: false,
    size({ generation, paths }) {
      if (paths.length === 0 || paths.length > MAX_PATHS) throw new RangeError(`${paths.length} reply paths`)
      let size = varintSize(generation) + varintSize(paths.length)
      for (const { bytes, expiryHeight } of paths) {
        if (bytes.length === 0 || bytes.length > MAX_PATH_BYTES) throw new RangeError(`a path of ${bytes.length} bytes`)
        size += varintSize(expiryHeight) + varintSize(bytes.length) + bytes.length
      }
      return size
    },
    write(writer, { generation, paths }) {
      writer.varint(generation)
      writer.varint(paths.length)
      for (const { bytes, expiryHeight } of paths) {
        writer.varint(expiryHeight)
        writer.varint(bytes.length)
        writer.put(bytes)
      }
    },
    read(reader) {
      const generation = reader.varint()
      const count = reader.varint()
      if (count === 0 || count > MAX_PATHS) throw malformed(`${count} reply paths`)
      const paths: ReplyPath[] = []
      for (let i = 0; i < count; i++) paths.push(readPath(reader))
      return { type: 'reply-paths', generation, paths }
    },
  },
  ping: {
    number: 0x12,
    eliciting: true,
    kinds: afterOpening,
    first: false,
    size: () => 1,
    write: (writer, { keepalive }) => writer.u8(keepalive ? 1 : 0),
    // spec §5.6: other purposes are treated as 0.
    read: (reader) => ({ type: 'ping', keepalive: reader.u8() === 1 }),
  },
  reset: {
    number: 0x14,
    eliciting: true,
    kinds: afterOpening,
    first: false,
    size: ({ code, reason }) => varintSize(code) + reasonBytes(reason).length,
    write(writer, { code, reason }) {
      writer.varint(code)
      writer.put(reasonBytes(reason))
    },
    read: (reader) => ({ type: 'reset', code: reader.varint(), reason: readReason(reader) }),
  },
  refuse: {
    number: 0x16,
    eliciting: true,
    kinds: ['answer'],
    first: true,
    size: ({ code, reason }) => varintSize(code) + reasonBytes(reason).length,
    write(writer, { code, reason }) {
      writer.varint(code)
      writer.put(reasonBytes(reason))
    },
    read: (reader) => ({ type: 'refuse', code: reader.varint(), reason: readReason(reader) }),
  },
  message: {
    number: 0x18,
    eliciting: true,
    kinds: everywhere,
    first: false,
    size({ id, data }) {
      if (id.length !== MESSAGE_ID_BYTES) throw new RangeError(`a message id of ${id.length} bytes`)
      if (data.length > MAX_MESSAGE_BYTES) throw new RangeError(`a message of ${data.length} bytes`)
      return MESSAGE_ID_BYTES + data.length
    },
    write(writer, { id, data }) {
      writer.put(id)
      writer.put(data)
    },
    read(reader) {
      const id = reader.take(MESSAGE_ID_BYTES)
      const data = reader.rest()
      // spec §12.8: a message has 512 bytes at most.
      if (data.length > MAX_MESSAGE_BYTES) throw malformed(`a message of ${data.length} bytes`)
      return { type: 'message', id, data }
    },
  },
  price: {
    number: 0x1a,
    eliciting: true,
    kinds: fromResponder,
    first: false,
    size: ({ serial, from, tariff }) => varintSize(serial) + varintSize(from) + tariffSize(tariff),
    write(writer, { serial, from, tariff }) {
      writer.varint(serial)
      writer.varint(from)
      writeTariff(writer, tariff)
    },
    read: (reader) => ({ type: 'price', serial: reader.varint(), from: reader.varint(), tariff: readTariff(reader) }),
  },
  agree: {
    number: 0x24,
    eliciting: true,
    kinds: ['data'],
    first: false,
    size: ({ serial }) => varintSize(serial),
    write: (writer, { serial }) => writer.varint(serial),
    read: (reader) => ({ type: 'agree', serial: reader.varint() }),
  },
  bill: {
    number: 0x26,
    eliciting: true,
    kinds: fromResponder,
    first: false,
    size: ({ dueMsat }) => varintSize(Number(dueMsat)),
    write: (writer, { dueMsat }) => writer.varint(Number(dueMsat)),
    read: (reader) => ({ type: 'bill', dueMsat: BigInt(reader.varint()) }),
  },
  cost: {
    number: 0x2e,
    eliciting: true,
    kinds: fromResponder,
    first: false,
    size: ({ dueMsat }) => varintSize(Number(dueMsat)),
    write: (writer, { dueMsat }) => writer.varint(Number(dueMsat)),
    read: (reader) => ({ type: 'cost', dueMsat: BigInt(reader.varint()) }),
  },
  receipt: {
    number: 0x2f,
    eliciting: false,
    kinds: fromResponder,
    first: false,
    size: ({ largest, receivedMsat }) => varintSize(largest) + varintSize(Number(receivedMsat)),
    write(writer, { largest, receivedMsat }) {
      writer.varint(largest)
      writer.varint(Number(receivedMsat))
    },
    read: (reader) => ({ type: 'receipt', largest: reader.varint(), receivedMsat: BigInt(reader.varint()) }),
  },
  payment: {
    number: 0x1c,
    eliciting: true,
    kinds: afterOpening,
    first: false,
    size({ id, kind, reference, amountMsat, note }) {
      if (kind > MAX_PAYMENT_KIND) throw new RangeError(`a payment of kind ${kind}`)
      const numbers = varintSize(id) + varintSize(kind) + varintSize(reference) + varintSize(Number(amountMsat))
      return numbers + noteBytes(note).length
    },
    write(writer, { id, kind, reference, amountMsat, note }) {
      writer.varint(id)
      writer.varint(kind)
      writer.varint(reference)
      writer.varint(Number(amountMsat))
      writer.put(noteBytes(note))
    },
    read(reader) {
      const id = reader.varint()
      const kind = reader.varint()
      if (kind > MAX_PAYMENT_KIND) throw malformed(`a payment of kind ${kind}`)
      const reference = reader.varint()
      const amountMsat = BigInt(reader.varint())
      return { type: 'payment', id, kind, reference, amountMsat, note: readText(reader, MAX_NOTE_BYTES) }
    },
  },
  request: {
    number: 0x28,
    eliciting: true,
    kinds: afterOpening,
    first: false,
    size: ({ id, amountMsat, note }) => varintSize(id) + varintSize(Number(amountMsat)) + noteBytes(note).length,
    write(writer, { id, amountMsat, note }) {
      writer.varint(id)
      writer.varint(Number(amountMsat))
      writer.put(noteBytes(note))
    },
    read: (reader) => ({
      type: 'request',
      id: reader.varint(),
      amountMsat: BigInt(reader.varint()),
      note: readText(reader, MAX_NOTE_BYTES),
    }),
  },
  decline: {
    number: 0x2a,
    eliciting: true,
    kinds: afterOpening,
    first: false,
    size: ({ id, reason }) => varintSize(id) + reasonBytes(reason).length,
    write(writer, { id, reason }) {
      writer.varint(id)
      writer.put(reasonBytes(reason))
    },
    read: (reader) => ({ type: 'decline', id: reader.varint(), reason: readReason(reader) }),
  },
  surplus: {
    number: 0x2c,
    eliciting: true,
    kinds: ['data'],
    first: false,
    size: ({ amountMsat }) => varintSize(Number(amountMsat)),
    write: (writer, { amountMsat }) => writer.varint(Number(amountMsat)),
    read: (reader) => ({ type: 'surplus', amountMsat: BigInt(reader.varint()) }),
  },
  identify: {
    number: 0x1e,
    eliciting: true,
    kinds: ['data'],
    first: false,
    size({ key, proof }) {
      if (key.length !== POINT_BYTES || proof.length !== KEY_BYTES)
        throw new RangeError('a key of 33, a proof of 32 bytes')
      return POINT_BYTES + KEY_BYTES
    },
    write(writer, { key, proof }) {
      writer.put(key)
      writer.put(proof)
    },
    read: (reader) => ({
      type: 'identify',
      key: checkedPoint(reader.take(POINT_BYTES)),
      proof: reader.take(KEY_BYTES),
    }),
  },
  accept: {
    number: 0x20,
    eliciting: true,
    kinds: ['answer'],
    first: true,
    size({ parameters }) {
      if (parameters.directReply !== undefined) throw new RangeError('directReply belongs into an OPEN')
      if (parameters.identity !== undefined) throw new RangeError('identity belongs into an OPEN')
      return parametersSize(parameters)
    },
    write: (writer, { parameters }) => writeParameters(writer, parameters),
    read: (reader) => ({ type: 'accept', parameters: readParameters(reader, 'accept') }),
  },
  open: {
    number: 0x22,
    eliciting: true,
    kinds: ['open'],
    first: true,
    size({ port, height, parameters }) {
      if (!Number.isInteger(port) || port < 1 || port > 0xffff) throw new RangeError(`port ${port}`)
      return 2 + varintSize(height) + parametersSize(parameters)
    },
    write(writer, { port, height, parameters }) {
      writer.u16(port)
      writer.varint(height)
      writeParameters(writer, parameters)
    },
    read(reader) {
      const port = reader.u16()
      if (port === 0) throw malformed('port 0')
      return { type: 'open', port, height: reader.varint(), parameters: readParameters(reader, 'open') }
    },
  },
}

/** The codec of a frame's type. */
export function codecOf<F extends Frame>(frame: F): Codec<F> {
  return codecs[frame.type] as unknown as Codec<F>
}

/** The body of a STREAM, up to the reader's end. @throws ProtocolError */
export function readStream(reader: Reader, fin: boolean): StreamFrame {
  const offset = reader.varint()
  const data = reader.rest()
  // spec §5.5: no stream goes beyond MAX_OFFSET.
  if (offset > MAX_OFFSET - data.length) throw malformed(`a stream of more than ${MAX_OFFSET} bytes`)
  return { type: 'stream', offset, data, fin }
}

function readPath(reader: Reader): ReplyPath {
  const expiryHeight = reader.varint()
  const length = reader.varint()
  if (length === 0 || length > MAX_PATH_BYTES) throw malformed(`a path of ${length} bytes`)
  return { bytes: reader.take(length), expiryHeight }
}

// The count of further ranges takes one byte: it is 63 at most (spec §5.4).
function ackSize({ delivered, ranges }: AckFrame): number {
  if (ranges.length === 0 || ranges.length > MAX_ACK_RANGES) throw new RangeError(`an ACK of ${ranges.length} ranges`)
  let size = varintSize(delivered) + varintSize(ranges[0]?.largest ?? 0) + 1
  let above: AckRange | undefined
  for (const range of ranges) {
    size += ackRangeSize(range, above)
    above = range
  }
  return size
}

/**
 * Bytes that a range takes in an ACK; `above` is the range before it, if any.
 *
 * @throws RangeError when they are out of order
 */
export function ackRangeSize(range: AckRange, above: AckRange | undefined): number {
  const length = varintSize(range.largest - range.smallest)
  varintSize(range.smallest)
  return above === undefined ? length : varintSize(above.smallest - range.largest - 2) + length
}

function writeAck(writer: Writer, { delivered, ranges }: AckFrame): void {
  writer.varint(delivered)
  writer.varint(ranges[0]?.largest ?? 0)
  writer.varint(ranges.length - 1)
  let above: AckRange | undefined
  for (const range of ranges) {
    if (above !== undefined) writer.varint(above.smallest - range.largest - 2)
    writer.varint(range.largest - range.smallest)
    above = range
  }
}

function readAck(reader: Reader): AckFrame {
  const delivered = reader.varint()
  let largest = reader.varint()
  const count = reader.varint()
  if (count >= MAX_ACK_RANGES) throw malformed(`an ACK of ${count + 1} ranges`)
  let smallest = largest - reader.varint()
  if (smallest < 0) throw malformed('an ACK range below 0')
  const ranges: AckRange[] = [{ smallest, largest }]
  for (let i = 0; i < count; i++) {
    largest = smallest - reader.varint() - 2
    smallest = largest - reader.varint()
    if (smallest < 0) throw malformed('an ACK range below 0')
    ranges.push({ smallest, largest })
  }
  return { type: 'ack', delivered, ranges }
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A reason as UTF-8, cut to 128 bytes between two characters (spec §5.11). */
function reasonBytes(reason: string): Uint8Array {
  const bytes = encoder.encode(reason)
  if (bytes.length <= MAX_REASON_BYTES) return bytes
  let end = MAX_REASON_BYTES
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--
  return bytes.subarray(0, end)
}

function readReason(reader: Reader): string {
  return readText(reader, MAX_REASON_BYTES)
}

/** A note is never cut: what it says is what is paid for. @throws RangeError for one that is too long */
function noteBytes(note: string): Uint8Array {
  const bytes = encoder.encode(note)
  if (bytes.length > MAX_NOTE_BYTES) throw new RangeError(`a note of ${bytes.length} bytes`)
  return bytes
}

/** All that is left, as text. */
function readText(reader: Reader, maxBytes: number): string {
  if (reader.remaining > maxBytes) throw malformed(`a text of ${reader.remaining} bytes`)
  try {
    return decoder.decode(reader.rest())
  } catch {
    throw malformed('a text that is not UTF-8')
  }
}
