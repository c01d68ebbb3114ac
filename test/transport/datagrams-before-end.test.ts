import { once } from 'node:events'
import { expect, it } from 'vitest'
import type { Socket } from '../../src/index.ts'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
import { pairOn } from './worlds.ts'

// Found by the swarm, seed 502: the end overtook a datagram, and both sides had ended before it came.

const PORT = 7
const COUNT = 27
const BYTES = 357
const SEEDS = [0, 1, 2, 3, 4, 5, 6, 7]

async function arrived(seed: number, sender: 'client' | 'server'): Promise<number> {
  const sim = createSimulation(demoNetwork({ failure: 0.05 }), { seed })
  const { alice, bob } = await pairOn(sim)
  let count = 0
  const play = (socket: Socket, isSender: boolean): void => {
    socket.on('error', () => undefined).resume()
    socket.on('message', () => count++)
    if (!isSender) {
      socket.once('end', () => socket.end())
      return
    }
    for (let i = 0; i < COUNT; i++) socket.sendMessage(Buffer.alloc(BYTES, i))
    socket.end()
  }
  await bob.createServer({ allowHalfOpen: true }, (socket) => play(socket, sender === 'server')).listen(PORT)
  const socket = alice.createConnection(bob.publicKeyHex, PORT, { allowHalfOpen: true })
  // Words for the server to answer to.
  socket.write('hello')
  socket.once('connect', () => play(socket, sender === 'client'))
  await sim.drive(once(socket, 'close'))
  await sim.runFor(60_000)
  await sim.drive(Promise.all([alice.close(), bob.close()]))
  return count
}

it.each(['client', 'server'] as const)('datagrams of a %s that were sent before its end all come', async (sender) => {
  const counts = []
  for (const seed of SEEDS) counts.push(await arrived(seed, sender))
  expect(counts).toEqual(SEEDS.map(() => COUNT))
})
