/** Floods of bare payments that send anew what hangs: what a network gives to one who needs no order and no answers. */
import { sha256 } from '@noble/hashes/sha2.js'
import type { Backend } from '../../src/backends/backend.ts'
import { pause } from '../../src/floor/clock.ts'
import type { PaymentOutcome } from '../../src/medium/payment.ts'
import { packetCostMsat, type Route } from '../../src/medium/route.ts'
import type { Simulation } from '../../src/sim.ts'

export interface PatientFlood {
  readonly from: string
  readonly to: string
  /** Payments under way, over all of its routes; what hangs does not count. */
  readonly inFlight: number
  /** As many routes as the network gives, at most. */
  readonly routes: number
  /** Routes over which a packet costs more, amount and fee together, are left out, msat. */
  readonly maxPacketMsat: number
  /** It ends when so many bytes have come, or after this time of the network. */
  readonly bytes: number
  readonly limitMs: number
  /** What has not come back after so long is sent anew. */
  readonly patienceMs: number
}

/** Some twenty times what carries 1 MB: a flood whose channels are empty has no end of its own. */
const MAX_PAYMENTS = 20_000
/** A flood whose channels are full tries again after so long. */
const FULL_PAUSE_MS = 500

/** Bytes a second that arrive, and over how many routes. */
export async function patientFlood(
  simulation: Simulation,
  flood: PatientFlood,
): Promise<{ readonly rate: number; readonly routes: number }> {
  const { clock } = simulation
  const payer = simulation.backend(flood.from)
  let bytes = 0
  await simulation.backend(flood.to).start({
    sink: (event) => {
      if (event.type === 'arrival') bytes += event.record.length
    },
  })
  await payer.start({ sink: () => {} })
  const destination = { lane: 'node', publicKey: simulation.keyOf(flood.to) } as const
  const maxFeeMsat = BigInt(flood.maxPacketMsat)
  const found = await simulation.drive(
    payer.findRoutes({ destination, amountMsat: 1n, maxFeeMsat, count: flood.routes }),
  )
  const routes = found.filter((route) => packetCostMsat(route) <= maxFeeMsat)
  if (routes.length === 0) return { rate: 0, routes: 0 }
  const startMs = clock.now()
  let payments = 0
  const isDone = (): boolean => bytes >= flood.bytes || clock.now() > startMs + flood.limitMs
  const isTaken = (): boolean => isDone() || ++payments > MAX_PAYMENTS
  for (let i = 0; i < flood.inFlight; i++) {
    void payOn(simulation, payer, { route: routes[i % routes.length] as Route, isTaken, patienceMs: flood.patienceMs })
  }
  await simulation.run({ until: () => isDone() || payments > MAX_PAYMENTS, withinMs: Infinity })
  return { rate: (bytes * 1_000) / (clock.now() - startMs), routes: routes.length }
}

interface Lane {
  readonly route: Route
  readonly isTaken: () => boolean
  readonly patienceMs: number
}

async function payOn(simulation: Simulation, payer: Backend, { route, isTaken, patienceMs }: Lane): Promise<void> {
  const record = new Uint8Array(route.recordBytes)
  while (!isTaken()) {
    const preimage = simulation.entropy.bytes(32)
    const payment = { routeId: route.id, record, amountMsat: route.minAmountMsat, hash: sha256(preimage), preimage }
    const outcome = await Promise.race([payer.pay(payment), pause(patienceMs, simulation.clock)])
    if (isLocal(outcome)) await pause(FULL_PAUSE_MS, simulation.clock)
  }
}

function isLocal(outcome: PaymentOutcome | void): boolean {
  return outcome?.status === 'failed' && outcome.place === 'local'
}
