/** What a publisher tells of a film, and the check of it by who reads it: it comes from a stranger. */
import { createHash } from 'node:crypto'

/** A film in a catalogue. */
export interface FilmOffer {
  /** Of its index (`filmId`): who knows it has each part of the film checked. */
  readonly id: string
  readonly title: string
  readonly about: string
  readonly bytes: number
  readonly durationMs: number
  readonly width: number
  readonly height: number
  /** What 1,000 bytes cost, msat. */
  readonly kilobyteMsat: number
  /** The port of the publisher's node on which it is sold. */
  readonly port: number
  /** The free preview: bytes from the start of the file, and how long they play. */
  readonly freeBytes: number
  readonly freeMs: number
  /** A JPEG in base64; '' for none. */
  readonly poster: string
}

export interface Catalogue {
  readonly publisher: string
  readonly films: readonly FilmOffer[]
}

/** A part of a film that plays by itself. */
export interface Segment {
  readonly startMs: number
  readonly bytes: number
  /** SHA-256, in hexadecimal. */
  readonly sha256: string
}

/** How a film is cut. The segments lie behind the header, without a gap, up to the end of the file. */
export interface FilmIndex {
  readonly id: string
  /** With the codecs, as a browser's MediaSource takes it. */
  readonly mimeType: string
  readonly header: Omit<Segment, 'startMs'>
  readonly segments: readonly Segment[]
}

/** SHA-256 over the index, in hexadecimal: the name of a film, which binds each of its parts. */
export function filmId({ mimeType, header, segments }: Omit<FilmIndex, 'id'>): string {
  const hash = createHash('sha256')
  hash.update(`${JSON.stringify([mimeType, header.bytes, header.sha256])}\n`)
  for (const { startMs, bytes, sha256 } of segments) hash.update(`${JSON.stringify([startMs, bytes, sha256])}\n`)
  return hash.digest('hex')
}

/** A stretch of a file. */
export interface Span {
  readonly from: number
  readonly to: number
}

// What a catalogue of a stranger may fill in this process's memory, and on a page.
export const MAX_CATALOGUE_BYTES = 4_194_304
export const MAX_INDEX_BYTES = 1_048_576
const MAX_FILMS = 200
export const MAX_SEGMENTS = 8_000
/** One is kept in memory while it is bought. */
export const MAX_SEGMENT_BYTES = 16_777_216
const MAX_TITLE = 120
const MAX_ABOUT = 600
export const MAX_POSTER_BYTES = 65_536
const MAX_FILM_BYTES = 2 ** 40
const MAX_DURATION_MS = 24 * 3_600_000
/** 1,000 sat for 1,000 bytes: beyond it is a mistake. */
export const MAX_KILOBYTE_MSAT = 1_000_000
/** Of 1,000 bytes: what a packet brings of a film at least. */
export const PACKET_SHARE = 0.8

/** What a publisher sent is not what it should be. */
export class FilmError extends Error {
  readonly code: 'bad-catalogue' | 'bad-index' | 'bad-film' | 'bad-price' | 'wrong-bytes'

  constructor(code: FilmError['code'], message: string) {
    super(message)
    this.name = 'FilmError'
    this.code = code
  }
}

/** The stretch of the file that is the segment; -1 is the header. */
export function spanOf(index: FilmIndex, segment: number): Span {
  if (segment < 0) return { from: 0, to: index.header.bytes }
  let from = index.header.bytes
  for (const { bytes } of index.segments.slice(0, segment)) from += bytes
  return { from, to: from + (index.segments[segment]?.bytes ?? 0) }
}

/** What a film costs in all beyond its preview, msat, without the fees of the network. */
export function costMsat({ bytes, freeBytes, kilobyteMsat }: FilmOffer): number {
  return Math.ceil(((bytes - freeBytes) * kilobyteMsat) / 1_000)
}

/** The least price of 1,000 bytes where a packet may cost `maxFeeMsat`: for less, it could cost more than it brings. */
export function leastKilobyteMsat(maxFeeMsat: number): number {
  return Math.ceil(maxFeeMsat / PACKET_SHARE)
}

/** @throws FilmError 'bad-price' where 1,000 bytes bring less than their packets may cost */
export function checkPrice(kilobyteMsat: number, maxFeeMsat: number): void {
  const leastMsat = leastKilobyteMsat(maxFeeMsat)
  if (kilobyteMsat >= leastMsat) return
  const why = `a packet may cost ${maxFeeMsat / 1_000} sat here (--max-fee), and brings 800 bytes`
  const what = `${kilobyteMsat / 1_000} sat/kB is too little`
  throw new FilmError('bad-price', `${what}: ${why}, so ${leastMsat / 1_000} sat/kB is the least`)
}

/** @throws FilmError 'bad-catalogue' */
export function readCatalogue(json: string): Catalogue {
  const from = new Reader('bad-catalogue', parsed('bad-catalogue', json))
  return { publisher: from.text('publisher', MAX_TITLE), films: from.list('films', MAX_FILMS).map(readOffer) }
}

function readOffer(value: unknown): FilmOffer {
  const from = new Reader('bad-catalogue', value)
  const offer: FilmOffer = {
    id: from.hash('id'),
    title: from.text('title', MAX_TITLE),
    about: from.text('about', MAX_ABOUT),
    bytes: from.number('bytes', 1, MAX_FILM_BYTES),
    durationMs: from.number('durationMs', 1, MAX_DURATION_MS),
    width: from.number('width', 1, 16_384),
    height: from.number('height', 1, 16_384),
    kilobyteMsat: from.number('kilobyteMsat', 0, MAX_KILOBYTE_MSAT),
    port: from.number('port', 1, 65_535),
    freeBytes: from.number('freeBytes', 0, MAX_FILM_BYTES),
    freeMs: from.number('freeMs', 0, MAX_DURATION_MS),
    poster: from.text('poster', Math.ceil(MAX_POSTER_BYTES / 3) * 4),
  }
  if (offer.freeBytes > offer.bytes) throw new FilmError('bad-catalogue', 'a preview is longer than its film')
  return offer
}

/** The index of this film. @throws FilmError 'bad-index' */
export function readIndex(json: string, offer: FilmOffer): FilmIndex {
  const from = new Reader('bad-index', parsed('bad-index', json))
  const header = new Reader('bad-index', from.value('header'))
  const index: FilmIndex = {
    id: from.hash('id'),
    mimeType: from.text('mimeType', MAX_TITLE),
    header: { bytes: header.number('bytes', 1, MAX_SEGMENT_BYTES), sha256: header.hash('sha256') },
    segments: from.list('segments', MAX_SEGMENTS).map((value) => {
      const segment = new Reader('bad-index', value)
      return {
        startMs: segment.number('startMs', 0, MAX_DURATION_MS),
        bytes: segment.number('bytes', 1, MAX_SEGMENT_BYTES),
        sha256: segment.hash('sha256'),
      }
    }),
  }
  const bytes = index.segments.reduce((sum, segment) => sum + segment.bytes, index.header.bytes)
  const isInOrder = index.segments.every(({ startMs }, i) => i === 0 || startMs > (index.segments[i - 1]?.startMs ?? 0))
  if (
    index.id !== offer.id ||
    filmId(index) !== offer.id ||
    bytes !== offer.bytes ||
    !isInOrder ||
    !/^video\/mp4; codecs="[\w., ]+"$/.test(index.mimeType)
  )
    throw new FilmError('bad-index', 'the index does not fit the film')
  return index
}

function parsed(code: FilmError['code'], json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    throw new FilmError(code, 'this is no JSON')
  }
}

/** Reads the fields of an object of a stranger's. */
class Reader {
  readonly #code: FilmError['code']
  readonly #fields: Readonly<Record<string, unknown>>

  constructor(code: FilmError['code'], value: unknown) {
    if (typeof value !== 'object' || value === null) throw new FilmError(code, 'an object is missing')
    this.#code = code
    this.#fields = value as Record<string, unknown>
  }

  value(name: string): unknown {
    return this.#fields[name]
  }

  text(name: string, most: number): string {
    const value = this.#fields[name]
    if (typeof value !== 'string' || value.length > most) throw this.#bad(name)
    return value
  }

  hash(name: string): string {
    const value = this.text(name, 64)
    if (!/^[0-9a-f]{64}$/.test(value)) throw this.#bad(name)
    return value
  }

  number(name: string, least: number, most: number): number {
    const value = this.#fields[name]
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least || value > most)
      throw this.#bad(name)
    return value
  }

  list(name: string, most: number): readonly unknown[] {
    const value = this.#fields[name]
    if (!Array.isArray(value) || value.length > most) throw this.#bad(name)
    return value
  }

  #bad(name: string): FilmError {
    return new FilmError(this.#code, `"${name}" is not what it should be`)
  }
}
