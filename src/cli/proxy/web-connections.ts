import { Agent, type AgentOptions, type ClientRequest, type ClientRequestArgs } from 'node:http'
import { type Duplex, duplexPair } from 'node:stream'
import type { Time } from '../transfer/waiting.ts'
import type { Destination } from './destination.ts'
import { IDLE_UPSTREAM_MS, MAX_IDLE_UPSTREAM } from './limits.ts'
import type { Outgoing } from './outgoing.ts'

/** What a connection to a web server is for, beside what Node's agent wants to know. */
interface WebOptions extends ClientRequestArgs {
  readonly destination: Destination
  readonly isolation: string | undefined
}

/** Connections to web servers: those between two requests are kept for the next one of the same isolation. */
export class WebConnections {
  readonly kept: Agent
  readonly fresh: Agent

  constructor(outgoing: Outgoing, time: Time) {
    this.kept = new KeysockAgent(outgoing, time, { keepAlive: true, maxFreeSockets: MAX_IDLE_UPSTREAM })
    this.fresh = new KeysockAgent(outgoing, time, { keepAlive: false })
  }

  /** Of a request. */
  options(destination: Destination, isolation: string | undefined): WebOptions {
    return { host: destination.host, port: destination.port, destination, isolation }
  }

  /** Lets go of those that wait for another request. */
  close(): void {
    for (const sockets of Object.values(this.kept.freeSockets)) for (const socket of sockets ?? []) socket.end()
  }
}

class KeysockAgent extends Agent {
  readonly #outgoing: Outgoing
  readonly #time: Time
  /** Of connections that wait for another request. */
  readonly #timers: WeakMap<Duplex, () => void> = new WeakMap()

  constructor(outgoing: Outgoing, time: Time, options: AgentOptions) {
    super(options)
    this.#outgoing = outgoing
    this.#time = time
  }

  override getName(options: WebOptions): string {
    const { address, port } = options.destination
    return JSON.stringify([address, port, options.isolation])
  }

  override createConnection(options: WebOptions, callback: (error: Error | null, socket: Duplex) => void): undefined {
    const { destination, isolation } = options
    // A request that is given up leaves its connection to the next one.
    const { signal } = new AbortController()
    this.#outgoing.dial({ destination, isolation, signal }).then(
      (remote) => {
        // What Node's client holds is joined as any client is: counted, and ended in order.
        const [near, far] = duplexPair()
        near.on('end', () => near.end())
        near.on('close', () => far.destroy())
        far.on('close', () => near.destroy())
        far.on('error', () => undefined)
        this.#outgoing.join(far, remote, destination)
        callback(null, near)
      },
      (error: Error) => callback(error, undefined as never),
    )
    return undefined
  }

  /** Node's own asks for a sign of life every second: each would be a payment. */
  override keepSocketAlive(socket: Duplex): boolean {
    const atMs = this.#time.now() + IDLE_UPSTREAM_MS
    const cancel = this.#time.schedule(atMs, () => void socket.end())
    this.#timers.set(socket, cancel)
    socket.once('close', cancel)
    // Its end shows to whoever reads.
    socket.resume()
    return true
  }

  override reuseSocket(socket: Duplex, request: ClientRequest): void {
    this.#timers.get(socket)?.()
    request.reusedSocket = true
  }
}
