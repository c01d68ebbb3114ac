import { BoundedSet } from '../../floor/bounded.ts'
import { MAX_TOLD_ARRIVALS } from '../limits.ts'

/**
 * Which arrivals were told, by their settle indices: each brings its money once. They come out of order where one of
 * them had to wait, so the highest index so far says nothing of those below it.
 */
export class ToldArrivals {
  readonly #indices = new BoundedSet<bigint>(MAX_TOLD_ARRIVALS, [], (oldest) => {
    if (oldest > this.#floor) this.#floor = oldest
  })
  /** All up to here count as told. */
  #floor: bigint

  /** @param floor where a former process ended */
  constructor(floor = -1n) {
    this.#floor = floor
  }

  /** Whether it is told for the first time. */
  add(index: bigint): boolean {
    if (index <= this.#floor || this.#indices.has(index)) return false
    this.#indices.add(index)
    return true
  }

  /** The node was restored from an older state: its indices begin anew. */
  forget(): void {
    this.#indices.clear()
    this.#floor = -1n
  }
}
