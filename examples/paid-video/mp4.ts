/**
 * How a fragmented MP4 file is cut: its header, and fragments that play by themselves (ISO/IEC 14496-12). Reads the
 * boxes that say so, and no picture.
 */
import { createHash } from 'node:crypto'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { filmId, type FilmIndex, FilmError, MAX_SEGMENT_BYTES, MAX_SEGMENTS, type Segment } from './film.ts'

export interface FilmFacts {
  readonly index: FilmIndex
  readonly bytes: number
  readonly durationMs: number
  readonly width: number
  readonly height: number
}

interface Box {
  readonly type: string
  readonly body: Buffer
}

interface Track {
  readonly id: number
  readonly isVideo: boolean
  readonly timescale: number
  readonly codec: string
  readonly width: number
  readonly height: number
  /** Of a sample that says nothing, in units of the timescale. */
  readonly sampleDuration: number
}

const BOX_HEADER = 8
const BIG_BOX_HEADER = 16
/** A header, or the table of a fragment, is read whole. */
const MAX_TABLE_BYTES = 4_194_304
const READ_BYTES = 1_048_576
/** Behind the fields of a sample entry (ISO/IEC 14496-12 8.5.2): of pictures, and of sound. */
const PICTURE_ENTRY = 78
const SOUND_ENTRY = 28

/** How to make what is needed of any film. */
const CONVERT =
  'ffmpeg -i FILE -c:v libx264 -pix_fmt yuv420p -g 48 -b:v 180k -c:a aac -movflags +frag_keyframe+empty_moov+default_base_moof+skip_trailer film.mp4'

/** @throws FilmError 'bad-film' with what is wrong, and what to do */
export function indexFilm(path: string): FilmFacts {
  const file = openSync(path, 'r')
  try {
    return readFilm(file, fstatSync(file).size)
  } catch (error) {
    // A table that is shorter than it says.
    throw error instanceof RangeError ? unfit('one of its tables is broken') : error
  } finally {
    closeSync(file)
  }
}

function readFilm(file: number, size: number): FilmFacts {
  let tracks: readonly Track[] = []
  let headerBytes = 0
  /** Where each fragment begins, and when its picture does. */
  const fragments: { from: number; startMs: number; endMs: number }[] = []
  for (let at = 0; at < size;) {
    const { type, bytes, head } = readHeader(file, at, size)
    if (type === 'moov') tracks = readTracks(readTable(file, at + head, bytes - head))
    if (type === 'moof') {
      if (fragments.length === 0) headerBytes = at
      const times = fragmentTimes(readTable(file, at + head, bytes - head), tracks)
      if (times !== undefined) fragments.push({ from: at, ...times })
      if (fragments.length > MAX_SEGMENTS) throw unfit(`it has more than ${MAX_SEGMENTS} fragments`)
    }
    at += bytes
  }
  const video = tracks.find(({ isVideo }) => isVideo)
  if (video === undefined) throw unfit('it has no picture')
  if (fragments.length === 0) throw unfit('it is not cut into fragments')
  const header = { bytes: headerBytes, sha256: hashStretch(file, 0, headerBytes) }
  const segments = fragments.map(({ from, startMs }, i): Segment => {
    // What stands behind the last fragment belongs to it.
    const bytes = (fragments[i + 1]?.from ?? size) - from
    if (bytes > MAX_SEGMENT_BYTES) throw unfit('a fragment is too long')
    return { startMs, bytes, sha256: hashStretch(file, from, bytes) }
  })
  const codecs = tracks.map(({ codec }) => codec).join(', ')
  const index = { mimeType: `video/mp4; codecs="${codecs}"`, header, segments }
  return {
    index: { id: filmId(index), ...index },
    bytes: size,
    durationMs: Math.max(...fragments.map(({ endMs }) => endMs)),
    width: video.width,
    height: video.height,
  }
}

function hashStretch(file: number, from: number, bytes: number): string {
  const hash = createHash('sha256')
  for (let done = 0; done < bytes;) {
    const piece = readAt(file, from + done, Math.min(READ_BYTES, bytes - done))
    hash.update(piece)
    done += piece.length
  }
  return hash.digest('hex')
}

function readAt(file: number, from: number, bytes: number): Buffer {
  const piece = Buffer.alloc(bytes)
  if (readSync(file, piece, 0, bytes, from) !== bytes) throw unfit('it ends in the middle')
  return piece
}

function readHeader(file: number, at: number, size: number): { type: string; bytes: number; head: number } {
  if (size - at < BOX_HEADER) throw unfit('it ends in the middle of a box')
  const start = readAt(file, at, BOX_HEADER)
  const short = start.readUInt32BE(0)
  // 1: the size stands behind the type; 0: up to the end of the file.
  const head = short === 1 ? BIG_BOX_HEADER : BOX_HEADER
  const long = short === 0 ? size - at : short
  const bytes = short === 1 ? Number(readAt(file, at + BOX_HEADER, 8).readBigUInt64BE(0)) : long
  if (bytes < head || at + bytes > size) throw unfit('it ends in the middle of a box')
  return { type: start.toString('latin1', 4, 8), bytes, head }
}

function readTable(file: number, from: number, bytes: number): Buffer {
  if (bytes > MAX_TABLE_BYTES) throw unfit('one of its tables is too long')
  return readAt(file, from, bytes)
}

function boxesOf(body: Buffer): Box[] {
  const boxes: Box[] = []
  for (let at = 0; at + BOX_HEADER <= body.length;) {
    const bytes = body.readUInt32BE(at)
    if (bytes < BOX_HEADER || at + bytes > body.length) throw unfit('a box is longer than what it is in')
    boxes.push({ type: body.toString('latin1', at + 4, at + 8), body: body.subarray(at + BOX_HEADER, at + bytes) })
    at += bytes
  }
  return boxes
}

function child(body: Buffer, ...path: readonly string[]): Buffer {
  let found = body
  for (const type of path) {
    const box = boxesOf(found).find((inner) => inner.type === type)
    if (box === undefined) throw unfit(`it has no ${path.join('.')}`)
    found = box.body
  }
  return found
}

function readTracks(moov: Buffer): Track[] {
  const boxes = boxesOf(moov)
  const defaults = new Map<number, number>()
  for (const { type, body } of boxes) {
    if (type !== 'mvex') continue
    for (const trex of boxesOf(body).filter((box) => box.type === 'trex'))
      defaults.set(trex.body.readUInt32BE(4), trex.body.readUInt32BE(12))
  }
  return boxes.flatMap(({ type, body }): Track[] => {
    if (type !== 'trak') return []
    const kind = child(body, 'mdia', 'hdlr').toString('latin1', 8, 12)
    if (kind !== 'vide' && kind !== 'soun') throw unfit('it has tracks beside picture and sound')
    const tkhd = child(body, 'tkhd')
    const mdhd = child(body, 'mdia', 'mdhd')
    const id = tkhd.readUInt32BE(tkhd[0] === 1 ? 20 : 12)
    return [
      {
        id,
        isVideo: kind === 'vide',
        timescale: mdhd.readUInt32BE(mdhd[0] === 1 ? 20 : 12),
        codec: codecOf(child(body, 'mdia', 'minf', 'stbl', 'stsd')),
        // Fixed point, 16.16.
        width: tkhd.readUInt32BE(tkhd.length - 8) >>> 16,
        height: tkhd.readUInt32BE(tkhd.length - 4) >>> 16,
        sampleDuration: defaults.get(id) ?? 0,
      },
    ]
  })
}

/** As RFC 6381 writes it. */
function codecOf(stsd: Buffer): string {
  const [entry] = boxesOf(stsd.subarray(8))
  if (entry === undefined) throw unfit('a track has no codec')
  switch (entry.type) {
    case 'avc1':
    case 'avc3':
      return `${entry.type}.${child(entry.body.subarray(PICTURE_ENTRY), 'avcC').toString('hex', 1, 4)}`
    case 'mp4a':
      if (entry.body.length < SOUND_ENTRY) throw unfit('a track has no codec')
      return 'mp4a.40.2'
    case 'Opus':
      return 'opus'
    default:
      throw unfit(`it has a track in ${entry.type}`)
  }
}

/** When the pictures of a fragment begin and end; undefined for one without any. */
function fragmentTimes(moof: Buffer, tracks: readonly Track[]): { startMs: number; endMs: number } | undefined {
  for (const { type, body } of boxesOf(moof)) {
    if (type !== 'traf') continue
    const tfhd = child(body, 'tfhd')
    const track = tracks.find(({ id }) => id === tfhd.readUInt32BE(4))
    if (track?.isVideo !== true) continue
    const tfdt = child(body, 'tfdt')
    const start = tfdt[0] === 1 ? Number(tfdt.readBigUInt64BE(4)) : tfdt.readUInt32BE(4)
    const fallback = sampleDurationOf(tfhd) ?? track.sampleDuration
    const runs = boxesOf(body).filter((box) => box.type === 'trun')
    const length = runs.reduce((sum, run) => sum + runDuration(run.body, fallback), 0)
    const ms = (units: number): number => Math.round((units * 1_000) / track.timescale)
    return { startMs: ms(start), endMs: ms(start + length) }
  }
  return undefined
}

/** Which fields a tfhd has, its flags say. */
function sampleDurationOf(tfhd: Buffer): number | undefined {
  const flags = tfhd.readUIntBE(1, 3)
  if ((flags & 0x8) === 0) return undefined
  return tfhd.readUInt32BE(8 + ((flags & 0x1) === 0 ? 0 : 8) + ((flags & 0x2) === 0 ? 0 : 4))
}

function runDuration(trun: Buffer, fallback: number): number {
  const flags = trun.readUIntBE(1, 3)
  const samples = trun.readUInt32BE(4)
  if ((flags & 0x100) === 0) return samples * fallback
  const first = 8 + ((flags & 0x1) === 0 ? 0 : 4) + ((flags & 0x4) === 0 ? 0 : 4)
  // The duration is the first of the fields of a sample; each is of 4 bytes.
  const step = 4 * [0x100, 0x200, 0x400, 0x800].filter((flag) => (flags & flag) !== 0).length
  let sum = 0
  for (let i = 0; i < samples; i++) sum += trun.readUInt32BE(first + i * step)
  return sum
}

function unfit(what: string): FilmError {
  return new FilmError('bad-film', `${what}. Make one that fits: ${CONVERT}`)
}
