import type { Time } from '../transfer/time.ts'
import { type CliEvent, type Display, isLoud, isResult } from './events.ts'
import type { LineWriter } from './line-writer.ts'
import { progressLine } from './progress-line.ts'
import { sentences } from './sentences.ts'
import { Sparse } from './sparse.ts'

/** A log is read later, by lines. */
const EVERY_MS = 5_000
/** As wide as everything is long; nothing is cut in a log. */
const COLUMNS = 120

/** Lines, for logs and for terminals that cannot do more. */
export class PlainDisplay implements Display {
  readonly #results: LineWriter
  readonly #remarks: LineWriter
  readonly #sparse: Sparse
  readonly #quiet: boolean

  constructor(options: {
    readonly results: LineWriter
    readonly remarks: LineWriter
    readonly time: Time
    readonly quiet: boolean
  }) {
    this.#results = options.results
    this.#remarks = options.remarks
    this.#sparse = new Sparse(options.time, EVERY_MS)
    this.#quiet = options.quiet
  }

  emit(event: CliEvent): void {
    if (event.event === 'done') this.#sparse.forget(event.transfer)
    if (event.event === 'progress') {
      if (!this.#quiet && this.#sparse.lets(event.transfer))
        this.#remarks.line(progressLine(event, COLUMNS).replace(/ {2}\[.*\]$/, ''))
      return
    }
    const writer = isResult(event) ? this.#results : this.#remarks
    if (this.#quiet && !isResult(event) && !isLoud(event)) return
    for (const line of sentences(event)) writer.line(line)
  }

  close(): void {
    // Nothing is held back.
  }
}
