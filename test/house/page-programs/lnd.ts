/** In the place of `keysock/lnd`, where a page's program has a node of its own: one of the simulated network. */
import type { Backend } from '../../../src/index.ts'
import type { Finding } from '../../../src/lnd.ts'
import { LND_NODE, simulation } from './world.ts'

export function createLndBackend(): Backend {
  return simulation.backend(LND_NODE)
}

/** As KEYSOCK_BACKEND's module has it. */
export function createBackend(): Backend {
  return simulation.backend(LND_NODE)
}

export function checkLnd(): Promise<readonly Finding[]> {
  return Promise.resolve([{ name: 'connection', verdict: 'good', message: 'a simulated node' }])
}
