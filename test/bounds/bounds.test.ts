/** What strangers can make grow, pushed against its bound: docs/bounds.md names each of these. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import net from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Duplex, duplexPair, Readable } from 'node:stream'
import { expect, it, onTestFinished } from 'vitest'
import { Lines } from '../../src/backends/daemon/protocol/lines.ts'
import { MAX_LINE_BYTES } from '../../src/backends/daemon/protocol/limits.ts'
import { HttpProxy } from '../../src/cli/proxy/http-proxy.ts'
import { MAX_UDP_DESTINATIONS, MAX_WEB_CONNECTIONS } from '../../src/cli/proxy/limits.ts'
import type { Outgoing } from '../../src/cli/proxy/outgoing.ts'
import type { Refusal } from '../../src/cli/proxy/refusal.ts'
import { writeDatagram } from '../../src/cli/proxy/socks.ts'
import { UdpAssociation } from '../../src/cli/proxy/udp-association.ts'
import { DatagramConnection } from '../../src/cli/tunnel/datagram-connection.ts'
import { MAX_ENTRIES, MAX_LIST_BYTES, PREAMBLE } from '../../src/cli/transfer/limits.ts'
import { encodeMessage, MessageReader } from '../../src/cli/transfer/messages.ts'
import type { Dialer } from '../../src/cli/tunnel/dialer.ts'
import { Forwarding } from '../../src/cli/tunnel/forwarding.ts'
import { MAX_LOCAL_CONNECTIONS, MAX_UDP_SOURCES, MAX_UDP_WAITING } from '../../src/cli/tunnel/limits.ts'
import type { Tunnel } from '../../src/cli/tunnel/tunnel.ts'
import { UdpForwarding } from '../../src/cli/tunnel/udp-forwarding.ts'
import { MemoryStore, serveMetrics, type Socket } from '../../src/index.ts'
import type { Verdict } from '../../src/medium/verdict.ts'
import {
  LINGER_MS,
  MAX_DECLINES,
  MAX_LINGER_MS,
  MAX_REQUESTS,
  MAX_UNCONFIRMED_PAYMENTS,
  MAX_UNPAID_MESSAGES,
} from '../../src/transport/connection/limits.ts'
import type { Attempt } from '../../src/transport/connection/interface.ts'
import type { DrivenConnection } from '../../src/transport/driver/driven-connection.ts'
import { Connections } from '../../src/transport/driver/connections.ts'
import { HeldOffers, type PhantomOffer } from '../../src/transport/driver/held-offers.ts'
import { Ledger } from '../../src/transport/driver/ledger.ts'
import {
  MAX_CONNECTIONS,
  MAX_LETTER_BYTES,
  MAX_LETTERS,
  MAX_OFFERS_HELD,
  MAX_PEER_BUDGETS,
  MAX_RESERVATIONS,
} from '../../src/transport/limits.ts'
import { Contents } from '../../src/transport/messages/contents.ts'
import { Inbox } from '../../src/transport/messages/inbox.ts'
import type { PaidMessage } from '../../src/transport/messages/letters.ts'
import {
  CONTENT_MS,
  MAX_CONTENT_BYTES,
  MAX_CONTENTS,
  MAX_UNCLAIMED_LETTERS,
} from '../../src/transport/messages/limits.ts'
import { MAX_METRICS_CONNECTIONS } from '../../src/transport/metrics/limits.ts'
import { PeerPaths } from '../../src/transport/connection/paths.ts'
import type { StoreChange } from '../../src/transport/store/store.ts'
import { Code } from '../../src/wire/errors.ts'
import { Writer } from '../../src/wire/writer.ts'
import { decodeFrames } from '../../src/wire/frame-reader.ts'
import { type Frame, MAX_ACK_RANGES, PaymentKind } from '../../src/wire/frames.ts'
import { NO_TARIFF } from '../../src/wire/tariffs.ts'
import {
  arrivalOf,
  deliver,
  events,
  lingeringPair,
  only,
  openPair,
  send,
  START,
  Stranger,
  types,
} from '../connection/pair.ts'
import { ManualClock } from '../manual-clock.ts'
import { testRuntime } from '../transport/test-runtime.ts'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

/** What was made while one collection was under way outlives it: only the second finds all that is garbage. */
function collect(): void {
  gc()
  gc()
}

function message(port: number, i: number, bytes = 1): PaidMessage {
  const hash = new Uint8Array(32)
  return { port, id: String(i), data: new Uint8Array(bytes), records: [], amountMsat: 1n, lane: 'node', hash }
}

function emptyInbox(): Inbox {
  return new Inbox({ letters: new Map(), lastSerial: 0 })
}

it('an endpoint has 65,536 connections and no room for another', () => {
  const connections = new Connections()
  for (let i = 0; i < MAX_CONNECTIONS; i++) {
    expect(connections.hasRoom).toBe(true)
    connections.add({ id: String(i), role: 'responder' } as unknown as DrivenConnection)
  }
  expect(connections.hasRoom).toBe(false)
})

it('what was paid to 65,536 peers without a connection is remembered, and of the latest alone', () => {
  const ledger = new Ledger({ processCapMsat: 10n ** 12n, peerCapMsat: 100n })
  const pay = (i: number, amountMsat: bigint): boolean => {
    const reservation = { hash: '', peer: String(i), amountMsat, feeMsat: 0n }
    if (ledger.tryReserve(reservation) !== undefined) return false
    ledger.decide(reservation, { status: 'settled', feeMsat: 0n })
    return true
  }
  for (let i = 0; i <= MAX_PEER_BUDGETS; i++) pay(i, 1n)
  expect(pay(1, 100n)).toBe(false)
  expect(pay(MAX_PEER_BUDGETS, 100n)).toBe(false)
  expect(pay(0, 100n)).toBe(true)
})

it('what is paid to a peer counts for its cap when it comes back', () => {
  const ledger = new Ledger({ processCapMsat: 1_000n, peerCapMsat: 100n })
  ledger.join('peer').reserve(60n, 0n)
  ledger.join('peer').spend(60n, 0n, 0n)
  ledger.leave('peer')
  ledger.leave('peer')
  expect(ledger.join('peer').view().spentMsat).toBe(60n)
})

it('483 offers are held, and one more is refused as busy', () => {
  const answers: unknown[] = []
  const answer = async (offerId: string, verdict: Verdict): Promise<void> => void answers.push([offerId, verdict])
  const nobody = { received: (): void => undefined, unclaimed: (): void => undefined }
  const runtime = testRuntime(new ManualClock(async () => undefined))
  const offers = new HeldOffers(runtime, { answer, hold: async () => undefined }, nobody)
  const offer = (i: number): PhantomOffer => {
    const hash = new Uint8Array(32)
    new DataView(hash.buffer).setUint32(0, i)
    return { type: 'offer', offerId: String(i), record: new Uint8Array(1), amountMsat: 1n, hash, deadlineMs: 3_000 }
  }
  for (let i = 0; i < MAX_OFFERS_HELD; i++) expect(offers.receive(offer(i))).toBe(true)
  expect(offers.receive(offer(MAX_OFFERS_HELD))).toBe(false)
  expect(answers).toEqual([[String(MAX_OFFERS_HELD), { action: 'refuse', code: Code.BUSY }]])
})

it('an ACK has 64 ranges, and one of 65 is malformed', () => {
  const readAck = (ranges: number): number | undefined => {
    const body = new Writer(new Uint8Array(300))
    for (const value of [0, 1_000, ranges - 1, 0]) body.varint(value)
    for (let i = 1; i < ranges; i++) for (const value of [0, 0]) body.varint(value)
    const bytes = body.bytes.subarray(0, body.position)
    const head = new Writer(new Uint8Array(8))
    for (const value of [2, bytes.length]) head.varint(value)
    const [frame] = decodeFrames(Buffer.concat([head.bytes.subarray(0, head.position), bytes]))
    return frame?.type === 'ack' ? frame.ranges.length : undefined
  }
  expect(readAck(MAX_ACK_RANGES)).toBe(MAX_ACK_RANGES)
  expect(() => readAck(MAX_ACK_RANGES + 1)).toThrow('an ACK of 65 ranges')
})

it('a peer has eight reply paths, in two generations: the oldest go', () => {
  const give = (counts: readonly number[]): PeerPaths => {
    const paths = new PeerPaths()
    // Older ones outlast the newer.
    for (const [i, count] of counts.entries()) {
      const path = { bytes: new Uint8Array(3), expiryHeight: 1_000 - 100 * i }
      paths.learn({ type: 'reply-paths', generation: i + 1, paths: Array.from({ length: count }, () => path) })
    }
    return paths
  }
  const atLast = (counts: readonly number[]): unknown => give(counts).target(950)
  expect(atLast([4, 4])).toBeDefined()
  expect(atLast([4, 5])).toBeUndefined()
  expect(atLast([1, 1, 1])).toBeUndefined()
})

it('a closed connection lingers for six minutes at most, whatever still comes', () => {
  const { pair, data } = lingeringPair(1)
  const since = pair.now
  for (let ms = 0; ms < MAX_LINGER_MS; ms += LINGER_MS - 1) pair.b.arrive(since + ms, arrivalOf(data))
  pair.b.arrive(since + MAX_LINGER_MS - 1, arrivalOf(data))
  expect(pair.b.state).toBe('lingering')
  pair.b.wake(since + MAX_LINGER_MS)
  expect(pair.b.state).toBe('closed')
})

it('an offer of a set that has more entries, or a longer list, than a set may is refused by its announcement', async () => {
  const offered = async (entries: number, listBytes: number): Promise<unknown> => {
    const content = { size: 1, sha256: new Uint8Array(32) }
    const offer = {
      type: 'offer',
      name: 'a',
      session: new Uint8Array(16),
      content,
      set: { entries, listBytes },
    } as const
    const stream = Readable.from([Buffer.concat([PREAMBLE, encodeMessage(offer)])], { objectMode: false })
    return await new MessageReader(stream, 'sender').next()
  }
  await expect(offered(MAX_ENTRIES, MAX_LIST_BYTES)).resolves.toMatchObject({ type: 'offer' })
  await expect(offered(MAX_ENTRIES + 1, 1)).rejects.toMatchObject({ reason: 'TOO_LARGE' })
  await expect(offered(1, MAX_LIST_BYTES + 1)).rejects.toMatchObject({ reason: 'TOO_LARGE' })
})

it('a store keeps 65,536 payments under way: the oldest go', async () => {
  const store = new MemoryStore()
  await store.open()
  const reserve = (i: number): StoreChange => {
    return { type: 'reserve', hash: String(i), peer: '', amountMsat: 1n, feeMsat: 0n }
  }
  await store.write(Array.from({ length: MAX_RESERVATIONS + 1 }, (_, i) => reserve(i)))
  await store.close()
  const { reservations } = await store.open()
  expect(reservations.size).toBe(MAX_RESERVATIONS)
  expect([reservations.has('0'), reservations.has('1')]).toEqual([false, true])
})

it('a port that nobody reads keeps 256 paid messages', () => {
  const inbox = emptyInbox()
  for (let i = 0; i < MAX_UNCLAIMED_LETTERS; i++) expect(inbox.add(message(7, i), false)).toBeDefined()
  expect(inbox.add(message(7, MAX_UNCLAIMED_LETTERS), false)).toBeUndefined()
  expect(inbox.add(message(8, 0), false)).toBeDefined()
})

it('all ports together keep 4,096 messages', () => {
  const inbox = emptyInbox()
  for (let i = 0; i < MAX_LETTERS; i++) expect(inbox.add(message(7, i), true)).toBeDefined()
  expect(inbox.add(message(8, 0), true)).toBeUndefined()
})

it('all ports together keep 16 MiB of messages', () => {
  const inbox = emptyInbox()
  const bytes = 1_048_576
  let kept = 0
  while (inbox.add(message(7, kept, bytes), true) !== undefined) kept++
  expect(kept).toBe(Math.floor(MAX_LETTER_BYTES / bytes) - 1)
})

it('64 contents wait for their payments, of 32 MiB together, for ten minutes; the oldest go', () => {
  const contents = new Contents()
  const of = (i: number): { sha256: Uint8Array; length: number } => ({ sha256: new Uint8Array(32).fill(i), length: 1 })
  for (let i = 0; i <= MAX_CONTENTS; i++) contents.keep(0, 'key', of(i), new Uint8Array(1))
  expect(contents.size).toBe(MAX_CONTENTS)
  expect(contents.get(0, 'key', of(0))).toBeUndefined()
  for (let i = 0; i < 3; i++) contents.keep(0, 'large', of(i), new Uint8Array(MAX_CONTENT_BYTES / 2))
  expect(contents.size).toBe(2)
  contents.keep(CONTENT_MS + 1, 'late', of(1), new Uint8Array(1))
  expect(contents.size).toBe(1)
})

it('the application is told of 64 REQUESTs that wait, and what comes beyond is declined', () => {
  const stranger = new Stranger()
  const now = START + 20
  for (let id = 1; id <= 2 * MAX_REQUESTS; id++) {
    const request: Frame = { type: 'request', id, amountMsat: 1n, note: '' }
    stranger.machine.arrive(now, stranger.data(now, [request]))
  }
  expect(events(stranger.machine).filter(({ type }) => type === 'requested')).toHaveLength(MAX_REQUESTS)
})

it('256 DECLINEs wait to be delivered, and what is asked beyond has no answer before the end', () => {
  const stranger = new Stranger()
  const now = START + 20
  stranger.handshake(now)
  for (let id = 1; id <= 4 * MAX_DECLINES; id++) {
    const request: Frame = { type: 'request', id, amountMsat: 1n, note: '' }
    stranger.machine.arrive(now, stranger.data(now, [request]))
  }
  const said = send(stranger.machine, now).flatMap((attempt) => stranger.read(attempt))
  expect(said.filter(({ type }) => type === 'decline')).toHaveLength(MAX_DECLINES)
})

it('1,024 datagrams wait to be paid for, and one more resets the connection', () => {
  const tariff = { ...NO_TARIFF, messageMsat: 1_000_000n }
  const stranger = new Stranger([], { tariff })
  const now = START + 20
  stranger.machine.arrive(now, stranger.data(now, [{ type: 'agree', serial: 1 }]))
  const say = (i: number): void => {
    const id = new Uint8Array(16)
    new DataView(id.buffer).setUint32(0, i)
    stranger.machine.arrive(now, stranger.data(now, [{ type: 'message', id, data: new Uint8Array(1) }]))
  }
  for (let i = 0; i < MAX_UNPAID_MESSAGES; i++) say(i)
  expect(types(stranger.machine)).not.toContain('ended')
  say(MAX_UNPAID_MESSAGES)
  expect(types(stranger.machine)).toContain('ended')
})

it('64 packets with PAYMENTs wait for their money on the phantom lane; one more is refused until one is there', () => {
  const pair = openPair()
  const pay = (): Attempt => {
    pair.b.pay(pair.now, { kind: PaymentKind.PAYMENT, reference: 0, amountMsat: 1_000n, note: '' })
    return only(send(pair.b, pair.now))
  }
  const first = pay()
  expect(deliver(pair, 'b', first).action).toBe('settle')
  for (let i = 1; i < MAX_UNCONFIRMED_PAYMENTS; i++) expect(deliver(pair, 'b', pay()).action).toBe('settle')
  const late = arrivalOf(pay(), 'a0')
  expect(pair.a.arrive(pair.now, late)).toEqual({ action: 'refuse', code: Code.BUSY })
  pair.a.arrivalConfirmed(pair.now, first.amountMsat, first.hash)
  expect(pair.a.arrive(pair.now, late).action).toBe('settle')
  expect(types(pair.a).filter((type) => type === 'payment')).toHaveLength(1)
})

it('a line of the daemon that comes byte by byte takes no more memory than its bytes, about', () => {
  const [, stream] = duplexPair()
  const lines = new Lines(stream, { message: () => undefined, closed: () => undefined })
  // One for all: the memory behind many is given back some time after it was collected.
  const piece = Buffer.alloc(1, 'x')
  collect()
  const before = process.memoryUsage()
  for (let i = 0; i < MAX_LINE_BYTES - 1; i++) stream.emit('data', piece)
  collect()
  const after = process.memoryUsage()
  expect(lines.isOpen).toBe(true)
  expect(after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers).toBeLessThan(8 * MAX_LINE_BYTES)
})

it('a connection of datagrams keeps 16 of them until it stands, and drops the others', () => {
  const sent: Uint8Array[] = []
  const socket = Object.assign(new Duplex({ read: () => undefined }), {
    connecting: true,
    sendMessage: (data: Uint8Array) => void sent.push(data),
  })
  onTestFinished(() => void socket.destroy())
  const time = new ManualClock(async () => undefined)
  const connection = new DatagramConnection(socket as unknown as Socket, time, () => undefined)
  for (let i = 0; i < 2 * MAX_UDP_WAITING; i++) connection.send(Uint8Array.of(i))
  socket.connecting = false
  socket.emit('connect')
  expect(sent).toHaveLength(MAX_UDP_WAITING)
})

it('a client of UDP ASSOCIATE has 16 destinations at once', async () => {
  let dialled = 0
  const outgoing: Outgoing = {
    resolve: () => 'the shop',
    dial: async () => {
      dialled++
      return await new Promise<never>(() => {})
    },
    join: () => undefined,
    refused: () => undefined,
  }
  const over = new AbortController()
  onTestFinished(() => over.abort())
  const time = new ManualClock(async () => undefined)
  const association = new UdpAssociation({
    outgoing,
    time,
    isolation: undefined,
    from: '127.0.0.1',
    signal: over.signal,
  })
  const { address, port } = await association.open('127.0.0.1')
  const client = createSocket('udp4')
  onTestFinished(() => void client.close())
  client.bind(0, '127.0.0.1')
  await once(client, 'listening')
  const sendTo = async (to: number): Promise<void> => {
    const bytes = writeDatagram({ host: 'shop.keysock', port: to, data: Uint8Array.of(1) })
    await new Promise<void>((resolve) => {
      client.send(bytes, port, address, () => resolve())
    })
  }
  for (let to = 1; to <= MAX_UDP_DESTINATIONS; to++) await sendTo(to)
  while (dialled < MAX_UDP_DESTINATIONS) await turn()
  for (let to = 100; to < 150; to++) await sendTo(to)
  for (let turns = 0; turns < 100; turns++) await turn()
  expect(dialled).toBe(MAX_UDP_DESTINATIONS)
})

/** A tunnel and who dials for it: connections that never stand. */
class Dialling {
  dialled = 0
  readonly target = { address: 'the shop', port: 7 }
  readonly dialer: Dialer = {
    dial: () => {
      this.dialled++
      const socket = Object.assign(new Duplex({ read: () => undefined }), { connecting: true })
      onTestFinished(() => void socket.destroy())
      return socket
    },
    about: () => ({}),
  } as unknown as Dialer
  readonly tunnel: Tunnel = {
    join: async () => await new Promise<never>(() => {}),
    refused: () => undefined,
  } as unknown as Tunnel
}

/** A TCP client of this machine. */
function tcpClient(port: number): net.Socket {
  const socket = net.connect(port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  return socket.on('error', () => undefined).resume()
}

/** One client more than `most`: either it is closed at once, or `taken` says that it was taken. */
async function oneTooMany(port: number, most: number, taken: () => number): Promise<void> {
  const clients = Array.from({ length: most }, () => tcpClient(port))
  await Promise.all(clients.map((client) => once(client, 'connect')))
  while (taken() < most) await turn()
  const late = tcpClient(port)
  while (!late.closed && taken() === most) await turn()
  expect(taken()).toBe(most)
  expect(clients.every((client) => !client.closed)).toBe(true)
}

it('a local port that is forwarded takes 1,024 connections at once, and no more', async () => {
  const dialling = new Dialling()
  const forwarding = new Forwarding(dialling)
  onTestFinished(() => forwarding.close())
  const { port } = await forwarding.listen({ host: '127.0.0.1', port: 0 })
  await oneTooMany(port, MAX_LOCAL_CONNECTIONS, () => dialling.dialled)
})

it('a UDP port that is forwarded serves 64 programs at once, and drops what comes of others', async () => {
  const dialling = new Dialling()
  const { tunnel, dialer, target } = dialling
  const forwarding = new UdpForwarding({ tunnel, dialer, target, time: new ManualClock(async () => undefined) })
  onTestFinished(() => forwarding.close())
  const { port } = await forwarding.listen({ host: '127.0.0.1', port: 0 })
  const sources = Array.from({ length: MAX_UDP_SOURCES + 1 }, () => createSocket('udp4'))
  onTestFinished(() => sources.forEach((source) => source.close()))
  const speak = async (source: UdpSocket): Promise<void> => {
    await new Promise<void>((resolve) => {
      source.send('x', port, '127.0.0.1', () => resolve())
    })
  }
  for (const source of sources.slice(1)) await speak(source)
  while (dialling.dialled < MAX_UDP_SOURCES) await turn()
  const [late] = sources as [UdpSocket]
  await speak(late)
  for (let turns = 0; turns < 100; turns++) await turn()
  expect(dialling.dialled).toBe(MAX_UDP_SOURCES)
})

it('a server of metrics takes 32 connections at once, and no more', async () => {
  let asked = 0
  const server = await serveMetrics(() => String(++asked), { port: 0 })
  onTestFinished(async () => await server.close())
  const port = Number(new URL(server.url).port)
  const clients = Array.from({ length: MAX_METRICS_CONNECTIONS }, () => tcpClient(port))
  // Each has asked once, and stays.
  for (const client of clients) client.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n')
  while (asked < MAX_METRICS_CONNECTIONS) await turn()
  const late = tcpClient(port)
  late.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n')
  while (!late.closed && asked === MAX_METRICS_CONNECTIONS) await turn()
  expect(asked).toBe(MAX_METRICS_CONNECTIONS)
})

it('requests that clients of the proxy say in one breath have 1,024 connections at once', async () => {
  let dialled = 0
  const refusals: Refusal[] = []
  const proxy = new HttpProxy(
    {
      resolve: () => 'the shop',
      dial: async () => {
        dialled++
        return await new Promise<never>(() => {})
      },
      join: () => undefined,
      refused: (_host, why) => void refusals.push(why),
    },
    new ManualClock(async () => undefined),
  )
  onTestFinished(() => proxy.close())
  await once(proxy.server.listen(0, '127.0.0.1'), 'listening')
  const { port } = proxy.server.address() as net.AddressInfo
  const request = 'GET http://shop.keysock/ HTTP/1.1\r\nHost: shop.keysock\r\n\r\n'
  const [clients, each] = [4, MAX_WEB_CONNECTIONS / 4]
  for (let i = 0; i < clients; i++) tcpClient(port).write(request.repeat(each))
  while (dialled < MAX_WEB_CONNECTIONS) await turn()
  tcpClient(port).write(request)
  while (refusals.length === 0 && dialled === MAX_WEB_CONNECTIONS) await turn()
  expect(dialled).toBe(MAX_WEB_CONNECTIONS)
  expect(refusals.map(({ kind }) => kind)).toEqual(['busy'])
})
