import type { CostPause } from '../connection/interface.ts'
import type { ConnectionHandle } from '../driver/connection-handle.ts'
import type { Deadline } from '../driver/deadlines.ts'
import { tooExpensiveToGoOn } from '../driver/failures.ts'
import type { KeysockError } from '../errors.ts'
import { UNHEARD_PAUSE_MS } from '../limits.ts'

/**
 * A cap stops a connection, and nobody listened for 'paused': where nothing moves for a while, it fails with the reason
 * in place of waiting for its idle timeout.
 */
export class UnheardPause {
  readonly #handle: ConnectionHandle
  readonly #fail: (error: KeysockError) => void
  readonly #deadline: Deadline
  #pause: CostPause
  /** Whether the connection's own cap stops it, and not that of the peer or the process. */
  #isOwnCap = false
  #attempts = 0

  constructor(handle: ConnectionHandle, pause: CostPause, fail: (error: KeysockError) => void) {
    this.#handle = handle
    this.#fail = fail
    this.#pause = pause
    this.#deadline = handle.addDeadline(() => this.#look())
    this.begin(pause)
  }

  /** It is stopped, once more. */
  begin(pause: CostPause): void {
    this.#pause = pause
    this.#isOwnCap = !this.#hasRoom
    this.#arm()
  }

  end(): void {
    this.#handle.setDeadline(this.#deadline, undefined)
  }

  get #hasRoom(): boolean {
    const { capMsat, spentMsat, reservedMsat } = this.#handle.account
    return spentMsat + reservedMsat + this.#pause.priceMsat <= capMsat
  }

  #arm(): void {
    this.#attempts = this.#handle.stats.attempts
    this.#handle.setDeadline(this.#deadline, this.#handle.now() + UNHEARD_PAUSE_MS)
  }

  #look(): void {
    const isMoving = this.#handle.stats.attempts > this.#attempts
    if (this.#isOwnCap ? this.#hasRoom : isMoving) return
    // Money that came back lets a packet pass now and then.
    if (isMoving) this.#arm()
    else this.#fail(tooExpensiveToGoOn(this.#pause))
  }
}
