import { connect, createServer, type Server, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { freePort } from '../../tools/regtest/ports.ts'

/** How connections end: by a reset, as when a machine dies, or in good order. */
export type Cut = 'reset' | 'end'

/** A connection of the program and the one to lnd that belongs to it. */
interface Pair {
  readonly client: Socket
  readonly node: Socket
  /** 'stalled': nothing passes, but its end does. 'lost': not even that. */
  state: 'open' | 'stalled' | 'lost'
}

/** A TCP proxy between a program and its lnd: its test cuts, stalls and refuses connections. It ends with the test. */
export class TcpProxy {
  readonly #server: Server
  readonly #port: number
  readonly #pairs: Set<Pair> = new Set()
  #isRefusing = false
  #accepted = 0

  private constructor(server: Server, port: number) {
    this.#server = server
    this.#port = port
  }

  /** @param target host and port of lnd's gRPC */
  static async start(target: string): Promise<TcpProxy> {
    const port = await freePort()
    const server = createServer({ allowHalfOpen: true })
    const proxy = new TcpProxy(server, port)
    server.on('connection', (client) => proxy.#accept(client, target))
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, '127.0.0.1', resolve)
    })
    onTestFinished(() => proxy.close())
    return proxy
  }

  /** Host and port for the program. */
  get socket(): string {
    return `127.0.0.1:${this.#port}`
  }

  /** Connections so far, those that were refused left out. */
  get accepted(): number {
    return this.#accepted
  }

  /** Open connections. */
  get open(): number {
    return this.#pairs.size
  }

  /** Ends every connection, at both ends. */
  cut(how: Cut): void {
    for (const { client, node } of this.#pairs) {
      for (const socket of [client, node]) {
        if (how === 'reset') socket.resetAndDestroy()
        else socket.destroySoon()
      }
    }
  }

  /**
   * Forwards nothing any more on the connections that are there, in either direction; later ones are not concerned.
   * lnd has to wait with what it writes. 'stalled': it hears when the program gives up its end; 'lost': it doesn't.
   */
  stall(state: 'stalled' | 'lost' = 'stalled'): void {
    for (const pair of this.#pairs) {
      pair.state = state
      pair.node.pause()
      pair.client.resume()
    }
  }

  /** Resets whoever connects, until `admit`. Connections that are there stay. */
  refuse(): void {
    this.#isRefusing = true
  }

  admit(): void {
    this.#isRefusing = false
  }

  async close(): Promise<void> {
    this.cut('reset')
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
  }

  #accept(client: Socket, target: string): void {
    if (this.#isRefusing) {
      client.on('error', () => undefined)
      client.resetAndDestroy()
      return
    }
    this.#accepted += 1
    const [host = '', port = ''] = target.split(':')
    const node = connect({ host, port: Number(port), allowHalfOpen: true })
    const pair: Pair = { client, node, state: 'open' }
    this.#pairs.add(pair)
    this.#join(pair, client, node)
    this.#join(pair, node, client)
  }

  /** One direction. */
  #join(pair: Pair, from: Socket, to: Socket): void {
    from.setNoDelay(true)
    from.on('data', (bytes: Buffer) => {
      if (pair.state !== 'open' || to.write(bytes)) return
      from.pause()
      to.once('drain', () => {
        if (pair.state === 'open') from.resume()
      })
    })
    from.on('error', () => undefined)
    from.on('end', () => this.#leave(pair, from, to))
    from.on('close', () => this.#leave(pair, from, to))
  }

  #leave(pair: Pair, from: Socket, to: Socket): void {
    if (from === pair.client && pair.state === 'lost') return
    this.#pairs.delete(pair)
    from.destroySoon()
    to.destroySoon()
  }
}
