import type { GrowWindow } from '../connection/interface.ts'
import {
  ALL_WINDOWS_BYTES,
  ISOLATION_WINDOWS_BYTES,
  MAX_IDLE_SCHEDULERS,
  MAX_ISOLATION_SCHEDULERS,
  MAX_ISOLATIONS,
} from '../limits.ts'
import { Guards } from './guards.ts'
import { PeerSchedulers, type SchedulerParts } from './peer-schedulers.ts'

interface IsolationBounds {
  readonly maxWindowBytes: number
  readonly maxSchedulers: number
}

/**
 * What some connections of an endpoint share, and no others (spec §9.13): ways to peers with their windows, routes and
 * round trips, what is known of guards, and a sum of receive windows.
 */
export class Isolation {
  readonly schedulers: PeerSchedulers
  readonly guards: Guards = new Guards()
  /** Leave to grow a receive window, out of the sum of this isolation's. */
  readonly grow: GrowWindow
  readonly #maxWindowBytes: number
  #windowBytes = 0
  #connections = 0

  constructor(parts: SchedulerParts, { maxWindowBytes, maxSchedulers }: IsolationBounds) {
    this.schedulers = new PeerSchedulers(parts, maxSchedulers)
    this.#maxWindowBytes = maxWindowBytes
    this.grow = (bytes) => this.#growBy(bytes)
  }

  /** Whether a connection stands in it. */
  get isUsed(): boolean {
    return this.#connections > 0
  }

  /** A connection begins in it. It calls `leave` at its end. */
  join(): void {
    this.#connections += 1
  }

  leave(): void {
    this.#connections -= 1
  }

  #growBy(bytes: number): boolean {
    const sum = this.#windowBytes + bytes
    if (bytes > 0 && sum > this.#maxWindowBytes) return false
    this.#windowBytes = sum
    return true
  }
}

/**
 * The isolations of an endpoint: one for all that it answers, one for what it connects without saying more, and one for
 * each name that was given. Of names without connections those used last are kept.
 */
export class Isolations {
  /**
   * Of the connections that this side answers. Roles share nothing (spec §9.9): whoever holds back what an initiator
   * pays would see its server's answers wait, and whoever is served how many connections this side makes.
   */
  readonly responders: Isolation
  /** Of the connections that this side makes and that name no isolation. */
  readonly unnamed: Isolation
  readonly #parts: SchedulerParts
  /** The one that was used last is the last. */
  readonly #named: Map<string, Isolation> = new Map()

  constructor(parts: SchedulerParts) {
    this.#parts = parts
    const bounds = { maxWindowBytes: ALL_WINDOWS_BYTES, maxSchedulers: MAX_IDLE_SCHEDULERS }
    this.responders = new Isolation(parts, bounds)
    this.unnamed = new Isolation(parts, bounds)
  }

  /** Names with state. */
  get size(): number {
    return this.#named.size
  }

  *all(): Generator<Isolation> {
    yield this.responders
    yield this.unnamed
    yield* this.#named.values()
  }

  /** The isolation of a new initiator; undefined: as many names as there may be have connections. */
  for(name: string | undefined): Isolation | undefined {
    if (name === undefined) return this.unnamed
    const isolation = this.#named.get(name) ?? this.#make()
    if (isolation === undefined) return undefined
    this.#named.delete(name)
    this.#named.set(name, isolation)
    return isolation
  }

  #make(): Isolation | undefined {
    if (this.#named.size >= MAX_ISOLATIONS && !this.#forgetOne()) return undefined
    const bounds = { maxWindowBytes: ISOLATION_WINDOWS_BYTES, maxSchedulers: MAX_ISOLATION_SCHEDULERS }
    return new Isolation(this.#parts, bounds)
  }

  /** The one whose last use is the longest ago, of those without connections. */
  #forgetOne(): boolean {
    for (const [name, isolation] of this.#named) {
      if (isolation.isUsed) continue
      isolation.schedulers.stop()
      this.#named.delete(name)
      return true
    }
    return false
  }
}
