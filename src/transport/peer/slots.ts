import {
  MAX_SHARE_LEFT_MS,
  MAX_SHARE_OWED_MS,
  SLOT_ANONYMOUS_DIVISOR,
  SLOT_ANONYMOUS_LEAST,
  SLOT_FAIR_DIVISOR,
  SLOT_RETRY_MS,
  SLOT_SHARE_DENOMINATOR,
  SLOT_SHARE_NUMERATOR,
} from './limits.ts'

interface Share {
  total: number
  /** What each peer holds. A peer without any is not in it. */
  readonly holders: Map<object, number>
  /** Peers that were refused, until when that counts: who holds nothing has its part as well. */
  readonly waiting: Map<object, number>
}

/** What all peers held of a small channel over time. */
interface Use {
  slots: number
  /** Slots times ms that were not used of the share; below 0: used beyond it. */
  left: number
  at: number
}

/**
 * HTLC slots of our own channels, over all peers of a process: no peer fills a channel, and all
 * anonymous ones together have at most a quarter of it (spec §9.7). One object per endpoint.
 */
export class SlotPool {
  readonly #known: Map<string, Share> = new Map()
  readonly #anonymous: Map<string, Share> = new Map()
  readonly #uses: Map<string, Use> = new Map()
  /** How much longer than at rest payments take, by peer: only of those that hold a slot. */
  readonly #queues: WeakMap<object, number> = new WeakMap()

  /**
   * How many slots of a channel peers of this kind may hold together. Of a channel with fewer slots than parts, whose
   * part is less than a slot, all: one of them is left free for its part of the time.
   */
  static limit(slots: number, anonymous: boolean): number {
    if (!anonymous && slots < SLOT_SHARE_DENOMINATOR) return Math.max(1, slots)
    if (!anonymous) return Math.max(1, Math.floor((slots * SLOT_SHARE_NUMERATOR) / SLOT_SHARE_DENOMINATOR))
    // Of few slots a quarter is one or two: what hangs by chance would hold them for hours.
    return Math.max(
      1,
      Math.floor(slots / SLOT_ANONYMOUS_DIVISOR),
      Math.min(SLOT_ANONYMOUS_LEAST, Math.floor(slots / 2)),
    )
  }

  /** Takes one slot for `peer`, or says no. The last quarter is for those who hold less than a fair part. */
  take(peer: object, anonymous: boolean, channel: string, slots: number, now = 0): boolean {
    if (!this.has(peer, anonymous, channel, slots, now)) {
      const refusing = (anonymous ? this.#anonymous : this.#known).get(channel)
      if (refusing !== undefined && !refusing.holders.has(peer)) {
        for (const [other, until] of refusing.waiting) {
          if (until >= now) break
          refusing.waiting.delete(other)
        }
        refusing.waiting.delete(peer)
        refusing.waiting.set(peer, now + 2 * SLOT_RETRY_MS)
      }
      return false
    }
    if (slots < SLOT_SHARE_DENOMINATOR && !this.#takesTurn(channel, slots, now)) return false
    const table = anonymous ? this.#anonymous : this.#known
    let share = table.get(channel)
    if (share === undefined) {
      share = { total: 0, holders: new Map(), waiting: new Map() }
      table.set(channel, share)
    }
    share.total += 1
    share.holders.set(peer, (share.holders.get(peer) ?? 0) + 1)
    share.waiting.delete(peer)
    return true
  }

  /** Whether `take` would say yes. */
  has(peer: object, anonymous: boolean, channel: string, slots: number, now = 0): boolean {
    const limit = SlotPool.limit(slots, anonymous)
    const known = this.#known.get(channel)
    const hidden = this.#anonymous.get(channel)
    const both = (known?.total ?? 0) + (hidden?.total ?? 0)
    if (both >= SlotPool.limit(slots, false)) return false
    const share = anonymous ? hidden : known
    if (share === undefined) return true
    if (share.total >= limit) return false
    if (share.total < limit - limit / SLOT_FAIR_DIVISOR) return true
    const held = share.holders.get(peer) ?? 0
    for (const [other, until] of share.waiting) if (until < now) share.waiting.delete(other)
    const parts = share.holders.size + share.waiting.size + (held > 0 || share.waiting.has(peer) ? 0 : 1)
    return parts === 1 || held < limit / parts
  }

  give(peer: object, anonymous: boolean, channel: string, now = 0): void {
    const use = this.#uses.get(channel)
    if (use !== undefined) this.#pass(use, channel, now)
    const table = anonymous ? this.#anonymous : this.#known
    const share = table.get(channel)
    const held = share?.holders.get(peer)
    if (share === undefined || held === undefined) throw new Error(`no slot of ${channel} is held by this peer`)
    share.total -= 1
    if (held === 1) share.holders.delete(peer)
    else share.holders.set(peer, held - 1)
    if (share.total === 0) table.delete(channel)
    if (this.held(channel) === 0) this.#uses.delete(channel)
  }

  /** What a peer found out: its median latency over its base. */
  report(peer: object, queue: number): void {
    this.#queues.set(peer, queue)
  }

  /** The longest queue that other peers with payments over this channel report; 1 where there is none. */
  queue(peer: object, channel: string): number {
    let longest = 1
    for (const table of [this.#known, this.#anonymous]) {
      for (const other of table.get(channel)?.holders.keys() ?? []) {
        if (other !== peer) longest = Math.max(longest, this.#queues.get(other) ?? 1)
      }
    }
    return longest
  }

  /** Of a channel with fewer slots than its share has parts the last one is taken only as long as its share lasts. */
  #takesTurn(channel: string, slots: number, now: number): boolean {
    let use = this.#uses.get(channel)
    if (use === undefined) {
      use = { slots, left: 0, at: now }
      this.#uses.set(channel, use)
    }
    this.#pass(use, channel, now)
    use.slots = slots
    return slots === 1 || this.held(channel) < slots - 1 || use.left > 0
  }

  #pass(use: Use, channel: string, now: number): void {
    const share = (use.slots * SLOT_SHARE_NUMERATOR) / SLOT_SHARE_DENOMINATOR
    const left = use.left + (share - this.held(channel)) * Math.max(0, now - use.at)
    // What hangs for hours is nobody's use of the channel: a slot that comes free must not rest for as long.
    use.left = Math.max(-MAX_SHARE_OWED_MS, Math.min(left, MAX_SHARE_LEFT_MS))
    use.at = now
  }

  /** How many peers without a slot of a channel are known to wait for one. */
  waiting(channel: string): number {
    return (this.#known.get(channel)?.waiting.size ?? 0) + (this.#anonymous.get(channel)?.waiting.size ?? 0)
  }

  /** Slots held on a channel, over all peers. */
  held(channel: string): number {
    return (this.#known.get(channel)?.total ?? 0) + (this.#anonymous.get(channel)?.total ?? 0)
  }
}
