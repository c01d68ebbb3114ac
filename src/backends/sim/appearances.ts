/** Where a byte string occurs in what a node and its process saw: the search of an anonymity test. */
import { toHex } from '../../floor/bytes.ts'

/** Longest excerpt around a finding, in characters. */
const EXCERPT = 80

/** One place: where in the log, and what stands around it. */
export interface Appearance {
  /** Like `3.event.record`: the entry's index, then the names of the fields that lead to it. */
  readonly path: string
  readonly excerpt: string
}

/**
 * Every place in `log` (entries of `Simulation.observed`, or any plain data) where
 * `needle` occurs: in bytes, in hexadecimal text of either case, in base64 text, or as
 * raw characters. Names of fields and keys of maps are searched as well.
 */
export function appearances(log: readonly unknown[], needle: Uint8Array): Appearance[] {
  const found: Appearance[] = []
  const search = new Search(needle, found)
  log.forEach((entry, i) => search.in(entry, String(i)))
  return found
}

class Search {
  readonly #hex: string
  readonly #text: string
  readonly #found: Appearance[]

  constructor(needle: Uint8Array, found: Appearance[]) {
    this.#hex = toHex(needle)
    this.#text = latinOf(needle)
    this.#found = found
  }

  in(value: unknown, path: string): void {
    if (typeof value === 'string') this.#inText(value, path)
    else if (typeof value === 'bigint') this.#inHex(value.toString(16), path)
    else if (value instanceof Uint8Array) this.#inHex(toHex(value), path)
    else if (value instanceof Map) this.#inPairs([...value], path)
    else if (value instanceof Set) this.#inPairs([...value].entries(), path)
    else if (typeof value === 'object' && value !== null) this.#inPairs(Object.entries(value), path)
  }

  #inPairs(pairs: Iterable<readonly [unknown, unknown]>, path: string): void {
    for (const [key, value] of pairs) {
      const at = `${path}.${typeof key === 'string' || typeof key === 'number' ? key : 'key'}`
      this.in(key, at)
      this.in(value, at)
    }
  }

  #inText(text: string, path: string): void {
    this.#inHex(text.toLowerCase(), path)
    if (text.includes(this.#text)) this.#add(text, text.indexOf(this.#text), path)
    // Base64 has no fixed alignment within longer text, so only a whole value is decoded.
    if (/^[A-Za-z0-9+/_-]+={0,2}$/.test(text) && text.length >= this.#text.length) {
      this.#inHex(toHex(Buffer.from(text, 'base64')), path)
    }
  }

  #inHex(hex: string, path: string): void {
    const at = hex.indexOf(this.#hex)
    if (at >= 0) this.#add(hex, at, path)
  }

  #add(text: string, at: number, path: string): void {
    this.#found.push({ path, excerpt: text.slice(Math.max(0, at - 8), at + EXCERPT) })
  }
}

function latinOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}
