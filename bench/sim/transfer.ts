import { createHash, type Hash } from 'node:crypto'
import { once } from 'node:events'
import { createEndpoint, type Endpoint, type Socket } from '../../src/index.ts'
import { createSimulation, type Simulation } from '../../src/sim.ts'
import { network, RECEIVER, SENDER, type Setting, TRANSFER_BYTES } from './settings.ts'
import { Arrivals } from './statistics.ts'
import { timelineOf, type TimelineStep } from './timeline.ts'
import { watch, type Watch, type WatchedPayment } from './watch.ts'

/** What one transfer was like. Times are virtual. */
export interface Transfer {
  /** Why not everything came; undefined: all came, unaltered. */
  readonly error: string | undefined
  /** From `connect` until the last byte was read, in order. */
  readonly seconds: number
  readonly bytesPerSecond: number
  /** Rate of the worst window that lies within the transfer, bytes per second; undefined: it was shorter than one. */
  readonly leastWindow: number | undefined
  /** Payments of the sender without outcome, over the time. */
  readonly inFlightP50: number
  readonly inFlightP95: number
  readonly payments: number
  readonly failedPayments: number
  readonly hedges: number
  /** Payments of the receiver: acknowledgements and limits. */
  readonly replies: number
  readonly costMsatPerKilobyte: number
  readonly replyCostMsatPerKilobyte: number
  /** Stream bytes over the record bytes of the sender's payments that settled. */
  readonly payloadShare: number
  /** Until 90 % of `inFlightP95` was in flight for the first time. */
  readonly rampSeconds: number
  /** From the last time that 90 % of `inFlightP50` was in flight, to the last byte. */
  readonly tailSeconds: number
}

const PORT = 7
const PIECE_BYTES = 65_536
/** All that may go before the connection is open (spec §7.2): the buffer of a stream is a quarter of it. */
const EARLY_BYTES = 262_144
/** Far above what 10 MB cost on the dearest setting, so that money never holds a transfer back. */
const PLENTY_MSAT = 1_000_000_000_000n
const WINDOW_MS = 60_000
const WINDOW_STEP_MS = 250

/** Sends TRANSFER_BYTES from an initiator to a server, through the public API. */
export async function transfer(
  setting: Setting,
  seed: string,
): Promise<{ readonly result: Transfer; readonly timeline: readonly TimelineStep[] }> {
  const simulation = createSimulation(network(setting), { seed })
  const now = (): number => simulation.clock.now()
  const sender = watch(simulation.backend(SENDER), now)
  const receiver = watch(simulation.backend(RECEIVER), now)
  const ends = await simulation.drive(startEnds(sender, receiver))
  const read = new Arrivals()
  const startMs = now()
  const { socket, error } = await simulation.drive(sendAll(simulation, ends, read))
  const endMs = read.timeOf(TRANSFER_BYTES) ?? now()
  const hedges = socket.stats.hedgedAttempts
  const result = describe({ startMs, endMs, read, sender, receiver, hedges, error })
  const timeline = timelineOf({ startMs, endMs, read, payments: sender.payments, replies: receiver.payments })
  await simulation.drive(Promise.all([ends.sender.close(), ends.receiver.close()]))
  return { result, timeline }
}

interface Ends {
  readonly sender: Endpoint
  readonly receiver: Endpoint
}

async function startEnds(sender: Watch, receiver: Watch): Promise<Ends> {
  const money = { caps: { peer: PLENTY_MSAT, process: PLENTY_MSAT }, maxCost: PLENTY_MSAT }
  return {
    sender: await createEndpoint({ backend: sender.backend, ...money }),
    receiver: await createEndpoint({ backend: receiver.backend, ...money }),
  }
}

/** Resolves when the reader has had the end of the stream, or either side an error. */
async function sendAll(
  simulation: Simulation,
  ends: Ends,
  read: Arrivals,
): Promise<{ readonly socket: Socket; readonly error: string | undefined }> {
  const written = createHash('sha256')
  const readBack = createHash('sha256')
  const finished = Promise.withResolvers<string | undefined>()
  const fail = (error: Error): void => finished.resolve(error.message)
  const server = ends.receiver.createServer((socket) => {
    socket.on('data', (chunk: Uint8Array) => {
      read.add(simulation.clock.now(), chunk.length)
      readBack.update(chunk)
    })
    socket.on('end', () => finished.resolve(undefined))
    socket.on('error', fail)
  })
  await server.listen(PORT)
  const socket = ends.sender.createConnection(simulation.keyOf(RECEIVER), PORT, { highWaterMark: EARLY_BYTES })
  socket.on('error', fail)
  writeAll(socket, simulation, written).catch(fail)
  const error = await finished.promise
  if (error !== undefined) return { socket, error }
  const isWhole = read.bytes === TRANSFER_BYTES && readBack.digest('hex') === written.digest('hex')
  return { socket, error: isWhole ? undefined : 'the bytes that were read are not those that were written' }
}

async function writeAll(socket: Socket, simulation: Simulation, hash: Hash): Promise<void> {
  for (let left = TRANSFER_BYTES; left > 0;) {
    const piece = simulation.entropy.bytes(Math.min(left, PIECE_BYTES))
    left -= piece.length
    hash.update(piece)
    if (left === 0) socket.end(piece)
    else if (!socket.write(piece)) await once(socket, 'drain')
  }
}

function describe(run: {
  readonly startMs: number
  readonly endMs: number
  readonly read: Arrivals
  readonly sender: Watch
  readonly receiver: Watch
  readonly hedges: number
  readonly error: string | undefined
}): Transfer {
  const { startMs, endMs, read, sender, receiver, hedges, error } = run
  const seconds = (endMs - startMs) / 1_000
  const inFlightP50 = sender.inFlight.quantile(0.5)
  const inFlightP95 = sender.inFlight.quantile(0.95)
  const settled = sender.payments.filter((payment) => payment.settled)
  return {
    error,
    seconds,
    bytesPerSecond: read.bytes / seconds,
    leastWindow: read.leastRate(startMs, endMs, WINDOW_MS, WINDOW_STEP_MS),
    inFlightP50,
    inFlightP95,
    payments: sender.payments.length,
    failedPayments: sender.payments.filter(({ endedMs, settled: well }) => endedMs !== undefined && !well).length,
    hedges,
    replies: receiver.payments.length,
    costMsatPerKilobyte: msatPerKilobyte(sender.payments),
    replyCostMsatPerKilobyte: msatPerKilobyte(receiver.payments),
    payloadShare: read.bytes / settled.reduce((sum, { bytes }) => sum + bytes, 0),
    rampSeconds: ((sender.inFlight.firstAt(0.9 * inFlightP95) ?? endMs) - startMs) / 1_000,
    tailSeconds: (endMs - (sender.inFlight.lastAt(0.9 * inFlightP50) ?? startMs)) / 1_000,
  }
}

function msatPerKilobyte(payments: readonly WatchedPayment[]): number {
  return Number(payments.reduce((sum, { costMsat }) => sum + costMsat, 0n)) / (TRANSFER_BYTES / 1_000)
}
