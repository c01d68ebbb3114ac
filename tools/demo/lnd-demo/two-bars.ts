import type { SocketStats } from '../../../src/index.ts'
import { type ProgressBar, progressBar } from '../progress-bar.ts'
import type { Progress } from '../transfer.ts'

/** A bar for each direction, one after the other. */
export class TwoBars {
  readonly #bytes: number
  #direction: 'there' | 'back' | undefined
  #bar: ProgressBar | undefined
  #last: Progress | undefined
  #seconds = 0

  /** @param bytes of each file */
  constructor(bytes: number) {
    this.#bytes = bytes
  }

  /** @param stats the sender's @param seconds since its file began */
  update(direction: 'there' | 'back', stats: SocketStats, seconds: number): void {
    if (direction !== this.#direction) {
      // The answer begins when the question has arrived.
      this.arrived()
      this.#direction = direction
      this.#bar = progressBar(this.#bytes)
    }
    this.#seconds = seconds
    this.#last = {
      bytes: stats.bytesAcknowledged,
      bytesPerSecond: stats.bytesAcknowledged / seconds,
      inFlight: stats.unresolvedAttempts,
      failed: stats.failedAttempts,
      sat: stats.satPaid,
    }
    this.#bar?.update(this.#last)
  }

  /** The file is there, though its last acknowledgement may be on the way. */
  arrived(): void {
    const whole = { bytes: this.#bytes, bytesPerSecond: this.#bytes / this.#seconds }
    if (this.#last !== undefined) this.#bar?.update({ ...this.#last, ...whole })
    this.stop()
  }

  stop(): void {
    this.#bar?.stop()
    this.#bar = undefined
    this.#last = undefined
  }
}
