import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import type { Lane } from '../../src/medium/payment.ts'
import { MemoryStore } from '../../src/index.ts'
import { createSimulation, demoNetwork, type Simulation } from '../../src/sim.ts'
import type { Endpoint } from '../../src/transport/sockets/endpoint.ts'
import type { Socket } from '../../src/transport/sockets/socket.ts'
import { bytes, checkedEndpoint, expectNothingLeft, HOUR, MINUTE } from './transfer.ts'

const IDLE_MS: number = 10 * MINUTE
const SIZE = 180_000
const MIDWAY = 15_000
const lanes: readonly Lane[] = ['node', 'phantom']

/** What one process took, by connection. */
type Taken = Buffer[][]

async function serve(
  endpoint: Endpoint,
  options: { readonly onBytes?: (length: number) => void } = {},
): Promise<Taken> {
  const taken: Taken = []
  await endpoint
    .createServer({ allowHalfOpen: true, idleTimeout: IDLE_MS }, (socket) => {
      const chunks: Buffer[] = []
      taken.push(chunks)
      let length = 0
      socket.on('error', () => undefined)
      socket.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        length += chunk.length
        options.onBytes?.(length)
      })
      socket.on('end', () => socket.end(`${length}`))
    })
    .listen(7)
  return taken
}

/** How a socket ends: the code of its error, or 'clean'. */
function ending(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let code = 'clean'
    socket.on('error', (error: NodeJS.ErrnoException) => {
      code = error.code ?? error.message
    })
    socket.on('close', () => resolve(code))
  })
}

/** A process that takes the place of one that was killed, with what that one stored. */
async function replace(sim: Simulation, name: string, store: MemoryStore, lane: Lane): Promise<Endpoint> {
  sim.fault({ name: 'process-crash', node: name })
  await sim.runFor(500)
  // What a crash does to a lock.
  await store.close()
  return await checkedEndpoint(sim, name, { store, phantomLane: lane === 'phantom' && name === 'bob' })
}

/** A connection that works from end to end. */
async function expectEcho(sim: Simulation, alice: Endpoint, bob: Endpoint, lane: Lane): Promise<void> {
  const socket = await sim.drive(alice.connect(bob.publicKeyHex, 7, { lane }))
  socket.end(bytes(5_000, 9))
  expect(await sim.drive(text(socket))).toBe('5000')
}

describe.for(lanes)('over the %s lane', (lane) => {
  it.for([1, 3])(
    'the process that receives is killed %i times while payments land, and restarted with its store',
    async (kills) => {
      const sim = createSimulation(demoNetwork(), { seed: 21 })
      const alice = await checkedEndpoint(sim, 'alice')
      const store = new MemoryStore()
      let bob = await checkedEndpoint(sim, 'bob', { store, phantomLane: lane === 'phantom' })
      const sent = bytes(SIZE, 1)
      let isMidway = false
      const first = await serve(bob, { onBytes: (length) => (isMidway ||= length > MIDWAY) })
      const socket = alice.createConnection(bob.publicKeyHex, 7, { lane, idleTimeout: IDLE_MS })
      const ended = ending(socket)
      socket.resume().end(sent)
      await sim.run({ until: () => isMidway })
      const later: Taken[] = []
      for (let i = 0; i < kills; i++) {
        bob = await replace(sim, 'bob', store, lane)
        later.push(await serve(bob))
      }
      expect(await sim.drive(ended)).toBe(lane === 'phantom' ? 'ECONNRESET' : 'ETIMEDOUT')
      const got = Buffer.concat(first[0] ?? [])
      expect(got.length).toBeGreaterThan(MIDWAY)
      expect(sent.subarray(0, got.length).equals(got), 'a part of it, in order').toBe(true)
      expect(later.flat(), 'no process takes what another had').toEqual([])
      await expectEcho(sim, alice, bob, lane)
      await expectNothingLeft({ sim, alice, bob })
    },
  )

  it('the process that sends is killed and restarted with its store: its money comes free', async () => {
    const sim = createSimulation(demoNetwork(), { seed: 22 })
    const store = new MemoryStore()
    const bob = await checkedEndpoint(sim, 'bob', { phantomLane: lane === 'phantom' })
    let isMidway = false
    const taken = await serve(bob, { onBytes: (length) => (isMidway ||= length > MIDWAY) })
    const crashed = await checkedEndpoint(sim, 'alice', { store })
    const sent = bytes(SIZE, 1)
    crashed
      .createConnection(bob.publicKeyHex, 7, { lane })
      .on('error', () => undefined)
      .end(sent)
    await sim.run({ until: () => isMidway })
    const { reservedMsat } = crashed.stats
    expect(reservedMsat).toBeGreaterThan(0n)
    const alice = await replace(sim, 'alice', store, lane)
    expect(alice.stats.spentMsat + alice.stats.reservedMsat).toBeGreaterThan(0n)
    await expectEcho(sim, alice, bob, lane)
    await sim.runFor(HOUR)
    const got = Buffer.concat(taken[0] ?? [])
    expect(sent.subarray(0, got.length).equals(got), 'a part of it, in order').toBe(true)
    expect(taken).toHaveLength(2)
    expect(bob.stats.connections, 'the idle timeout ended it').toBe(0)
    await expectNothingLeft({ sim, alice, bob })
  })
})
