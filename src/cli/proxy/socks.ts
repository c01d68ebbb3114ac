/** SOCKS 5 (RFC 1928, with the user names of RFC 1929) and SOCKS 4a, as bytes. */
import type { Socket } from 'node:net'
import { ClientBytes, GreetingError } from './client-bytes.ts'
import { MAX_FIELD_BYTES } from './limits.ts'

const VERSION_5 = 5
const VERSION_4 = 4
/** RFC 1929 §2: the version of its own exchange. */
const LOGIN_VERSION = 1
const NO_LOGIN = 0x00
const LOGIN = 0x02
const NO_METHOD = 0xff

const COMMANDS: Readonly<Record<number, SocksCommand>> = { 1: 'connect', 2: 'bind', 3: 'udp' }
const IPV4 = 1
const DOMAIN = 3
const IPV6 = 4
/** RFC 1928 §6. */
export const SUCCEEDED = 0x00
const COMMAND_NOT_SUPPORTED = 0x07
const ADDRESS_NOT_SUPPORTED = 0x08
/** SOCKS 4: request granted, and rejected or failed. */
const GRANTED_4 = 0x5a
const REJECTED_4 = 0x5b

type SocksCommand = 'connect' | 'bind' | 'udp'

/** What a client wants. */
export interface SocksRequest {
  readonly version: 4 | 5
  readonly command: SocksCommand
  /** A name, or an IP address as text. */
  readonly host: string
  readonly port: number
  /** The user name; undefined: none was given. */
  readonly user: string | undefined
}

/**
 * Reads a greeting up to the request, and answers what has to be answered on the way: methods, user names, and what
 * cannot be served.
 *
 * @throws GreetingError where it is no SOCKS, or nothing that is known here: the socket is to be closed
 */
export async function readRequest(socket: Socket, signal: AbortSignal): Promise<SocksRequest> {
  const bytes = new ClientBytes(socket, signal)
  try {
    const [version] = await bytes.take(1)
    if (version === VERSION_4) return await readRequest4(bytes)
    if (version === VERSION_5) return await readRequest5(socket, bytes)
    throw new GreetingError('it does not speak SOCKS')
  } finally {
    bytes.release()
  }
}

async function readRequest5(socket: Socket, bytes: ClientBytes): Promise<SocksRequest> {
  const user = await agreeOnMethod(socket, bytes)
  const [again, command = 0, , type] = await bytes.take(4)
  if (again !== VERSION_5) throw new GreetingError('it does not speak SOCKS')
  const host = await readHost(socket, bytes, type)
  const port = (await bytes.take(2)).readUInt16BE()
  const known = COMMANDS[command]
  if (known === undefined) {
    reply(socket, 5, COMMAND_NOT_SUPPORTED)
    throw new GreetingError(`there is no command ${command}`)
  }
  return { version: 5, command: known, host, port, user }
}

/** A user name where the client offers one, since it says what may be linked; else nothing. */
async function agreeOnMethod(socket: Socket, bytes: ClientBytes): Promise<string | undefined> {
  const [count = 0] = await bytes.take(1)
  const methods = await bytes.take(count)
  const method = methods.includes(LOGIN) ? LOGIN : methods.includes(NO_LOGIN) ? NO_LOGIN : NO_METHOD
  socket.write(Uint8Array.of(VERSION_5, method))
  if (method === NO_METHOD) throw new GreetingError('it offers no method that is known here')
  if (method === NO_LOGIN) return undefined
  const [version] = await bytes.take(1)
  if (version !== LOGIN_VERSION) throw new GreetingError('its user name is not as RFC 1929 has it')
  const user = await readField(bytes)
  // Any password will do: the name only keeps connections apart.
  await readField(bytes)
  socket.write(Uint8Array.of(LOGIN_VERSION, SUCCEEDED))
  return user === '' ? undefined : user
}

async function readField(bytes: ClientBytes): Promise<string> {
  const [length = 0] = await bytes.take(1)
  // Names are told apart byte by byte, whatever they mean.
  return (await bytes.take(length)).toString('latin1')
}

async function readHost(socket: Socket, bytes: ClientBytes, type: number | undefined): Promise<string> {
  switch (type) {
    case DOMAIN:
      return await readField(bytes)
    case IPV4:
      return (await bytes.take(4)).join('.')
    case IPV6:
      return groups(await bytes.take(16))
    case undefined:
    default:
      reply(socket, 5, ADDRESS_NOT_SUPPORTED)
      throw new GreetingError('its address is of no known type')
  }
}

async function readRequest4(bytes: ClientBytes): Promise<SocksRequest> {
  const head = await bytes.take(7)
  const user = await bytes.takeText(MAX_FIELD_BYTES)
  const address = head.subarray(3)
  // SOCKS 4a: 0.0.0.x stands for a name that follows.
  const isName = address[0] === 0 && address[1] === 0 && address[2] === 0 && address[3] !== 0
  const host = isName ? await bytes.takeText(MAX_FIELD_BYTES) : address.join('.')
  const command = head[0] === 1 ? 'connect' : 'bind'
  return { version: 4, command, host, port: head.readUInt16BE(1), user: user === '' ? undefined : user }
}

function groups(bytes: Buffer): string {
  return Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16)).join(':')
}

/** Answers a request. `code`: of RFC 1928 §6; SOCKS 4 knows yes and no. `bound`: where datagrams go. */
export function reply(socket: Socket, version: 4 | 5, code: number, bound: SocksBound = NOWHERE): void {
  if (socket.destroyed || socket.writableEnded) return
  const { port } = bound
  if (version === 4) {
    socket.write(Uint8Array.of(0, code === SUCCEEDED ? GRANTED_4 : REJECTED_4, 0, 0, 0, 0, 0, 0))
    return
  }
  socket.write(Uint8Array.of(VERSION_5, code, 0, ...addressBytes(bound.address), port >> 8, port & 0xff))
}

/** An own address, as text. */
export interface SocksBound {
  readonly address: string
  readonly port: number
}

const NOWHERE: SocksBound = { address: '0.0.0.0', port: 0 }

function addressBytes(address: string): number[] {
  if (!address.includes(':')) return [IPV4, ...address.split('.').map(Number)]
  const [head = '', tail = ''] = address.split('::')
  const before = groupsOf(head)
  const after = groupsOf(tail)
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0)
  return [IPV6, ...[...before, ...zeros, ...after].flatMap((group) => [group >> 8, group & 0xff])]
}

function groupsOf(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16))
}

/** A datagram of a client, or for it (RFC 1928 §7). */
export interface SocksDatagram {
  readonly host: string
  readonly port: number
  readonly data: Uint8Array
}

/** Undefined for what is none, has no name, or is a fragment: nobody sends fragments, and one may drop them. */
export function readDatagram(bytes: Uint8Array): SocksDatagram | undefined {
  const [, , fragment, type, length = 0] = bytes
  const end = 5 + length
  if (fragment !== 0 || type !== DOMAIN || bytes.length < end + 2) return undefined
  const host = Buffer.from(bytes.subarray(5, end)).toString('latin1')
  return { host, port: Buffer.from(bytes).readUInt16BE(end), data: bytes.subarray(end + 2) }
}

export function writeDatagram({ host, port, data }: SocksDatagram): Uint8Array {
  const name = Buffer.from(host, 'latin1')
  return Buffer.concat([Uint8Array.of(0, 0, 0, DOMAIN, name.length), name, Uint8Array.of(port >> 8, port & 0xff), data])
}
