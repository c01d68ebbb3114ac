import { KeysockError } from './errors.ts'
import { FIRST_FREE_PORT, MAX_PORT } from './limits.ts'
import type { Listener } from './link.ts'

/** Who listens on which port of an endpoint. */
export class Ports {
  readonly #address: string
  readonly #random: (length: number) => Uint8Array
  readonly #listeners: Map<number, Listener> = new Map()

  constructor(options: { readonly address: string; readonly random: (length: number) => Uint8Array }) {
    this.#address = options.address
    this.#random = options.random
  }

  get(port: number): Listener | undefined {
    return this.#listeners.get(port)
  }

  /** @returns the port that was taken: `wanted`, or a free one for 0. @throws KeysockError EADDRINUSE */
  take(wanted: number, listener: Listener): number {
    const port = wanted === 0 ? this.#free() : wanted
    if (port === undefined || this.#listeners.has(port)) {
      const which = port ?? 'every port for listen(0)'
      throw new KeysockError('EADDRINUSE', `listen EADDRINUSE: address already in use ${this.#address}:${which}`, {
        syscall: 'listen',
        address: this.#address,
        port: wanted,
      })
    }
    this.#listeners.set(port, listener)
    return port
  }

  giveBack(port: number, listener: Listener): void {
    if (this.#listeners.get(port) === listener) this.#listeners.delete(port)
  }

  /** From a random place on, so that a port is not the next connection's by habit. */
  #free(): number | undefined {
    const count = MAX_PORT - FIRST_FREE_PORT + 1
    const [high = 0, low = 0] = this.#random(2)
    for (let i = 0; i < count; i++) {
      const port = FIRST_FREE_PORT + ((high * 256 + low + i) % count)
      if (!this.#listeners.has(port)) return port
    }
    return undefined
  }
}
