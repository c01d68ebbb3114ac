import { processClock, type Clock } from '../../floor/clock.ts'

/** What is still to come after everything that was due has been fired. */
export interface NextEvent {
  /** Virtual time of the next event, ms; Infinity where there is none. */
  readonly nextMs: number
  /** Whether what is to come keeps the process alive. */
  readonly ref: boolean
}

/** Real-time mode: fires virtual events when their time has come on the real clock, `speed` times as fast. */
export class RealTimePump {
  readonly #speed: number
  readonly #fireDue: () => NextEvent
  readonly #clock: Clock
  readonly #startMs: number
  #cancelTimer: (() => void) | undefined
  /** Virtual time for which the timer is set; Infinity where none is. */
  #wakeMs = Infinity
  #isRef = false
  #closed = false
  #firing = false

  /** @param fireDue fires every event whose time has come */
  constructor(speed: number, fireDue: () => NextEvent, clock: Clock = processClock) {
    this.#speed = speed
    this.#fireDue = fireDue
    this.#clock = clock
    this.#startMs = clock.now()
  }

  /** Virtual milliseconds since the start. */
  nowMs(): number {
    return (this.#clock.now() - this.#startMs) * this.#speed
  }

  /** Makes sure that events are fired at `atMs`. A timer with `ref` keeps the process alive. */
  wakeBy(atMs: number, ref: boolean): void {
    if (this.#closed || this.#firing) return
    if (atMs < this.#wakeMs) this.#setTimer(atMs, ref)
    else this.ref(ref)
  }

  /** Whether the process stays alive for what is to come. */
  ref(ref: boolean): void {
    if (ref !== this.#isRef && !this.#closed && !this.#firing) this.#setTimer(this.#wakeMs, ref)
  }

  close(): void {
    this.#closed = true
    this.#cancelTimer?.()
  }

  #setTimer(atMs: number, ref: boolean): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#wakeMs = atMs
    this.#isRef = ref
    if (atMs === Infinity) return
    this.#cancelTimer = this.#clock.schedule(this.#startMs + atMs / this.#speed, () => this.#wake(), { ref })
  }

  #wake(): void {
    this.#firing = true
    let next: NextEvent
    try {
      next = this.#fireDue()
    } finally {
      this.#firing = false
      this.#wakeMs = Infinity
    }
    if (!this.#closed) this.#setTimer(next.nextMs, next.ref)
  }
}
