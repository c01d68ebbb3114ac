/** What payments that hang do to a transfer (spec §8.5): the rows of `./dev bench hang`, with few seeds. */
import { describe, expect, it } from 'vitest'
import { createSimulation, demoNetwork, type NetworkDescription, type Simulation } from '../../src/sim.ts'
import type { DrivenConnection } from '../../src/transport/driver/driven-connection.ts'
import { Endpoint } from '../../src/transport/sockets/endpoint.ts'

const PLENTY_MSAT = 1_000_000_000_000n

/** Looking through all that is under way at each step takes longer than the transfer itself. */
const MAX_CHECKED_BYTES = 200_000

interface Run {
  readonly ms: number
  readonly silencesMs: readonly number[]
  readonly copies: number
  readonly attempts: number
}

/** Sends `bytes` from alice to bob; of a small transfer, what must hold inside is checked at each step. */
async function transfer(
  network: NetworkDescription,
  seed: number,
  bytes: number,
  prepare: (sim: Simulation) => void = () => {},
): Promise<Run> {
  const sim = createSimulation(network, { seed })
  prepare(sim)
  const now = (): number => sim.clock.now()
  const check = (connections: Iterable<DrivenConnection>): void => {
    if (bytes > MAX_CHECKED_BYTES) return
    for (const connection of connections) connection.checkInvariant(now())
  }
  const money = { caps: { peer: PLENTY_MSAT, process: PLENTY_MSAT }, maxCost: PLENTY_MSAT }
  const alice = await sim.drive(Endpoint.open({ backend: sim.backend('alice'), ...money }, check))
  const bob = await sim.drive(Endpoint.open({ backend: sim.backend('bob'), ...money }, check))
  const readsMs = [now()]
  const received: Buffer[] = []
  const ended = Promise.withResolvers<void>()
  await bob
    .createServer((socket) => {
      socket.on('error', ended.reject).on('end', ended.resolve)
      socket.on('data', (data: Buffer) => {
        readsMs.push(now())
        received.push(data)
      })
    })
    .listen(7)
  const written = Buffer.from(sim.entropy.bytes(bytes))
  const socket = alice.createConnection(bob.publicKeyHex, 7)
  socket.on('error', ended.reject)
  socket.end(written)
  await sim.drive(ended.promise)
  expect(Buffer.concat(received).equals(written)).toBe(true)
  const silencesMs = readsMs.slice(1).map((atMs, i) => atMs - (readsMs[i] ?? 0))
  const { attempts, hedgedAttempts } = socket.stats
  return { ms: now() - (readsMs[0] ?? 0), silencesMs, copies: hedgedAttempts, attempts }
}

async function seeds(count: number, run: (seed: number) => Promise<Run>): Promise<readonly Run[]> {
  const runs: Run[] = []
  for (let seed = 1; seed <= count; seed++) runs.push(await run(seed))
  return runs
}

/** Two routes of two channels without a common one; 2 s a payment. */
function twoRoutes(hang: number): NetworkDescription {
  return {
    nodes: ['alice', 'carol', 'dave', 'bob'].map((name) => ({ name })),
    channels: ['carol', 'dave'].flatMap((relay) => [
      { between: ['alice', relay] as const, capacityMsat: 1e12 },
      { between: [relay, 'bob'] as const, capacityMsat: 1e12 },
    ]),
    latency: 'slow',
    failure: 0.05,
    hang,
  }
}

describe('where one payment in a hundred hangs', () => {
  it('the transfer of the demo takes at most three times what it takes at the median', async () => {
    const network = demoNetwork({ failure: 0.1, hang: 0.01 })
    const runs = await seeds(24, (seed) => transfer(network, seed, 184_302))
    const times = runs.map(({ ms }) => ms).toSorted((a, b) => a - b)
    expect(times.at(-1)).toBeLessThan(3 * (times[times.length / 2] ?? 0))
  })

  it('200 kB over two routes have no silence above three times what 99 of 100 payments take', async () => {
    const runs = await seeds(16, (seed) => transfer(twoRoutes(0.01), seed, 200_000))
    // 5.2 s and more, in the bench.
    expect(Math.max(...runs.flatMap(({ silencesMs }) => silencesMs))).toBeLessThan(15_000)
  })

  it('3 MB over two routes spend hardly any time in silences above 5 s, for a few percent of copies', async () => {
    const runs = await seeds(12, (seed) => transfer(twoRoutes(0.01), seed, 3_000_000))
    const sum = (value: (run: Run) => number): number => runs.reduce((total, run) => total + value(run), 0)
    // The first is no silence of a stream: it is the time until there is one.
    const silentMs = sum(({ silencesMs }) =>
      silencesMs.filter((ms, i) => i > 0 && ms > 5_000).reduce((a, b) => a + b, 0),
    )
    // 0.044 over 32 seeds, where each has one such silence or none, so 12 are 0.02 to 0.07; 0.73 before copies went to
    // the head of the line.
    expect(silentMs / sum(({ ms }) => ms)).toBeLessThan(0.08)
    expect(sum(({ copies }) => copies) / sum(({ attempts }) => attempts)).toBeLessThan(0.08)
  })
})

it('where nothing hangs, 3 MB cost a few percent of copies until that is known', async () => {
  const { copies, attempts } = await transfer(twoRoutes(0), 1, 3_000_000)
  expect(copies / attempts).toBeLessThan(0.06)
})

it('two answers that hang for hours hold up nothing, also where their channel has few slots', async () => {
  const network = { ...twoRoutes(0), failure: 0, policyDefaults: { maxHtlcs: 10 } }
  const { silencesMs } = await transfer(network, 1, 1_500_000, (sim) => {
    sim.fault({ name: 'payment-hangs', from: 'bob', forMs: 3 * 3_600_000, count: 2 }, sim.clock.now() + 8_000)
  })
  expect(Math.max(...silencesMs)).toBeLessThan(15_000)
})
