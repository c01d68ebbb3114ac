import type { ConnectionHandle } from '../driver/connection-handle.ts'
import { KeysockError } from '../errors.ts'

interface Waiter {
  readonly sentMs: number
  resolve(roundTripMs: number): void
  reject(error: Error): void
}

/** Who of a socket's application waits for a sign of life. */
export class Pings {
  readonly #waiting: Waiter[] = []

  /** `handle` undefined: there is no connection. Resolves with ms. */
  send(handle: Pick<ConnectionHandle, 'now' | 'ping'> | undefined): Promise<number> {
    if (handle === undefined)
      return Promise.reject(new KeysockError('ERR_SOCKET_CLOSED', 'a ping needs a connection that is open'))
    return new Promise((resolve, reject) => {
      this.#waiting.push({ sentMs: handle.now(), resolve, reject })
      handle.ping()
    })
  }

  answered(nowMs: number): void {
    for (const waiter of this.#waiting.splice(0)) waiter.resolve(nowMs - waiter.sentMs)
  }

  /** The connection has ended. */
  end(error: Error | undefined): void {
    const failure =
      error ?? new KeysockError('ERR_SOCKET_CLOSED', 'the connection ended before the other side answered')
    for (const waiter of this.#waiting.splice(0)) waiter.reject(failure)
  }
}
