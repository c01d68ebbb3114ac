import { sha256 } from '@noble/hashes/sha2.js'
import { toHex } from '../../floor/bytes.ts'
import { MAX_TRACE_LINES } from './limits.ts'

/** What can happen. */
export type TraceEvent =
  | 'pay'
  | 'offered'
  | 'committed'
  | 'reached'
  | 'held'
  | 'settling'
  | 'failing'
  | 'back'
  | 'decided'
  | 'arrival'
  | 'intercepted'
  | 'verdict'
  | 'confirmed'
  | 'process'
  | 'told'
  | 'paths'
  | 'block'
  | 'traffic'
  | 'fault'
  | 'blocked'

/**
 * The numbers in each event's entry, `name` or `name:kind`; an event's place in this table is its number in the hash.
 */
const EVENTS: Readonly<Record<TraceEvent, string>> = {
  pay: 'payment from:node to:node amountMsat record',
  offered: 'payment over:link amountMsat expiry',
  committed: 'over:link htlcs',
  reached: 'payment node:node',
  held: 'payment node:node forMs',
  settling: 'payment node:node',
  failing: 'payment node:node reason:word',
  back: 'payment over:link settled',
  decided: 'payment node:node settled feeMsat',
  arrival: 'node:node settleIndex recordBytes',
  intercepted: 'payment node:node offer',
  verdict: 'node:node offer settle',
  confirmed: 'payment node:node amountMsat',
  process: 'node:node attached',
  told: 'node:node event:word',
  paths: 'node:node made closed',
  block: 'height',
  traffic: 'over:link amountMsat',
  fault: 'fault:word',
  blocked: 'node:node forMs',
}

const NUMBERS = Object.fromEntries(Object.keys(EVENTS).map((name, i) => [name, i])) as Record<TraceEvent, number>
const FIELDS = 5
const ENTRY_FIELDS = FIELDS + 2
const ENTRIES_PER_HASH = 1_024

export interface TraceNames {
  node(index: number): string
  link(index: number): string
}

/**
 * Everything that happened, in order: as a running SHA-256, and as lines where
 * they are kept. An entry without lines costs a few stores.
 */
export class Trace {
  readonly #hash = sha256.create()
  readonly #entries = new Float64Array(ENTRIES_PER_HASH * ENTRY_FIELDS)
  readonly #lines: string[] | undefined
  readonly #names: TraceNames
  /** A few dozen: reasons, kinds of events, names of faults. */
  readonly #words: string[] = []
  #used = 0

  constructor(keepLines: boolean, names: TraceNames) {
    this.#lines = keepLines ? [] : undefined
    this.#names = names
  }

  add(timeMs: number, event: TraceEvent, a = 0, b = 0, c = 0, d = 0, e = 0): void {
    const entries = this.#entries
    let at = this.#used
    entries[at++] = timeMs
    entries[at++] = NUMBERS[event]
    entries[at++] = a
    entries[at++] = b
    entries[at++] = c
    entries[at++] = d
    entries[at++] = e
    this.#used = at
    if (at === entries.length) this.#flush()
    if (this.#lines !== undefined && this.#lines.length < MAX_TRACE_LINES)
      this.#lines.push(this.#line(timeMs, event, [a, b, c, d, e]))
  }

  /** The number of a word: words are numbered as they come. */
  word(word: string): number {
    let number = this.#words.indexOf(word)
    if (number < 0) number = this.#words.push(word) - 1
    return number
  }

  /** Lines so far, one an event; empty unless they are kept. */
  lines(): readonly string[] {
    return this.#lines ?? []
  }

  /** SHA-256 over everything so far, in hex. The trace goes on. */
  hash(): string {
    this.#flush()
    return toHex(this.#hash.clone().digest())
  }

  #flush(): void {
    this.#hash.update(new Uint8Array(this.#entries.buffer, 0, this.#used * 8))
    this.#used = 0
  }

  #line(timeMs: number, event: TraceEvent, values: readonly number[]): string {
    const fields = EVENTS[event].split(' ').map((field, i) => {
      const [name, kind] = field.split(':')
      const value = values[i] as number
      if (kind === 'node') return `${name}=${this.#names.node(value)}`
      if (kind === 'link') return `${name}=${this.#names.link(value)}`
      return `${name}=${kind === 'word' ? this.#words[value] : value}`
    })
    return `${timeMs.toFixed(3)} ${event} ${fields.join(' ')}`
  }
}

/** A number that stands for these bytes in the trace: FNV-1a over words of four bytes, then over what is left. */
export function fingerprint(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let hash = 0x811c9dc5 ^ bytes.length
  let at = 0
  for (; at + 4 <= bytes.length; at += 4) hash = Math.imul(hash ^ view.getInt32(at, true), 0x01000193)
  for (; at < bytes.length; at++) hash = Math.imul(hash ^ view.getUint8(at), 0x01000193)
  return hash >>> 0
}
