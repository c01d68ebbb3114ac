import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import type { ContractWorld } from '../../src/backends/contract/index.ts'
import { AMOUNT_MSAT, Probe, recordOf } from '../../src/backends/contract/probe.ts'
import type { PathRequest } from '../../src/medium/reply-path.ts'
import type { Payment, PaymentOutcome } from '../../src/medium/payment.ts'
import type { Route } from '../../src/medium/route.ts'
import {
  createSimulation,
  demoNetwork,
  type NetworkDescription,
  type Simulation,
  type SimulationOptions,
} from '../../src/sim.ts'

/** A simulation with processes on two of its nodes. */
export interface Pair {
  readonly sim: Simulation
  readonly world: ContractWorld
  readonly alice: Probe
  readonly bob: Probe
}

/** The demo network, or another one, with started processes on 'alice' and 'bob' or the nodes of `names`. */
export async function startPair(
  description: NetworkDescription = demoNetwork(),
  options: SimulationOptions & { readonly names?: readonly [string, string] } = {},
): Promise<Pair> {
  const { names = ['alice', 'bob'], ...rest } = options
  const sim = createSimulation(description, rest)
  const node = (name: string): ContractWorld['payer'] => ({
    publicKey: sim.keyOf(name),
    attach: () => sim.backend(name),
  })
  const world: ContractWorld = {
    payer: node(names[0]),
    receiver: node(names[1]),
    entropy: sim.entropy,
    settle: (promise) => sim.drive(promise),
    close: async () => {},
  }
  const alice = new Probe(world, world.payer)
  const bob = new Probe(world, world.receiver)
  await alice.start()
  await bob.start()
  return { sim, world, alice, bob }
}

/** A keysend over the cheapest route, or over a given one. */
export async function keysend({ alice, bob }: Pair, mark = 1, over?: Route): Promise<PaymentOutcome> {
  const route = over ?? (await routeToBob({ alice, bob }))
  return alice.pay(alice.keysend(route, recordOf(100, mark)))
}

export function routeToBob({ alice, bob }: Pick<Pair, 'alice' | 'bob'>): Promise<Route> {
  return alice.route({ lane: 'node', publicKey: bob.publicKey })
}

/** A payment to bob over a path that bob made, not sent yet; bob settles it if `settling`. */
export async function phantomPayment(
  pair: Pair,
  options: Partial<PathRequest> & { readonly settling?: boolean } = {},
): Promise<Payment> {
  const { settling = true, ...request } = options
  const { world, alice, bob } = pair
  const { paths } = await bob.makePaths(alice.publicKey, request)
  const route = await alice.route({ lane: 'phantom', path: paths[0]?.bytes ?? new Uint8Array() })
  const preimage = world.entropy.bytes(32)
  const hash = sha256(preimage)
  const key = bytesToHex(hash)
  const before = bob.verdictFor
  if (settling)
    bob.answerOffers((offer) => (bytesToHex(offer.hash) === key ? { action: 'settle', preimage } : before?.(offer)))
  return { routeId: route.id, hash, record: recordOf(100, 1), amountMsat: AMOUNT_MSAT }
}
