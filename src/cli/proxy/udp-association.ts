import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import type { Time } from '../transfer/waiting.ts'
import { DatagramConnection } from '../tunnel/datagram-connection.ts'
import { destinationOf } from './destination.ts'
import { MAX_UDP_WAITING } from '../tunnel/limits.ts'
import { MAX_UDP_DESTINATIONS } from './limits.ts'
import type { Outgoing } from './outgoing.ts'
import { Refusal } from './refusal.ts'
import { readDatagram, type SocksBound, type SocksDatagram, writeDatagram } from './socks.ts'

interface AssociationParts {
  readonly outgoing: Outgoing
  readonly time: Time
  readonly isolation: string | undefined
  /** The client's IP address: datagrams of others are dropped (RFC 1928 §7). */
  readonly from: string
  /** Ends it: the client's TCP connection is gone. */
  readonly signal: AbortSignal
}

interface Target {
  connection: DatagramConnection | undefined
  /** Until the connection stands. */
  waiting: Uint8Array[]
}

/** UDP ASSOCIATE (RFC 1928 §7): a UDP port of a client, with a connection of keysock for each host that it talks to. */
export class UdpAssociation {
  readonly #parts: AssociationParts
  /** By host and port, as the client says them. */
  readonly #targets: Map<string, Target> = new Map()
  #socket: UdpSocket | undefined
  #client: RemoteInfo | undefined

  constructor(parts: AssociationParts) {
    this.#parts = parts
  }

  /** Where the client sends its datagrams. @throws the system's error */
  async open(localAddress: string): Promise<SocksBound> {
    const { signal } = this.#parts
    const address = plain(localAddress)
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    this.#socket = socket
    socket.bind(0, address)
    await once(socket, 'listening')
    socket.on('error', () => undefined)
    socket.on('message', (bytes, from) => this.#receive(bytes, from))
    if (signal.aborted) this.#close()
    else signal.addEventListener('abort', () => this.#close(), { once: true })
    return { address, port: signal.aborted ? 0 : socket.address().port }
  }

  #receive(bytes: Uint8Array, from: RemoteInfo): void {
    if (plain(from.address) !== plain(this.#parts.from)) return
    const datagram = readDatagram(bytes)
    if (datagram === undefined) return
    this.#client = from
    const key = `${datagram.host.toLowerCase()}:${datagram.port}`
    const target = this.#targets.get(key) ?? this.#connect(key, datagram)
    if (target === undefined) return
    if (target.connection !== undefined) target.connection.send(datagram.data)
    else if (target.waiting.length < MAX_UDP_WAITING) target.waiting.push(Uint8Array.from(datagram.data))
  }

  #connect(key: string, { host, port }: SocksDatagram): Target | undefined {
    if (this.#targets.size >= MAX_UDP_DESTINATIONS) return undefined
    const { outgoing, time, isolation, signal } = this.#parts
    const target: Target = { connection: undefined, waiting: [] }
    this.#targets.set(key, target)
    const forget = (): void => void this.#targets.delete(key)
    const connect = async (): Promise<void> => {
      const destination = destinationOf(host, port, (name) => outgoing.resolve(name))
      const socket = await outgoing.dial({ destination, isolation, signal })
      socket.once('close', forget)
      const connection = new DatagramConnection(socket, time, (data) => this.#answer({ host, port, data }))
      for (const data of target.waiting.splice(0)) connection.send(data)
      target.connection = connection
      if (signal.aborted) connection.end()
    }
    connect().catch((error: unknown) => {
      forget()
      if (!signal.aborted) outgoing.refused(host, Refusal.of(error))
    })
    return target
  }

  #answer(datagram: SocksDatagram): void {
    const client = this.#client
    if (client !== undefined && !this.#parts.signal.aborted)
      this.#socket?.send(writeDatagram(datagram), client.port, client.address)
  }

  #close(): void {
    this.#socket?.close()
    this.#socket = undefined
    for (const { connection } of this.#targets.values()) connection?.end()
  }
}

/** An IPv4 address that came over a socket of IPv6, as itself. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/, '')
}
