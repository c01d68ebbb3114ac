import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket as TcpSocket } from 'node:net'
import { localSocket } from './bridge.ts'
import type { Dialer, DialTarget } from './dialer.ts'
import { MAX_LOCAL_CONNECTIONS } from './limits.ts'
import type { Tunnel } from './tunnel.ts'

interface ForwardingOptions {
  readonly tunnel: Tunnel
  readonly dialer: Dialer
  readonly target: DialTarget
}

/** A local port, each connection to which becomes one to a port of a node. */
export class Forwarding {
  readonly #options: ForwardingOptions
  readonly #server: Server

  constructor(options: ForwardingOptions) {
    this.#options = options
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (local) => void this.#take(local))
    this.#server.maxConnections = MAX_LOCAL_CONNECTIONS
  }

  /** Resolves with the address at which it listens. @throws what the system says */
  async listen(at: { readonly host: string; readonly port: number }): Promise<AddressInfo> {
    this.#server.listen(at)
    await once(this.#server, 'listening')
    return this.#server.address() as AddressInfo
  }

  /** Takes nobody any more; what runs goes on. */
  close(): void {
    this.#server.close()
  }

  async #take(local: TcpSocket): Promise<void> {
    const { tunnel, dialer, target } = this.#options
    const streams = localSocket(local)
    const about = dialer.about(target)
    try {
      const remote = dialer.dial(target)
      await tunnel.join(streams, remote, about)
    } catch (error) {
      local.on('error', () => undefined)
      streams.reset()
      tunnel.refused(about, error)
    }
  }
}
