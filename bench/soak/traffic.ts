/** What the programs of a soak do to each other: connections of every kind, ended in every way, and messages. */
import type { Endpoint, Server, Socket } from '../../src/index.ts'
import type { Random } from '../../src/backends/sim/random.ts'

const ECHO_PORT = 10
const SALE_PORT = 11
const SINK_PORT = 12
const MESSAGE_PORT = 13
/** For 1,000 bytes of the sale. */
const KILOBYTE_MSAT = 1_000
const ANY_PRICE = { opening: 1_000_000, packet: 1_000_000, kilobyte: 1_000_000 }
const MAX_BYTES = 20_000
/** Nobody ends some connections: the idle timeout does. */
const SHORT_IDLE_MS = 60_000
const MAX_DATAGRAMS = 20
const MAX_NOTES = 4

/** One program: what it serves, and what it has open. */
export class Party {
  readonly endpoint: Endpoint
  readonly #sockets = new Set<Socket>()
  readonly #servers: Server[] = []
  readonly #tally: Tally

  private constructor(endpoint: Endpoint, tally: Tally) {
    this.endpoint = endpoint
    this.#tally = tally
  }

  static async serve(endpoint: Endpoint, tally: Tally): Promise<Party> {
    const party = new Party(endpoint, tally)
    await party.#listen(ECHO_PORT, {}, (socket) => socket.pipe(socket))
    await party.#listen(SALE_PORT, { tariff: { kilobyte: KILOBYTE_MSAT } }, (socket) => {
      socket.end(Buffer.alloc(MAX_BYTES, 'sale'))
    })
    await party.#listen(SINK_PORT, { allowHalfOpen: true, idleTimeout: SHORT_IDLE_MS }, (socket) => {
      socket.resume().once('end', () => socket.end())
    })
    void party.#readMessages()
    return party
  }

  async #listen(port: number, options: object, answer: (socket: Socket) => void): Promise<void> {
    const server = this.endpoint.createServer(options, (socket) => {
      this.#keep(socket)
      answer(socket)
    })
    this.#servers.push(server)
    await server.listen(port)
  }

  async #readMessages(): Promise<void> {
    try {
      for await (const { text } of this.endpoint.messages(MESSAGE_PORT))
        if (text.length > 0) this.#tally.count('message')
    } catch {
      // The endpoint was closed, or its process is gone.
    }
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('data', ({ length }: Buffer) => this.#tally.count('bytes', length))
    socket.on('error', (error: NodeJS.ErrnoException) => this.#tally.count(error.code ?? error.message))
    socket.on('paused', () => undefined).on('message', () => this.#tally.count('datagram'))
    socket.on('payment', () => this.#tally.count('note'))
    socket.once('close', () => {
      this.#sockets.delete(socket)
      this.#tally.count('closed')
    })
  }

  get openSockets(): number {
    return this.#sockets.size
  }

  /** One thing, drawn: a connection to `key` or a message. */
  act(key: string, random: Random): void {
    if (random.chance(0.2)) return this.#message(key, random)
    const port = random.oneOf([ECHO_PORT, ECHO_PORT, SALE_PORT, SINK_PORT])
    const socket = this.endpoint.createConnection(key, port, {
      lane: random.oneOf(['node', 'node', 'phantom'] as const),
      replies: random.oneOf(['phantom', 'direct'] as const),
      maxTariff: ANY_PRICE,
      allowHalfOpen: random.chance(0.3),
      ...(random.chance(0.1) && { idleTimeout: SHORT_IDLE_MS }),
    })
    this.#keep(socket)
    socket.resume()
    if (port === SINK_PORT) this.#talk(socket, random)
    else if (port === ECHO_PORT) socket.write(Buffer.alloc(random.below(MAX_BYTES) + 1, 'echo'))
    this.#end(socket, random, port === ECHO_PORT)
  }

  // Datagrams and payments with notes, beside some of the stream.
  #talk(socket: Socket, random: Random): void {
    const datagrams = random.below(MAX_DATAGRAMS)
    const notes = random.below(MAX_NOTES)
    socket.once('connect', () => {
      for (let i = 0; i < datagrams && socket.writable; i++) socket.sendMessage(Buffer.alloc(100, i))
      for (let i = 0; i < notes && socket.writable; i++) {
        socket.pay(1_000 * (i + 1), `note ${i}`).catch(() => this.#tally.count('note failed'))
      }
    })
    socket.write('words')
  }

  #end(socket: Socket, random: Random, isEcho: boolean): void {
    const way = random.oneOf(['end', 'end', 'end', 'end', 'destroy', 'reset', 'at once', 'never'] as const)
    const isKilled = (): boolean => !socket.destroyed
    switch (way) {
      case 'end':
        if (isEcho || random.chance(0.5)) socket.end()
        else socket.once('connect', () => socket.end())
        return
      case 'destroy':
        socket.once('connect', () => isKilled() && socket.destroy())
        return
      case 'reset':
        socket.once('connect', () => isKilled() && socket.resetAndDestroy())
        return
      case 'at once':
        socket.destroy()
        return
      case 'never':
        // Whoever is there last ends it: the idle timeout, a crash, or the end of the soak.
        socket.once('end', () => socket.end())
    }
  }

  #message(key: string, random: Random): void {
    const text = 'm'.repeat(1 + random.below(2_000))
    const options = { amount: random.oneOf([0, 0, 5_000]), lane: random.oneOf(['node', 'phantom'] as const) }
    this.endpoint.sendMessage(key, MESSAGE_PORT, text, options).catch(() => this.#tally.count('message failed'))
  }

  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async close(): Promise<void> {
    await this.endpoint.close()
  }
}

/** How often what happened. */
export class Tally {
  readonly counts: Record<string, number> = {}

  count(what: string, times = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + times
  }
}
