import { once } from 'node:events'
import { expect, it } from 'vitest'
import { createEndpoint, type Socket } from '../../src/index.ts'
import { createSimulation, demoNetwork } from '../../src/sim.ts'

const PORT = 7
const CONNECTIONS = 60
/** What the slowest is to have had: some 30 packets. */
const ENOUGH_BYTES = 30_000
const PLENTY_MSAT = 10n ** 12n

// spec §8.14: before there were rounds, it was 0.4 to 0.7 here, and 6 of 200 connections.
it.each(['node', 'phantom'] as const)('connections that all have more to send get the same, %s lane', async (lane) => {
  const sim = createSimulation(demoNetwork(), { seed: 3 })
  const money = { caps: { peer: PLENTY_MSAT, process: PLENTY_MSAT }, maxCost: PLENTY_MSAT }
  const bob = await sim.drive(createEndpoint({ backend: sim.backend('bob'), phantomLane: true, ...money }))
  const alice = await sim.drive(createEndpoint({ backend: sim.backend('alice'), ...money }))
  const bytes: number[] = []
  const all = Promise.withResolvers<void>()
  const server = bob.createServer((socket) => {
    const index = bytes.push(0) - 1
    socket.on('error', () => undefined)
    socket.on('data', (data: Buffer) => {
      bytes[index] = (bytes[index] ?? 0) + data.length
      if (bytes.length === CONNECTIONS && Math.min(...bytes) >= ENOUGH_BYTES) all.resolve()
    })
  })
  await server.listen(PORT)
  const sockets = Array.from({ length: CONNECTIONS }, () => alice.createConnection(bob.publicKeyHex, PORT, { lane }))
  await sim.drive(Promise.all(sockets.map((socket) => once(socket, 'connect'))))
  for (const socket of sockets) flood(socket)
  await sim.drive(all.promise)
  const mean = bytes.reduce((sum, each) => sum + each, 0) / CONNECTIONS
  expect((Math.max(...bytes) - Math.min(...bytes)) / mean).toBeLessThan(0.25)
  for (const socket of sockets) socket.destroy()
  await sim.drive(Promise.all([alice.close(), bob.close()]))
  sim.close()
})

function flood(socket: Socket): void {
  const piece = Buffer.alloc(16_384, 'keysock')
  const write = (): void => {
    while (socket.writable && socket.write(piece));
  }
  socket.on('error', () => undefined)
  socket.on('drain', write)
  write()
}
