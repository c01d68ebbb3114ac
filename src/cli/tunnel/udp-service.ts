import { createSocket } from 'node:dgram'
import { isIP } from 'node:net'
import type { Socket } from '../../index.ts'
import type { Time } from '../transfer/waiting.ts'
import { DatagramConnection } from './datagram-connection.ts'
import type { Service } from './service.ts'

/** Brings the datagrams of a connection to a local UDP service, and its answers back: a port of its own for each. */
export function serveDatagrams(socket: Socket, service: Service, time: Time): void {
  if (service.type === 'unix') return void socket.destroy()
  const { host, port } = service
  const local = createSocket(isIP(host) === 6 ? 'udp6' : 'udp4')
  // A service that is away is what UDP does not tell.
  local.on('error', () => undefined)
  const connection = new DatagramConnection(socket, time, (data) => local.send(data, port, host))
  local.on('message', (data, from) => {
    if (from.port === port) connection.send(data)
  })
  // Whoever connected has ended, or was silent for long.
  socket.once('end', () => connection.end())
  socket.once('close', () => local.close())
}
