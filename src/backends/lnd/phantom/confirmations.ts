import { BoundedSet } from '../../../floor/bounded.ts'
import { fromHex, toHex } from '../../../floor/bytes.ts'
import type { Clock } from '../../../floor/clock.ts'
import type { BackendEvent } from '../../backend.ts'
import { CONFIRM_POLL_MS, MAX_UNCONFIRMED } from '../limits.ts'
import { idsOf, type OwnChannels } from '../routes/own-channels.ts'

export interface ConfirmationsNeeds {
  readonly clock: Clock
  readonly channels: OwnChannels
  emit(event: BackendEvent): void
}

/** A SETTLE that was written. */
export interface WrittenSettle {
  readonly hash: Uint8Array
  readonly amountMsat: bigint
  /** As in 'offer-confirmed'. */
  readonly excessMsat?: bigint
  /** The channel that the HTLC came over, as lnd numbers it. */
  readonly chanId: string
}

/**
 * Emits 'offer-confirmed' when the money of a settled offer is really here. A SETTLE that was written is not a
 * payment yet (spec/lnd.md §5): it is one when the HTLC has left the channel while the stream stood
 * and the channel is open still. Where the channel was closed, the chain decides and nothing is emitted.
 * What was settled on a stream that broke is confirmed only when it was offered and settled again.
 */
export class Confirmations {
  readonly #needs: ConfirmationsNeeds
  /** By hash. */
  readonly #waiting = new Map<string, Omit<WrittenSettle, 'hash'>>()
  readonly #confirmed = new BoundedSet<string>(MAX_UNCONFIRMED)
  #polling = false
  #stopped = false

  constructor(needs: ConfirmationsNeeds) {
    this.#needs = needs
  }

  settled({ hash, ...settle }: WrittenSettle): void {
    const name = toHex(hash)
    if (this.#confirmed.has(name) || this.#waiting.size >= MAX_UNCONFIRMED) return
    this.#waiting.set(name, settle)
    this.#poll()
  }

  streamLost(): void {
    this.#waiting.clear()
  }

  stop(): void {
    this.#stopped = true
    this.#waiting.clear()
  }

  #poll(): void {
    if (this.#polling) return
    this.#polling = true
    const { clock } = this.#needs
    clock.schedule(clock.now() + CONFIRM_POLL_MS, () => {
      void this.#look().finally(() => {
        this.#polling = false
        if (this.#waiting.size > 0 && !this.#stopped) this.#poll()
      })
    })
  }

  async #look(): Promise<void> {
    const asked = [...this.#waiting]
    let open: Set<string>
    let held: Set<string>
    try {
      const channels = await this.#needs.channels.list(0)
      open = new Set(channels.flatMap(idsOf))
      held = new Set(channels.flatMap((channel) => channel.pending_htlcs.map((htlc) => toHex(htlc.hash_lock))))
    } catch {
      return // away: asked again, or forgotten with the stream
    }
    for (const [name, { chanId, amountMsat, excessMsat }] of asked) {
      if (held.has(name) || !this.#waiting.delete(name) || !open.has(chanId)) continue
      this.#confirmed.add(name)
      const more = excessMsat === undefined ? {} : { excessMsat }
      this.#needs.emit({ type: 'offer-confirmed', hash: fromHex(name), amountMsat, ...more })
    }
  }
}
