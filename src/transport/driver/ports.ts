import { type Backend, BackendError } from '../../backends/backend.ts'
import { KeysockError, messageOf } from '../errors.ts'
import { FIRST_FREE_PORT, MAX_PORT, MAX_PORT_CLAIMS } from '../limits.ts'
import type { PortListener } from './connection-handle.ts'
import type { Runtime } from './runtime.ts'

interface PortsOptions {
  /** Stands in errors. */
  readonly address: string
  readonly runtime: Runtime
  /** Where programs share a node, ports are the node's. */
  readonly backend: Pick<Backend, 'claimPort' | 'releasePort'>
}

/** Who listens on which port of an endpoint. */
export class Ports {
  readonly #options: PortsOptions
  readonly #listeners: Map<number, PortListener> = new Map()

  constructor(options: PortsOptions) {
    this.#options = options
  }

  get(port: number): PortListener | undefined {
    return this.#listeners.get(port)
  }

  /** All listeners with their ports. */
  all(): Iterable<readonly [port: number, listener: PortListener]> {
    return this.#listeners
  }

  /**
   * Takes a port: `wanted`, or a free one for 0. At once where the endpoint has the node alone, else when the node's
   * other programs have been asked. The listener is there before that: connections may come as soon as it is claimed.
   *
   * @throws KeysockError EADDRINUSE, or rejects with it
   */
  claim(wanted: number, listener: PortListener): number | Promise<number> {
    const port = this.#add(wanted, listener)
    return this.#options.backend.claimPort === undefined ? port : this.#claimOfNode(wanted, port, listener)
  }

  release(port: number, listener: PortListener): void {
    if (this.#listeners.get(port) !== listener) return
    this.#listeners.delete(port)
    const { backend, runtime } = this.#options
    backend.releasePort?.(port).catch((error: unknown) => {
      runtime.debug({ reason: messageOf(error) }, 'a port was not given back')
    })
  }

  #add(wanted: number, listener: PortListener): number {
    const port = wanted === 0 ? this.#free() : wanted
    if (port === undefined || this.#listeners.has(port)) throw this.#inUse(wanted)
    this.#listeners.set(port, listener)
    return port
  }

  /** A port that another program has is tried no further, unless any port will do. */
  async #claimOfNode(wanted: number, first: number, listener: PortListener): Promise<number> {
    let port = first
    for (let claims = 1; ; claims++) {
      try {
        await this.#options.backend.claimPort?.(port)
        return port
      } catch (error) {
        this.#listeners.delete(port)
        if (!(error instanceof BackendError) || error.code !== 'port-in-use') throw error
        if (wanted !== 0 || claims >= MAX_PORT_CLAIMS) throw this.#inUse(wanted, error)
      }
      port = this.#add(wanted, listener)
    }
  }

  #inUse(wanted: number, cause?: BackendError): KeysockError {
    const { address } = this.#options
    const which = wanted === 0 ? 'every port for listen(0)' : wanted
    return new KeysockError('EADDRINUSE', `listen EADDRINUSE: address already in use ${address}:${which}`, {
      syscall: 'listen',
      address,
      port: wanted,
      ...(cause === undefined ? {} : { cause }),
    })
  }

  /** From a random place on, so that a port is not the next connection's by habit. */
  #free(): number | undefined {
    const count = MAX_PORT - FIRST_FREE_PORT + 1
    const [high = 0, low = 0] = this.#options.runtime.random(2)
    for (let i = 0; i < count; i++) {
      const port = FIRST_FREE_PORT + ((high * 256 + low + i) % count)
      if (!this.#listeners.has(port)) return port
    }
    return undefined
  }
}
