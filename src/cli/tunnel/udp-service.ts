import { createSocket } from 'node:dgram'
import { isIP } from 'node:net'
import type { Socket } from '../../index.ts'
import type { Time } from '../transfer/waiting.ts'
import { DatagramConnection } from './datagram-connection.ts'
import { MAX_UDP_WAITING } from './limits.ts'
import type { Service } from './service.ts'

/**
 * Brings the datagrams of a connection to a local UDP service, and its answers back: a port of its own for each, which
 * hears the service alone, and nobody else on this machine or its network.
 */
export function serveDatagrams(socket: Socket, service: Service, time: Time): void {
  if (service.type === 'unix') return void socket.destroy()
  const { host, port } = service
  const local = createSocket(isIP(host) === 6 ? 'udp6' : 'udp4')
  /** Until the name of the service is looked up. */
  const waiting: Uint8Array[] = []
  let isConnected = false
  // A service that is away is what UDP does not tell.
  local.on('error', () => undefined)
  const connection = new DatagramConnection(socket, time, (data) => {
    if (isConnected) local.send(data)
    else if (waiting.length < MAX_UDP_WAITING) waiting.push(Uint8Array.from(data))
  })
  local.on('message', (data) => connection.send(data))
  local.once('connect', () => {
    isConnected = true
    for (const data of waiting.splice(0)) local.send(data)
  })
  local.connect(port, host)
  // Whoever connected has ended, or was silent for long.
  socket.once('end', () => connection.end())
  socket.once('close', () => local.close())
}
