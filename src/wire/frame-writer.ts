import { ackRangeSize, codecOf, codecs, STREAM_FIN, STREAM_TO_END } from './frame-codecs.ts'
import type { AckFrame, AckRange, Frame, StreamFrame } from './frames.ts'
import { varintSize, Writer } from './writer.ts'

/**
 * Bytes that a frame takes with its length, as `FrameWriter.add` writes it.
 *
 * @throws RangeError for one that must not be written
 */
export function frameSize(frame: Frame): number {
  return 1 + prefixedSize(codecOf(frame).size(frame))
}

function prefixedSize(body: number): number {
  return varintSize(body) + body
}

/**
 * The most data that a STREAM at `offset` with a length can hold in `remaining` bytes; negative when not even an empty
 * one fits.
 */
export function streamDataRoom(offset: number, remaining: number): number {
  // The length's own size depends on what it counts: the body is as large as it can be with 1, 2 or 4 bytes of length.
  const room = remaining - 1
  const body = Math.max(Math.min(room - 1, 0x3f), Math.min(room - 2, 0x3fff), room - 4)
  return body - varintSize(offset)
}

/**
 * The most data that a STREAM at `offset` running to the end of the packet can hold; negative when not even an empty
 * one fits.
 */
export function lastStreamDataRoom(offset: number, remaining: number): number {
  return remaining - 1 - varintSize(offset)
}

/** An ACK without its lowest ranges, so that it fits `remaining` bytes; undefined when not even one range does. */
export function fitAck(ack: AckFrame, remaining: number): AckFrame | undefined {
  let body = varintSize(ack.delivered) + varintSize(ack.ranges[0]?.largest ?? 0) + 1
  let count = 0
  let above: AckRange | undefined
  for (const range of ack.ranges) {
    body += ackRangeSize(range, above)
    if (1 + prefixedSize(body) > remaining) break
    count++
    above = range
  }
  if (count === 0) return undefined
  return count === ack.ranges.length ? ack : { ...ack, ranges: ack.ranges.slice(0, count) }
}

/** Writes frames one after another into the room that a packet has for them. */
export class FrameWriter {
  readonly #writer: Writer
  #complete = false

  /**
   * @param capacity bytes for frames: `frameCapacity`
   * @param room where they are written, at least so many bytes; without it memory of its own
   */
  constructor(capacity: number, room: Uint8Array = new Uint8Array(capacity)) {
    this.#writer = new Writer(room.length === capacity ? room : room.subarray(0, capacity))
  }

  /** Bytes of room left; 0 after `addLast`. */
  get remaining(): number {
    return this.#complete ? 0 : this.#writer.remaining
  }

  /** Bytes written. */
  get length(): number {
    return this.#writer.position
  }

  /**
   * Writes a frame with its length; false, and nothing written, when it does not fit.
   *
   * @throws RangeError for one that must not be written
   */
  add(frame: Frame): boolean {
    const codec = codecOf(frame)
    const size = codec.size(frame)
    if (1 + prefixedSize(size) > this.remaining) return false
    this.#writer.u8(frame.type === 'stream' && frame.fin ? codec.number + STREAM_FIN : codec.number)
    this.#writer.varint(size)
    codec.write(this.#writer, frame)
    return true
  }

  /** Writes a STREAM that runs to the end of the packet, after which nothing fits; false when it does not fit. */
  addLast(frame: StreamFrame): boolean {
    const size = codecs.stream.size(frame)
    if (1 + size > this.remaining) return false
    this.#writer.u8(codecs.stream.number + STREAM_TO_END + (frame.fin ? STREAM_FIN : 0))
    codecs.stream.write(this.#writer, frame)
    this.#complete = true
    return true
  }

  /** What was written, as a view. */
  bytes(): Uint8Array {
    return this.#writer.bytes.subarray(0, this.#writer.position)
  }
}

/** All frames in canonical form: with a length, but for a STREAM in the last place, which runs to the end. */
export function encodeFrames(frames: readonly Frame[]): Uint8Array {
  const last = frames.at(-1)
  let size = 0
  for (const frame of frames) size += frameSize(frame)
  const writer = new FrameWriter(size)
  for (const frame of last?.type === 'stream' ? frames.slice(0, -1) : frames) writer.add(frame)
  if (last?.type === 'stream') writer.addLast(last)
  return writer.bytes()
}
