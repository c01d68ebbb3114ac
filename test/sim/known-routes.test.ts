/** Routes that are kept of former searches are those that a search would find now. */
import { sha256 } from '@noble/hashes/sha2.js'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Backend } from '../../src/backends/backend.ts'
import { type Route, type RouteHint, routeFeeMsat } from '../../src/medium/route.ts'
import { createSimulation, mainnetLike, type Simulation } from '../../src/sim.ts'

/** Enough for routes to be kept. */
const NODES = 1_000
/** Longer than a refusal counts. */
const FORGOTTEN_MS = 660_000

interface Search {
  readonly to: string
  readonly amountMsat: bigint
  readonly count: number
}

/** A private channel that is not there: who is told of one searches anew each time. */
const NOTHING: RouteHint = {
  publicKey: new Uint8Array(33),
  channelId: '1x1x1',
  feeBaseMsat: 0n,
  feePpm: 0,
  cltvDelta: 0,
}

async function routesOf(
  sim: Simulation,
  backend: Backend,
  { to, amountMsat, count }: Search,
  { avoid = [], hints = [] }: { readonly avoid?: readonly string[]; readonly hints?: readonly RouteHint[] } = {},
): Promise<readonly Route[]> {
  const destination = { lane: 'node', publicKey: sim.keyOf(to), hints } as const
  return await sim.drive(backend.findRoutes({ destination, amountMsat, maxFeeMsat: 10_000n, count, avoid }))
}

/** Beside the one that is asked for. */
const SEARCHED_AMOUNTS_MSAT = [1_000n, 10_000n, 100_000n, 1_000_000n]

/** As a search weighs it, but for less than 1 msat a channel; ways that cost the same are alike to it. */
function costOf(route: Route, { amountMsat }: Search): number {
  const amounts = [amountMsat, ...SEARCHED_AMOUNTS_MSAT].filter((each) => each >= amountMsat)
  const passed = amounts.filter((each) => each >= route.minAmountMsat)
  // One that was taken for want of others passes none of them.
  if (passed.length === 0) passed.push(route.minAmountMsat)
  const costs = passed.map((each) => Number(each + routeFeeMsat(route, each)))
  return 100 * route.channels.length + Math.min(...costs)
}

type Step = (typeof STEPS)[number]
const STEPS = ['refuse', 'avoid', 'policy', 'cheaper', 'drain', 'close', 'offline', 'wait', 'nothing'] as const

/** Lets something happen to a channel of this route. */
async function happen(
  sim: Simulation,
  backend: Backend,
  from: string,
  step: Step,
  route: Route,
  hop: number,
): Promise<void> {
  const channel = route.channels[hop % route.channels.length] as string
  const [first = ''] = route.channels
  if (step === 'refuse') {
    sim.fault({ name: 'payment-fails', from, channel })
    const preimage = sim.entropy.bytes(32)
    const payment = { routeId: route.id, record: new Uint8Array(1), amountMsat: route.minAmountMsat, preimage }
    await sim.drive(backend.pay({ ...payment, hash: sha256(preimage) }))
  } else if (step === 'policy') sim.fault({ name: 'policy-change', channel })
  else if (step === 'cheaper') sim.fault({ name: 'policy-change', channel, policy: { baseFeeMsat: 0, feePpm: 0 } })
  else if (step === 'drain') sim.fault({ name: 'channel-drained', channel: first, from })
  else if (step === 'close') sim.fault({ name: 'channel-closed', channel })
  else if (step === 'offline') sim.fault({ name: 'node-offline', node: `n${hop}`, forMs: FORGOTTEN_MS })
  else if (step === 'wait') await sim.runFor(FORGOTTEN_MS)
}

/** Of those with many channels. */
const hubs = fc.integer({ min: 0, max: 60 }).map((i) => `n${i}`)
const searches = fc.record({
  to: hubs,
  amountMsat: fc.constantFrom(1n, 1_000n, 5_000n),
  count: fc.constantFrom(1, 4),
})
const steps = fc.array(fc.tuple(fc.constantFrom(...STEPS), fc.nat(3), fc.nat(20)), { minLength: 10, maxLength: 30 })

test('what is kept of a search is what it would find, whatever became of channels since', async () => {
  let kept = 0
  await fc.assert(
    fc.asyncProperty(
      fc.integer(),
      fc.integer({ min: 61, max: 400 }).map((i) => `n${i}`),
      fc.array(searches, { minLength: 4, maxLength: 4 }),
      steps,
      async (seed, from, asked, each) => {
        const sim = createSimulation(mainnetLike({ nodes: NODES, seed }))
        const backend = sim.backend(from)
        await backend.start({ sink: () => {} })
        for (const [step, which, hop] of each) {
          const search = asked[which] as Search
          const routes = await routesOf(sim, backend, search)
          const [best] = routes
          if (best === undefined) continue
          await happen(sim, backend, from, step, best, hop)
          const avoid = step === 'avoid' ? [best.channels[hop % best.channels.length] as string] : []
          for (const other of asked) {
            const found = await routesOf(sim, backend, other, { avoid })
            const anew = await routesOf(sim, backend, other, { avoid, hints: [NOTHING] })
            expect(found.length).toBe(anew.length)
            for (const [i, route] of found.entries()) {
              const costMsat = costOf(anew[i] as Route, other)
              expect(Math.abs(costOf(route, other) - costMsat)).toBeLessThanOrEqual(route.channels.length)
            }
            kept += found.length
          }
        }
        await sim.drive(backend.stop())
      },
    ),
    { numRuns: 20, endOnFailure: true },
  )
  expect(kept).toBeGreaterThan(1_000)
})
