import type { GrowWindow } from './interface.ts'
import { WINDOW_FAST_MS } from './limits.ts'

/** How many bytes the peer may send: the limit that MAX_DATA tells it (spec §7.5). */
export class ReceiveWindow {
  /** Bytes at or beyond it are a violation. */
  limit: number
  window: number
  /** What needs no permission. */
  readonly #min: number
  readonly #max: number
  readonly #grow: GrowWindow
  // The read offset and the time when the limit was last raised.
  #base = 0
  #raisedAt: number
  /** Bytes that `grow` granted and that were not given back. */
  grown = 0

  /** `grown`: what of `initial` `grow` has granted already. */
  constructor(options: { now: number; initial: number; grown?: number; max: number; grow: GrowWindow }) {
    this.limit = options.initial
    this.window = options.initial
    this.#max = Math.max(options.initial, options.max)
    this.#grow = options.grow
    this.grown = options.grown ?? 0
    this.#min = options.initial - this.grown
    this.#raisedAt = options.now
  }

  /** After a read: true when the limit went up. */
  raise(now: number, readOffset: number): boolean {
    // spec §7.5
    if (readOffset - this.#base < this.window / 2) return false
    if (now - this.#raisedAt < WINDOW_FAST_MS) this.#double()
    this.#lift(now, readOffset)
    return true
  }

  /**
   * After new bytes: true when the limit went up. What arrives out of order uses the window up although the
   * application reads all it can: then the window is too small for the network's disorder (spec §7.5).
   */
  widen(now: number, receivedEnd: number, readOffset: number, readable: number): boolean {
    const quarter = this.window / 4
    if (this.limit - receivedEnd > 2 * quarter || readable >= quarter) return false
    // In order: reading raises the limit.
    if (receivedEnd - readOffset < quarter) return false
    // Fourfold: each step costs a round trip, and a window that is too small idles the network.
    this.#double()
    this.#double()
    if (readOffset + this.window - this.limit < this.window / 4) return false
    this.#lift(now, readOffset)
    return true
  }

  /** The peer says that it is out of limit: true when the limit went up. `readable` bytes wait for the application. */
  unblock(now: number, readOffset: number, readable: number): boolean {
    const before = this.limit
    // spec §7.5: it is the network that holds the peer up, not the reader.
    if (readable < this.window / 4) {
      this.#double()
      this.#double()
    }
    this.#lift(now, readOffset)
    return this.limit > before
  }

  /** No more than `bytes` are held or still to come: what `grow` granted for more is given back. */
  keep(bytes: number): void {
    const spare = this.grown - Math.max(0, bytes - this.#min)
    if (spare <= 0) return
    this.grown -= spare
    this.#grow(-spare)
  }

  #double(): void {
    const more = Math.min(this.window, this.#max - this.window)
    if (more <= 0 || !this.#grow(more)) return
    this.window += more
    this.grown += more
  }

  #lift(now: number, readOffset: number): void {
    const limit = Math.min(readOffset + this.window, Number.MAX_SAFE_INTEGER)
    if (limit <= this.limit) return
    this.#base = readOffset
    this.#raisedAt = now
    this.limit = limit
  }
}
