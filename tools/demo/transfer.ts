/** One file from alice to bob over a simulated network of five nodes, in virtual time. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createEndpoint, type Endpoint, type Socket } from '../../src/index.ts'
import { appearances, createSimulation, demoNetwork, type Simulation } from '../../src/sim.ts'

export interface TransferOptions {
  readonly bytes: number
  readonly seed: string
  /** Probability that a payment fails, and that one hangs for minutes. */
  readonly failure: number
  readonly hang: number
  /** How bob's answers come back: hidden, or (as a control) by keysend to alice's own node. */
  readonly replies: 'phantom' | 'direct'
  readonly onProgress: (progress: Progress) => void
}

export interface Progress {
  readonly bytes: number
  readonly bytesPerSecond: number
  readonly inFlight: number
  readonly failed: number
  readonly sat: number
}

export interface TransferResult {
  readonly ok: boolean
  readonly bytes: number
  readonly sha256Sent: string
  readonly sha256Received: string
  /** Pieces of the file, each the load of one payment. */
  readonly chunks: number
  readonly payments: number
  readonly failedPayments: number
  /** Without outcome at the end. */
  readonly hangingPayments: number
  readonly simulatedSeconds: number
  readonly realSeconds: number
  readonly bytesPerSecond: number
  readonly feesMsat: number
  /** All that alice paid, fees included. */
  readonly paidMsat: number
  readonly msatPerKilobyte: number
  /** What bob paid for acknowledgements. */
  readonly repliesPaidMsat: number
  /** Whether alice's public key occurs in anything that bob's node or process saw. */
  readonly initiatorSeen: boolean
}

const PORT = 7
const PIECE_BYTES = 16_384
const PROGRESS_MS = 100
/** The demo's own cap: a megabyte costs about 4,000 sat here. */
const MAX_COST_MSAT = 1_000_000_000n

export async function transfer(options: TransferOptions): Promise<TransferResult> {
  const started = performance.now()
  const network = demoNetwork({ failure: options.failure, hang: options.hang })
  const sim = createSimulation(network, { seed: options.seed, observe: ['bob'] })
  const caps = { peer: MAX_COST_MSAT, process: MAX_COST_MSAT }
  const alice = await sim.drive(createEndpoint({ backend: sim.backend('alice'), maxCost: MAX_COST_MSAT, caps }))
  const bob = await sim.drive(createEndpoint({ backend: sim.backend('bob'), maxCost: MAX_COST_MSAT, caps }))
  const file = sim.entropy.bytes(options.bytes)

  const receiving = receive(sim, bob)
  const socket = alice.createConnection(sim.keyOf('bob'), PORT, { replies: options.replies })
  const stopWatching = watch(sim, socket, options.onProgress)
  const startMs = sim.clock.now()
  const [received] = await sim.drive(Promise.all([receiving, send(file, socket)]))
  stopWatching()
  const simulatedSeconds = (received.endedMs - startMs) / 1_000
  const stats = socket.stats
  const sha256Sent = createHash('sha256').update(file).digest('hex')
  const { spentMsat: repliesPaidMsat } = bob.stats
  await sim.drive(Promise.all([alice.close(), bob.close()]))

  return {
    ok: sha256Sent === received.sha256 && received.bytes === file.length,
    bytes: received.bytes,
    sha256Sent,
    sha256Received: received.sha256,
    chunks: stats.attempts - stats.failedAttempts - stats.unresolvedAttempts,
    payments: stats.attempts,
    failedPayments: stats.failedAttempts,
    hangingPayments: stats.unresolvedAttempts,
    simulatedSeconds: round(simulatedSeconds, 3),
    realSeconds: round((performance.now() - started) / 1_000, 3),
    bytesPerSecond: Math.round(received.bytes / simulatedSeconds),
    feesMsat: Number(stats.feesMsat),
    paidMsat: Number(stats.paidMsat),
    msatPerKilobyte: Math.round((Number(stats.paidMsat) * 1_000) / received.bytes),
    repliesPaidMsat: Number(repliesPaidMsat),
    initiatorSeen: appearances(sim.observed('bob'), sim.keyOf('alice')).length > 0,
  }
}

interface Received {
  readonly bytes: number
  readonly sha256: string
  /** Virtual time when the last byte was read. */
  readonly endedMs: number
}

/** Takes one connection and reads it to its end. */
async function receive(sim: Simulation, endpoint: Endpoint): Promise<Received> {
  const server = endpoint.createServer()
  const accepted = once(server, 'connection') as Promise<[Socket]>
  await server.listen(PORT)
  const hash = createHash('sha256')
  let bytes = 0
  const [socket] = await accepted
  for await (const piece of socket as AsyncIterable<Uint8Array>) {
    hash.update(piece)
    bytes += piece.length
  }
  server.close()
  return { bytes, sha256: hash.digest('hex'), endedMs: sim.clock.now() }
}

/** Writes the file and its end, and waits until bob has ended as well. */
async function send(file: Uint8Array, socket: Socket): Promise<void> {
  const closed = once(socket, 'close')
  socket.resume()
  await pipeline(Readable.from(pieces(file)), socket)
  await closed
}

function* pieces(file: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < file.length; at += PIECE_BYTES) yield file.subarray(at, at + PIECE_BYTES)
}

/** Reports the socket's numbers ten times a second of virtual time; the result stops it. */
function watch(sim: Simulation, socket: Socket, onProgress: (progress: Progress) => void): () => void {
  const startMs = sim.clock.now()
  let cancel: (() => void) | undefined
  const report = (): void => {
    const stats = socket.stats
    const seconds = (sim.clock.now() - startMs) / 1_000
    if (seconds > 0) {
      onProgress({
        bytes: stats.bytesAcknowledged,
        bytesPerSecond: stats.bytesAcknowledged / seconds,
        inFlight: stats.unresolvedAttempts,
        failed: stats.failedAttempts,
        sat: stats.satPaid,
      })
    }
    cancel = sim.clock.schedule(sim.clock.now() + PROGRESS_MS, report)
  }
  report()
  return () => cancel?.()
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}
