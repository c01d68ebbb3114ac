import { type CliEvent, endedTransfer, isLoud, isMoving, isResult, type MovingEvent, rowOf } from '../events.ts'
import type { Display } from './display.ts'
import type { LineWriter } from './lines.ts'
import { movingLine } from './progress-line.ts'
import { Repeats } from './repeats.ts'
import { sentences } from './sentences.ts'
import { type Now, Throttle } from './throttle.ts'

/** Progress in a log: a log is read later, line by line. */
const LOG_EVERY_MS = 5_000
const LOG_SAME_EVERY_MS = 60_000
/** Wide enough for all that a progress line can say: nothing is cut in a log. */
const LOG_COLUMNS = 120

/** Lines, for logs and for terminals that cannot do more. */
export class PlainDisplay implements Display {
  readonly #results: LineWriter
  readonly #remarks: LineWriter
  readonly #throttle: Throttle
  readonly #sameThrottle: Throttle
  readonly #repeats: Repeats
  readonly #quiet: boolean
  #lastLine = ''

  constructor(options: {
    readonly results: LineWriter
    readonly remarks: LineWriter
    readonly time: Now
    readonly quiet: boolean
  }) {
    this.#results = options.results
    this.#remarks = options.remarks
    this.#throttle = new Throttle(options.time, LOG_EVERY_MS)
    this.#sameThrottle = new Throttle(options.time, LOG_SAME_EVERY_MS)
    this.#repeats = new Repeats(options.time)
    this.#quiet = options.quiet
  }

  emit(event: CliEvent): void {
    const ended = endedTransfer(event)
    if (ended !== undefined) for (const throttle of [this.#throttle, this.#sameThrottle]) throttle.forget(ended)
    if (isMoving(event)) {
      if (!this.#quiet) this.#moving(event)
      return
    }
    if (this.#repeats.isRepeat(event)) return
    const writer = isResult(event) ? this.#results : this.#remarks
    if (this.#quiet && !isResult(event) && !isLoud(event)) return
    for (const line of sentences(event)) writer.sentence(line)
  }

  /** A line that has not changed is written again once a minute only. */
  #moving(event: MovingEvent): void {
    if (!this.#throttle.allows(rowOf(event))) return
    const line = movingLine(event, LOG_COLUMNS, { hasBar: false })
    if (line === this.#lastLine && !this.#sameThrottle.allows(rowOf(event))) return
    if (line !== this.#lastLine) this.#sameThrottle.restart(rowOf(event))
    this.#lastLine = line
    this.#remarks.line(line)
  }

  close(): void {
    // Nothing is held back.
  }
}
