import { once } from 'node:events'
import { expect, it } from 'vitest'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
import { pairOn } from './worlds.ts'

it('a connection that is made while the node is away waits for it', async () => {
  const sim = createSimulation(demoNetwork(), { seed: 3 })
  const { alice, bob } = await pairOn(sim)
  await bob.createServer((socket) => socket.end('here')).listen(7)
  sim.fault({ name: 'node-offline', node: 'alice', forMs: 20_000 })
  await sim.runFor(1_000)
  const socket = alice.createConnection(bob.publicKeyHex, 7)
  await sim.drive(once(socket, 'connect'))
  expect(sim.clock.now()).toBeGreaterThan(20_000)
  await sim.drive(Promise.all([alice.close(), bob.close()]))
  expect(sim.audit()).toEqual([])
})

it('and gives up after its timeout as any other', async () => {
  const sim = createSimulation(demoNetwork(), { seed: 3 })
  const { alice, bob } = await pairOn(sim)
  sim.fault({ name: 'node-offline', node: 'alice', forMs: 600_000 })
  await sim.runFor(1_000)
  const connecting = alice.connect(bob.publicKeyHex, 7, { connectTimeout: 30_000 })
  await expect(sim.drive(connecting)).rejects.toMatchObject({ code: 'EHOSTUNREACH' })
  await sim.drive(Promise.all([alice.close(), bob.close()]))
})
