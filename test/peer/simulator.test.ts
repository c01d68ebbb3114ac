/** The peer object driving plain payments over the project's simulator, against its bare floods. */
import { sha256 } from '@noble/hashes/sha2.js'
import { describe, expect, test } from 'vitest'
import { PeerController } from '../../src/transport/peer/peer-controller.ts'
import { SlotPool } from '../../src/transport/peer/slots.ts'
import { createSimulation, flood, type NetworkDescription } from '../../src/sim.ts'

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
  const sim = createSimulation(description, { seed: SEED })
  const now = (): number => sim.clock.now()
  let bytes = 0
  await sim.backend('d').start({
    sink: (event) => {
      if (event.type === 'arrival') bytes += event.record.length
    },
  })
  const payer = sim.backend('a')
  await payer.start({ sink: () => {} })
  const destination = { lane: 'node', publicKey: sim.keyOf('d') } as const
  const peer = new PeerController({
    lane: 'node',
    anonymous: false,
    random: (length) => sim.entropy.bytes(length),
    slots: new SlotPool(),
    maxFeeMsat: 1_000_000n,
  })
  let errors = 0
  const broke = (): void => {
    errors += 1
  }
  const isDone = (): boolean => bytes >= BYTES || errors > 0
  let unarm = (): void => {}

  function pump(): void {
    const wish = peer.request(now())
    if (wish !== undefined) {
      payer
        .findRoutes({ destination, amountMsat: 1n, maxFeeMsat: 1_000_000n, count: wish.count, avoid: wish.avoid })
        .then((routes) => {
          peer.provideRoutes(now(), routes)
          pump()
        })
        .catch(broke)
    }
    while (!isDone()) {
      const grant = peer.grant(now(), { reason: 'data', avoid: [] })
      if (grant === undefined) break
      peer.sent(now(), grant.ticket)
      const preimage = sim.entropy.bytes(32)
      const record = new Uint8Array(grant.route.recordBytes)
      const { id: routeId, minAmountMsat: amountMsat } = grant.route
      payer
        .pay({ routeId, hash: sha256(preimage), preimage, record, amountMsat })
        .then((outcome) => {
          peer.resolve(now(), grant.ticket, outcome)
          pump()
        })
        .catch(broke)
    }
    unarm()
    const deadline = peer.deadline()
    if (deadline === undefined || isDone()) return
    unarm = sim.clock.schedule(Math.max(deadline, now()), () => {
      peer.wake(now())
      pump()
    })
  }

  const startMs = now()
  peer.enqueue(destination)
  pump()
  await sim.run({ until: isDone, withinMs: 3_600_000 })
  expect(errors).toBe(0)
  expect(bytes).toBeGreaterThanOrEqual(BYTES)
  return (bytes * 1_000) / (now() - startMs)
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
