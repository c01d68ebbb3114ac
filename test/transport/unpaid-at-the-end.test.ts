import { once } from 'node:events'
import { expect, it } from 'vitest'
import { createEndpoint, type Socket } from '../../src/index.ts'
import { createSimulation, demoNetwork, line } from '../../src/sim.ts'
import { pairOn } from './worlds.ts'

// Found by the swarm, seed 60092.

const PORT = 7
const IDLE_MS = 20_000

it('a stream that came and was never paid for ends with an error, and not as if it had been empty', async () => {
  const sim = createSimulation(demoNetwork(), { seed: 1 })
  const { alice, bob } = await pairOn(sim)
  const heard: string[] = []
  const accepted = Promise.withResolvers<Socket>()
  const server = bob.createServer(
    { tariff: { opening: 50_000 }, idleTimeout: IDLE_MS, allowHalfOpen: true },
    (socket) => {
      for (const event of ['data', 'end', 'close'] as const) socket.on(event, () => heard.push(event))
      socket.on('error', (error: NodeJS.ErrnoException) => heard.push(`error ${error.code}`))
      socket.end('an answer that nobody will read')
      accepted.resolve(socket)
    },
  )
  await server.listen(PORT)
  const socket = alice.createConnection(bob.publicKeyHex, PORT, { maxTariff: { opening: 50_000 } })
  socket.on('error', () => undefined).end('hello')
  const taken = await sim.drive(accepted.promise)
  sim.fault({ name: 'process-crash', node: 'alice' })
  await sim.drive(once(taken, 'close').catch(() => undefined))
  await sim.runFor(IDLE_MS)
  expect(heard).toEqual(['error ETIMEDOUT', 'close'])
})

it('a caller that is named answers to and has a way of next to nothing is answered over a way that costs more', async () => {
  const network = line(2)
  const cheap = { minHtlcMsat: 1, baseFeeMsat: 0, feePpm: 0 }
  const description = { ...network, channels: network.channels.map((each) => ({ ...each, policies: { n0: cheap } })) }
  const sim = createSimulation(description, { seed: 1 })
  const caller = await sim.drive(createEndpoint({ backend: sim.backend('n0'), replies: 'direct' }))
  const called = await sim.drive(createEndpoint({ backend: sim.backend('n1') }))
  await called.createServer((socket) => socket.on('error', () => undefined).pipe(socket)).listen(PORT)
  const socket = await sim.drive(caller.connect(called.publicKeyHex, PORT))
  expect(socket.readyState).toBe('open')
  socket.destroy()
  await sim.drive(Promise.all([caller.close(), called.close()]))
})
