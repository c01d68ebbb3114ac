import type { ConnectionEvent, ConnectionRequest } from './interface.ts'

/** What goes out of a connection besides packets, until its owner polls it. */
export class Outputs {
  #events: ConnectionEvent[] | undefined
  #requests: ConnectionRequest[] | undefined
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
    const events = (this.#events ??= [])
    if (event.type === 'readable' || event.type === 'activity') {
      if (events.some((queued) => queued.type === event.type)) return
    } else if (event.type === 'writable') {
      const queued = events.findIndex((each) => each.type === 'writable')
      if (queued >= 0) {
        events[queued] = event
        return
      }
    }
    events.push(event)
  }

  nextEvent(): ConnectionEvent | undefined {
    return this.#events?.shift()
  }

  request(request: ConnectionRequest): void {
    ;(this.#requests ??= []).push(request)
  }

  nextRequest(): ConnectionRequest | undefined {
    return this.#requests?.shift()
  }
}
