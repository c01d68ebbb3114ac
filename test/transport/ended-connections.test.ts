import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { createEndpoint } from '../../src/index.ts'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
import type { DrivenConnection } from '../../src/transport/driver/driven-connection.ts'
import { Endpoint } from '../../src/transport/sockets/endpoint.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const HOUR = 3_600_000

it('an ended connection leaves memory, though verdicts about its packets are remembered', async () => {
  const sim = createSimulation(demoNetwork(), { seed: 3 })
  const seen = new Map<string, WeakRef<DrivenConnection>>()
  const watch = (connections: Iterable<DrivenConnection>): void => {
    for (const one of connections) if (!seen.has(one.id)) seen.set(one.id, new WeakRef(one))
  }
  const alice = await sim.drive(Endpoint.open({ backend: sim.backend('alice') }, watch))
  const bob = await sim.drive(createEndpoint({ backend: sim.backend('bob') }))
  await bob.createServer((socket) => socket.end('hello')).listen(7)
  const exchange = async (): Promise<void> => {
    const socket = await sim.drive(alice.connect(bob.publicKeyHex, 7))
    await sim.drive(once(socket.resume().end(), 'close'))
  }
  for (let i = 0; i < 5; i++) await exchange()
  await sim.runFor(HOUR)
  expect(alice.stats).toMatchObject({ connections: 0 })
  expect(alice.stats.verdicts).toBeGreaterThanOrEqual(5)
  await setImmediate()
  collectGarbage()
  const kept = [...seen.values()].filter((one) => one.deref() !== undefined)
  expect([seen.size, kept.length]).toEqual([5, 0])
  await sim.drive(Promise.all([alice.close(), bob.close()]))
})
