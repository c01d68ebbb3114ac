import { sha256 } from '@noble/hashes/sha2.js'
import { createSimulation, type Simulation } from '../../src/sim.ts'
import { network, RECEIVER, SENDER, type Setting } from './settings.ts'
import { Arrivals } from './statistics.ts'

export interface FloodResult {
  /** Record bytes that arrived, over the time until the last of them. */
  readonly bytesPerSecond: number
  /** From `pay` to the outcome, of the payments that settled. */
  readonly latenciesMs: readonly number[]
}

/**
 * Bare payments, nothing else: as many under way as asked for at all times, each with a full record, a new one for
 * each that ended well or ill, and what arrives is thrown away. Ends when `bytes` have arrived; what a network
 * gives, without handshake, order or completeness.
 */
export async function floodFor(setting: Setting, seed: string, inFlight: number, bytes: number): Promise<FloodResult> {
  const simulation = createSimulation(network(setting), { seed })
  const now = (): number => simulation.clock.now()
  const arrivals = new Arrivals()
  await simulation.backend(RECEIVER).start({
    sink: (event) => {
      if (event.type === 'arrival') arrivals.add(now(), event.record.length)
    },
  })
  const latenciesMs: number[] = []
  const startMs = now()
  const done = (): boolean => arrivals.bytes >= bytes
  await keepPaying(simulation, inFlight, done, latenciesMs)
  const endMs = arrivals.timeOf(bytes)
  if (endMs === undefined) throw new Error(`${setting.name}: a flood with ${inFlight} in flight came to a stop`)
  return { bytesPerSecond: (arrivals.bytes * 1_000) / (endMs - startMs), latenciesMs }
}

async function keepPaying(
  simulation: Simulation,
  inFlight: number,
  done: () => boolean,
  latenciesMs: number[],
): Promise<void> {
  const { clock, entropy } = simulation
  const payer = simulation.backend(SENDER)
  await payer.start({ sink: () => {} })
  const [route] = await simulation.drive(
    payer.findRoutes({
      destination: { lane: 'node', publicKey: simulation.keyOf(RECEIVER) },
      amountMsat: 1n,
      maxFeeMsat: 1_000_000n,
      count: 1,
    }),
  )
  if (route === undefined) throw new Error('the network has no route for the flood')
  const record = entropy.bytes(route.recordBytes)
  const payOn = async (): Promise<void> => {
    while (!done()) {
      const preimage = entropy.bytes(32)
      const sentMs = clock.now()
      const hash = sha256(preimage)
      const outcome = await payer.pay({ routeId: route.id, hash, preimage, record, amountMsat: route.minAmountMsat })
      if (outcome.status === 'settled') latenciesMs.push(clock.now() - sentMs)
      else if (outcome.status !== 'failed' || outcome.place === 'local') {
        throw new Error(`a payment of the flood ended with ${outcome.status}: more in flight than the channel takes`)
      }
    }
  }
  const payments = Promise.all(Array.from({ length: inFlight }, payOn))
  // Leaves off in the middle: what is under way when enough has arrived doesn't count.
  const failures: unknown[] = []
  payments.catch((error: unknown) => failures.push(error))
  await simulation.run({ until: () => done() || failures.length > 0, withinMs: Infinity })
  if (failures.length > 0) await payments
}
