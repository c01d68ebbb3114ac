import { SLOTS_FREE_DENOMINATOR, SLOTS_FREE_NUMERATOR, SLOTS_KEPT_DIVISOR } from '../protocol/limits.ts'

interface Channel {
  total: number
  /** How many slots each program holds; programs that hold none are not in it. */
  readonly holders: Map<object, number>
  /** Programs that hold none and were refused one since the channel became that full. */
  readonly waiting: Set<object>
}

/**
 * HTLC slots of the node's own channels, shared by programs as peers share them inside one program: three quarters go
 * to whoever comes first, the rest to programs that hold less than an equal part, and the last ones to programs that
 * hold none (spec/daemon.md §6.7).
 */
export class SlotShares {
  readonly #channels = new Map<string, Channel>()
  readonly #gone = new WeakSet<object>()

  /** Takes a slot; false where there is none for this program now. */
  take(program: object, name: string, slots: number): boolean {
    const channel = this.#channels.get(name)
    if (channel === undefined) {
      this.#channels.set(name, { total: 1, holders: new Map([[program, 1]]), waiting: new Set() })
      return true
    }
    if (!this.#hasFree(channel, program, slots)) {
      if (!channel.holders.has(program)) channel.waiting.add(program)
      return false
    }
    channel.waiting.delete(program)
    channel.total += 1
    channel.holders.set(program, (channel.holders.get(program) ?? 0) + 1)
    return true
  }

  give(program: object, name: string): void {
    const channel = this.#channels.get(name)
    const held = channel?.holders.get(program)
    if (channel === undefined || held === undefined) throw new Error(`no slot of ${name} is held by this program`)
    channel.total -= 1
    if (held === 1) channel.holders.delete(program)
    else channel.holders.set(program, held - 1)
    if (channel.total === 0) this.#channels.delete(name)
  }

  /** A program has gone: the slots that it holds come free as its payments end, but it has no part any more. */
  leave(program: object): void {
    this.#gone.add(program)
    for (const { waiting } of this.#channels.values()) waiting.delete(program)
  }

  #hasFree(channel: Channel, program: object, slots: number): boolean {
    if (channel.total >= slots) return false
    if (channel.total * SLOTS_FREE_DENOMINATOR < slots * SLOTS_FREE_NUMERATOR) {
      channel.waiting.clear()
      return true
    }
    const held = channel.holders.get(program) ?? 0
    const kept = Math.max(1, Math.floor(slots / SLOTS_KEPT_DIVISOR))
    if (held > 0 && channel.total >= slots - kept) return false
    let parts = channel.waiting.size + (held === 0 && !channel.waiting.has(program) ? 1 : 0)
    for (const holder of channel.holders.keys()) if (!this.#gone.has(holder)) parts += 1
    return held * parts < slots
  }
}
