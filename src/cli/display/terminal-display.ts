import { styleText } from 'node:util'
import { MultiBar, type SingleBar } from 'cli-progress'
import { type CliEvent, endedTransfer, isMoving, isResult, type MovingEvent, rowOf } from '../events.ts'
import type { Display } from './display.ts'
import type { LineWriter, Terminal } from './lines.ts'
import { movingLine } from './progress-line.ts'
import { Repeats } from './repeats.ts'
import { sentences } from './sentences.ts'
import type { Now } from './throttle.ts'

const FRAMES_PER_SECOND = 8
/** The size of a terminal that does not tell its own, or tells 0. */
const USUAL_COLUMNS = 80
const USUAL_ROWS = 24

/** A line for each transfer that changes in its place, and everything else above it. */
export class TerminalDisplay implements Display {
  readonly #results: LineWriter
  readonly #remarks: LineWriter
  readonly #stderr: Terminal
  readonly #repeats: Repeats
  readonly #rows: Map<number, SingleBar> = new Map()
  #bars: MultiBar | undefined

  constructor(options: {
    readonly results: LineWriter
    readonly remarks: LineWriter
    readonly stderr: Terminal
    readonly time: Now
  }) {
    this.#repeats = new Repeats(options.time)
    this.#results = options.results
    this.#remarks = options.remarks
    this.#stderr = options.stderr
  }

  emit(event: CliEvent): void {
    if (isMoving(event)) return this.#move(event)
    const ended = endedTransfer(event)
    if (ended !== undefined) this.#remove(ended)
    if (this.#repeats.isRepeat(event)) return
    const lines = sentences(event)
    if (lines.length === 0) return
    // What is printed stands above the lines that move.
    this.#clear()
    const writer = isResult(event) ? this.#results : this.#remarks
    for (const line of lines) writer.sentence(line, (first) => coloured(event, first, writer.stream))
  }

  close(): void {
    this.#clear()
    this.#rows.clear()
  }

  #move(event: MovingEvent): void {
    const maxRows = Math.max(1, saidOr(this.#stderr.rows, USUAL_ROWS) - 1)
    // A line that has left the screen cannot be changed any more.
    if (this.#rows.size > maxRows) this.#clear()
    const row = this.#rows.get(rowOf(event))
    if (row !== undefined) return row.update(0, { event })
    if (this.#rows.size === maxRows) return
    const bars = (this.#bars ??= this.#create())
    this.#rows.set(rowOf(event), bars.create(1, 0, { event }))
  }

  #create(): MultiBar {
    return new MultiBar({
      stream: this.#stderr,
      fps: FRAMES_PER_SECOND,
      hideCursor: true,
      linewrap: false,
      clearOnComplete: true,
      gracefulExit: false,
      emptyOnZero: true,
      format: (_options, _parameters, payload: { readonly event: MovingEvent }) =>
        movingLine(payload.event, saidOr(this.#stderr.columns, USUAL_COLUMNS) - 1),
    })
  }

  #remove(transfer: number): void {
    const row = this.#rows.get(transfer)
    if (row === undefined) return
    this.#rows.delete(transfer)
    this.#bars?.remove(row)
  }

  /** Takes the moving lines away; the next progress brings them back. */
  #clear(): void {
    this.#bars?.stop()
    this.#bars = undefined
    this.#rows.clear()
  }
}

function saidOr(said: number | undefined, usual: number): number {
  return said === undefined || said === 0 ? usual : said
}

const VERDICTS = { good: 'green', poor: 'yellow', bad: 'red' } as const

/** Colours a verdict where the terminal wants colours (NO_COLOR, FORCE_COLOR and the stream decide). */
function coloured(event: CliEvent, line: string, stream: NodeJS.WritableStream): string {
  if (event.event !== 'finding') return line
  const { verdict } = event
  return styleText(VERDICTS[verdict], verdict, { stream, validateStream: true }) + line.slice(verdict.length)
}
