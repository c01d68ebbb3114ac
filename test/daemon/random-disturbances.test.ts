import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createEndpoint, type Socket } from '../../src/index.ts'
import { createSimulation, demoNetwork, type NetworkDescription } from '../../src/sim.ts'
import { MemoryDaemon } from './memory-daemon.ts'

// A daemon whose programs lose it, or which starts again, while the network has faults. `FC_SEED` and `FC_RUNS` choose
// other runs.

const HOUR = 3_600_000

const faults: NonNullable<NetworkDescription['faults']> = [
  { name: 'verdict-lost', chance: 0.02, with: { end: 'payer-fails' } },
  { name: 'verdict-lost', chance: 0.02, with: { end: 'offered-again' } },
  { name: 'duplicate-offer', chance: 0.02 },
  { name: 'interceptor-drops', perHour: 60 },
  { name: 'stream-lost', perHour: 30 },
  { name: 'routes-forgotten', perHour: 30 },
  { name: 'node-offline', perHour: 20, with: { forMs: 20_000 } },
]

const disturbance = fc.record({
  afterMs: fc.integer({ min: 1, max: 4_000 }),
  what: fc.oneof(
    fc.record({ type: fc.constant('cut' as const), program: fc.nat(1) }),
    fc.record({ type: fc.constant('restart' as const), downMs: fc.constantFrom(0, 10, 500, 3_000) }),
  ),
})
const story = fc.record({
  seed: fc.nat(1_000_000),
  failure: fc.constantFrom(0, 0.05, 0.2),
  hasFaults: fc.boolean(),
  kilobytes: fc.integer({ min: 1, max: 80 }),
  ways: fc.array(fc.constantFrom('hidden' as const, 'direct' as const, 'phantom' as const), {
    minLength: 4,
    maxLength: 4,
  }),
  disturbances: fc.array(disturbance, { maxLength: 6 }),
})

async function whole(socket: Socket): Promise<number> {
  let length = 0
  for await (const part of socket.iterator({ destroyOnReturn: false })) length += (part as Buffer).length
  return length
}

it('delivers everything to everyone, and keeps nothing for those who have gone', async () => {
  await fc.assert(
    fc.asyncProperty(story, async ({ seed, failure, hasFaults, kilobytes, ways: given, disturbances }) => {
      const sim = createSimulation(
        { ...demoNetwork({ failure }), ...(hasFaults && { faults }) },
        { seed, quietTurns: 3 },
      )
      const daemon = new MemoryDaemon(sim, 'bob')
      await sim.drive(daemon.start())
      const options = { phantomLane: true, caps: { peer: 10n ** 12n, process: 10n ** 12n } }
      const programs = [await daemon.program(options), await daemon.program(options)]
      const alice = await sim.drive(createEndpoint({ backend: sim.backend('alice'), ...options }))
      const ends = [...programs.map(({ endpoint }) => endpoint), alice]
      const bytes = kilobytes * 1_000
      // spec §6.9: where nobody takes packets for a while, a connection over the unblinded lane is refused.
      const ways = given.map((way) => (hasFaults && way === 'phantom' ? 'hidden' : way))
      const mostDownMs = ways.includes('phantom') ? 10 : Infinity
      for (const [i, endpoint] of ends.entries()) {
        const server = endpoint.createServer({ allowHalfOpen: true }, (socket) => {
          // The client ends when it has the answer, which this side may never hear.
          socket.on('error', () => undefined)
          whole(socket).then(
            (length) => socket.end(Buffer.alloc(length + i)),
            () => undefined,
          )
        })
        await sim.drive(server.listen(7 + i))
      }
      const answers = ways.map((way, i) => {
        const [from, to] = i < 2 ? [alice, ends[i]] : [ends[i - 2], alice]
        const socket = (from ?? alice).createConnection((to ?? alice).publicKeyHex, i < 2 ? 7 + i : 9, {
          maxCost: 10n ** 12n,
          idleTimeout: 0,
          connectTimeout: HOUR,
          ...(way === 'direct' && { replies: 'direct' as const }),
          ...(way === 'phantom' && { lane: 'phantom' as const }),
        })
        socket.end(Buffer.alloc(bytes))
        return whole(socket)
      })
      for (const { afterMs, what } of disturbances) {
        await sim.runFor(afterMs)
        if (what.type === 'cut') programs[what.program]?.cut()
        else {
          await sim.drive(daemon.kill())
          await sim.runFor(Math.min(what.downMs, mostDownMs))
          await sim.drive(daemon.restart())
        }
      }
      expect(await sim.drive(Promise.all(answers), { withinMs: 12 * HOUR })).toEqual([0, 1, 2, 2].map((i) => bytes + i))
      await sim.drive(Promise.all(programs.map(({ endpoint }) => endpoint.close())))
      await sim.runFor(2 * HOUR)
      expect(daemon.server.status()).toMatchObject({ clients: [], heldOpens: 0, payments: 0 })
      await sim.drive(Promise.all([alice.close(), daemon.kill()]))
    }),
    {
      numRuns: Number(process.env['FC_RUNS'] ?? 25),
      ...(process.env['FC_SEED'] !== undefined && { seed: Number(process.env['FC_SEED']) }),
    },
  )
})
