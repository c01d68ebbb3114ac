import { once } from 'node:events'
import { expect, it } from 'vitest'
import { createEndpoint } from '../../src/index.ts'
import { createSimulation, type NetworkDescription } from '../../src/sim.ts'
import type { Socket } from '../../src/transport/sockets/socket.ts'

const capacityMsat = 5_000_000_000
/** What some implementations ask of every payment, at the limit where an output is dust. */
const DUST_MSAT = 354_000
const MINUTE = 60_000

const twoWays: NetworkDescription = {
  nodes: ['alice', 'bob', 'carol', 'dave'].map((name) => ({ name })),
  channels: [
    { between: ['alice', 'carol'], capacityMsat },
    { between: ['carol', 'bob'], capacityMsat },
    { between: ['alice', 'dave'], capacityMsat },
    { between: ['dave', 'bob'], capacityMsat },
  ],
}

it.each([1, 2, 3, 4])(
  'a packet goes another way where a channel asks more, which comes back later: seed %i',
  async (seed) => {
    const sim = createSimulation(twoWays, { seed })
    const alice = await sim.drive(createEndpoint({ backend: sim.backend('alice'), replies: 'direct' }))
    const bob = await sim.drive(createEndpoint({ backend: sim.backend('bob') }))
    const server = bob.createServer((accepted) => accepted.on('error', () => undefined).pipe(accepted))
    await server.listen(7)
    const socket: Socket = await sim.drive(alice.connect(bob.publicKeyHex, 7))
    const echoed = async (): Promise<void> => {
      socket.write('some words')
      expect(String((await sim.drive(once(socket, 'data')))[0])).toBe('some words')
    }
    const channel = sim.channelBetween('carol', 'bob')
    const asks = (minHtlcMsat: number): void => {
      for (const from of ['carol', 'bob']) sim.fault({ name: 'policy-change', channel, from, policy: { minHtlcMsat } })
    }
    await echoed()
    asks(DUST_MSAT)
    for (let i = 0; i < 20; i++) await echoed()
    expect(alice.stats.spentMsat + bob.stats.spentMsat).toBeLessThan(BigInt(DUST_MSAT))
    asks(1_000)
    for (let i = 0; i < 30; i++) {
      await sim.runFor(MINUTE)
      await echoed()
    }
    // Only the way over carol is left: it is there again.
    for (const from of ['alice', 'bob']) {
      sim.fault({ name: 'channel-closed', channel: sim.channelBetween('dave', from) })
    }
    await echoed()
    await sim.drive(Promise.all([alice.close(), bob.close()]))
    expect(sim.audit()).toEqual([])
  },
)
