import { once } from 'node:events'
import { afterEach, expect, it } from 'vitest'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
import type { KeysockError, Socket } from '../../src/index.ts'
import { type Pair, pairOn } from './worlds.ts'

let pair: Pair

async function open(lane: 'node' | 'phantom'): Promise<readonly [Socket, Socket]> {
  pair = await pairOn(createSimulation(demoNetwork(), { seed: 3 }), { bob: { phantomLane: true } })
  const server = pair.bob.createServer((socket) => socket.on('error', () => undefined).resume())
  await server.listen(7)
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const socket = await pair.sim.drive(pair.alice.connect(pair.bob.publicKeyHex, 7, { lane }))
  const [other] = await pair.sim.drive(accepted)
  return [socket, other]
}

afterEach(async () => {
  const { sim, alice, bob } = pair
  await sim.drive(Promise.all([alice.close(), bob.close()]))
  expect(sim.audit()).toEqual([])
})

it.each(['node', 'phantom'] as const)('a ping on the %s lane resolves when the other process has it', async (lane) => {
  const [socket, other] = await open(lane)
  const before = socket.stats.paidMsat
  const ms = await pair.sim.drive(socket.ping())
  expect(ms).toBeGreaterThan(0)
  expect(ms).toBeLessThan(30_000)
  expect(socket.stats.paidMsat).toBeGreaterThan(before)
  expect(socket.stats.hops).toBeGreaterThan(0)
  expect(await pair.sim.drive(other.ping())).toBeGreaterThan(0)
  socket.destroy()
})

it('a ping whose packet fails goes again, and several at once may have one answer', async () => {
  const [socket] = await open('node')
  pair.sim.fault({ name: 'payment-fails', from: 'alice', count: 1 })
  const all = await pair.sim.drive(Promise.all([socket.ping(), socket.ping()]))
  expect(all).toHaveLength(2)
  expect(socket.stats.failedAttempts).toBeGreaterThan(0)
  socket.destroy()
})

it('a ping rejects where the connection ends, and where there is none', async () => {
  const [socket] = await open('node')
  pair.sim.fault({ name: 'node-offline', node: 'bob' })
  const failed = socket.ping().catch((error: unknown) => error as KeysockError)
  socket.destroy()
  expect(await pair.sim.drive(failed)).toMatchObject({ code: 'ERR_SOCKET_CLOSED' })
  await expect(socket.ping()).rejects.toMatchObject({ code: 'ERR_SOCKET_CLOSED' })
  pair.sim.fault({ name: 'node-online', node: 'bob' })
})
