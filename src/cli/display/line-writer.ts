import type { Terminal } from '../dependencies.ts'

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

  line(text: string): void {
    if (!this.#isGone && !this.stream.destroyed) this.stream.write(`${text}\n`)
  }
}
