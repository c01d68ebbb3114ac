import { expect } from 'vitest'
import { createEndpoint, type Endpoint, type EndpointOptions, MemoryStore } from '../../src/index.ts'
import { createSimulation, demoNetwork, type Simulation } from '../../src/sim.ts'

/** Port of the tests' messages. */
export const PORT = 7
/** What a message pays where the amount matters, msat. */
export const AMOUNT_MSAT = 50_000n

/** alice sends to bob, who takes messages at the phantom of his node, too. */
export interface Ends {
  readonly sim: Simulation
  readonly alice: Endpoint
  readonly bob: Endpoint
  /** bob's address, which offers the phantom lane. */
  readonly address: string
  /** What outlives bob's process. */
  readonly store: MemoryStore
}

export async function openEnds(
  seed = 3,
  options: { readonly alice?: Partial<EndpointOptions>; readonly bob?: Partial<EndpointOptions> } = {},
): Promise<Ends> {
  const sim = createSimulation(demoNetwork(), { seed })
  const store = new MemoryStore()
  const alice = await sim.drive(createEndpoint({ backend: sim.backend('alice'), ...options.alice }))
  const bob = await sim.drive(openBob(sim, store, options.bob))
  return { sim, alice, bob, address: `${bob.publicKeyHex}+phantom`, store }
}

/** A process on bob's node. */
export function openBob(
  sim: Simulation,
  store: MemoryStore,
  options: Partial<EndpointOptions> = {},
): Promise<Endpoint> {
  return createEndpoint({ backend: sim.backend('bob'), store, phantomLane: true, ...options })
}

/** Closes both, and looks whether the money of the network is all there. */
export async function closeEnds({ sim, alice, bob }: Pick<Ends, 'sim' | 'alice' | 'bob'>): Promise<void> {
  await sim.drive(Promise.all([alice.close(), bob.close()]))
  expect(sim.audit()).toEqual([])
}

/** The error with which a promise rejects, as its fields. @throws Error where it resolves */
export async function errorOf(
  sim: Simulation,
  promise: Promise<unknown>,
): Promise<{ code?: string; peerCode?: number }> {
  const result = await sim.drive(
    promise.then(
      () => undefined,
      (error: unknown) => error as { code?: string; peerCode?: number },
    ),
  )
  if (result === undefined) throw new Error('it resolved')
  return result
}
