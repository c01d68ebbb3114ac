import { once } from 'node:events'
import { expect, it } from 'vitest'
import { createEndpoint } from '../../src/index.ts'
import { createSimulation, type NetworkDescription } from '../../src/sim.ts'

/** A try over each of both ways, with the waits after a refusal, and the way there. Before, it took a minute. */
const SOON_MS = 10_000

/**
 * The one who answers has two ways to the caller's guard: the cheap one is over the caller's own node, which the guard
 * never sends anything back to over the same channel (spec §9.5).
 */
function triangle(): NetworkDescription {
  const usual = { capacityMsat: 5_000_000_000 }
  const cheap = { policy: { baseFeeMsat: 0, feePpm: 0 } }
  return {
    nodes: ['caller', 'called', 'guard', 'other'].map((name) => ({ name })),
    channels: [
      { between: ['caller', 'called'], ...usual, ...cheap },
      { between: ['caller', 'guard'], ...usual, ...cheap },
      { between: ['called', 'other'], ...usual },
      { between: ['other', 'guard'], ...usual },
    ],
    latency: 'fast',
  }
}

it('an answer whose cheapest way leads through the caller itself goes the other way before long', async () => {
  for (const seed of ['1', '2', '3', '4']) {
    const sim = createSimulation(triangle(), { seed })
    const caller = await sim.drive(createEndpoint({ backend: sim.backend('caller'), relays: 1 }))
    const called = await sim.drive(createEndpoint({ backend: sim.backend('called') }))
    caller.on('warning', () => undefined)
    await sim.drive(called.createServer((socket) => socket.on('error', () => undefined).pipe(socket)).listen(7))
    const socket = caller.createConnection(called.publicKeyHex, 7)
    socket.write('a question')
    await sim.drive(once(socket, 'data'))
    expect(sim.clock.now()).toBeLessThan(SOON_MS)
    socket.destroy()
    await sim.drive(Promise.all([caller.close(), called.close()]))
  }
})
