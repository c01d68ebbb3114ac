import { expect, it } from 'vitest'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
import { pairOn } from './worlds.ts'

/**
 * A small message beside streams that send all they can to the same peer. What the network's queue costs it, it shares
 * with them; before that, at home, it waits for nobody.
 */
const STREAMS = 4
const MESSAGES = 12
const CAP_MSAT = 1e12
/** Alone it is 10 ms, the grain of the measurement. The places beyond a full window are few, and are for all. */
const LONGEST_WAIT_MS = 100

it.for([
  { replies: 'phantom', seed: 1 },
  { replies: 'direct', seed: 1 },
] as const)('a small write is paid at once beside four bulk streams, as alone (%o)', async ({ replies, seed }) => {
  const { sim, alice, bob } = await pairOn(createSimulation(demoNetwork(), { seed }), { alice: { replies } })
  alice.setCaps({ process: CAP_MSAT, peer: { publicKey: bob.publicKeyHex, cap: CAP_MSAT } })
  bob.setCaps({ process: CAP_MSAT })
  let received = 0
  await bob.createServer((socket) => void socket.on('error', () => undefined).resume()).listen(7)
  await bob
    .createServer((socket) => void socket.on('error', () => undefined).on('data', ({ length }) => (received += length)))
    .listen(8)
  const small = await sim.drive(alice.connect(bob.publicKeyHex, 8, { noDelay: true }))

  /** Milliseconds from a write to its payment. */
  const measure = async (): Promise<number> => {
    const startMs = sim.clock.now()
    const { attempts } = small.stats
    const goal = received + 1
    let paidMs = Infinity
    small.write('x')
    while (received < goal) {
      await sim.runFor(10)
      if (small.stats.attempts > attempts) paidMs = Math.min(paidMs, sim.clock.now() - startMs)
    }
    return paidMs
  }

  expect(await measure(), 'alone').toBe(10)
  for (let i = 0; i < STREAMS; i++) {
    const stream = alice.createConnection(bob.publicKeyHex, 7, { maxCost: CAP_MSAT })
    const fill = (): void => {
      while (stream.write(Buffer.alloc(60_000)));
    }
    stream.on('error', () => undefined).on('drain', fill)
    fill()
  }
  await sim.runFor(15_000)
  const waits: number[] = []
  for (let i = 0; i < MESSAGES; i++) {
    await sim.runFor(1_000)
    waits.push(await measure())
  }
  expect(waits.filter((ms) => ms > 10).length).toBeLessThanOrEqual(1)
  expect(Math.max(...waits)).toBeLessThanOrEqual(LONGEST_WAIT_MS)
})
