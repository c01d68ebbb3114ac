/** What programs of this machine say to `keysock proxy`, and datagrams of the other side. */
import { setImmediate as turn } from 'node:timers/promises'
import { duplexPair, type Duplex } from 'node:stream'
import type { Socket as TcpSocket } from 'node:net'
import { GreetingError } from '../../../src/cli/proxy/client-bytes.ts'
import { HttpProxy } from '../../../src/cli/proxy/http-proxy.ts'
import type { Outgoing } from '../../../src/cli/proxy/outgoing.ts'
import { readDatagram, readRequest, reply, writeDatagram } from '../../../src/cli/proxy/socks.ts'
import { Datagrams, MAX_DATAGRAM_BYTES } from '../../../src/cli/tunnel/datagrams.ts'
import { KeysockError, type Socket } from '../../../src/index.ts'
import { toHex } from '../../../src/floor/bytes.ts'
import { must, type Target } from '../../../tools/fuzz/target.ts'
import { ManualClock } from '../../manual-clock.ts'

const NAME = Buffer.from('shop.keysock')
const LOGIN = Buffer.from('0102616202787a', 'hex')

const socks: Target = {
  name: 'socks',
  maxBytes: 700,
  runsInCi: 800,
  seeds: () => [
    Buffer.concat([Buffer.from('050100', 'hex'), Uint8Array.of(5, 1, 0, 3, NAME.length), NAME, Uint8Array.of(0, 80)]),
    Buffer.concat([
      Buffer.from('05020002', 'hex'),
      LOGIN,
      Uint8Array.of(5, 3, 0, 3, NAME.length),
      NAME,
      Uint8Array.of(0, 80),
    ]),
    Buffer.from('05010005010001010203040050', 'hex'),
    Buffer.from(`05010005010004${'00'.repeat(15)}010050`, 'hex'),
    Buffer.concat([Buffer.from('0401000700000001', 'hex'), Buffer.from('me\0shop.keysock\0hi')]),
    Buffer.from('04020007010203046d6500', 'hex'),
  ],
  async run(input) {
    const [client, server] = duplexPair()
    client.resume()
    client.end(input)
    try {
      const request = await readRequest(server as unknown as TcpSocket, new AbortController().signal)
      must(request.host.length <= 255 && (request.user?.length ?? 0) <= 255, 'a field that is too long')
      must(request.port >= 0 && request.port <= 65_535, 'a port that is none')
      reply(server as unknown as TcpSocket, request.version, 0, { address: '::1', port: 7 })
    } catch (error) {
      if (!(error instanceof GreetingError)) throw error
    } finally {
      client.destroy()
      server.destroy()
    }
  },
}

/** Nobody is to be reached, or somebody who answers with these bytes. */
class Answering implements Outgoing {
  readonly joined: Duplex[] = []
  readonly #answer: Uint8Array | undefined

  constructor(answer: Uint8Array | undefined) {
    this.#answer = answer
  }

  resolve(name: string): string {
    if (name === 'shop.keysock') return 'the shop'
    throw new KeysockError('ERR_CLI_NAMES', 'no such name')
  }

  dial(): Promise<Socket> {
    if (this.#answer === undefined) return Promise.reject(new KeysockError('ECONNREFUSED', 'nobody listens there'))
    const [near, far] = duplexPair()
    far.on('error', () => undefined).resume()
    far.end(this.#answer)
    near.on('error', () => undefined)
    return Promise.resolve(near as unknown as Socket)
  }

  join(local: Duplex, remote: Socket): void {
    this.joined.push(local)
    local.on('error', () => remote.destroy()).pipe(remote)
    remote.on('error', () => local.destroy()).pipe(local)
  }

  refused(): void {}
}

/** Turns of the event loop until what came has been answered: node's parser and ours take less. */
const TURNS = 30
/** Between what a client says and what a server answers. */
const SPLIT = '\u0000\u0000'

const http: Target = {
  name: 'http',
  maxBytes: 1_200,
  runsInCi: 150,
  fields: (input) => [0, ...[...Buffer.from(input).toString('latin1').matchAll(/\n| /g)].map(({ index }) => index + 1)],
  seeds: () =>
    [
      `GET http://shop.keysock/a HTTP/1.1\r\nHost: shop.keysock\r\nConnection: close\r\n\r\n${SPLIT}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi`,
      'GET http://shop.keysock/a HTTP/1.1\r\nHost: shop.keysock\r\nProxy-Authorization: Basic YTpi\r\n\r\n',
      `CONNECT shop.keysock:443 HTTP/1.1\r\nHost: shop.keysock\r\n\r\nhello${SPLIT}answer`,
      `GET http://shop.keysock/ws HTTP/1.1\r\nHost: shop.keysock\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n${SPLIT}HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi`,
      `POST http://shop.keysock/ HTTP/1.1\r\nHost: shop.keysock\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n${SPLIT}HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n`,
      'GET /proxy.pac HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
      'CONNECT example.org:443 HTTP/1.1\r\n\r\n',
    ].map((text) => Buffer.from(text, 'latin1')),
  async run(input) {
    const text = Buffer.from(input).toString('latin1')
    const at = text.indexOf(SPLIT)
    const outgoing = new Answering(at < 0 ? undefined : input.subarray(at + SPLIT.length))
    const proxy = new HttpProxy(outgoing, new ManualClock(async () => undefined))
    const [client, server] = duplexPair()
    const thrown: unknown[] = []
    const caught = (error: unknown): void => void thrown.push(error)
    process.on('uncaughtException', caught)
    process.on('unhandledRejection', caught)
    try {
      client.on('error', () => undefined).resume()
      server.on('error', () => undefined)
      // What a socket of TCP has beyond a stream.
      Object.assign(server, { destroySoon: () => server.end(() => server.destroy()) })
      proxy.server.emit('connection', server)
      client.end(at < 0 ? input : input.subarray(0, at))
      for (let i = 0; i < TURNS; i++) await turn()
    } finally {
      proxy.close()
      client.destroy()
      server.destroy()
      await turn()
      process.off('uncaughtException', caught)
      process.off('unhandledRejection', caught)
    }
    if (thrown.length > 0) throw thrown[0] as Error
  },
}

/** Messages of the other side, each behind a byte of its length; and the whole as a datagram of a client. */
const datagrams: Target = {
  name: 'datagrams',
  maxBytes: 4_000,
  runsInCi: 3_000,
  fields(input) {
    const starts: number[] = []
    for (let at = 0; at < input.length; at += 1 + (input[at] ?? 0)) starts.push(at)
    return starts
  },
  seeds: () => [
    Uint8Array.of(3, 0, 1, 2, 6, 1, 0, 0, 0, 2, 9, 6, 1, 0, 0, 1, 2, 8),
    writeDatagram({ host: 'shop.keysock', port: 53, data: Uint8Array.of(1, 2) }),
  ],
  run(input) {
    const joined = new Datagrams()
    for (let at = 0; at < input.length; at += 1 + (input[at] ?? 0)) {
      const datagram = joined.join(input.subarray(at + 1, at + 1 + (input[at] ?? 0)))
      if (datagram === undefined) continue
      const cut = joined.cut(datagram)
      must(datagram.length > MAX_DATAGRAM_BYTES || cut.length > 0, 'a datagram that cannot be sent')
      const other = new Datagrams()
      const back = cut.map((message) => other.join(message)).at(-1)
      must(
        back === undefined ? cut.length === 0 : toHex(back) === toHex(datagram),
        'a datagram that does not come back',
      )
    }
    const read = readDatagram(input)
    if (read === undefined) return
    const again = readDatagram(writeDatagram(read))
    must(again?.host === read.host && again.port === read.port, 'a datagram of a client that does not come back')
  },
}

export const targets: readonly Target[] = [socks, http, datagrams]
