import { processClock, type Clock } from '../../src/floor/clock.ts'
import type { Backend } from '../../src/index.ts'
import { createLndBackend } from '../../src/lnd.ts'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
import { startNetwork } from '../../tools/regtest/network.ts'

/** Two nodes with others between them, and the time in which they live. */
export interface TwoNodes {
  readonly name: string
  readonly clock: Clock
  alice(): Backend
  bob(): Backend
  run<T>(promise: Promise<T>): Promise<T>
  close(): Promise<void>
}

/** On the simulated network of the demo. */
export async function simulatedNodes(): Promise<TwoNodes> {
  const sim = createSimulation(demoNetwork(), { seed: 3 })
  return {
    name: 'the simulator, in its time',
    clock: sim.clock,
    alice: () => sim.backend('alice'),
    bob: () => sim.backend('bob'),
    run: (promise) => sim.drive(promise),
    close: async () => sim.close(),
  }
}

/** Two lnds with a third between them. */
export async function realNodes(): Promise<TwoNodes> {
  const half = { capacitySat: 10_000_000, pushSat: 5_000_000 }
  const network = await startNetwork<'alice' | 'relay' | 'bob'>({
    nodes: ['alice', 'relay', 'bob'],
    channels: [
      { between: ['alice', 'relay'], ...half },
      { between: ['relay', 'bob'], ...half },
    ],
  })
  const backend = (name: 'alice' | 'bob'): Backend => {
    const { socket, certPath: cert, macaroon } = network.node(name)
    return createLndBackend({ socket, cert, macaroon: macaroon.base64 })
  }
  return {
    name: 'real nodes over one relay',
    clock: processClock,
    alice: () => backend('alice'),
    bob: () => backend('bob'),
    run: (promise) => promise,
    close: () => network.close(),
  }
}
