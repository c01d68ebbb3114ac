import type { ConnectionEvent } from '../connection/interface.ts'
import type { ConnectionHandle } from '../driver/connection-handle.ts'
import type { Deadline } from '../driver/deadlines.ts'
import { tooExpensiveToGoOn } from '../driver/failures.ts'
import type { KeysockError } from '../errors.ts'
import { UNHEARD_PAUSE_MS } from '../limits.ts'

export type PausedEvent = Extract<ConnectionEvent, { type: 'paused' }>

/**
 * A cap stops a connection, and nobody listened for 'paused': where nothing moves for a while, it fails with the reason
 * in place of waiting for its idle timeout.
 */
export class UnheardPause {
  readonly #handle: ConnectionHandle
  readonly #fail: (error: KeysockError) => void
  readonly #deadline: Deadline
  #event: PausedEvent
  #attempts = 0

  constructor(handle: ConnectionHandle, event: PausedEvent, fail: (error: KeysockError) => void) {
    this.#handle = handle
    this.#fail = fail
    this.#event = event
    this.#deadline = handle.addDeadline(() => this.#look())
    this.begin(event)
  }

  /** It is stopped, once more. */
  begin(event: PausedEvent): void {
    this.#event = event
    this.#arm()
  }

  end(): void {
    this.#handle.setDeadline(this.#deadline, undefined)
  }

  #arm(): void {
    this.#attempts = this.#handle.stats.attempts
    this.#handle.setDeadline(this.#deadline, this.#handle.now() + UNHEARD_PAUSE_MS)
  }

  #look(): void {
    // A person may take longer to answer.
    if (this.#handle.isAsked) return this.#arm()
    const isMoving = this.#handle.stats.attempts > this.#attempts
    if (this.#event.isOwnCap ? !this.#handle.isPaused : isMoving) return
    // Money that came back lets a packet pass now and then.
    if (isMoving) this.#arm()
    else this.#fail(tooExpensiveToGoOn(this.#event.pause))
  }
}
