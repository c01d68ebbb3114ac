import { afterEach, beforeEach, expect, it } from 'vitest'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
import type { Socket } from '../../src/transport/sockets/socket.ts'
import { UNHEARD_PAUSE_MS } from '../../src/transport/limits.ts'
import { type Pair, pairOn } from './worlds.ts'

/** What becomes of a socket at its cap where the application does not know of 'paused'. */
let pair: Pair
let received = 0
beforeEach(async () => {
  pair = await pairOn(createSimulation(demoNetwork(), { seed: 1 }))
  received = 0
  const listener = (socket: Socket): void => {
    socket.on('error', () => undefined).on('data', (chunk) => (received += chunk.length))
  }
  await pair.bob.createServer(listener).listen(7)
})
afterEach(async () => {
  await pair.sim.drive(Promise.all([pair.alice.close(), pair.bob.close()]))
})

/** Whether it closed with an error. */
function closed(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    socket.once('close', resolve)
  })
}

it('it fails within a minute, with price and cap, and so does the write that waits', async () => {
  const { sim, alice, bob } = pair
  const socket = await sim.drive(alice.connect(bob.publicKeyHex, 7, { maxCost: 30_000 }))
  const failed = closed(socket)
  const errors: unknown[] = []
  socket.on('error', (error) => errors.push(error))
  const atMs = sim.clock.now()
  const written = new Promise<unknown>((resolve) => {
    socket.write(Buffer.alloc(2_000_000), resolve)
  })
  expect(await sim.drive(failed)).toBe(true)
  expect(sim.clock.now() - atMs).toBeLessThan(2 * UNHEARD_PAUSE_MS)
  const costError = expect.objectContaining({
    code: 'ERR_KEYSOCK_COST',
    message: expect.stringMatching(/costs \d+ msat .* the cap of 30000 msat .* listen for 'paused'/),
  })
  expect(errors).toEqual([costError])
  expect(await written).toEqual(costError)
  expect(received).toBeLessThan(2_000_000)
})

it('a socket of a server does, too', async () => {
  const { sim, alice, bob } = pair
  const errors: unknown[] = []
  await bob
    .createServer({ maxCost: 30_000 }, (socket) => {
      socket.on('error', (error) => errors.push(error)).end(Buffer.alloc(2_000_000))
    })
    .listen(8)
  const reader = alice.createConnection(bob.publicKeyHex, 8)
  reader.on('error', () => undefined).resume()
  await sim.runFor(2 * UNHEARD_PAUSE_MS)
  expect(errors).toEqual([expect.objectContaining({ code: 'ERR_KEYSOCK_COST' })])
})

it('it goes on where the cap is raised in time', async () => {
  const { sim, alice, bob } = pair
  const socket = await sim.drive(alice.connect(bob.publicKeyHex, 7, { maxCost: 30_000 }))
  socket.end(Buffer.alloc(50_000))
  await sim.runFor(UNHEARD_PAUSE_MS / 2)
  socket.maxCost = 1_000_000
  expect(await sim.drive(closed(socket))).toBe(false)
  expect(received).toBe(50_000)
})

it('it goes on where the cap of the process is raised in time, and is left alone when it has sent all', async () => {
  const { sim, alice, bob } = pair
  alice.setCaps({ process: 30_000 })
  const socket = alice.createConnection(bob.publicKeyHex, 7)
  socket.write(Buffer.alloc(50_000))
  await sim.runFor(UNHEARD_PAUSE_MS / 2)
  alice.setCaps({ process: 1_000_000 })
  await sim.runFor(10 * UNHEARD_PAUSE_MS)
  expect(received).toBe(50_000)
  expect(socket.destroyed).toBe(false)
  socket.destroy()
})

it('an application that listens decides by itself', async () => {
  const { sim, alice, bob } = pair
  const socket = await sim.drive(alice.connect(bob.publicKeyHex, 7, { maxCost: 30_000 }))
  socket.on('paused', () => undefined)
  socket.end(Buffer.alloc(50_000))
  await sim.runFor(10 * UNHEARD_PAUSE_MS)
  expect(socket.destroyed).toBe(false)
  socket.destroy()
})
