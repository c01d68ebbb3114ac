import { once } from 'node:events'
import { expect, it } from 'vitest'
import type { Socket } from '../../src/index.ts'
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

it('a socket whose last end nobody acknowledges is closed by a reset, and its place is free', async () => {
  const sim = createSimulation(demoNetwork(), { seed: 3 })
  const { alice, bob } = await pairOn(sim)
  const server = bob.createServer({ allowHalfOpen: true })
  await server.listen(7)
  const connection = once(server, 'connection')
  const client = await sim.drive(alice.connect(bob.publicKeyHex, 7))
  client.on('error', () => undefined)
  client.resume().end()
  const [socket] = (await sim.drive(connection)) as [Socket]
  await sim.drive(once(socket.resume(), 'end'))
  sim.fault({ name: 'node-offline', node: 'alice', forMs: 3_600_000 })
  socket.end()
  await sim.runFor(60_000)
  expect(socket.destroyed).toBe(true)
  expect(socket.closed).toBe(false)
  expect(server.connections).toBe(1)
  const closes: unknown[] = []
  socket.on('close', (hadError: boolean) => closes.push(hadError))
  socket.resetAndDestroy()
  await sim.runFor(1)
  expect(closes).toEqual([false])
  expect(server.connections).toBe(0)
  await sim.drive(Promise.all([alice.close(), bob.close()]))
})
