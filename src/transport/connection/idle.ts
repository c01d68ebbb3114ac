import { Code } from '../../wire/errors.ts'
import { Control } from './controls.ts'
import type { Parts } from './parts.ts'
import { earliest, isDue, type Timed } from './timed.ts'

type Needs = 'controls' | 'handshake' | 'life' | 'outputs' | 'settings'

/** How long nothing has happened: the idle timeout (spec §10.3) and the PING that keeps alive (spec §10.4). */
export class Idle implements Timed {
  readonly #parts: Pick<Parts, Needs>
  #activeAt: number
  /** The packet that ended a long silence of ours counted as activity; the next one does not. */
  #isSilenceBroken = false
  #keepAliveMs: number | undefined
  /** When the last PING became due, or the delay was set. */
  #keepAliveFrom = 0
  /** The application waits for the answer to a PING. */
  #isPinging = false

  constructor(parts: Pick<Parts, Needs>, now: number) {
    this.#parts = parts
    this.#activeAt = now
    this.#keepAliveMs = parts.settings.keepAliveMs
  }

  /** The shorter one of both sides' (spec §10.3), ms; 0 for none. */
  get timeoutMs(): number {
    const own = this.#parts.settings.idleTimeoutMs
    const theirs = this.#parts.handshake.parameters?.idleTimeoutMs ?? own
    if (own === 0 || theirs === 0) return own + theirs
    return Math.min(own, theirs)
  }

  get #timeoutAt(): number | undefined {
    const { timeoutMs } = this
    return this.#parts.life.isLive && timeoutMs > 0 ? this.#activeAt + timeoutMs : undefined
  }

  get #keepAliveAt(): number | undefined {
    const { state } = this.#parts.life
    if (this.#keepAliveMs === undefined || (state !== 'open' && state !== 'closing')) return undefined
    return Math.max(this.#activeAt, this.#keepAliveFrom) + this.#keepAliveMs
  }

  dueAt(after: number): number | undefined {
    return earliest(after, this.#timeoutAt, this.#keepAliveAt)
  }

  run(now: number): void {
    const { controls, life } = this.#parts
    if (isDue(this.#timeoutAt, now)) {
      const message = `nothing was heard for ${this.timeoutMs} ms (idle timeout)`
      life.reset(now, { code: Code.IDLE, reason: '', failure: { code: 'ETIMEDOUT', message }, isOnce: true })
    } else if (isDue(this.#keepAliveAt, now)) {
      this.#keepAliveFrom = now
      controls.ensure(Control.KEEPALIVE)
    }
  }

  // The state alone tells whether its times count.
  stop(): void {}

  setKeepAlive(now: number, keepAliveMs: number | undefined): void {
    this.#keepAliveMs = keepAliveMs
    if (keepAliveMs !== undefined) this.#keepAliveFrom = now
  }

  /** A new PING goes, also where one is under way: the answer to the newest counts. */
  ping(): void {
    this.#isPinging = true
    this.#parts.controls.want(Control.KEEPALIVE)
  }

  /** The newest PING(1) has arrived, as far as is known (spec §8.2). */
  pinged(): void {
    if (!this.#isPinging) return
    this.#isPinging = false
    this.#parts.outputs.emit({ type: 'pong' })
  }

  /** Something happened that counts as activity (spec §10.3). */
  active(now: number): void {
    this.#activeAt = now
    this.#isSilenceBroken = false
    this.#parts.outputs.emit({ type: 'activity' })
  }

  /** A packet with something of the application's goes out: the first one after a long silence counts (spec §10.3). */
  sent(now: number): void {
    const { timeoutMs } = this
    if (this.#isSilenceBroken || timeoutMs === 0 || now - this.#activeAt < timeoutMs / 2) return
    this.#activeAt = now
    this.#isSilenceBroken = true
  }
}
