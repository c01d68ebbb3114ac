import { once } from 'node:events'
import { expect, it } from 'vitest'
import type { Socket } from '../../src/index.ts'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
import { heardBeforeEnd } from './before-end.ts'
import { pairOn } from './worlds.ts'

// Found by the random runs of the money, FC_SEED=795273429: the end overtook a payment, which nobody was told of.

const PORT = 7
const COUNT = 5
const SEEDS = [0, 1, 2, 3, 4, 5, 6, 7]

function say(socket: Socket): void {
  for (let i = 0; i < COUNT; i++) socket.pay(1_000 * (i + 1), `note ${i}`).catch(() => undefined)
}

it.each(['client', 'server'] as const)(
  'payments of a %s that were made before its end are all told',
  async (sender) => {
    const counts = []
    for (const seed of SEEDS) counts.push(await heardBeforeEnd(seed, { sender, event: 'payment', failure: 0.1, say }))
    expect(counts).toEqual(SEEDS.map(() => COUNT))
  },
)

it('one that hangs holds the end for a minute, and no longer', async () => {
  const sim = createSimulation(demoNetwork(), { seed: 1 })
  const { alice, bob } = await pairOn(sim)
  await bob.createServer((socket) => socket.on('error', () => undefined).resume()).listen(PORT)
  const socket = await sim.drive(alice.connect(bob.publicKeyHex, PORT))
  await sim.runFor(60_000)
  sim.fault({ name: 'payment-hangs', from: 'alice', forMs: 86_400_000, end: 'fail', count: 1 })
  const atMs = sim.clock.now()
  socket.pay(5_000, 'hangs').catch(() => undefined)
  socket.resume().end()
  await sim.drive(once(socket, 'close'))
  expect(sim.clock.now() - atMs).toBeGreaterThan(60_000)
  expect(sim.clock.now() - atMs).toBeLessThan(120_000)
  await sim.drive(Promise.all([alice.close(), bob.close()]))
})
