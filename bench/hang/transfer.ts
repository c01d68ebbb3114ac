import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createEndpoint, type Endpoint, type Socket } from '../../src/index.ts'
import { createSimulation, type NetworkDescription, type Simulation } from '../../src/sim.ts'
import { quantile } from '../sim/statistics.ts'
import { watch } from '../sim/watch.ts'
import { RECEIVER, SENDER } from './networks.ts'

const PORT = 7
const PIECE_BYTES = 16_384
/** Far above what a transfer here costs, so that money never holds one back. */
const PLENTY_MSAT = 1_000_000_000_000n
/** A silence that a person notices; of a long transfer, the share of time in such ones counts. */
const LONG_SILENCE_MS = 5_000

/** What the receiver of one transfer saw, and what it cost. Times are virtual. */
export interface HangTransfer {
  readonly error: string | undefined
  /** From `createConnection` until the last byte was read. */
  readonly ms: number
  /** The longest time between two reads, or between the beginning and the first. */
  readonly longestSilenceMs: number
  /** Sum of the silences above LONG_SILENCE_MS. */
  readonly silentMs: number
  readonly payments: number
  readonly copies: number
  /** The 99th percentile of the times of its payments that settled within a minute. */
  readonly p99Ms: number
}

/** Sends `bytes` over the network with this seed, through the public interface. */
export async function hangTransfer(network: NetworkDescription, seed: string, bytes: number): Promise<HangTransfer> {
  const simulation = createSimulation(network, { seed })
  const now = (): number => simulation.clock.now()
  const sender = watch(simulation.backend(SENDER), now)
  const money = { caps: { peer: PLENTY_MSAT, process: PLENTY_MSAT }, maxCost: PLENTY_MSAT }
  const from = await simulation.drive(createEndpoint({ backend: sender.backend, ...money }))
  const to = await simulation.drive(createEndpoint({ backend: simulation.backend(RECEIVER), ...money }))
  const startMs = now()
  const reads: { atMs: number; bytes: number }[] = []
  const run = sendAll({ simulation, from, to, bytes, onRead: (size) => reads.push({ atMs: now(), bytes: size }) })
  const { error, socket } = await simulation.drive(run)
  const endMs = reads.at(-1)?.atMs ?? now()
  const gaps = reads.map(({ atMs }, i) => atMs - (reads[i - 1]?.atMs ?? startMs))
  const settled = sender.payments.filter((payment) => payment.settled)
  const times = settled.map(({ sentMs, endedMs }) => (endedMs ?? 0) - sentMs).filter((ms) => ms < 60_000)
  return {
    error,
    ms: endMs - startMs,
    longestSilenceMs: gaps.reduce((longest, gap) => Math.max(longest, gap), 0),
    silentMs: gaps.filter((gap) => gap > LONG_SILENCE_MS).reduce((sum, gap) => sum + gap, 0),
    payments: sender.payments.length,
    copies: socket.stats.hedgedAttempts,
    p99Ms: quantile(times, 0.99),
  }
}

interface Sending {
  readonly simulation: Simulation
  readonly from: Endpoint
  readonly to: Endpoint
  readonly bytes: number
  readonly onRead: (bytes: number) => void
}

async function sendAll({ simulation, from, to, bytes, onRead }: Sending): Promise<{
  readonly error: string | undefined
  readonly socket: Socket
}> {
  const written = simulation.entropy.bytes(bytes)
  const hash = createHash('sha256')
  const finished = Promise.withResolvers<string | undefined>()
  const fail = (error: Error): void => finished.resolve(error.message)
  const server = to.createServer((socket) => {
    socket.on('data', (chunk: Uint8Array) => {
      hash.update(chunk)
      onRead(chunk.length)
    })
    socket.on('end', () => finished.resolve(undefined))
    socket.on('error', fail)
  })
  await server.listen(PORT)
  const socket = from.createConnection(simulation.keyOf(RECEIVER), PORT)
  socket.on('error', fail)
  writeAll(socket, written).catch(fail)
  const error = await finished.promise
  if (error !== undefined) return { error, socket }
  const isWhole = hash.digest('hex') === createHash('sha256').update(written).digest('hex')
  return { error: isWhole ? undefined : 'other bytes were read than written', socket }
}

async function writeAll(socket: Socket, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    if (!socket.write(bytes.subarray(at, at + PIECE_BYTES))) await once(socket, 'drain')
  }
  socket.end()
}
