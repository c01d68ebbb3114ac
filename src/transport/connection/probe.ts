import { Control } from './controls.ts'
import { MAX_PROBE_MS, NO_SIGN_MS, PROBE_SLACK_MS } from './limits.ts'
import type { Parts } from './parts.ts'
import { earliest, isDue, type Timed } from './timed.ts'

type Needs = 'controls' | 'handshake' | 'life' | 'packets' | 'send'

/** Whether the peer shows itself, and when to ask it with a PING (spec §8.8, §8.13). */
export class Probe implements Timed {
  readonly #parts: Pick<Parts, Needs>
  /** Since when a packet that settled on the node lane has had no sign of the peer. */
  #waitSince: number | undefined
  /** The peer gives no sign: only PING goes until it shows itself (spec §8.8). */
  hasNoSign = false
  #probeAt: number | undefined
  /** Until the PING after the next; 0: none was sent since the last sign. */
  #delayMs = 0

  constructor(parts: Pick<Parts, Needs>) {
    this.#parts = parts
  }

  get #signAt(): number | undefined {
    return this.#waitSince === undefined || this.hasNoSign ? undefined : this.#waitSince + NO_SIGN_MS
  }

  dueAt(after: number): number | undefined {
    return earliest(after, this.#probeAt, this.#signAt)
  }

  run(now: number): void {
    const { controls, life, packets } = this.#parts
    if (!life.isLive) return
    if (isDue(this.#signAt, now)) {
      this.hasNoSign = true
      controls.want(Control.PING)
      this.#delayMs = NO_SIGN_MS
      this.#probeAt = now + NO_SIGN_MS
      return
    }
    if (!isDue(this.#probeAt, now)) return
    const since = packets.unconfirmedSince
    if (since === undefined && !this.hasNoSign) {
      this.#probeAt = undefined
      return
    }
    const waitMs = this.#confirmationMs
    const first = (since ?? now) + waitMs
    if (!this.hasNoSign && this.#delayMs === 0 && first > now) {
      this.#probeAt = first
      return
    }
    controls.want(Control.PING)
    // It doubles from what was waited for at first; both ends of the range depend on that, so it is no plain BackOff.
    const again = waitMs === PROBE_SLACK_MS ? PROBE_SLACK_MS : NO_SIGN_MS
    this.#delayMs = this.#delayMs === 0 ? again : Math.min(2 * this.#delayMs, MAX_PROBE_MS)
    this.#probeAt = now + this.#delayMs
  }

  stop(): void {
    this.#probeAt = undefined
    this.#waitSince = undefined
  }

  // How long an acknowledgement may take: that of a complete stream is not held back (spec §8.13).
  get #confirmationMs(): number {
    return PROBE_SLACK_MS + (this.#parts.send.isFinSent ? 0 : this.#parts.handshake.peerAckDelayMs)
  }

  /** Something settled on the node lane: a sign of the peer and its acknowledgement are awaited. */
  settled(now: number): void {
    this.#waitSince ??= now
    this.arm(now)
  }

  /** Something is unconfirmed: its acknowledgement will be asked for. */
  arm(now: number): void {
    // It is being asked for already, at growing distances.
    if (this.#probeAt !== undefined && this.#delayMs > 0) return
    const at = now + this.#confirmationMs
    this.#probeAt = Math.min(this.#probeAt ?? at, at)
  }

  /** An ACK came. */
  acknowledged(): void {
    if (this.#parts.packets.unconfirmed === 0) this.#probeAt = undefined
  }

  /** Something authentic came: the peer lives. */
  heard(): void {
    this.#waitSince = undefined
    // What settled meanwhile may be lost at the process: its answer tells (spec §8.7).
    if (this.hasNoSign && this.#parts.packets.unconfirmed > 0) this.#parts.controls.want(Control.PING)
    this.hasNoSign = false
    this.#delayMs = 0
  }
}
