import { type CliEvent, endedTransfer, isMoving, rowOf } from '../events.ts'
import type { Display } from './display.ts'
import type { LineWriter } from './lines.ts'
import { type Now, Throttle } from './throttle.ts'

const JSON_EVERY_MS = 1_000

/** One object a line; progress at most once a second. */
export class JsonDisplay implements Display {
  readonly #writer: LineWriter
  readonly #throttle: Throttle
  readonly #quiet: boolean

  constructor(writer: LineWriter, { time, quiet }: { readonly time: Now; readonly quiet: boolean }) {
    this.#writer = writer
    this.#throttle = new Throttle(time, JSON_EVERY_MS)
    this.#quiet = quiet
  }

  emit(event: CliEvent): void {
    const ended = endedTransfer(event)
    if (ended !== undefined) this.#throttle.forget(ended)
    if (isMoving(event) && (this.#quiet || !this.#throttle.allows(rowOf(event)))) return
    this.#writer.line(JSON.stringify(event))
  }

  close(): void {
    // Nothing is held back.
  }
}
