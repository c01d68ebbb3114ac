import { type CliEvent, isMoving } from '../events.ts'
import type { Display } from './display.ts'

/** What comes while a person reads a question, at most; of more, the first ones are left out. */
const MAX_HELD = 100

/** A display that can be held still while something else is on the terminal: what comes meanwhile is shown after it. */
export class HeldDisplay implements Display {
  readonly #display: Display
  #held: CliEvent[] | undefined

  constructor(display: Display) {
    this.#display = display
  }

  /** Nothing is shown from now on, and the line that moves is gone. */
  hold(): void {
    this.#display.close()
    this.#held ??= []
  }

  release(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const event of held) this.#display.emit(event)
  }

  emit(event: CliEvent): void {
    if (this.#held === undefined) return this.#display.emit(event)
    if (isMoving(event)) return
    this.#held.push(event)
    if (this.#held.length > MAX_HELD) this.#held.shift()
  }

  close(): void {
    this.release()
    this.#display.close()
  }
}
