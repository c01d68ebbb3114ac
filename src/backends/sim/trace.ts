import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { MAX_TRACE_LINES } from './bounds.ts'

type FieldKind = 'number' | 'node' | 'link'

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

/** What is told of each event; its place in this table is its number in the hash. */
const EVENTS: Readonly<Record<TraceEvent, readonly (readonly [string, FieldKind])[]>> = {
  pay: [
    ['payment', 'number'],
    ['from', 'node'],
    ['to', 'node'],
    ['amountMsat', 'number'],
    ['record', 'number'],
  ],
  offered: [
    ['payment', 'number'],
    ['over', 'link'],
    ['amountMsat', 'number'],
    ['expiry', 'number'],
  ],
  committed: [
    ['over', 'link'],
    ['htlcs', 'number'],
  ],
  reached: [
    ['payment', 'number'],
    ['node', 'node'],
  ],
  held: [
    ['payment', 'number'],
    ['node', 'node'],
    ['forMs', 'number'],
  ],
  settling: [
    ['payment', 'number'],
    ['node', 'node'],
  ],
  failing: [
    ['payment', 'number'],
    ['node', 'node'],
    ['reason', 'number'],
  ],
  back: [
    ['payment', 'number'],
    ['over', 'link'],
    ['settled', 'number'],
  ],
  decided: [
    ['payment', 'number'],
    ['node', 'node'],
    ['settled', 'number'],
    ['feeMsat', 'number'],
  ],
  arrival: [
    ['node', 'node'],
    ['settleIndex', 'number'],
    ['record', 'number'],
  ],
  intercepted: [
    ['payment', 'number'],
    ['node', 'node'],
    ['offer', 'number'],
  ],
  verdict: [
    ['node', 'node'],
    ['offer', 'number'],
    ['settle', 'number'],
  ],
  confirmed: [
    ['payment', 'number'],
    ['node', 'node'],
    ['amountMsat', 'number'],
  ],
  process: [
    ['node', 'node'],
    ['attached', 'number'],
  ],
  told: [
    ['node', 'node'],
    ['event', 'number'],
  ],
  paths: [
    ['node', 'node'],
    ['made', 'number'],
    ['closed', 'number'],
  ],
  block: [['height', 'number']],
  traffic: [
    ['over', 'link'],
    ['amountMsat', 'number'],
  ],
  fault: [
    ['fault', 'number'],
    ['a', 'number'],
    ['b', 'number'],
  ],
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

  /** Lines so far, one an event; empty unless they are kept. */
  lines(): readonly string[] {
    return this.#lines ?? []
  }

  /** SHA-256 over everything so far, in hex. The trace goes on. */
  hash(): string {
    this.#flush()
    return bytesToHex(this.#hash.clone().digest())
  }

  #flush(): void {
    this.#hash.update(new Uint8Array(this.#entries.buffer, 0, this.#used * 8))
    this.#used = 0
  }

  #line(timeMs: number, event: TraceEvent, values: readonly number[]): string {
    const fields = EVENTS[event].map(([name, kind], i) => {
      const value = values[i] as number
      return `${name}=${kind === 'number' ? value : this.#names[kind](value)}`
    })
    return `${timeMs.toFixed(3)} ${event} ${fields.join(' ')}`
  }
}

/** A number that stands for these bytes in the trace (FNV-1a, 32 bits). */
export function fingerprint(bytes: Uint8Array): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193)
  return hash >>> 0
}
