/**
 * What a viewer asks of a publisher: one line of JSON each, over a keysock connection.
 *
 * | port | request | answer |
 * |-|-|-|
 * | the catalogue's, free | `{"get":"catalogue"}`, `{"get":"index","film":ID}` | JSON, then the end |
 * | the same | `{"film":ID,"from":A,"to":B}`, of the preview alone | the bytes from A up to B, and no more |
 * | the film's, at its price | the same, of the whole film | the same |
 *
 * So what is paid for on a film's port is the film, byte by byte, and nothing else. A request that is none of these
 * resets the connection.
 */
import type { Span } from './film.ts'

/** The port of the catalogue; films have the next ones. */
export const CATALOGUE_PORT = 18_100
const MAX_REQUEST_BYTES = 512

export type Request =
  | { readonly get: 'catalogue' }
  | { readonly get: 'index'; readonly film: string }
  | ({ readonly film: string } & Span)

export function requestLine(request: Request): string {
  return `${JSON.stringify(request)}\n`
}

/** Takes the next request from what a viewer sent; undefined where its line is not whole. @throws where it is none */
export class RequestReader {
  #text = ''

  add(bytes: Uint8Array): void {
    this.#text += Buffer.from(bytes).toString('latin1')
  }

  next(): Request | undefined {
    const end = this.#text.indexOf('\n')
    if ((end === -1 ? this.#text.length : end) > MAX_REQUEST_BYTES) throw new TypeError('a request is too long')
    if (end === -1) return undefined
    const line = this.#text.slice(0, end)
    this.#text = this.#text.slice(end + 1)
    return readRequest(JSON.parse(line))
  }
}

function readRequest(value: unknown): Request {
  const { get, film, from, to } = (value ?? {}) as Readonly<Record<string, unknown>>
  if (get === 'catalogue') return { get }
  if (typeof film === 'string' && get === 'index') return { get, film }
  if (typeof film === 'string' && typeof from === 'number' && typeof to === 'number') return { film, from, to }
  throw new TypeError('this is no request')
}
