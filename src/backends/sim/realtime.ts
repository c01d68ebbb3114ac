/** The simulator's edge to the real event loop: the only file with real time in it. */

/** One turn of the event loop: microtasks, nextTicks and what streams put off are done when it resolves. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

/** Longest real timer; setTimeout takes 31 bits, an hour is enough to look again. */
const MAX_TIMER_MS = 3_600_000

/** Fires virtual events when their time has come on the real clock, `speed` times as fast. */
export class RealTimePump {
  readonly #speed: number
  readonly #fireDue: () => { readonly nextMs: number; readonly ref: boolean }
  readonly #startMs = performance.now()
  #timer: NodeJS.Timeout | undefined
  #wakeMs = Infinity
  #closed = false
  #firing = false

  constructor(speed: number, fireDue: () => { readonly nextMs: number; readonly ref: boolean }) {
    this.#speed = speed
    this.#fireDue = fireDue
  }

  /** Virtual milliseconds since the start. */
  nowMs(): number {
    return (performance.now() - this.#startMs) * this.#speed
  }

  /** Makes sure that events are fired at `atMs`. A timer with `ref` holds the process. */
  wakeBy(atMs: number, ref: boolean): void {
    if (this.#closed || this.#firing) return
    if (atMs < this.#wakeMs) this.#arm(atMs)
    this.hold(ref)
  }

  /** Whether the process stays alive for what is to come. */
  hold(ref: boolean): void {
    if (ref) this.#timer?.ref()
    else this.#timer?.unref()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  #arm(atMs: number): void {
    clearTimeout(this.#timer)
    this.#wakeMs = atMs
    if (atMs === Infinity) return
    const delay = Math.min(MAX_TIMER_MS, Math.max(0, (atMs - this.nowMs()) / this.#speed))
    this.#timer = setTimeout(() => this.#wake(), delay)
  }

  #wake(): void {
    this.#firing = true
    let next: { readonly nextMs: number; readonly ref: boolean }
    try {
      next = this.#fireDue()
    } finally {
      this.#firing = false
      this.#wakeMs = Infinity
    }
    if (this.#closed) return
    this.#arm(next.nextMs)
    this.hold(next.ref)
  }
}
