import type { Arrival } from '../../medium/arrival.ts'
import { EARLY_MS, MAX_EARLY, MAX_EARLY_PER_CONNECTION } from '../limits.ts'

interface Waiting {
  readonly sinceMs: number
  readonly arrivals: Arrival[]
}

/** EARLY packets that came before their OPEN, still sealed, by connection id (spec §6.6). */
export class EarlyPackets {
  readonly #byId: Map<string, Waiting> = new Map()
  readonly #lost: (arrival: Arrival) => void
  #count = 0

  /** @param lost is told of each that no OPEN came for */
  constructor(lost: (arrival: Arrival) => void) {
    this.#lost = lost
  }

  get size(): number {
    return this.#count
  }

  /** False when a bound is reached: the packet is dropped. */
  keep(now: number, connectionId: string, arrival: Arrival): boolean {
    this.#expire(now)
    if (this.#count >= MAX_EARLY) return false
    let waiting = this.#byId.get(connectionId)
    if (waiting === undefined) {
      waiting = { sinceMs: now, arrivals: [] }
      this.#byId.set(connectionId, waiting)
    }
    if (waiting.arrivals.length >= MAX_EARLY_PER_CONNECTION) return false
    waiting.arrivals.push(arrival)
    this.#count += 1
    return true
  }

  /** Takes out what waited for this connection. */
  take(now: number, connectionId: string): readonly Arrival[] {
    this.#expire(now)
    return this.#remove(connectionId)
  }

  /** Nothing will come for what waits. */
  giveUp(): void {
    for (const id of this.#byId.keys()) this.#remove(id).forEach(this.#lost)
  }

  #expire(now: number): void {
    for (const [id, { sinceMs }] of this.#byId) {
      if (now - sinceMs <= EARLY_MS) return // they stand in the order of their first packets
      this.#remove(id).forEach(this.#lost)
    }
  }

  #remove(connectionId: string): readonly Arrival[] {
    const arrivals = this.#byId.get(connectionId)?.arrivals ?? []
    this.#byId.delete(connectionId)
    this.#count -= arrivals.length
    return arrivals
  }
}
