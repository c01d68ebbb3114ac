/** What an endpoint advances for answers: one sum for all connections, over restarts (spec §12.11). */
import { once } from 'node:events'
import { expect, it } from 'vitest'
import { createEndpoint, MemoryStore } from '../../src/index.ts'
import { createSimulation, demoNetwork, type Simulation } from '../../src/sim.ts'
import { EndpointAllowance } from '../../src/transport/driver/allowance.ts'
import { ALLOWANCE_MSAT } from '../../src/transport/limits.ts'
import type { Socket } from '../../src/transport/sockets/socket.ts'
import { pairOn } from './worlds.ts'

const ignore = (): void => undefined

it('lends no more than there is, and takes back no more than it lends', () => {
  const told: bigint[] = []
  const allowance = new EndpointAllowance(undefined, (leftMsat) => told.push(leftMsat))
  expect(allowance.draw(ALLOWANCE_MSAT + 1n)).toBe(false)
  expect(allowance.draw(ALLOWANCE_MSAT)).toBe(true)
  expect(allowance.draw(1n)).toBe(false)
  allowance.giveBack(2n * ALLOWANCE_MSAT)
  expect(allowance.leftMsat).toBe(ALLOWANCE_MSAT)
  expect(told).toEqual([0n, ALLOWANCE_MSAT])
})

it('is filled up by a tenth of what comes in, to the millisatoshi', () => {
  const allowance = new EndpointAllowance(0n, ignore)
  for (let i = 0; i < 100; i++) allowance.earned(19n)
  expect(allowance.leftMsat).toBe(190n)
  allowance.earned(10n ** 9n)
  expect(allowance.leftMsat).toBe(ALLOWANCE_MSAT)
})

it('is what a former process left of it', async () => {
  const sim = createSimulation(demoNetwork(), { seed: 3 })
  const store = new MemoryStore()
  await store.open()
  await store.write([{ type: 'allowance', leftMsat: 500n }])
  await store.close()
  const bob = await sim.drive(createEndpoint({ backend: sim.backend('bob'), store }))
  expect(bob.stats.allowanceMsat).toBe(500n)
  await sim.drive(bob.close())
})

it('where it is used up, callers that pay are served as before, and fill it up', async () => {
  const sim = createSimulation(demoNetwork(), { seed: 3 })
  const store = new MemoryStore()
  await store.open()
  await store.write([{ type: 'allowance', leftMsat: 0n }])
  await store.close()
  const alice = await sim.drive(createEndpoint({ backend: sim.backend('alice') }))
  const bob = await sim.drive(createEndpoint({ backend: sim.backend('bob'), store }))
  await bob.createServer((socket) => socket.on('error', ignore).pipe(socket)).listen(7)
  const socket = alice.createConnection(bob.publicKeyHex, 7)
  socket.end(Buffer.alloc(20_000))
  let bytes = 0
  socket.on('data', (piece: Buffer) => (bytes += piece.length))
  await sim.drive(once(socket, 'close'))
  expect(bytes).toBe(20_000)
  const { allowanceMsat, receivedMsat, reservedMsat, spentMsat } = bob.stats
  expect(spentMsat + reservedMsat).toBeLessThanOrEqual(receivedMsat + receivedMsat / 10n)
  expect(allowanceMsat).toBe(receivedMsat / 10n)
  await sim.drive(Promise.all([alice.close(), bob.close()]))
})

it('a server may pay for its answers itself', async () => {
  const { sim, alice, bob } = await pairOn(createSimulation(demoNetwork(), { seed: 5 }))
  const server = bob.createServer({ answers: 'own' }, (socket) => socket.on('error', ignore).end(Buffer.alloc(20_000)))
  await server.listen(7)
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const client = alice.createConnection(bob.publicKeyHex, 7, { maxAnswer: 0 })
  client.end()
  let bytes = 0
  client.on('data', (piece: Buffer) => (bytes += piece.length))
  await sim.drive(once(client, 'end'))
  expect(bytes).toBe(20_000)
  const [served] = await accepted
  expect(served.maxCost).toBe(1_000_000n)
  expect(served.stats.paidMsat).toBeGreaterThan(10n * served.stats.receivedMsat)
  await sim.drive(Promise.all([alice.close(), bob.close()]))
})

/** alice - carol - x - y - bob: an answer of bob's costs more than the OPEN, which guesses one relay, pays for it. */
function longWay(): Simulation {
  const names = ['alice', 'carol', 'x', 'y', 'bob', ...Array.from({ length: 20 }, (_, i) => `other-${i}`)]
  const between = (a: string, b: string): { between: [string, string]; capacityMsat: number } => ({
    between: [a, b],
    capacityMsat: 5_000_000_000,
  })
  const way = ['alice', 'carol', 'x', 'y'].map((name, i) => between(name, names[i + 1] ?? ''))
  const channels = [...way, ...names.slice(5).map((name) => between('carol', name))].map((channel) =>
    channel.between[0] === 'x' ? { ...channel, policies: { y: { baseFeeMsat: 6_000 } } } : channel,
  )
  return createSimulation({ nodes: names.map((name) => ({ name })), channels }, { seed: 3 })
}

it.each([false, true])(
  'short calls pay for their answers, and leave the advance (phantom lane: %s)',
  async (phantomLane) => {
    const sim = longWay()
    const bob = await sim.drive(createEndpoint({ backend: sim.backend('bob'), phantomLane }))
    const alice = await sim.drive(createEndpoint({ backend: sim.backend('alice') }))
    await bob.createServer((socket) => socket.on('error', ignore).pipe(socket)).listen(7)
    for (let call = 0; call < 30; call++) {
      const socket = alice.createConnection(await bob.address(), 7).on('error', ignore)
      socket.end('hello')
      let text = ''
      socket.on('data', (data: Buffer) => (text += String(data)))
      await sim.drive(once(socket, 'close'))
      expect(text).toBe('hello')
    }
    await sim.runFor(600_000)
    expect(bob.stats.allowanceMsat).toBeGreaterThan(ALLOWANCE_MSAT - 5_000n)
    await sim.drive(Promise.all([alice.close(), bob.close()]))
  },
)
