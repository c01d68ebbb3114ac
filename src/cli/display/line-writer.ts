import type { Terminal } from '../dependencies.ts'
import { wrap } from './wrap.ts'

/** Lines on a stream whose reader may go away: that is not an error of ours. */
export class LineWriter {
  readonly stream: Terminal
  #isGone = false

  constructor(stream: Terminal) {
    this.stream = stream
    stream.on('error', () => {
      this.#isGone = true
    })
  }

  /** For a person: on a terminal broken at words. `text` is without colours. */
  sentence(text: string, colour: (line: string) => string = (line) => line): void {
    const { isTTY, columns } = this.stream
    const lines = isTTY === true && columns !== undefined && columns > 0 ? wrap(text, columns) : [text]
    for (const [index, line] of lines.entries()) this.line(index === 0 ? colour(line) : line)
  }

  line(text: string): void {
    if (!this.#isGone && !this.stream.destroyed) this.stream.write(`${text}\n`)
  }
}
