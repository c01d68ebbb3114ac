import { describe, expect, it } from 'vitest'
import { createEndpoint, type EndpointOptions } from '../../src/index.ts'
import { createSimulation, mainnetLike, type NetworkDescription, type Simulation } from '../../src/sim.ts'
import { Random } from '../../src/backends/sim/random.ts'

const NODES = 1_500
const PAIRS = 12
const LEAST_CHANNELS = 3
const BYTES = 100
/** Within so much virtual time a caller is told why it cannot connect. */
const TOLD_MS = 5_000
/** These say what to do, and come at once. */
const TOLD = ['ERR_KEYSOCK_FEE', 'ERR_KEYSOCK_NO_PATH', 'EHOSTUNREACH']

interface Result {
  readonly code: string
  readonly elapsedMs: number
  readonly candidates: number | undefined
}

function networkOf(seed: number): NetworkDescription {
  return { ...mainnetLike({ nodes: NODES, seed }), failure: 0.05, hang: 0.005, latency: 'slow' }
}

/** Pairs of nodes that have so many channels or more with policies in force both ways. */
function pairsOf(network: NetworkDescription, seed: number): [string, string][] {
  const channels = new Map<string, number>()
  for (const { between, policies = {} } of network.channels) {
    if (between.some((name) => policies[name]?.disabled === true)) continue
    for (const name of between) channels.set(name, (channels.get(name) ?? 0) + 1)
  }
  const nodes = [...channels].filter(([, count]) => count >= LEAST_CHANNELS).map(([name]) => name)
  const random = new Random(String(seed), 'pairs')
  return Array.from({ length: PAIRS }, () => {
    const from = random.below(nodes.length)
    const to = (from + 1 + random.below(nodes.length - 1)) % nodes.length
    return [nodes[from] as string, nodes[to] as string]
  })
}

/** Connects, and has 100 bytes echoed. */
async function converse(
  sim: Simulation,
  [from, to]: [string, string],
  options: Partial<EndpointOptions>,
): Promise<Result> {
  const caller = await sim.drive(createEndpoint({ backend: sim.backend(from), ...options }))
  const listener = await sim.drive(createEndpoint({ backend: sim.backend(to) }))
  await listener.createServer((socket) => socket.on('error', () => undefined).pipe(socket)).listen(7)
  const startedMs = sim.clock.now()
  let candidates: number | undefined
  const code = await sim.drive(
    caller.connect(listener.publicKeyHex, 7).then(
      async (socket) => {
        candidates = socket.candidates
        socket.end(new Uint8Array(BYTES))
        const got = await socket.toArray()
        return Buffer.concat(got as Buffer[]).length === BYTES ? 'connected' : 'cut short'
      },
      (error: unknown) => (error as { readonly code: string }).code,
    ),
  )
  const elapsedMs = sim.clock.now() - startedMs
  await sim.drive(Promise.all([caller.close(), listener.close()]))
  return { code, elapsedMs, candidates }
}

describe('a network like the public one, with payments that fail and hang', () => {
  it.each([
    [1, {}],
    [2, {}],
    [1, { relays: 2 }],
    [2, { relays: 2 }],
  ] as const)(
    'connects whom a route joins, and tells the others at once why not: seed %i, %o',
    async (seed, options) => {
      const network = networkOf(seed)
      const sim = createSimulation(network, { seed })
      const results: Result[] = []
      for (const pair of pairsOf(network, seed)) results.push(await converse(sim, pair, options))
      const failed = results.filter(({ code }) => code !== 'connected')
      for (const { code, elapsedMs } of failed) {
        expect(TOLD).toContain(code)
        expect(elapsedMs, 'virtual ms').toBeLessThan(TOLD_MS)
      }
      expect(failed.length).toBeLessThanOrEqual(2)
      const hidden = results.filter(({ candidates = 0 }) => candidates >= 16)
      expect(hidden.length).toBeGreaterThanOrEqual(PAIRS - 3)
    },
  )
})
