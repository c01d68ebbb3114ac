import type { Deadline } from '../driver/deadlines.ts'
import type { ConnectionHandle } from '../driver/connection-handle.ts'

/** socket.setTimeout: one deadline, which is moved when it fires and not with every packet. */
export class IdleTimer {
  readonly #handle: ConnectionHandle
  readonly #fire: () => void
  readonly #deadline: Deadline
  #timeoutMs = 0
  #activeMs = 0

  constructor(handle: ConnectionHandle, fire: () => void) {
    this.#handle = handle
    this.#fire = fire
    this.#deadline = handle.addDeadline(() => this.#check())
  }

  start(timeoutMs: number): void {
    this.#timeoutMs = timeoutMs
    this.#activeMs = this.#handle.now()
    this.#handle.setDeadline(this.#deadline, this.#activeMs + timeoutMs)
  }

  /** There was activity. As in net, a timer that has fired runs again. */
  touch(): void {
    this.#activeMs = this.#handle.now()
    if (this.#timeoutMs > 0 && this.#deadline.atMs === Infinity) this.start(this.#timeoutMs)
  }

  stop(): void {
    this.#timeoutMs = 0
    this.#handle.setDeadline(this.#deadline, undefined)
  }

  #check(): void {
    const dueMs = this.#activeMs + this.#timeoutMs
    if (this.#handle.now() < dueMs) this.#handle.setDeadline(this.#deadline, dueMs)
    else this.#fire()
  }
}
