import { expect, it } from 'vitest'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
import { pairOn } from './worlds.ts'

// Found by the soak on real nodes: what lingered when its endpoint was closed stayed in its tables for ever.

const PORT = 7

it('an endpoint that was closed has nothing left, also of connections that lingered', async () => {
  const sim = createSimulation(demoNetwork(), { seed: 1 })
  const { alice, bob } = await pairOn(sim)
  await bob.createServer((socket) => socket.on('error', () => undefined).pipe(socket)).listen(PORT)
  for (const ends of [true, false]) {
    const socket = alice.createConnection(bob.publicKeyHex, PORT)
    socket
      .on('error', () => undefined)
      .resume()
      .write('x')
    if (ends) socket.end()
  }
  await sim.runFor(5_000)
  const carried = alice.stats.connections
  await sim.drive(Promise.all([alice.close(), bob.close()]))
  expect(carried).toBe(2)
  for (const { connections, deadlines, replyPaths } of [alice.stats, bob.stats])
    expect({ connections, deadlines, replyPaths }).toEqual({ connections: 0, deadlines: 0, replyPaths: 0 })
})
