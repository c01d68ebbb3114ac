import { once } from 'node:events'
import { expect, it } from 'vitest'
import { createEndpoint } from '../../src/index.ts'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
import type { ServerOptions } from '../../src/transport/options/options.ts'
import { pairOn } from './worlds.ts'

const LARGEST = 2n ** 53n - 1n

it.for<ServerOptions>([
  { tariff: { packet: LARGEST + 1n } },
  { tariff: { kilobyte: 10n ** 30n } },
  { tariff: { opening: -1 } },
  { tariff: untyped({ kilobytes: 1 }) },
  { tariff: untyped([]) },
  { idleTimeout: Number(LARGEST) + 1 },
  { idleTimeout: 1e300 },
])('what no frame can say is refused when it is set: %o', async (options) => {
  const { bob } = await pairOn(createSimulation(demoNetwork(), { seed: 3 }))
  const invalid = expect.objectContaining({ code: 'ERR_KEYSOCK_INVALID_OPTION' })
  expect(() => bob.createServer(options, () => undefined)).toThrow(invalid)
})

it('the largest prices that a frame can say, and parts of a ms, reach the other side, which says no', async () => {
  const { sim, alice, bob } = await pairOn(createSimulation(demoNetwork(), { seed: 3 }))
  const options = { tariff: { packet: LARGEST, kilobyte: LARGEST }, idleTimeout: 123_456.7 }
  await bob.createServer(options, (socket) => socket.on('error', () => undefined)).listen(7)
  const socket = alice.createConnection(bob.publicKeyHex, 7, {
    maxTariff: { packet: LARGEST },
    idleTimeout: Number(LARGEST),
  })
  const [error] = await sim.drive(once(socket, 'error'))
  expect(error).toMatchObject({ code: 'ERR_KEYSOCK_PRICE' })
})

it('an initiator that cannot say its idle timeout is told so at once', async () => {
  const { alice, bob } = await pairOn(createSimulation(demoNetwork(), { seed: 3 }))
  const invalid = expect.objectContaining({ code: 'ERR_KEYSOCK_INVALID_OPTION' })
  expect(() => alice.createConnection(bob.publicKeyHex, 7, { idleTimeout: 1e300 })).toThrow(invalid)
})

/** Options as a program in JavaScript may write them. */
function untyped(options: object): never {
  return options as never
}

it('a name that is no option of an endpoint is refused', async () => {
  const { alice } = await pairOn(createSimulation(demoNetwork(), { seed: 3 }))
  const backend = createSimulation(demoNetwork()).backend('bob')
  const invalid = { code: 'ERR_KEYSOCK_INVALID_OPTION' }
  await expect(createEndpoint(untyped({ backend, stor: 1 }))).rejects.toMatchObject(invalid)
  await expect(createEndpoint(untyped({ backend, caps: { proces: 1 } }))).rejects.toMatchObject(invalid)
  expect(() => alice.setCaps(untyped({ peers: 1n }))).toThrow(expect.objectContaining(invalid))
})

it('a misspelt option of a socket or server is refused, one of http or tls let pass', async () => {
  const { alice, bob } = await pairOn(createSimulation(demoNetwork(), { seed: 3 }))
  const invalid = expect.objectContaining({ code: 'ERR_KEYSOCK_INVALID_OPTION' })
  const key = bob.publicKeyHex
  expect(() => alice.createConnection(key, 7, untyped({ maxCots: 1 }))).toThrow(invalid)
  expect(() => bob.createServer(untyped({ pauseOnConect: true }))).toThrow(invalid)
  expect(() => bob.createServer().listen(untyped({ port: 7, backlg: 1 }))).toThrow(invalid)
  const ofOthers = { agent: false, path: null, servername: 'x', keepAliveMsecs: 1, scheduling: 'lifo', maxSockets: 1 }
  alice.createConnection(key, 7, untyped(ofOthers)).on('error', () => undefined)
})
