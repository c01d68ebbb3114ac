import { expect, it } from 'vitest'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
import type { DrivenConnection } from '../../src/transport/driver/driven-connection.ts'
import { Endpoint } from '../../src/transport/sockets/endpoint.ts'

const HOUR = 3_600_000

it.each(['phantom', 'direct'] as const)(
  'a connect whose only payment hangs sends its OPEN again within seconds, with %s replies',
  async (replies) => {
    const sim = createSimulation(demoNetwork(), { seed: 5 })
    const check = (connections: Iterable<DrivenConnection>): void => {
      for (const connection of connections) connection.checkInvariant(sim.clock.now())
    }
    const alice = await sim.drive(Endpoint.open({ backend: sim.backend('alice'), replies }, check))
    const bob = await sim.drive(Endpoint.open({ backend: sim.backend('bob') }, check))
    await bob.createServer((socket) => socket.end('hello')).listen(7)
    sim.fault({ name: 'payment-hangs', from: 'alice', forMs: HOUR, end: 'fail', count: 1 })
    const beganMs = sim.clock.now()
    const socket = await sim.drive(alice.connect(bob.publicKeyHex, 7))
    // spec §8.5: before there are samples an attempt over two channels is late after 3 s.
    expect(sim.clock.now() - beganMs).toBeGreaterThan(3_000)
    expect(sim.clock.now() - beganMs).toBeLessThan(5_000)
    socket.destroy()
    await sim.drive(Promise.all([alice.close(), bob.close()]))
  },
)
