import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { CLIENT_GREETING_MS, MAX_CLIENTS } from '../../../src/cli/proxy/limits.ts'
import { readDatagram, writeDatagram } from '../../../src/cli/proxy/socks.ts'
import { KeysockError } from '../../../src/index.ts'
import { ProxyBench, Reader } from './proxy-bench.ts'

const HELLO = Buffer.from('050100', 'hex')
const GRANTED = '05000001000000000000'

/** A request of version 5 for a name. */
function request(host: string, port: number, command = 1): Buffer {
  return Buffer.concat([Buffer.from([5, command, 0, 3, host.length]), Buffer.from(host), Buffer.from([0, port])])
}

function login(user: string, password: string): Buffer {
  const fields = [user, password].map((text) => Buffer.from([text.length, ...Buffer.from(text)]))
  return Buffer.concat([Buffer.from('01', 'hex'), ...fields])
}

async function open(bench: ProxyBench): Promise<Reader> {
  return new Reader(await bench.socks())
}

it('joins a client to a name, with what it has sent before it was told that it may', async () => {
  const bench = new ProxyBench()
  await bench.serveEcho(7)
  const client = await open(bench)
  client.socket.write(Buffer.concat([HELLO, request('shop.keysock', 7), Buffer.from('early')]))
  expect(await client.take(12)).toBe(`0500${GRANTED}`)
  client.socket.end(' late')
  expect(await client.rest()).toBe('early late')
  expect(bench.dialled[0]).toMatchObject({ destination: { address: 'the shop', port: 7 }, isolation: undefined })
})

it('reads a greeting that comes byte by byte', async () => {
  const bench = new ProxyBench()
  await bench.serveEcho(7)
  const client = await open(bench)
  for (const byte of Buffer.concat([Buffer.from('05020002', 'hex'), login('me', 'x'), request('SHOP.keysock.', 7)])) {
    client.socket.write(Uint8Array.of(byte))
    await setImmediate()
  }
  expect(await client.take(14)).toBe(`05020100${GRANTED}`)
  expect(bench.dialled[0]?.isolation).toBe('me')
})

it('takes a user name as the isolation, whatever the password, and an empty one as none', async () => {
  const bench = new ProxyBench()
  await bench.serveEcho(7)
  const port = await bench.socks()
  for (const user of ['alice', 'bob', '', '\u0001 x']) {
    const client = new Reader(port)
    client.socket.write(Buffer.concat([Buffer.from('050102', 'hex'), login(user, user), request('shop.keysock', 7)]))
    expect(await client.take(14)).toBe(`05020100${GRANTED}`)
  }
  const names = bench.dialled.map(({ isolation }) => isolation)
  expect(names).toEqual(['alice', 'bob', undefined, '\u0001 x'])
})

it('speaks SOCKS 4a', async () => {
  const bench = new ProxyBench()
  await bench.serveEcho(7)
  const client = await open(bench)
  client.socket.write(Buffer.concat([Buffer.from('0401000700000001', 'hex'), Buffer.from('me\0shop.keysock\0hi')]))
  expect(await client.take(8)).toBe('005a000000000000')
  expect(await client.take(2)).toBe(Buffer.from('hi').toString('hex'))
  expect(bench.dialled[0]?.isolation).toBe('me')
})

it('refuses an address of SOCKS 4 without a name', async () => {
  const client = await open(new ProxyBench())
  client.socket.write(Buffer.from('040100070a000001', 'hex'))
  client.socket.write('\0')
  expect(await client.take(8)).toBe('005b000000000000')
})

it.each([
  ['another domain', request('example.org', 80), '02', 'ERR_CLI_PROXY'],
  ['an IPv4 address', Buffer.from('05010001010203040050', 'hex'), '08', 'ERR_CLI_PROXY'],
  ['an IPv6 address', Buffer.from(`05010004${'00'.repeat(15)}010050`, 'hex'), '08', 'ERR_CLI_PROXY'],
  ['an IPv4 address as a name', request('1.2.3.4', 80), '08', 'ERR_CLI_PROXY'],
  ['a name that nobody has', request('nobody.keysock', 80), '04', 'ERR_CLI_NAMES'],
  ['a port where nobody listens', request('shop.keysock', 9), '05', 'ECONNREFUSED'],
])('refuses %s with the code for it', async (_name, bytes, code, why) => {
  const bench = new ProxyBench()
  const client = await open(bench)
  client.socket.write(Buffer.concat([HELLO, bytes]))
  expect(await client.rest()).toBe(Buffer.from(`050005${code}0001000000000000`, 'hex').toString())
  expect(bench.refusals).toEqual([why])
})

it.each([
  ['EHOSTUNREACH', '04'],
  ['ETIMEDOUT', '06'],
  ['ERR_KEYSOCK_PRICE', '02'],
  ['ERR_KEYSOCK_COST', '02'],
  ['ERR_KEYSOCK_POLICY', '02'],
  ['ERR_KEYSOCK_NO_PATH', '01'],
])('says %s by the code %s', async (code, said) => {
  const bench = new ProxyBench()
  bench.failure = new KeysockError(code, 'it did not go')
  const client = await open(bench)
  client.socket.write(Buffer.concat([HELLO, request('shop.keysock', 7)]))
  expect(await client.take(12)).toBe(`050005${said}0001000000000000`)
})

it.each([
  ['BIND', request('shop.keysock', 7, 2)],
  ['an unknown command', request('shop.keysock', 7, 9)],
])('refuses %s', async (_name, bytes) => {
  const client = await open(new ProxyBench())
  client.socket.write(Buffer.concat([HELLO, bytes]))
  expect(await client.take(12)).toBe('05000507000100000000'.padEnd(24, '0'))
})

it.each([
  ['garbage', 'deadbeef', ''],
  ['a request of a web browser', Buffer.from('GET / HTTP/1.1\r\n\r\n').toString('hex'), ''],
  ['no method that is known', '050103', '05ff'],
  ['a login of another version', '05010205', '0502'],
  ['an unknown type of address', '0501000501000900', '050005080001000000000000'],
  ['half a greeting and an end', '0501', ''],
])('closes the connection of %s', async (_name, sent, answer) => {
  const bench = new ProxyBench()
  const client = await open(bench)
  client.socket.end(Buffer.from(sent, 'hex'))
  expect(await client.take(Infinity)).toBe(answer)
  expect(bench.dialled).toEqual([])
})

it('gives up a client that does not say what it wants', async () => {
  const bench = new ProxyBench()
  const client = await open(bench)
  client.socket.write(HELLO)
  expect(await client.take(2)).toBe('0500')
  await bench.time.advance(CLIENT_GREETING_MS)
  expect(await client.rest()).toBe('')
})

it('gives up connecting for a client that goes', async () => {
  const bench = new ProxyBench()
  bench.gate = Promise.withResolvers<void>().promise
  const client = await open(bench)
  client.socket.write(Buffer.concat([HELLO, request('shop.keysock', 7)]))
  expect(await client.take(2)).toBe('0500')
  while (bench.dialled.length === 0) await setImmediate()
  client.socket.resetAndDestroy()
  const signal = bench.dialled[0]?.signal
  if (signal?.aborted === false) await once(signal, 'abort')
  expect(bench.refusals).toEqual([])
})

it('takes so many clients at once, and no more', async () => {
  const bench = new ProxyBench()
  const port = await bench.socks()
  const clients = Array.from({ length: MAX_CLIENTS }, () => new Reader(port))
  await Promise.all(clients.map(({ socket }) => once(socket, 'connect')))
  clients[0]?.socket.write(HELLO)
  expect(await clients[0]?.take(2)).toBe('0500')
  expect(await new Reader(port).rest()).toBe('')
})

describe('UDP ASSOCIATE', () => {
  /** A client's UDP port, and the association that it asks for. */
  async function associate(bench: ProxyBench): Promise<{ udp: UdpSocket; control: Reader; port: number }> {
    const control = await open(bench)
    control.socket.write(Buffer.concat([HELLO, Buffer.from('05030001000000000000', 'hex')]))
    const answer = await control.take(12)
    expect(answer.slice(0, 20)).toBe('0500050000017f000001')
    const udp = createSocket('udp4')
    onTestFinished(() => void udp.close())
    udp.bind(0, '127.0.0.1')
    await once(udp, 'listening')
    return { udp, control, port: Number.parseInt(answer.slice(20), 16) }
  }

  it('sends what is for a name, and connects once for several datagrams', async () => {
    const bench = new ProxyBench()
    bench.gate = Promise.withResolvers<void>().promise
    const { udp, port, control } = await associate(bench)
    for (const host of ['example.org', 'shop.keysock', 'shop.keysock'])
      udp.send(writeDatagram({ host, port: 53, data: Buffer.from('question') }), port, '127.0.0.1')
    while (bench.dialled.length === 0) await setImmediate()
    expect(bench.dialled).toHaveLength(1)
    expect(bench.refusals).toEqual(['ERR_CLI_PROXY'])
    const { signal } = bench.dialled[0] as (typeof bench.dialled)[number]
    control.socket.destroy()
    if (!signal.aborted) await once(signal, 'abort')
    expect(signal.aborted).toBe(true)
  })

  it('reads what it has written, and nothing that is a fragment, an address or too short', () => {
    const datagram = { host: 'shop.keysock', port: 5_353, data: Uint8Array.of(1, 2, 3) }
    const bytes = writeDatagram(datagram)
    expect(readDatagram(bytes)).toMatchObject({ host: 'shop.keysock', port: 5_353 })
    expect([...(readDatagram(bytes)?.data ?? [])]).toEqual([1, 2, 3])
    expect(readDatagram(bytes.subarray(0, 18))).toBeUndefined()
    expect(readDatagram(Buffer.from('00000101010203040035', 'hex'))).toBeUndefined()
    expect(readDatagram(Buffer.from('00000001010203040035', 'hex'))).toBeUndefined()
    expect(readDatagram(new Uint8Array())).toBeUndefined()
  })
})
