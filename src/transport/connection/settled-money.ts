import { NONE, withLast } from '../../floor/light.ts'

/** Money that settled after the same packet was sent. */
interface Settled {
  /** Of the next packet when it settled. */
  readonly before: number
  readonly atMs: number
  msat: bigint
}

/**
 * Of what settled on the node lane, that which the responder's process may not have read yet when it last said what has
 * come (spec §8.7: it reads in the order in which payments settle). As much as waits for an ACK.
 */
export class SettledMoney {
  #waiting: Settled[] = NONE
  #toldOf = -1

  /** A payment settled; the next packet has the number `before`. */
  add(nowMs: number, before: number, msat: bigint): void {
    const last = this.#waiting.at(-1)
    if (last?.before === before && last.atMs === nowMs) last.msat += msat
    else this.#waiting = withLast(this.#waiting, { before, atMs: nowMs, msat })
  }

  /** The responder says that `largest` has come. False: it said so of a later one before. */
  toldOf(largest: number): boolean {
    if (largest < this.#toldOf) return false
    this.#toldOf = largest
    let read = 0
    while ((this.#waiting[read]?.before ?? Infinity) <= largest) read++
    if (read > 0) this.#waiting = this.#waiting.slice(read)
    return true
  }

  /** What settled later than `sinceMs`, and may not have been read. */
  unreadMsat(sinceMs: number): bigint {
    return this.#waiting.reduce((sum, { atMs, msat }) => (atMs > sinceMs ? sum + msat : sum), 0n)
  }
}
