import fc from 'fast-check'
import { sha256 } from '@noble/hashes/sha2.js'
import { describe, expect, it } from 'vitest'
import type { PaymentOutcome } from '../../src/medium/payment.ts'
import type { Backend, BackendEvent } from '../../src/backends/backend.ts'
import { createSimulation, randomNetwork, type NetworkDescription, type Simulation } from '../../src/sim.ts'

interface Load {
  readonly seed: number
  readonly nodes: number
  readonly payments: number
  readonly failure: number
  readonly hang: number
  readonly phantom: boolean
  readonly maxHtlcs: number
}

const loads = fc.record<Load>({
  seed: fc.integer({ min: 0, max: 2 ** 31 }),
  nodes: fc.integer({ min: 3, max: 12 }),
  payments: fc.integer({ min: 1, max: 40 }),
  failure: fc.constantFrom(0, 0.1, 0.5),
  hang: fc.constantFrom(0, 0.1),
  phantom: fc.boolean(),
  maxHtlcs: fc.integer({ min: 1, max: 30 }),
})

function describeLoad(load: Load): NetworkDescription {
  const { seed, nodes, failure, hang, maxHtlcs } = load
  return randomNetwork({
    seed,
    nodes,
    failure,
    hang,
    capacityMsat: 2_000_000,
    policyDefaults: { maxHtlcs },
    traffic: { perSecond: 2, meanMsat: 20_000 },
    latency: 'fast',
    faults: [
      { name: 'node-restart', perHour: 100 },
      { name: 'policy-change', perHour: 60 },
      { name: 'interceptor-drops', perHour: 200 },
      { name: 'relay-keeps', chance: 0.05 },
      { name: 'verdict-lost', chance: 0.1 },
      { name: 'offered-again', chance: 0.1 },
    ],
  })
}

/** Pays from the first node to the last, on one lane or both; `wait` delays what the processes do. */
async function carry(sim: Simulation, load: Load, wait: () => Promise<void>): Promise<PaymentOutcome[]> {
  const preimages = new Map<string, Uint8Array>()
  const to = sim.backend(`n${load.nodes - 1}`)
  const from = sim.backend('n0')
  await from.start({ sink: () => {} })
  await to.start({ sink: (event) => void answer(to, event, preimages, wait) })
  const outcomes = Array.from({ length: load.payments }, async (_, i): Promise<PaymentOutcome> => {
    const preimage = new Uint8Array(32).fill(i + 1)
    const hash = sha256(preimage)
    preimages.set(hash.join(), preimage)
    await new Promise<void>((resolve) => {
      sim.clock.schedule(i * 40, resolve)
    })
    await wait()
    return await payOnce(sim, {
      from,
      to,
      phantom: load.phantom && i % 2 === 0,
      hash,
      preimage,
      toName: `n${load.nodes - 1}`,
    })
  })
  const done = await sim.drive(Promise.all(outcomes))
  await sim.run()
  return done
}

async function answer(
  to: Backend,
  event: BackendEvent,
  preimages: ReadonlyMap<string, Uint8Array>,
  wait: () => Promise<void>,
): Promise<void> {
  if (event.type !== 'offer') return
  await wait()
  const preimage = preimages.get(event.hash.join())
  const verdict =
    preimage === undefined ? ({ action: 'refuse', code: 0 } as const) : ({ action: 'settle', preimage } as const)
  await to.answer(event.offerId, verdict).catch(() => undefined)
}

async function payOnce(
  sim: Simulation,
  options: { from: Backend; to: Backend; phantom: boolean; hash: Uint8Array; preimage: Uint8Array; toName: string },
): Promise<PaymentOutcome> {
  const { from, to, phantom, hash, preimage, toName } = options
  try {
    const made = phantom
      ? await to.makePaths({ count: 1, payer: sim.keyOf('n0'), relays: 1, lifetimeBlocks: 500 })
      : undefined
    const path = made?.paths[0]
    const destination =
      path === undefined
        ? ({ lane: 'node', publicKey: sim.keyOf(toName) } as const)
        : ({ lane: 'phantom', path: path.bytes } as const)
    const [route] = await from.findRoutes({ destination, amountMsat: 3_000n, maxFeeMsat: 1_000_000n, count: 2 })
    if (route === undefined) return { status: 'failed', reason: 'no-route', place: 'local' }
    return await from.pay({
      routeId: route.id,
      hash,
      record: new Uint8Array(40),
      amountMsat: route.minAmountMsat,
      ...(phantom ? {} : { preimage }),
    })
  } catch {
    return { status: 'failed', reason: 'node-away', place: 'local' } // offline, or no path in this network
  }
}

const atOnce = (): Promise<void> => Promise.resolve()

describe('any network under any load', () => {
  it('conserves money, keeps balances above nought, and ends with empty slots', async () => {
    const reached = new Set<string>()
    await fc.assert(
      fc.asyncProperty(loads, async (load) => {
        const sim = createSimulation(describeLoad(load), { seed: load.seed })
        let most = 0
        for (const at of [100, 700, 2_500])
          sim.clock.schedule(at, () => (most = Math.max(most, ...sim.audit().map(() => 1))))
        const outcomes = await carry(sim, load, atOnce)
        for (const { status } of outcomes) reached.add(status)
        expect(most).toBe(0)
        expect(sim.audit()).toEqual([])
        const { payments, nodes } = sim.stats()
        expect(payments.underWay).toBe(0)
        expect(nodes.map((node) => node.slotsUsed).filter((used) => used > 0)).toEqual([])
      }),
      { numRuns: 60 },
    )
    // The loads are worth something: they reach every kind of end.
    expect([...reached].toSorted()).toEqual(['delivered', 'failed', 'settled', 'unknown'])
  })

  it('never uses more slots than a link has', async () => {
    await fc.assert(
      fc.asyncProperty(loads, async (load) => {
        const sim = createSimulation(describeLoad(load), { seed: load.seed })
        let most = 0
        const look = (): void => {
          most = Math.max(most, ...sim.stats().nodes.map((node) => node.slotsUsed))
          if (sim.clock.now() < 3_000) sim.clock.schedule(sim.clock.now() + 20, look)
        }
        look()
        await carry(sim, load, atOnce)
        expect(most).toBeLessThanOrEqual(load.maxHtlcs)
      }),
      { numRuns: 30 },
    )
  })

  it('gives one trace for one seed, however the process takes its turns', async () => {
    await fc.assert(
      fc.asyncProperty(loads, async (load) => {
        const waits = [
          atOnce,
          async () => {
            for (let i = 0; i < 5; i++) await Promise.resolve()
          },
          () =>
            new Promise<void>((resolve) => {
              process.nextTick(resolve)
            }),
        ]
        const runs = await Promise.all(
          waits.map(async (wait) => {
            const sim = createSimulation(describeLoad(load), { seed: load.seed })
            const outcomes = await carry(sim, load, wait)
            return { hash: sim.traceHash(), outcomes }
          }),
        )
        expect(runs[1]).toEqual(runs[0])
        expect(runs[2]).toEqual(runs[0])
      }),
      { numRuns: 25 },
    )
  })

  it('gives another trace for another seed', async () => {
    const load: Load = { seed: 1, nodes: 5, payments: 10, failure: 0.1, hang: 0, phantom: true, maxHtlcs: 30 }
    const hashes = await Promise.all(
      [1, 2].map(async (seed) => {
        const sim = createSimulation(describeLoad(load), { seed })
        await carry(sim, load, atOnce)
        return sim.traceHash()
      }),
    )
    expect(hashes[0]).not.toBe(hashes[1])
  })
})
