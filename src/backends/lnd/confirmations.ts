import { fromHex, toHex } from '../../wire/bytes.ts'
import type { BackendEvent, Clock } from '../backend.ts'
import { CONFIRM_POLL_MS, MAX_UNCONFIRMED } from './bounds.ts'
import type { OwnChannels } from './own-channels.ts'

export interface ConfirmationsNeeds {
  readonly clock: Clock
  readonly channels: OwnChannels
  tell(event: BackendEvent): void
}

/**
 * Tells when the money of a settled offer is really here. A SETTLE that was written is not a
 * payment yet (design §4): it is one when the HTLC has left the channel while the stream stood.
 * What was settled on a stream that broke is told only when it was offered and settled again.
 */
export class Confirmations {
  readonly #needs: ConfirmationsNeeds
  /** Amounts by hash. */
  readonly #waiting = new Map<string, bigint>()
  readonly #told = new Set<string>()
  #polling = false
  #stopped = false

  constructor(needs: ConfirmationsNeeds) {
    this.#needs = needs
  }

  settled(hash: Uint8Array, amountMsat: bigint): void {
    const name = toHex(hash)
    if (this.#told.has(name) || this.#waiting.size >= MAX_UNCONFIRMED) return
    this.#waiting.set(name, amountMsat)
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
    let held: Set<string>
    try {
      const channels = await this.#needs.channels.list(0)
      held = new Set(channels.flatMap((channel) => channel.pending_htlcs.map((htlc) => toHex(htlc.hash_lock))))
    } catch {
      return // away: asked again, or forgotten with the stream
    }
    for (const [name, amountMsat] of asked) {
      if (held.has(name) || !this.#waiting.delete(name)) continue
      this.#told.add(name)
      if (this.#told.size > MAX_UNCONFIRMED) this.#told.delete(this.#told.values().next().value as string)
      this.#needs.tell({ type: 'offer-confirmed', hash: fromHex(name), amountMsat })
    }
  }
}
