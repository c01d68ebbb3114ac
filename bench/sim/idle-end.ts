/**
 * One end of many idle connections, in a process of its own (see memory.ts): `node --expose-gc idle-end.ts listen`
 * or `connect`.
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { type Clock, pause } from '../../src/floor/clock.ts'
import { createEndpoint, type Endpoint, type Socket } from '../../src/index.ts'
import { PairBackend, type PairMessage } from './pair-backend.ts'

/** To and from the process that measures. */
export type EndMessage =
  | { readonly type: 'pair'; readonly message: PairMessage }
  | { readonly type: 'ready'; readonly publicKey: Uint8Array }
  | { readonly type: 'open'; readonly publicKey: Uint8Array; readonly count: number }
  | { readonly type: 'opened' }
  | { readonly type: 'measure' }
  | { readonly type: 'measured'; readonly sockets: number; readonly heapBytes: number; readonly residentBytes: number }

const PORT = 7
const PLENTY_MSAT = 1_000_000_000_000n
/** A responder agrees on 20 keys a second (spec §14), so time runs faster here: so much a turn, which takes a ms. */
const TICK_MS = 20
const OPENS_AT_ONCE = 40
/** For what is under way to end: ACKs wait 30 s. */
const SETTLE_MS = 90_000
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

function keep(socket: Socket): void {
  sockets.add(socket)
  socket.on('close', () => sockets.delete(socket))
  socket.on('error', (error) => {
    throw error
  })
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

function send(message: EndMessage): void {
  process.send?.(message)
}

async function measure(clock: Clock): Promise<void> {
  await pause(SETTLE_MS, clock)
  const { gc } = globalThis
  if (gc === undefined) throw new Error('start this process with --expose-gc')
  for (let i = 0; i < 4; i++) {
    gc()
    await sleep(50)
  }
  const { heapUsed, external, rss } = process.memoryUsage()
  // `external` holds the array buffers already.
  send({ type: 'measured', sockets: sockets.size, heapBytes: heapUsed + external, residentBytes: rss })
}

async function main(): Promise<void> {
  const secretKey = secp256k1.utils.randomSecretKey()
  const clock = new TurnClock()
  const backend = new PairBackend({ clock, secretKey, send: (message) => send({ type: 'pair', message }) })
  const caps = { peer: PLENTY_MSAT, process: PLENTY_MSAT }
  const endpoint = await createEndpoint({ backend, caps })
  if (process.argv[2] === 'listen') {
    const server = endpoint.createServer(PATIENT, (socket) => {
      keep(socket)
      socket.on('data', (chunk: Uint8Array) => socket.write(chunk))
    })
    await server.listen(PORT)
  }
  process.on('message', (message: EndMessage) => {
    if (message.type === 'pair') backend.receive(message.message)
    else if (message.type === 'measure') measure(clock).catch(fail)
    else if (message.type === 'open') {
      open(endpoint, message.publicKey, message.count).then(() => send({ type: 'opened' }), fail)
    }
  })
  process.on('disconnect', () => process.exit())
  send({ type: 'ready', publicKey: endpoint.info.publicKey })
}

function fail(error: unknown): void {
  console.error(error)
  process.exit(1)
}

main().catch(fail)
