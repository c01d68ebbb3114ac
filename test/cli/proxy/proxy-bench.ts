import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { onTestFinished } from 'vitest'
import { HttpProxy } from '../../../src/cli/proxy/http-proxy.ts'
import type { Outgoing, Wish } from '../../../src/cli/proxy/outgoing.ts'
import type { Refusal } from '../../../src/cli/proxy/refusal.ts'
import { SocksServer } from '../../../src/cli/proxy/socks-server.ts'
import { KeysockError, type Socket as KeysockSocket } from '../../../src/index.ts'
import { ManualClock } from '../../manual-clock.ts'

/** Listens on a free port of this machine, until the test ends. */
async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
  })
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

/** A proxy before local servers that stand for nodes: shop.keysock has what `serve` gave for the port. */
export class ProxyBench implements Outgoing {
  readonly time: ManualClock = new ManualClock(async () => undefined)
  readonly dialled: Wish[] = []
  readonly refusals: string[] = []
  readonly joined: Duplex[] = []
  /** What dialling fails with. */
  failure: Error | undefined
  /** Dialling waits for it. */
  gate: Promise<void> = Promise.resolve()
  readonly #ports: Map<number, number> = new Map()

  resolve(name: string): string {
    if (name === 'shop.keysock' || name === 'www.shop.keysock') return 'the shop'
    throw new KeysockError('ERR_CLI_NAMES', `the address book has no name ${name}`)
  }

  async dial(wish: Wish): Promise<KeysockSocket> {
    this.dialled.push(wish)
    await this.gate
    if (this.failure !== undefined) throw this.failure
    const port = this.#ports.get(wish.destination.port)
    if (port === undefined) throw new KeysockError('ECONNREFUSED', 'nobody listens there')
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    await once(socket, 'connect')
    return socket as unknown as KeysockSocket
  }

  join(local: Duplex, remote: KeysockSocket): void {
    this.joined.push(local)
    local.on('error', () => remote.destroy()).pipe(remote)
    remote.on('error', () => local.destroy()).pipe(local)
  }

  refused(_host: string, { code }: Refusal): void {
    this.refusals.push(code)
  }

  async serve(port: number, server: Server): Promise<void> {
    this.#ports.set(port, await listening(server))
  }

  async serveEcho(port: number): Promise<void> {
    await this.serve(
      port,
      createServer({ allowHalfOpen: true }, (socket) => void socket.pipe(socket)),
    )
  }

  socks(): Promise<number> {
    return listening(new SocksServer(this, this.time).server)
  }

  http(): Promise<number> {
    const proxy = new HttpProxy(this, this.time)
    onTestFinished(() => proxy.close())
    return listening(proxy.server)
  }
}

/** Bytes of a connection as they come. */
export class Reader {
  readonly socket: Socket
  #bytes: Buffer = Buffer.alloc(0)
  #hasEnded = false
  #changed: () => void = () => undefined

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1')
    this.socket.setNoDelay()
    this.socket.on('error', () => undefined)
    this.socket.on('data', (data: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, data])
      this.#changed()
    })
    this.socket.on('close', () => {
      this.#hasEnded = true
      this.#changed()
    })
    onTestFinished(() => void this.socket.destroy())
  }

  /** The next bytes, as hexadecimal; fewer where it ends before. */
  async take(count: number): Promise<string> {
    while (this.#bytes.length < count && !this.#hasEnded)
      await new Promise<void>((resolve) => {
        this.#changed = resolve
      })
    const taken = this.#bytes.subarray(0, count)
    this.#bytes = this.#bytes.subarray(count)
    return taken.toString('hex')
  }

  /** All that comes until the end, as text. */
  async rest(): Promise<string> {
    return Buffer.from(await this.take(Infinity), 'hex').toString()
  }
}
