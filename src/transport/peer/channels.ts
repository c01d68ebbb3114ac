import { backOffMs } from '../../floor/back-off.ts'
import { withLast } from '../../floor/light.ts'
import {
  HUNG_DIVISOR,
  LOCAL_CALM_ROUND_TRIPS,
  LOCAL_REGROWTH,
  ROUND_TRIP_UNKNOWN_MS,
  MAX_CHANNEL_WINDOW,
  LOCAL_BACKOFF,
} from './limits.ts'
import { SlotPool } from './slots.ts'

/** One of our own channels, as this peer uses it. */
export interface FirstChannel {
  readonly key: string
  slots: number
  /** Everything of this peer that holds a slot: granted, sent, overdue, stuck. */
  held: number
  /** Overdue, stuck or lost sight of. */
  hung: number
  /** What the channel took lately; Infinity until it refused. */
  cap: number
  halvedAt: number
  /** No attempt before, unless one is resolved. */
  haltedUntil: number
  refusals: number
}

/** Our own channels: their slots, and how far they are exhausted. Local exhaustion halves once a round trip. */
export class FirstChannels {
  /** Hardly ever more than a few. */
  #channels: FirstChannel[] = []
  readonly #pool: SlotPool
  readonly #anonymous: boolean

  constructor(pool: SlotPool, anonymous: boolean) {
    this.#pool = pool
    this.#anonymous = anonymous
  }

  get all(): readonly FirstChannel[] {
    return this.#channels
  }

  /** The channel's state; its number of slots is the newest that a route named. */
  know(key: string, slots: number): FirstChannel {
    const known = this.#channels.find((channel) => channel.key === key)
    if (known !== undefined) {
      known.slots = slots
      return known
    }
    const fresh: FirstChannel = {
      key,
      slots,
      held: 0,
      hung: 0,
      cap: Infinity,
      halvedAt: -Infinity,
      haltedUntil: -Infinity,
      refusals: 0,
    }
    this.#channels = withLast(this.#channels, fresh)
    return fresh
  }

  /** A channel that no route begins with and that holds nothing is forgotten. */
  keep(keys: ReadonlySet<string>): void {
    const isKept = ({ held, key }: FirstChannel): boolean => held > 0 || keys.has(key)
    if (!this.#channels.every(isKept)) this.#channels = this.#channels.filter(isKept)
  }

  /** Whether the channel itself takes one more now; `take` may still find that other peers hold the slots. */
  open(now: number, channel: FirstChannel): boolean {
    return now >= channel.haltedUntil && channel.held < this.limit(channel)
  }

  take(now: number, peer: object, channel: FirstChannel): boolean {
    if (!this.#pool.take(peer, this.#anonymous, channel.key, channel.slots, now)) return false
    channel.held += 1
    return true
  }

  /** An attempt that holds a slot hangs: too late, or lost sight of. */
  hang(channel: FirstChannel): void {
    channel.hung += 1
  }

  give(now: number, peer: object, channel: FirstChannel, hung: boolean): void {
    this.#pool.give(peer, this.#anonymous, channel.key, now)
    channel.held -= 1
    if (hung) channel.hung -= 1
  }

  /** Most that this peer has on the channel. What hangs holds a slot, but is not what the channel refused. */
  limit(channel: FirstChannel): number {
    return Math.min(SlotPool.limit(channel.slots, this.#anonymous), Math.max(1, Math.floor(channel.cap)) + channel.hung)
  }

  /** What hangs beyond its own cap, half of the channel's share: it counts in the window. */
  hungTooMany(): number {
    let sum = 0
    for (const channel of this.#channels) {
      sum += Math.max(0, channel.hung - Math.floor(SlotPool.limit(channel.slots, this.#anonymous) / HUNG_DIVISOR))
    }
    return sum
  }

  /** Everything that a window may hold over these channels. */
  room(): number {
    let sum = 0
    for (const channel of this.#channels) {
      sum += Math.min(SlotPool.limit(channel.slots, this.#anonymous), MAX_CHANNEL_WINDOW)
    }
    return sum
  }

  /**
   * No balance, no slot: half of what is in flight is enough, and not before something is resolved or the wait is over.
   */
  refused(now: number, channel: FirstChannel, roundTripMs: number | undefined, spread: number): void {
    const inFlight = channel.held - channel.hung
    if (now - channel.halvedAt >= (roundTripMs ?? ROUND_TRIP_UNKNOWN_MS)) {
      channel.halvedAt = now
      channel.cap = inFlight / 2
    }
    // Of a burst, what the channel did take is all that it takes.
    channel.cap = Math.max(1, Math.min(channel.cap, inFlight))
    if (now < channel.haltedUntil) return
    channel.haltedUntil = now + backOffMs(LOCAL_BACKOFF, channel.refusals) * spread
    channel.refusals++
  }

  /** Something over the channel was resolved beyond it: its slot and its amount are free again, or have moved. */
  resolved(channel: FirstChannel): void {
    channel.haltedUntil = -Infinity
  }

  delivered(now: number, channel: FirstChannel, roundTripMs: number | undefined): void {
    channel.refusals = 0
    if (channel.cap === Infinity) return
    const calmMs = LOCAL_CALM_ROUND_TRIPS * (roundTripMs ?? ROUND_TRIP_UNKNOWN_MS)
    channel.cap += now - channel.halvedAt < calmMs ? LOCAL_REGROWTH : 1
    if (channel.cap >= SlotPool.limit(channel.slots, this.#anonymous)) channel.cap = Infinity
  }
}
