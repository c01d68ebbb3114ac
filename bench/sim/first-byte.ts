import { once } from 'node:events'
import { sha256 } from '@noble/hashes/sha2.js'
import type { Route } from '../../src/medium/route.ts'
import type { BackendEvent } from '../../src/backends/backend.ts'
import { createEndpoint } from '../../src/index.ts'
import { createSimulation, type Simulation } from '../../src/sim.ts'
import { network, RECEIVER, SENDER, type Setting, settings } from './settings.ts'

/** How long an answer takes to begin, where every payment takes equally long. */
export interface FirstByte {
  readonly setting: string
  /** One bare payment out, and one back over a blinded path as the answer to it: each until it arrives. */
  readonly bareMs: number
  /** `createConnection`, a request written at once, the first byte of the echo read. */
  readonly firstByteMs: number
  readonly roundTrips: number
  readonly failures: readonly string[]
}

/** An answer may take this much longer than the payments that carry it: coalescing, 5 ms a side, and rounding. */
const TOLERANCE = 0.05
const PORT = 7

/** Over networks without failures and jitter, and with nodes that answer their own process at once. */
export async function measureFirstByte(): Promise<readonly FirstByte[]> {
  const rows: FirstByte[] = []
  for (const setting of settings('0%')) {
    const bareMs = await bareRoundTrip(quiet(setting))
    const firstByteMs = await firstAnswer(quiet(setting))
    const roundTrips = firstByteMs / bareMs
    const isOne = Math.abs(roundTrips - 1) <= TOLERANCE
    const failures = isOne ? [] : [`${setting.name}: the first byte after ${roundTrips.toFixed(2)} round trips, not 1`]
    rows.push({ setting: setting.name, bareMs, firstByteMs, roundTrips, failures })
  }
  return rows
}

function quiet(setting: Setting): Simulation {
  return createSimulation(network(setting, { constant: true, noRpcTime: true }))
}

async function bareRoundTrip(simulation: Simulation): Promise<number> {
  const { clock, entropy } = simulation
  const sender = simulation.backend(SENDER)
  const receiver = simulation.backend(RECEIVER)
  const offered = Promise.withResolvers<number>()
  const arrived = Promise.withResolvers<number>()
  const recordTime = (type: BackendEvent['type'], promise: PromiseWithResolvers<number>) => (event: BackendEvent) => {
    if (event.type === type) promise.resolve(clock.now())
  }
  await sender.start({ sink: recordTime('offer', offered) })
  await receiver.start({ sink: recordTime('arrival', arrived) })
  const receiverKey = simulation.keyOf(RECEIVER)
  const ask = { amountMsat: 1n, maxFeeMsat: 1_000_000n, count: 1 }
  const [out] = await simulation.drive(
    sender.findRoutes({ destination: { lane: 'node', publicKey: receiverKey }, ...ask }),
  )
  const made = await simulation.drive(
    sender.makePaths({ count: 1, payer: receiverKey, relays: 1, lifetimeBlocks: 144 }),
  )
  const path = made.paths[0]?.bytes ?? new Uint8Array()
  const [back] = await simulation.drive(receiver.findRoutes({ destination: { lane: 'phantom', path }, ...ask }))
  if (out === undefined || back === undefined) throw new Error('the network has no route there and back')
  const startMs = clock.now()
  const preimage = entropy.bytes(32)
  sender.pay({ ...bare(out), preimage, hash: sha256(preimage) }).catch(arrived.reject)
  const arrivedMs = await simulation.drive(arrived.promise)
  const answeredMs = clock.now()
  receiver.pay({ ...bare(back), hash: entropy.bytes(32) }).catch(offered.reject)
  const offeredMs = await simulation.drive(offered.promise)
  return arrivedMs - startMs + offeredMs - answeredMs
}

function bare(route: Route): { readonly routeId: string; readonly record: Uint8Array; readonly amountMsat: bigint } {
  return { routeId: route.id, record: new Uint8Array(route.recordBytes), amountMsat: route.minAmountMsat }
}

async function firstAnswer(simulation: Simulation): Promise<number> {
  const { clock } = simulation
  const sender = await createEndpoint({ backend: simulation.backend(SENDER) })
  const receiver = await createEndpoint({ backend: simulation.backend(RECEIVER) })
  const answered = Promise.withResolvers<number>()
  await simulation.drive(receiver.createServer((socket) => socket.pipe(socket)).listen(PORT))
  const startMs = clock.now()
  const socket = sender.createConnection(simulation.keyOf(RECEIVER), PORT)
  socket.on('data', () => answered.resolve(clock.now()))
  socket.on('error', answered.reject)
  socket.write('a question')
  const endMs = await simulation.drive(answered.promise)
  socket.end()
  await simulation.drive(once(socket, 'close'))
  await simulation.drive(Promise.all([sender.close(), receiver.close()]))
  return endMs - startMs
}
