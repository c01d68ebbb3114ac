/** Films as they lie in a folder: a file, and beside it a poster and words. */
import { existsSync, readFileSync } from 'node:fs'
import { basename, extname } from 'node:path'
import { indexFilm } from './mp4.ts'
import { MAX_KILOBYTE_MSAT } from './film.ts'
import type { Film } from './publisher.ts'

export interface FilmWords {
  readonly title?: string | undefined
  readonly about?: string | undefined
  readonly poster?: string | undefined
  /** Free from the start, ms. */
  readonly freeMs: number
  readonly price: Price
}

/** In msat: for 1,000 bytes, or for a second of the film. */
export type Price = { readonly kilobyteMsat: number } | { readonly secondMsat: number }

/** The clips of this folder, made by clips/make.sh. */
const CLIPS = [
  { name: 'into-the-set', title: 'Into the set', about: 'Half a minute down the seam of the Mandelbrot set.', sat: 5 },
  { name: 'slow-light', title: 'Slow light', about: 'Four colours, one turning field, nothing else.', sat: 4 },
  { name: 'life', title: 'Life, in green', about: "Conway's game from a full board to what is left.", sat: 6 },
] as const
const PREVIEW_MS = 6_000

/** "5/kB" or "3/s", in sat with up to three decimals; undefined for anything else. */
export function readPrice(words: string): Price | undefined {
  const [, sat = '', unit = ''] = /^(\d+(?:\.\d{1,3})?)\/(kB|s)$/.exec(words) ?? []
  if (sat === '') return undefined
  const msat = Math.round(Number(sat) * 1_000)
  if (msat > MAX_KILOBYTE_MSAT) return undefined
  return unit === 's' ? { secondMsat: msat } : { kilobyteMsat: msat }
}

/** @throws FilmError 'bad-film' */
export function readFilm(path: string, { title, about = '', poster, freeMs, price }: FilmWords): Film {
  const facts = indexFilm(path)
  const bytesPerSecond = (facts.bytes * 1_000) / facts.durationMs
  // A second is as long as its bytes: what is paid is always the bytes.
  const kilobyteMsat =
    'kilobyteMsat' in price ? price.kilobyteMsat : Math.round((price.secondMsat * 1_000) / bytesPerSecond)
  const beside = path.slice(0, path.length - extname(path).length)
  const picture = poster ?? [`${beside}.jpg`, `${beside}.jpeg`].find((file) => existsSync(file))
  return {
    ...facts,
    path,
    title: title ?? basename(path, extname(path)),
    about,
    freeMs,
    kilobyteMsat,
    poster: picture === undefined ? Buffer.alloc(0) : readFileSync(picture),
  }
}

export function ownClips(): Film[] {
  return CLIPS.map(({ name, title, about, sat }) =>
    readFilm(`${import.meta.dirname}/clips/${name}.mp4`, {
      title,
      about,
      freeMs: PREVIEW_MS,
      price: { kilobyteMsat: sat * 1_000 },
    }),
  )
}
