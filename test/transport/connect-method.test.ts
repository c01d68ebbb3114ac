import { once } from 'node:events'
import { expect, it } from 'vitest'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
import { pairOn } from './worlds.ts'

it('connect() of a connecting socket, as pg calls it, tells its callback; after the end it throws', async () => {
  const sim = createSimulation(demoNetwork(), { seed: 7 })
  const { alice, bob } = await pairOn(sim)
  await bob.createServer((socket) => socket.end()).listen(5_432)
  const socket = alice.createConnection(bob.publicKeyHex, 5_432)
  let calls = 0
  expect(socket.connect(5_432, 'localhost', () => calls++)).toBe(socket)
  await sim.drive(once(socket.resume(), 'close'))
  expect(calls).toBe(1)
  expect(() => socket.connect(5_432, 'localhost')).toThrow(expect.objectContaining({ code: 'ERR_SOCKET_CLOSED' }))
  await sim.drive(Promise.all([alice.close(), bob.close()]))
})
