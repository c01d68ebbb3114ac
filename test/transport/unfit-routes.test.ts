import { once } from 'node:events'
import { expect, it } from 'vitest'
import type { Backend } from '../../src/backends/backend.ts'
import type { PaymentOutcome } from '../../src/medium/payment.ts'
import { createEndpoint } from '../../src/index.ts'
import { createSimulation, demoNetwork, type NetworkDescription } from '../../src/sim.ts'

/** Payments of a connection in that time, at most, though each fails at once. */
const MAX_PAYMENTS = 100
const WATCH_MS = 120_000

it('a connection whose payments its own node finds unfit tries them again now and then, not without end', async () => {
  const sim = createSimulation(demoNetwork())
  let payments = 0
  let isUnfit = false
  const real = sim.backend('bob')
  const pay: Backend['pay'] = (payment) => {
    if (!isUnfit) return real.pay(payment)
    payments++
    // Without the wait between two tries no time passes: nothing else could end this.
    if (payments > MAX_PAYMENTS) return Promise.withResolvers<PaymentOutcome>().promise
    return Promise.resolve({ status: 'failed', reason: 'invalid', place: 'local' })
  }
  const backend = new Proxy(real, {
    get(target, name) {
      if (name === 'pay') return pay
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
  const alice = await sim.drive(createEndpoint({ backend: sim.backend('alice') }))
  const bob = await sim.drive(createEndpoint({ backend }))
  alice.on('warning', () => undefined)
  const server = bob.createServer((accepted) => {
    accepted.on('error', () => undefined).resume()
    accepted.once('data', () => {
      isUnfit = true
      accepted.write('nothing of this gets out')
    })
  })
  await sim.drive(server.listen(7))
  const socket = alice.createConnection(sim.keyOf('bob'), 7)
  socket.on('error', () => undefined)
  await sim.drive(once(socket, 'connect'))
  socket.write('a question')
  await sim.runFor(WATCH_MS)
  expect(payments).toBeGreaterThan(1)
  expect(payments).toBeLessThanOrEqual(MAX_PAYMENTS)
  socket.destroy()
  await sim.drive(Promise.all([alice.close(), bob.close()]))
})

it('a way whose most is below its least is left out: over it nothing could be paid', async () => {
  const usual = { capacityMsat: 5_000_000_000 }
  // The path asks 1 sat at least of what goes behind its guard; of the two ways there, one lets less pass.
  const network: NetworkDescription = {
    nodes: ['payer', 'small', 'large', 'guard', 'maker'].map((name) => ({ name })),
    policyDefaults: { minHtlcMsat: 1 },
    channels: [
      { between: ['payer', 'small'], ...usual },
      { between: ['payer', 'large'], ...usual },
      {
        between: ['small', 'guard'],
        policies: { small: { maxHtlcMsat: 990, baseFeeMsat: 0 } },
        ...usual,
      },
      { between: ['large', 'guard'], policies: { large: { baseFeeMsat: 50 } }, ...usual },
      { between: ['guard', 'maker'], policies: { guard: { minHtlcMsat: 1_000, baseFeeMsat: 0 } }, ...usual },
    ],
  }
  const sim = createSimulation(network)
  const [payer, maker] = [sim.backend('payer'), sim.backend('maker')]
  for (const backend of [payer, maker]) await backend.start({ sink: () => undefined })
  const wanted = { count: 1, payer: sim.keyOf('payer'), relays: 1, lifetimeBlocks: 100 } as const
  const { paths } = await sim.drive(maker.makePaths(wanted))
  const destination = { lane: 'phantom', path: paths[0]?.bytes ?? new Uint8Array() } as const
  const routes = await sim.drive(payer.findRoutes({ destination, amountMsat: 1n, maxFeeMsat: 10_000n, count: 16 }))
  expect(routes.length).toBeGreaterThan(0)
  for (const { minAmountMsat, maxAmountMsat } of routes) expect(minAmountMsat).toBeLessThanOrEqual(maxAmountMsat)
  for (const backend of [payer, maker]) await backend.stop()
})
