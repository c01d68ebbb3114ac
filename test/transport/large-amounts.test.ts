import { once } from 'node:events'
import { expect, it } from 'vitest'
import { createEndpoint } from '../../src/index.ts'
import { createSimulation, line } from '../../src/sim.ts'

// Found by the swarm, seed 54: an amount takes a byte more in each hop's payload from 2^16 msat on, and 2^24.

const PORT = 7
const PLENTY_MSAT = 10n ** 12n

it.each([
  { what: 'a full packet that pays much for its bytes', tariff: { upload: 300_000 }, payMsat: 0 },
  { what: 'a full packet that pays very much for its bytes', tariff: { upload: 30_000_000 }, payMsat: 0 },
  { what: 'a full packet with a payment in it', tariff: {}, payMsat: 20_000_000 },
])('$what fits its route', async ({ tariff, payMsat }) => {
  const sim = createSimulation(line(5), { seed: 1 })
  const money = { caps: { peer: PLENTY_MSAT, process: PLENTY_MSAT }, maxCost: PLENTY_MSAT }
  const alice = await sim.drive(createEndpoint({ backend: sim.backend('n0'), ...money }))
  const bob = await sim.drive(createEndpoint({ backend: sim.backend('n4') }))
  await bob
    .createServer({ tariff }, (socket) => {
      let bytes = 0
      socket.on('error', () => undefined).on('data', (data: Buffer) => (bytes += data.length))
      socket.on('end', () => socket.end(String(bytes)))
    })
    .listen(PORT)
  const socket = alice.createConnection(bob.publicKeyHex, PORT, { maxTariff: { upload: PLENTY_MSAT / 1_000n } })
  let answer = ''
  socket.on('data', (data: Buffer) => (answer += data.toString()))
  await sim.drive(once(socket, 'connect'))
  socket.write(Buffer.alloc(20_000))
  if (payMsat > 0) void socket.pay(payMsat, 'much')
  socket.end()
  await sim.drive(once(socket, 'close'), { withinMs: 60_000 })
  expect(answer).toBe('20000')
  // Nothing fails on this network.
  expect(socket.stats.failedAttempts).toBe(0)
  await sim.drive(Promise.all([alice.close(), bob.close()]))
})
