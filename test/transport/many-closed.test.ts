import { once } from 'node:events'
import { expect, it } from 'vitest'
import { createEndpoint, type Endpoint, type EndpointStats } from '../../src/index.ts'
import { createSimulation, demoNetwork } from '../../src/sim.ts'

const CONNECTIONS = 100
const AT_ONCE = 20
const HOUR_MS = 3_600_000
/** Longer than 2,016 blocks: ended connections are remembered for those (spec §13.5), OPENs for fewer (spec §6.4). */
const FORGETTING_MS = 21 * 24 * HOUR_MS
/** Under other bounds than time: verdicts by their number alone, since an offer may always come again (spec §2.5). */
type Table = Exclude<keyof EndpointStats, 'verdicts'>

function held(endpoint: Endpoint): Partial<Record<Table, unknown>> {
  const { connections, deadlines, earlyPackets, isolations, keyAgreements } = endpoint.stats
  const { offersHeld, opensSeen, paymentsUnresolved, replyPaths, tombstones } = endpoint.stats
  const waits = { earlyPackets, keyAgreements, offersHeld, paymentsUnresolved }
  return { connections, deadlines, isolations, opensSeen, replyPaths, tombstones, ...waits }
}

it.each(['phantom', 'direct'] as const)(
  `${CONNECTIONS} connections with %s replies, opened and closed, leave what is remembered on purpose, and later nothing`,
  async (replies) => {
    const sim = createSimulation(demoNetwork(), { seed: 3 })
    const alice = await sim.drive(createEndpoint({ backend: sim.backend('alice'), replies }))
    const bob = await sim.drive(createEndpoint({ backend: sim.backend('bob') }))
    await bob.createServer((socket) => socket.pipe(socket)).listen(7)
    const before = { alice: held(alice), bob: held(bob) }
    const exchange = async (): Promise<void> => {
      const socket = await alice.connect(bob.publicKeyHex, 7)
      const closed = once(socket, 'close')
      socket.end('a question')
      expect(String(Buffer.concat(await socket.toArray()))).toBe('a question')
      await closed
    }
    const exchanges = async (): Promise<void> => {
      for (let i = 0; i < CONNECTIONS / AT_ONCE; i++) await exchange()
    }
    await sim.drive(Promise.all(Array.from({ length: AT_ONCE }, exchanges)))

    await sim.runFor(HOUR_MS)
    expect(held(alice)).toEqual(before.alice)
    expect(held(bob)).toEqual({ ...before.bob, opensSeen: CONNECTIONS, tombstones: CONNECTIONS })
    expect(sim.stats().payments.underWay).toBe(0)
    // Each packet over a reply path got one, and each is kept: 65,536 of them at most.
    const { verdicts } = alice.stats
    expect([verdicts >= (replies === 'phantom' ? CONNECTIONS : 0), bob.stats.verdicts]).toEqual([true, 0])

    await sim.runFor(FORGETTING_MS)
    expect(held(alice)).toEqual(before.alice)
    expect(held(bob)).toEqual(before.bob)
    expect(alice.stats.verdicts).toBe(verdicts)
    await sim.drive(Promise.all([alice.close(), bob.close()]))
    expect(sim.stats().nodes.map(({ heldOffers, slotsUsed }) => heldOffers + slotsUsed)).toEqual(
      sim.stats().nodes.map(() => 0),
    )
    sim.close()
  },
)
