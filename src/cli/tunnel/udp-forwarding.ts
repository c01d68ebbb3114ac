import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, isIP } from 'node:net'
import type { Time } from '../transfer/waiting.ts'
import { DatagramConnection } from './datagram-connection.ts'
import type { Dialer, DialTarget } from './dialer.ts'
import { MAX_UDP_SOURCES } from './limits.ts'
import type { Tunnel } from './tunnel.ts'

interface UdpForwardingOptions {
  readonly tunnel: Tunnel
  readonly dialer: Dialer
  readonly target: DialTarget
  readonly time: Time
}

/** A local UDP port: the datagrams of each program that sends to it become messages of a connection of its own. */
export class UdpForwarding {
  readonly #options: UdpForwardingOptions
  readonly #sources: Map<string, DatagramConnection> = new Map()
  #socket: UdpSocket | undefined

  constructor(options: UdpForwardingOptions) {
    this.#options = options
  }

  /** Resolves with the address at which it listens. @throws what the system says */
  async listen({ host, port }: { readonly host: string; readonly port: number }): Promise<AddressInfo> {
    const socket = createSocket(isIP(host) === 6 ? 'udp6' : 'udp4')
    socket.bind(port, host)
    await once(socket, 'listening')
    socket.on('error', () => undefined)
    this.#socket = socket
    socket.on('message', (data, from) => this.#connectionOf(from)?.send(data))
    return socket.address()
  }

  /** Takes nothing any more, and ends what runs. */
  close(): void {
    this.#socket?.close()
    this.#socket = undefined
    for (const connection of this.#sources.values()) connection.end()
  }

  #connectionOf({ address, port }: RemoteInfo): DatagramConnection | undefined {
    const key = `${address} ${port}`
    const known = this.#sources.get(key)
    if (known !== undefined || this.#sources.size >= MAX_UDP_SOURCES) return known
    const { tunnel, dialer, target, time } = this.#options
    try {
      const socket = dialer.dial(target)
      socket.once('error', (error: Error) => tunnel.refused(dialer.about(target), error))
      socket.once('close', () => this.#sources.delete(key))
      const connection = new DatagramConnection(socket, time, (data) => this.#socket?.send(data, port, address))
      this.#sources.set(key, connection)
      return connection
    } catch (error) {
      tunnel.refused(dialer.about(target), error)
      return undefined
    }
  }
}
