import { type Endpoint, type Server, type Socket, type TariffOptions } from '../../index.ts'
import { messageOf } from '../transfer/errors.ts'
import type { Time } from '../transfer/waiting.ts'
import { localSocket } from './bridge.ts'
import { connectService, type Service, serviceInWords } from './service.ts'
import type { Tunnel } from './tunnel.ts'
import { serveDatagrams } from './udp-service.ts'

/** A local service on a port of the node. */
export interface ExposedService {
  readonly port: number
  readonly service: Service
  /** It takes UDP datagrams, and no stream (spec/udp.md). */
  readonly isUdp: boolean
}

interface ExposureOptions {
  readonly endpoint: Endpoint
  readonly time: Time
  readonly tunnel: Tunnel
  readonly tariff: TariffOptions
  /** Keys, in hexadecimal, of those who are let in; empty: everybody. */
  readonly allowed: ReadonlySet<string>
  readonly maxConnections: number
  readonly idleTimeoutMs: number
}

/** Gives those who connect to a port of the node a connection each to a local service. */
export class Exposure {
  readonly exposed: ExposedService
  readonly #options: ExposureOptions
  readonly #server: Server

  constructor(exposed: ExposedService, options: ExposureOptions) {
    this.exposed = exposed
    this.#options = options
    const { endpoint, tariff, idleTimeoutMs, allowed, maxConnections } = options
    this.#server = endpoint.createServer(
      { allowHalfOpen: true, tariff, idleTimeout: idleTimeoutMs },
      (socket) => void this.#accept(socket),
    )
    this.#server.maxConnections = maxConnections
    if (allowed.size > 0)
      this.#server.on('opening', (request) => {
        if (!allowed.has(request.remoteAddress ?? '')) request.refuse('this port is for those on its list')
      })
  }

  /** @throws KeysockError where the port is taken */
  async listen(): Promise<void> {
    await this.#server.listen(this.exposed.port)
  }

  /** Takes nobody any more; what runs goes on. */
  close(): void {
    this.#server.close()
  }

  async #accept(socket: Socket): Promise<void> {
    const { service, port, isUdp } = this.exposed
    if (isUdp) return serveDatagrams(socket, service, this.#options.time)
    const local = connectService(service)
    let isThere = false
    local.once('connect', () => (isThere = true))
    await this.#options.tunnel.join(localSocket(local), socket, {
      publicKey: socket.remoteAddress ?? null,
      port,
      explain: (error, by) =>
        by === 'local' && !isThere
          ? `the service at ${serviceInWords(service)} is away: ${messageOf(error)}`
          : undefined,
    })
  }
}
