import { Code, malformed, ProtocolError } from './errors.ts'
import { type Codec, codecOf, codecs, PADDING, readStream, STREAM_FIN, STREAM_TO_END } from './frame-codecs.ts'
import type { Frame } from './frames.ts'
import type { Kind } from './packets.ts'
import { Reader } from './reader.ts'

/**
 * Frames that are well-formed, but one of them, or a parameter in one, has an unknown even type (code
 * UNSUPPORTED; spec §5.2, §5.9). Nothing in them may take effect, but they tell where a refusal can go (spec §6.2).
 */
export class UnsupportedError extends ProtocolError {
  /** The frames that are known. */
  readonly frames: readonly Frame[]

  constructor(what: string, frames: readonly Frame[]) {
    super(Code.UNSUPPORTED, `unknown and even: ${what}`)
    this.name = 'UnsupportedError'
    this.frames = frames
  }
}

const byNumber: (Codec<Frame> | undefined)[] = []
for (const codec of Object.values(codecs)) byNumber[codec.number] = codec as unknown as Codec<Frame>

/**
 * Reads the frames that fill a packet, without PADDING and unknown odd frames. Each takes two bytes at
 * least, which bounds their count. Byte fields alias `bytes`.
 *
 * @throws UnsupportedError for well-formed bytes with an unknown even frame or parameter
 * @throws ProtocolError PROTOCOL for anything malformed; that goes first
 */
export function decodeFrames(bytes: Uint8Array): Frame[] {
  const reader = new Reader(bytes)
  const frames: Frame[] = []
  while (reader.remaining > 0) {
    const type = reader.varint()
    if (type === PADDING) continue
    const frame = readFrame(reader, type)
    if (frame !== undefined) frames.push(frame)
  }
  if (reader.unsupported !== undefined) throw new UnsupportedError(reader.unsupported, frames)
  return frames
}

function readFrame(reader: Reader, type: number): Frame | undefined {
  const { number } = codecs.stream
  const isStream = type >= number && type <= number + STREAM_FIN + STREAM_TO_END && type % 2 === 0
  if (isStream && type >= number + STREAM_TO_END) {
    return readStream(reader, type !== number + STREAM_TO_END)
  }
  const outer = reader.enter(reader.varint())
  let frame: Frame | undefined
  if (isStream) {
    frame = readStream(reader, type !== number)
  } else {
    frame = byNumber[type]?.read(reader)
    if (frame === undefined) reader.skipUnknown('frame', type)
  }
  reader.leave(outer)
  return frame
}

/** Whether a packet with these frames asks for acknowledgement (spec §8.1). */
export function isEliciting(frames: readonly Frame[]): boolean {
  return frames.some((frame) => codecOf(frame).eliciting)
}

/**
 * Checks that frames may stand where they stand in a packet of this kind (spec §4.6, §4.9, §5.8, §5.13).
 * What depends on the connection is not checked.
 *
 * @throws ProtocolError PROTOCOL otherwise
 */
export function checkPlaces(kind: Kind, frames: readonly Frame[]): void {
  for (const [place, frame] of frames.entries()) {
    const codec = codecOf(frame)
    if (!codec.kinds.includes(kind) || (codec.first && place > 0)) {
      throw malformed(`frame ${frame.type} in place ${place} of a packet of kind ${kind}`)
    }
  }
  const first = frames[0]
  if (kind === 'open' && first?.type !== 'open') throw malformed('an OPEN packet that does not begin with OPEN')
  if (kind === 'answer' && first?.type !== 'accept' && first?.type !== 'refuse') {
    throw malformed('an ANSWER that does not begin with ACCEPT or REFUSE')
  }
}
