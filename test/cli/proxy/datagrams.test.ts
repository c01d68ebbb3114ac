import { execFile } from 'node:child_process'
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { readDatagram, writeDatagram } from '../../../src/cli/proxy/socks.ts'
import { Datagrams, MAX_DATAGRAM_BYTES } from '../../../src/cli/tunnel/datagrams.ts'
import { MAX_INCOMPLETE } from '../../../src/cli/tunnel/limits.ts'
import { toHostName } from '../../../src/index.ts'
import { CommandLine, pattern } from '../command-line.ts'
import { closeLocal, end, expose, isEvent } from '../tunnel-stage.ts'
import { Reader } from './proxy-bench.ts'
import { proxy } from './proxy-stage.ts'

describe('datagrams as messages', () => {
  it('come out as they went in, in whatever order their pieces come', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: MAX_DATAGRAM_BYTES }), { maxLength: 8 }),
        fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
        (sent, order) => {
          const from = new Datagrams()
          const to = new Datagrams()
          const messages = sent.flatMap((data) => from.cut(data))
          expect(messages.every(({ length }) => length <= 512)).toBe(true)
          const ranked = messages.map((message) => ({ message, rank: order.next().value as number }))
          const received = ranked.toSorted((a, b) => a.rank - b.rank).map(({ message }) => to.join(message))
          const whole = received.filter((data) => data !== undefined).map((data) => Buffer.from(data).toString('hex'))
          expect(whole.toSorted()).toEqual(sent.map((data) => Buffer.from(data).toString('hex')).toSorted())
        },
      ),
    )
  })

  it('are none where they are too large, and no message of a stranger makes one that is not whole', () => {
    const datagrams = new Datagrams()
    expect(datagrams.cut(new Uint8Array(MAX_DATAGRAM_BYTES + 1))).toEqual([])
    for (const message of ['', '02', '01', '0100000000', '01000005050000', '0100000012ff', '010000ff00'])
      expect(datagrams.join(Buffer.from(message, 'hex'))).toBeUndefined()
  })

  it('of which pieces are missing wait, 16 of them; with one more the one heard of the longest ago is given up', () => {
    const joined = (others: number): boolean => {
      const from = new Datagrams()
      const to = new Datagrams()
      const [first, second] = from.cut(new Uint8Array(600)) as [Uint8Array, Uint8Array]
      to.join(first)
      for (let i = 0; i < others; i++) to.join(from.cut(new Uint8Array(600))[0] as Uint8Array)
      return to.join(second) !== undefined
    }
    expect([joined(MAX_INCOMPLETE - 1), joined(MAX_INCOMPLETE)]).toEqual([true, false])
  })
})

let line: CommandLine

beforeEach(() => {
  line = new CommandLine()
})

afterEach(() => {
  closeLocal()
  line.close()
})

async function udp(): Promise<UdpSocket> {
  const socket = createSocket('udp4')
  onTestFinished(() => void socket.close())
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return socket
}

/** A DNS server: one address for each name, and for large.keysock.test 40 of 28 bytes each. */
async function dnsServer(): Promise<number> {
  const socket = await udp()
  socket.on('message', (query, { address, port }) => {
    let at = 12
    while (query[at] !== 0) at += 1 + (query[at] as number)
    const question = query.subarray(12, at + 5)
    const count = question.includes('large') ? 70 : 1
    const head = Buffer.concat([query.subarray(0, 2), Buffer.from([0x84, 0, 0, 1, 0, count, 0, 0, 0, 0])])
    const answer = (i: number): Buffer => Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, i])
    socket.send(
      Buffer.concat([head, question, ...Array.from({ length: count }, (_, i) => answer(i + 1))]),
      port,
      address,
    )
  })
  return socket.address().port
}

const hasDig = existsSync('/usr/bin/dig')
if (!hasDig) console.warn('no dig here: the test of DNS with it is skipped')

it.skipIf(!hasDig)('dig asks a DNS server behind a node, and reads an answer of more than 1,000 bytes', async () => {
  const seller = await expose(line, [`53=${await dnsServer()}/udp`])
  const target = `${toHostName(line.sim.keyOf('bob'))}:53/udp`
  const buyer = line.run('alice', ['forward', '0', target, '--json'], {
    environment: { KEYSOCK_HOME: line.path('home') },
  })
  const event = await buyer.event(isEvent('forwarding'))
  const port = isEvent('forwarding')(event) ? /:(\d+)\/udp$/.exec(event.local)?.[1] : undefined
  const dig = async (name: string): Promise<string[]> => {
    const options = ['@127.0.0.1', '-p', String(port), '+short', '+tries=1', '+time=30', '+nocookie', name]
    return (await promisify(execFile)('dig', options)).stdout.trim().split('\n')
  }
  expect(await dig('shop.test')).toEqual(['10.0.0.1'])
  expect(await dig('large.test')).toHaveLength(70)
  await end(seller, buyer)
})

it('what others send to the port of an exposed UDP service does not reach the caller', async () => {
  const service = await udp()
  const seller = await expose(line, [`53=${service.address().port}/udp`])
  const buyer = line.run('alice', ['forward', '0', `${line.key('bob')}:53/udp`, '--json'], {
    environment: { KEYSOCK_HOME: line.path('home') },
  })
  const event = await buyer.event(isEvent('forwarding'))
  const port = isEvent('forwarding')(event) ? Number(/:(\d+)\/udp$/.exec(event.local)?.[1]) : 0
  const client = await udp()
  client.send('a question', port, '127.0.0.1')
  const [, from] = (await once(service, 'message')) as [Buffer, RemoteInfo]
  // Of another address of this machine, with the port of the service.
  const stranger = createSocket('udp4')
  onTestFinished(() => void stranger.close())
  stranger.bind(service.address().port, '127.0.0.2')
  await once(stranger, 'listening')
  await new Promise((resolve) => {
    stranger.send('a lie', from.port, '127.0.0.1', resolve)
  })
  service.send('the answer', from.port, '127.0.0.1')
  const [answer] = (await once(client, 'message')) as [Buffer]
  expect(String(answer)).toBe('the answer')
  await end(seller, buyer)
})

it('UDP ASSOCIATE carries datagrams to a node and back, and ends with its TCP connection', async () => {
  const service = await udp()
  service.on('message', (data, { address, port }) =>
    service.send(Buffer.concat([Buffer.from('re: '), data]), port, address),
  )
  const seller = await expose(line, [`7=${service.address().port}/udp`])
  const { running, socks } = await proxy(line)
  const control = new Reader(Number(socks.split(':')[1]))
  control.socket.write(Buffer.from('05010005030001000000000000', 'hex'))
  const answer = await control.take(12)
  const port = Number.parseInt(answer.slice(20), 16)
  const client = await udp()
  const host = toHostName(line.sim.keyOf('bob'))
  for (const data of [Buffer.from('hello'), pattern(1_400)]) {
    client.send(writeDatagram({ host, port: 7, data }), port, '127.0.0.1')
    const [bytes] = (await once(client, 'message')) as [Buffer]
    const received = readDatagram(bytes)
    expect(received).toMatchObject({ host, port: 7 })
    expect(Buffer.from(received?.data ?? []).equals(Buffer.concat([Buffer.from('re: '), data]))).toBe(true)
  }
  await end(running, seller)
  expect(await control.rest()).toBe('')
})
