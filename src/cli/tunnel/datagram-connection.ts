import type { Socket } from '../../index.ts'
import type { Time } from '../transfer/waiting.ts'
import { Datagrams } from './datagrams.ts'
import { MAX_UDP_WAITING, UDP_IDLE_MS } from './limits.ts'

/** A connection over which UDP datagrams go, until none does for a while (spec/udp.md §3). */
export class DatagramConnection {
  readonly #socket: Socket
  readonly #time: Time
  readonly #datagrams: Datagrams = new Datagrams()
  /** Until the connection stands: what is sent before could be replayed. */
  readonly #waiting: Uint8Array[] = []
  #cancel: (() => void) | undefined

  /** @param received a datagram of the other side came */
  constructor(socket: Socket, time: Time, received: (data: Uint8Array) => void) {
    this.#socket = socket
    this.#time = time
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#cancel?.())
    // Nobody writes to the stream; whoever does has its end all the same.
    socket.resume()
    socket.on('message', (message: Uint8Array) => {
      this.#used()
      const data = this.#datagrams.join(message)
      if (data !== undefined) received(data)
    })
    if (socket.connecting)
      socket.once('connect', () => {
        for (const data of this.#waiting.splice(0)) this.#send(data)
      })
    this.#used()
  }

  /** Sends a datagram. Where its connection has ended, or has too much under way, it is lost, as UDP may lose it. */
  send(data: Uint8Array): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) return
    this.#used()
    if (!this.#socket.connecting) this.#send(data)
    else if (this.#waiting.length < MAX_UDP_WAITING) this.#waiting.push(Uint8Array.from(data))
  }

  end(): void {
    this.#socket.end()
  }

  #send(data: Uint8Array): void {
    try {
      for (const message of this.#datagrams.cut(data)) this.#socket.sendMessage(message)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
    }
  }

  #used(): void {
    this.#cancel?.()
    this.#cancel = this.#time.schedule(this.#time.now() + UDP_IDLE_MS, () => this.end())
  }
}
