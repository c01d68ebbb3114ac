/** The peer object driving plain payments over the project's simulator, against its bare floods. */
import { describe, expect, test } from 'vitest'
import { createSimulation, flood, type NetworkDescription } from '../../src/sim.ts'
import { runPeer } from './over-simulator.ts'

const BYTES = 10_000_000
const SEED = 'peer'

/** Three hops; the median of a lone payment is near `medianMs`, the bench's own numbers. */
function network(medianMs: 200 | 2_000, failing: number): NetworkDescription {
  const names = ['a', 'b', 'c', 'd']
  return {
    nodes: names.map((name) => ({ name })),
    channels: names
      .slice(1)
      .map((name, index) => ({ between: [names[index] ?? '', name], capacityMsat: 1_000_000_000_000 })),
    latency: medianMs === 200 ? { hopMs: 3, sigma: 0.5 } : { hopMs: 234, sigma: 0.7 },
    failure: failing,
  }
}

async function floodRate(description: NetworkDescription, inFlight: number): Promise<number> {
  const sim = createSimulation(description, { seed: SEED })
  const { bytesPerSecond } = await flood(sim, { from: 'a', to: 'd', bytes: BYTES, inFlight })
  return bytesPerSecond
}

async function peerRate(description: NetworkDescription): Promise<number> {
  const run = { seed: SEED, to: 'd', isEnough: (so: { readonly bytes: number }) => so.bytes >= BYTES }
  const { bytes, ms } = await runPeer(description, { ...run, withinMs: 3_600_000 })
  expect(bytes).toBeGreaterThanOrEqual(BYTES)
  return (bytes * 1_000) / ms
}

describe('10 MB over the simulator, ramp included', () => {
  for (const medianMs of [200, 2_000] as const) {
    for (const failing of [0, 0.3]) {
      test(`${medianMs} ms, ${failing * 100} % failing: at least 0.93 of the best flood`, async () => {
        const description = network(medianMs, failing)
        const floods: number[] = []
        for (const inFlight of [32, 64, 128, 256]) floods.push(await floodRate(description, inFlight))
        expect((await peerRate(description)) / Math.max(...floods)).toBeGreaterThanOrEqual(0.93)
      })
    }
  }
})
