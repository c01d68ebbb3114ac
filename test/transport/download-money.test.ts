import { once } from 'node:events'
import { expect, it } from 'vitest'
import { createEndpoint, type Socket } from '../../src/index.ts'
import { createSimulation } from '../../src/sim.ts'

const PORT = 7
const BYTES = 2_000_000
const LOOK_MS = 500
/** Until then the first COST and its payment are on their way: a round trip before which nothing is known. */
const BEGUN_MS = 10_000
const PLENTY_MSAT = 10n ** 12n

/** Two hops of 520 ms a way: a payment takes two seconds, a COST and its payment four. */
function slow() {
  const [capacityMsat, hopMs] = [1_000_000_000_000, 520]
  return {
    nodes: ['client', 'relay', 'server'].map((name) => ({ name })),
    channels: [
      { between: ['client', 'relay'] as const, capacityMsat, hopMs },
      { between: ['relay', 'server'] as const, capacityMsat, hopMs },
    ],
    latency: { hopMs, sigma: 0.5 },
  }
}

// spec §12.11: what is queued alone was asked for, which copies and what was queued meanwhile took: 4 to 8 s of it.
it.each(['1', '2', '3'])('a long answer does not wait for money once it runs, seed %s', async (seed) => {
  const sim = createSimulation(slow(), { seed })
  const money = { caps: { peer: PLENTY_MSAT, process: PLENTY_MSAT }, maxCost: PLENTY_MSAT }
  const server = await sim.drive(createEndpoint({ backend: sim.backend('server') }))
  const client = await sim.drive(createEndpoint({ backend: sim.backend('client'), ...money }))
  const waits: number[] = []
  const watch = (socket: Socket): void => {
    const startMs = sim.clock.now()
    const look = (): void => {
      const atMs = sim.clock.now() - startMs
      if (atMs > BEGUN_MS && socket.stats.limitedBy === 'money') waits.push(atMs)
      if (!socket.closed) sim.clock.schedule(sim.clock.now() + LOOK_MS, look)
    }
    look()
  }
  const listener = server.createServer((socket) => {
    socket.on('error', () => undefined)
    watch(socket)
    socket.end(Buffer.alloc(BYTES, 'keysock'))
  })
  await sim.drive(listener.listen(PORT))
  const socket = client.createConnection(sim.keyOf('server'), PORT)
  let bytes = 0
  socket.on('data', (data: Buffer) => (bytes += data.length))
  await sim.drive(once(socket, 'end'))
  socket.end()
  await sim.drive(Promise.all([client.close(), server.close()]))
  sim.close()
  expect(bytes).toBe(BYTES)
  expect(waits).toEqual([])
})
