import { once } from 'node:events'
import { expect, it } from 'vitest'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
import { Endpoint } from '../../src/transport/sockets/endpoint.ts'
import type { Socket } from '../../src/transport/sockets/socket.ts'

const SEEDS = 150
/** Two hedge delays before there are samples, and one copy more (spec §8.5); the round trips of connect and echo. */
const THREE_COPIES_MS = 14_000

interface Times {
  readonly connectMs: number
  readonly echoMs: number
  readonly endMs: number
}

/** Connects, says hello and ends, on a network where one payment in twenty hangs; when what came, ms. */
async function helloMs(seed: number, replies: 'phantom' | 'direct'): Promise<Times> {
  const sim = createSimulation({ ...demoNetwork(), hang: 0.05 }, { seed })
  const ignore = (): void => {}
  const alice = await sim.drive(Endpoint.open({ backend: sim.backend('alice'), replies }, ignore))
  const bob = await sim.drive(Endpoint.open({ backend: sim.backend('bob') }, ignore))
  await bob.createServer({ allowHalfOpen: true }, (socket) => void socket.on('error', ignore).pipe(socket)).listen(7)
  const beganMs = sim.clock.now()
  const since = (): number => sim.clock.now() - beganMs
  const run = async (): Promise<Times> => {
    const socket: Socket = await alice.connect(bob.publicKeyHex, 7, { allowHalfOpen: true })
    const connectMs = since()
    let echoMs = Infinity
    let echo = ''
    socket.on('data', (data: Buffer) => {
      echo += data.toString()
      echoMs = since()
    })
    const ended = once(socket, 'end')
    socket.end('hello')
    await ended
    expect(echo).toBe('hello')
    return { connectMs, echoMs, endMs: since() }
  }
  return sim.drive(run())
}

it.each(['phantom', 'direct'] as const)(
  `of ${SEEDS} connects where one payment in twenty hangs, all are answered within seconds, with %s replies`,
  async (replies) => {
    const all: Times[] = []
    for (let seed = 1; seed <= SEEDS; seed++) all.push(await helloMs(seed, replies))
    expect(Math.max(...all.map(({ connectMs }) => connectMs))).toBeLessThan(THREE_COPIES_MS)
    expect(Math.max(...all.map(({ endMs }) => endMs))).toBeLessThan(THREE_COPIES_MS)
  },
  120_000,
)
