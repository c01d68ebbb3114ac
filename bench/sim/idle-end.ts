/**
 * One end of many idle connections, in a process of its own (see memory.ts): `node --expose-gc idle-end.ts listen`
 * or `connect`.
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { type Clock, pause } from '../../src/floor/clock.ts'
import { createEndpoint, type Endpoint, type EndpointStats, type Socket } from '../../src/index.ts'
import { MAX_LINGER_MS } from '../../src/transport/connection/limits.ts'
import { PairBackend, type PairMessage } from './pair-backend.ts'

/** To and from the process that measures. */
export type EndMessage =
  | { readonly type: 'pair'; readonly message: PairMessage }
  | { readonly type: 'ready'; readonly publicKey: Uint8Array }
  | { readonly type: 'open'; readonly publicKey: Uint8Array; readonly count: number }
  | { readonly type: 'opened' }
  | { readonly type: 'close' }
  | { readonly type: 'closed' }
  | { readonly type: 'forget' }
  | { readonly type: 'forgotten' }
  | { readonly type: 'end' }
  | { readonly type: 'ended' }
  | { readonly type: 'measure' }
  | {
      readonly type: 'measured'
      readonly sockets: number
      readonly heapBytes: number
      readonly residentBytes: number
      readonly remembered: Remembered
    }

/** Entries of the tables of an endpoint. */
export type Remembered = Readonly<Record<(typeof TABLES)[number], number>>

const TABLES = [
  'connections',
  'replyPaths',
  'deadlines',
  'paymentsUnresolved',
  'offersHeld',
  'earlyPackets',
  'opensSeen',
  'tombstones',
  'verdicts',
] as const

const PORT = 7
const PLENTY_MSAT = 1_000_000_000_000n
/** A responder agrees on 20 keys a second (spec §14), so time runs faster here: so much a turn, which takes a ms. */
const TICK_MS = 20
const OPENS_AT_ONCE = 40
/** For what is under way to end: ACKs wait 30 s. */
const SETTLE_MS = 90_000
/** Ended connections are remembered for 2,016 (spec §13.5), OPENs for less (spec §6.4). */
const FORGETTING_BLOCKS = 2_100
/** Hours pass here while a busy machine opens the connections. */
const PATIENT = { idleTimeout: 0, connectTimeout: 24 * 3_600_000 }
const QUESTION = 'are you there?'

/**
 * Time that goes by turns of the event loop, not by the real clock: however busy the machine is, no deadline passes
 * before what is waiting has been worked on.
 */
class TurnClock implements Clock {
  #nowMs = 0
  readonly #timers = new Set<{ readonly atMs: number; readonly callback: () => void }>()

  constructor() {
    setTimeout(() => this.#tick(), 1)
  }

  now(): number {
    return this.#nowMs
  }

  schedule(atMs: number, callback: () => void): () => void {
    const timer = { atMs, callback }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  #tick(): void {
    this.#nowMs += TICK_MS
    for (const timer of [...this.#timers].toSorted((a, b) => a.atMs - b.atMs)) {
      if (timer.atMs <= this.#nowMs && this.#timers.delete(timer)) timer.callback()
    }
    setTimeout(() => this.#tick(), 1)
  }
}

const sockets = new Set<Socket>()

// One function for all sockets: what the application's own take is not measured.
function forgotten(this: Socket): void {
  sockets.delete(this)
}

function echo(this: Socket, chunk: Uint8Array): void {
  this.write(chunk)
}

function keep(socket: Socket): void {
  sockets.add(socket)
  socket.on('close', forgotten)
  socket.on('error', fail)
}

/** Open, and used once in each direction. */
async function openOne(endpoint: Endpoint, publicKey: Uint8Array): Promise<void> {
  const socket = endpoint.createConnection(publicKey, PORT, PATIENT)
  keep(socket)
  socket.write(QUESTION)
  await once(socket, 'data')
  socket.resume()
}

async function open(endpoint: Endpoint, publicKey: Uint8Array, count: number): Promise<void> {
  let left = count
  const openOn = async (): Promise<void> => {
    while (left-- > 0) await openOne(endpoint, publicKey)
  }
  await Promise.all(Array.from({ length: OPENS_AT_ONCE }, openOn))
}

/** As both sides of a protocol do when they are done. */
async function closeAll(): Promise<void> {
  const left = [...sockets]
  const closeOn = async (): Promise<void> => {
    for (let socket = left.pop(); socket !== undefined; socket = left.pop()) await once(socket.end(), 'close')
  }
  await Promise.all(Array.from({ length: OPENS_AT_ONCE }, closeOn))
}

/** Until all is forgotten that is remembered for a time: late packets are answered for some minutes (spec §13.4). */
async function forget(clock: Clock, backend: PairBackend): Promise<void> {
  await pause(MAX_LINGER_MS + SETTLE_MS, clock)
  backend.block(FORGETTING_BLOCKS)
}

function send(message: EndMessage): void {
  process.send?.(message)
}

async function measure(clock: Clock, stats: EndpointStats | undefined): Promise<void> {
  await pause(SETTLE_MS, clock)
  const { gc } = globalThis
  if (gc === undefined) throw new Error('start this process with --expose-gc')
  for (let i = 0; i < 4; i++) {
    gc()
    await sleep(50)
  }
  const { heapUsed, external, rss } = process.memoryUsage()
  // `external` holds the array buffers already.
  const remembered = Object.fromEntries(TABLES.map((name) => [name, stats?.[name] ?? 0])) as Remembered
  const sizes = { heapBytes: heapUsed + external, residentBytes: rss }
  send({ type: 'measured', sockets: sockets.size, ...sizes, remembered })
}

async function main(): Promise<void> {
  const secretKey = secp256k1.utils.randomSecretKey()
  const clock = new TurnClock()
  const backend = new PairBackend({ clock, secretKey, send: (message) => send({ type: 'pair', message }) })
  const caps = { peer: PLENTY_MSAT, process: PLENTY_MSAT }
  let endpoint: Endpoint | undefined = await createEndpoint({ backend, caps })
  const { publicKey } = endpoint.info
  if (process.argv[2] === 'listen') {
    const server = endpoint.createServer(PATIENT, (socket) => {
      keep(socket)
      socket.on('data', echo)
    })
    await server.listen(PORT)
  }
  process.on('message', (message: EndMessage) => {
    if (message.type === 'pair') backend.receive(message.message)
    else if (message.type === 'measure') measure(clock, endpoint?.stats).catch(fail)
    else if (message.type === 'open' && endpoint !== undefined) {
      open(endpoint, message.publicKey, message.count).then(() => send({ type: 'opened' }), fail)
    } else if (message.type === 'close') closeAll().then(() => send({ type: 'closed' }), fail)
    else if (message.type === 'forget') forget(clock, backend).then(() => send({ type: 'forgotten' }), fail)
    else if (message.type === 'end') {
      endpoint?.close().then(() => send({ type: 'ended' }), fail)
      endpoint = undefined
    }
  })
  process.on('disconnect', () => process.exit())
  send({ type: 'ready', publicKey })
}

function fail(error: unknown): void {
  console.error(error)
  process.exit(1)
}

main().catch(fail)
