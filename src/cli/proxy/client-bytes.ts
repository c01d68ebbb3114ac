import type { Socket } from 'node:net'

/** The client went, was too slow, or says something else than was to be said, before it had said what it wants. */
export class GreetingError extends Error {}

const EVENTS = ['readable', 'end', 'error', 'close'] as const

/** Reads a greeting, however it is split; what comes after it stays in the socket. */
export class ClientBytes {
  readonly #socket: Socket
  readonly #signal: AbortSignal
  #changed: () => void = () => undefined
  readonly #change = (): void => this.#changed()

  /** @param signal ends the wait for more */
  constructor(socket: Socket, signal: AbortSignal) {
    this.#socket = socket
    this.#signal = signal
    // One listener for the whole greeting: each that is added is told at once of what has come already.
    for (const name of EVENTS) socket.on(name, this.#change)
    signal.addEventListener('abort', this.#change)
  }

  /** Others read from now on. */
  release(): void {
    for (const name of EVENTS) this.#socket.off(name, this.#change)
    this.#signal.removeEventListener('abort', this.#change)
  }

  /** So many bytes. @throws GreetingError where the stream ends or fails before, or the signal aborts */
  async take(count: number): Promise<Buffer> {
    if (count === 0) return Buffer.alloc(0)
    const socket = this.#socket
    for (;;) {
      const changed = new Promise<void>((resolve) => {
        this.#changed = resolve
      })
      const bytes = socket.read(count) as Buffer | null
      if (bytes?.length === count) return bytes
      if (bytes !== null || socket.destroyed || socket.readableEnded) throw new GreetingError('it ended too early')
      if (this.#signal.aborted) throw new GreetingError('it was too slow')
      await changed
    }
  }

  /** Bytes up to a zero, which is taken, too. @throws GreetingError, also where there are more than `max` before it */
  async takeText(max: number): Promise<string> {
    const bytes: number[] = []
    for (;;) {
      const [byte = 0] = await this.take(1)
      if (byte === 0) return Buffer.from(bytes).toString('latin1')
      if (bytes.length === max) throw new GreetingError('a field is too long')
      bytes.push(byte)
    }
  }
}
