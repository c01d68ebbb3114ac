import { sha256 } from '@noble/hashes/sha2.js'
import type { Route } from '../../medium/route.ts'
import type { Backend, BackendEvent } from '../backend.ts'
import { SimulationError } from './errors.ts'
import { checkNames } from './option-names.ts'
import type { Simulation } from './simulation.ts'

export interface FloodOptions {
  readonly from: string
  readonly to: string
  /** Payments to send; or: as many as carry `bytes`. */
  readonly payments?: number
  readonly bytes?: number
  /** Payments under way at any time. */
  readonly inFlight: number
  /** Size of each record. Default: the largest that the route takes. */
  readonly recordBytes?: number
  /** What arrives with each. Default: the least that the route passes. */
  readonly amountMsat?: bigint
  /** Length of the windows of `windowBytes`. Default 1000. */
  readonly windowMs?: number
}

const FLOOD_NAMES: Readonly<Record<keyof FloodOptions, true>> = {
  from: true,
  to: true,
  payments: true,
  bytes: true,
  inFlight: true,
  recordBytes: true,
  amountMsat: true,
  windowMs: true,
}

export interface FloodResult {
  readonly settled: number
  readonly failed: number
  readonly recordBytes: number
  /** Bytes that arrived. */
  readonly bytes: number
  /** From the first call to the last decision. */
  readonly durationMs: number
  readonly paymentsPerSecond: number
  readonly bytesPerSecond: number
  /** Median from call to outcome of the settled ones. */
  readonly medianMs: number
  /** Bytes that arrived in each window of `windowMs`. */
  readonly windowBytes: readonly number[]
}

/**
 * Pays keysends over one route, with a fixed number under way, and retries nothing: what
 * the bare medium gives. Uses a process of its own on both nodes and stops them at the end.
 */
export async function flood(sim: Simulation, options: FloodOptions): Promise<FloodResult> {
  checkNames('the flood', options, FLOOD_NAMES, 'bad-option')
  const { inFlight, windowMs = 1_000 } = options
  const sender = sim.backend(options.from)
  const receiver = sim.backend(options.to)
  const startMs = sim.clock.now()
  const windowBytes: number[] = []
  let bytes = 0
  await receiver.start({
    sink: (event: BackendEvent) => {
      if (event.type !== 'arrival') return
      const window = Math.floor((sim.clock.now() - startMs) / windowMs)
      while (windowBytes.length <= window) windowBytes.push(0)
      windowBytes[window] = (windowBytes[window] as number) + event.record.length
      bytes += event.record.length
    },
  })
  await sender.start({ sink: () => {} })
  const route = await sim.drive(cheapestRoute(sender, sim.keyOf(options.to), options))
  const record = sim.entropy.bytes(options.recordBytes ?? route.recordBytes)
  const total = options.payments ?? Math.ceil((options.bytes ?? 0) / record.length)
  const waits: number[] = []
  let failed = 0
  let sent = 0
  const payOn = async (): Promise<void> => {
    while (sent < total) {
      sent++
      const preimage = sim.entropy.bytes(32)
      const calledMs = sim.clock.now()
      const outcome = await sender.pay({
        routeId: route.id,
        hash: sha256(preimage),
        preimage,
        record,
        amountMsat: options.amountMsat ?? route.minAmountMsat,
      })
      if (outcome.status === 'settled') waits.push(sim.clock.now() - calledMs)
      else failed++
    }
  }
  await sim.drive(Promise.all(Array.from({ length: Math.min(inFlight, total) }, payOn)), { withinMs: Infinity })
  const durationMs = sim.clock.now() - startMs
  await Promise.all([sender.stop(), receiver.stop()])
  return {
    settled: waits.length,
    failed,
    recordBytes: record.length,
    bytes,
    durationMs,
    paymentsPerSecond: (waits.length * 1_000) / durationMs,
    bytesPerSecond: (bytes * 1_000) / durationMs,
    medianMs: median(waits),
    windowBytes,
  }
}

async function cheapestRoute(sender: Backend, publicKey: Uint8Array, options: FloodOptions): Promise<Route> {
  const routes = await sender.findRoutes({
    destination: { lane: 'node', publicKey },
    amountMsat: options.amountMsat ?? 1_000n,
    maxFeeMsat: 1_000_000_000n,
    count: 1,
  })
  const route = routes[0]
  if (route === undefined)
    throw new SimulationError('unknown-name', `no route leads from '${options.from}' to '${options.to}'`)
  return route
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}
