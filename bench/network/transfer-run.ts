import { once } from 'node:events'
import { createEndpoint, type Socket } from '../../src/index.ts'
import type { Simulation } from '../../src/sim.ts'
import { patientFlood } from '../floods/patient-flood.ts'
import { Arrivals } from '../sim/statistics.ts'
import { watch } from '../sim/watch.ts'
import type { PreparedNetwork } from './networks.ts'
import {
  FLOOD_IN_FLIGHT,
  FLOOD_LIMIT_MS,
  FLOOD_PATIENCE_MS,
  FLOOD_ROUTES,
  MAX_PACKET_MSAT,
  SILENCE_MS,
  TRANSFER_BYTES,
  TRANSFER_LIMIT_MS,
} from './settings.ts'

/** One transfer beside floods of bare payments between the same nodes. Times are virtual. */
export interface TransferRun {
  readonly from: string
  readonly to: string
  readonly channels: readonly [number, number]
  /** undefined: all came; else the code of the error. */
  readonly error: string | undefined
  readonly bytesPerSecond: number
  /** Of the best flood; 0: nothing of it came. */
  readonly floodBytesPerSecond: number
  readonly floodInFlight: number
  readonly floodRoutes: number
  /** The longest time without a byte after the first, and the share of the time in silences above SILENCE_MS. */
  readonly longestSilenceMs: number
  readonly silentShare: number
  /** What the sender paid for each 1,000 bytes, msat. */
  readonly costMsatPerKilobyte: number
}

const PORT = 7
const PIECE_BYTES = 65_536
/** Far above what 1 MB may cost, so that money never holds a transfer back. */
const PLENTY_MSAT = 1_000_000_000n
const FLOOD_END = { bytes: TRANSFER_BYTES, limitMs: FLOOD_LIMIT_MS, patienceMs: FLOOD_PATIENCE_MS } as const

/** Each in a simulation of its own, all with the same network and seed. */
export async function runTransfer(network: PreparedNetwork, index: number): Promise<TransferRun> {
  const [from, to] = network.pair(index)
  const seed = `transfer ${index}`
  const floods: { readonly inFlight: number; readonly rate: number; readonly routes: number }[] = []
  for (const inFlight of FLOOD_IN_FLIGHT) {
    const flood = { from, to, inFlight, routes: FLOOD_ROUTES, maxPacketMsat: MAX_PACKET_MSAT, ...FLOOD_END }
    floods.push({ inFlight, ...(await patientFlood(network.simulation(seed), flood)) })
  }
  const [best] = floods.toSorted((a, b) => b.rate - a.rate)
  const transfer = await transferOnce(network.simulation(seed), from, to)
  return {
    from,
    to,
    channels: [network.ways.channelsInUse(from), network.ways.channelsInUse(to)],
    ...transfer,
    floodBytesPerSecond: best?.rate ?? 0,
    floodInFlight: best?.inFlight ?? 0,
    floodRoutes: best?.routes ?? 0,
  }
}

type Transfer = Pick<
  TransferRun,
  'error' | 'bytesPerSecond' | 'longestSilenceMs' | 'silentShare' | 'costMsatPerKilobyte'
>

async function transferOnce(simulation: Simulation, from: string, to: string): Promise<Transfer> {
  const now = (): number => simulation.clock.now()
  const watched = watch(simulation.backend(from), now)
  const money = { caps: { peer: PLENTY_MSAT, process: PLENTY_MSAT }, maxCost: PLENTY_MSAT }
  const receiver = await createEndpoint({ backend: simulation.backend(to), ...money })
  const sender = await createEndpoint({ backend: watched.backend, ...money })
  const read = new Arrivals()
  const gaps: number[] = []
  const done = Promise.withResolvers<string | undefined>()
  const startMs = now()
  /** Of the first byte on: until then it is being connected. */
  let lastMs: number | undefined
  const server = receiver.createServer((socket) => {
    socket.on('data', (chunk: Uint8Array) => {
      if (lastMs !== undefined) gaps.push(now() - lastMs)
      lastMs = now()
      read.add(lastMs, chunk.length)
      if (read.bytes >= TRANSFER_BYTES) done.resolve(undefined)
    })
    socket.on('error', (error) => done.resolve(String((error as { code?: unknown }).code)))
  })
  await server.listen(PORT)
  const socket = sender.createConnection(simulation.keyOf(to), PORT)
  socket.on('error', (error) => done.resolve(String((error as { code?: unknown }).code)))
  simulation.clock.schedule(startMs + TRANSFER_LIMIT_MS, () => done.resolve('no end'))
  writeAll(socket).catch(() => done.resolve('no end'))
  const error = await simulation.drive(done.promise, { withinMs: Infinity })
  const ms = now() - startMs
  if (error !== undefined) gaps.push(now() - (lastMs ?? startMs))
  const silentMs = gaps.filter((gap) => gap > SILENCE_MS).reduce((sum, gap) => sum + gap, 0)
  const paid = watched.payments.reduce((sum, { costMsat }) => sum + costMsat, 0n)
  return {
    error,
    bytesPerSecond: (read.bytes * 1_000) / ms,
    longestSilenceMs: Math.max(0, ...gaps),
    silentShare: silentMs / ms,
    costMsatPerKilobyte: read.bytes === 0 ? 0 : Number(paid) / (read.bytes / 1_000),
  }
}

async function writeAll(socket: Socket): Promise<void> {
  const piece = new Uint8Array(PIECE_BYTES).fill(0x61)
  for (let left = TRANSFER_BYTES; left > 0; left -= PIECE_BYTES) {
    if (!socket.write(piece.subarray(0, left))) await once(socket, 'drain')
  }
  socket.end()
}
