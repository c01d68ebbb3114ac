import { type AckFrame, type AckRange, MAX_ACK_RANGES } from '../../wire/frames.ts'
import { ACK_PACKETS, MAX_NUMBER_RANGES } from './limits.ts'
import type { State } from './interface.ts'
import { RangeSet } from './range-set.ts'
import { isDue, type Timed } from './timed.ts'

/** Which packets of the peer came in, and when to tell it so (spec §8.4). */
export class Acknowledgement implements Timed {
  readonly #numbers = new RangeSet()
  // Grows with whatever an ACK would newly say.
  #news = 0
  #sentNews = 0
  #knownNews = 0
  /** Eliciting packets since the last ACK. */
  waiting = 0
  #dueAt: number | undefined

  /** Whether the packet with this number was taken. False for numbers too old to be remembered. */
  has(number: number): boolean {
    return this.#numbers.has(number)
  }

  /** The largest number that came; undefined: none did. */
  get largest(): number | undefined {
    const { count } = this.#numbers
    return count === 0 ? undefined : this.#numbers.end(count - 1) - 1
  }

  /** Whether an ACK would say something that none under way says. */
  get hasNews(): boolean {
    return this.#news > this.#sentNews
  }

  /** When an ACK is to go by itself. */
  dueAt(after: number): number | undefined {
    return this.#dueAt !== undefined && this.#dueAt > after ? this.#dueAt : undefined
  }

  /** An ACK is to go by itself now. */
  isDue(now: number): boolean {
    return isDue(this.#dueAt, now)
  }

  // Whoever builds packets asks `isDue`.
  run(): void {}

  /** A packet was taken, or came again. `elicits`: the peer waits for an ACK of it. */
  received(now: number, number: number, elicits: boolean, delayMs: number): void {
    this.#numbers.add(number, number + 1)
    // spec §14; numbers below may or may not have come: they are not named, and their frames are processed again.
    while (this.#numbers.count > MAX_NUMBER_RANGES) this.#numbers.dropLowest()
    if (!elicits) return
    this.#news++
    this.waiting++
    const dueAt = this.waiting >= ACK_PACKETS ? now : now + delayMs
    this.#dueAt = Math.min(this.#dueAt ?? dueAt, dueAt)
  }

  /** An ACK is to go at once, as an answer or because the stream is complete. */
  hurry(now: number): void {
    this.#news++
    this.#dueAt = Math.min(this.#dueAt ?? now, now)
  }

  /** What to say; undefined when nothing was ever received. */
  frame(delivered: number): AckFrame | undefined {
    const { count } = this.#numbers
    if (count === 0) return undefined
    const ranges: AckRange[] = []
    for (let index = count - 1; index >= 0 && ranges.length < MAX_ACK_RANGES; index--) {
      ranges.push({ smallest: this.#numbers.start(index), largest: this.#numbers.end(index) - 1 })
    }
    return { type: 'ack', delivered, ranges }
  }

  /** An ACK went out; the result goes to `confirm` or `fail`. */
  sent(): number {
    this.waiting = 0
    this.#dueAt = undefined
    this.#sentNews = this.#news
    return this.#news
  }

  confirm(news: number): void {
    this.#knownNews = Math.max(this.#knownNews, news)
  }

  /** The packet with an ACK did not arrive, or hangs: say it again while it is still news (spec §8.4). */
  fail(now: number, news: number): void {
    if (news <= this.#knownNews || news < this.#sentNews) return
    this.#sentNews = this.#knownNews
    this.#dueAt = now
  }

  /** Nothing more is to be said, unless the connection lingers. */
  stop(state: State): void {
    if (state === 'lingering') return
    this.#dueAt = undefined
    this.waiting = 0
    this.#sentNews = this.#news
  }
}
