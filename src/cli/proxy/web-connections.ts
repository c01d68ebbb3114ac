import { Agent, type AgentOptions, type ClientRequest, type ClientRequestArgs } from 'node:http'
import { type Duplex, duplexPair } from 'node:stream'
import type { Time } from '../transfer/waiting.ts'
import type { Destination } from './destination.ts'
import { IDLE_UPSTREAM_MS, MAX_IDLE_UPSTREAM, MAX_WEB_CONNECTIONS } from './limits.ts'
import type { Outgoing } from './outgoing.ts'
import { Refusal } from './refusal.ts'

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
    const parts = { outgoing, time, places: new Places(MAX_WEB_CONNECTIONS) }
    this.kept = new KeysockAgent(parts, { keepAlive: true, maxFreeSockets: MAX_IDLE_UPSTREAM })
    this.fresh = new KeysockAgent(parts, { keepAlive: false })
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

/** Room for so many connections, from when they are dialled until they are closed. */
class Places {
  #left: number

  constructor(count: number) {
    this.#left = count
  }

  /** False where none is left. */
  take(): boolean {
    if (this.#left === 0) return false
    this.#left--
    return true
  }

  give(): void {
    this.#left++
  }
}

interface AgentParts {
  readonly outgoing: Outgoing
  readonly time: Time
  readonly places: Places
}

class KeysockAgent extends Agent {
  readonly #parts: AgentParts
  /** Of connections that wait for another request. */
  readonly #timers: WeakMap<Duplex, () => void> = new WeakMap()

  constructor(parts: AgentParts, options: AgentOptions) {
    super(options)
    this.#parts = parts
  }

  override getName(options: WebOptions): string {
    const { address, port } = options.destination
    return JSON.stringify([address, port, options.isolation])
  }

  override createConnection(options: WebOptions, callback: (error: Error | null, socket: Duplex) => void): undefined {
    const { destination, isolation } = options
    const { outgoing, places } = this.#parts
    if (!places.take()) {
      callback(new Refusal('busy', 'too many connections to web servers are open'), undefined as never)
      return undefined
    }
    // A request that is given up leaves its connection to the next one.
    const { signal } = new AbortController()
    outgoing.dial({ destination, isolation, signal }).then(
      (remote) => {
        // What Node's client holds is joined as any client is: counted, and ended in order.
        const [near, far] = duplexPair()
        near.on('end', () => near.end())
        near.on('close', () => {
          places.give()
          far.destroy()
        })
        far.on('close', () => near.destroy())
        far.on('error', () => undefined)
        outgoing.join(far, remote, destination)
        callback(null, near)
      },
      (error: Error) => {
        places.give()
        callback(error, undefined as never)
      },
    )
    return undefined
  }

  /** Node's own asks for a sign of life every second: each would be a payment. */
  override keepSocketAlive(socket: Duplex): boolean {
    const { time } = this.#parts
    const cancel = time.schedule(time.now() + IDLE_UPSTREAM_MS, () => void socket.end())
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
