import { NONE, withLast } from '../../floor/light.ts'
import type { ConnectionEvent, ConnectionRequest } from './interface.ts'

/** What goes out of a connection besides packets, until its owner polls it. */
export class Outputs {
  #events: ConnectionEvent[] = NONE
  #requests: ConnectionRequest[] = NONE
  /** 'ended' was emitted, or is not to be: nothing but 'closed' follows. */
  hasEnded = false

  /** The application never knew of this connection: nothing but 'closed' is emitted. */
  mute(): void {
    this.hasEnded = true
  }

  /** Queues an event; one that only says "look again" is queued once. */
  emit(event: ConnectionEvent): void {
    if (this.hasEnded && event.type !== 'closed') return
    if (event.type === 'ended') this.hasEnded = true
    const events = this.#events
    if (event.type === 'readable' || event.type === 'activity') {
      if (events.some((queued) => queued.type === event.type)) return
    } else if (event.type === 'writable') {
      const queued = events.findIndex((each) => each.type === 'writable')
      if (queued >= 0) {
        events[queued] = event
        return
      }
    }
    this.#events = withLast(events, event)
  }

  nextEvent(): ConnectionEvent | undefined {
    if (this.#events.length === 0) return undefined
    const event = this.#events.shift()
    // What is emptied is let go: it has room for more than an idle connection ever fills.
    if (this.#events.length === 0) this.#events = NONE
    return event
  }

  request(request: ConnectionRequest): void {
    this.#requests = withLast(this.#requests, request)
  }

  nextRequest(): ConnectionRequest | undefined {
    if (this.#requests.length === 0) return undefined
    const request = this.#requests.shift()
    if (this.#requests.length === 0) this.#requests = NONE
    return request
  }
}
