import { once } from 'node:events'
import { expect, it } from 'vitest'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
import { Endpoint } from '../../src/transport/sockets/endpoint.ts'
import type { Socket } from '../../src/transport/sockets/socket.ts'
import type { ConnectOptions } from '../../src/transport/options/options.ts'

const MINUTE = 60_000
const ignore = (): void => {}

/** One hello and its echo, then nothing; how many payments each side makes after `from`, until `until`. */
async function idlePayments(options: ConnectOptions & { readonly replies: 'phantom' | 'direct' }): Promise<number[]> {
  const sim = createSimulation(demoNetwork(), { seed: 1 })
  const { replies, ...connect } = options
  const alice = await sim.drive(Endpoint.open({ backend: sim.backend('alice'), replies }, ignore))
  const bob = await sim.drive(Endpoint.open({ backend: sim.backend('bob') }, ignore))
  const server = bob.createServer({ idleTimeout: 0 }, (accepted) => void accepted.on('error', ignore).pipe(accepted))
  const taken = once(server, 'connection') as Promise<[Socket]>
  await server.listen(7)
  const socket = await sim.drive(alice.connect(bob.publicKeyHex, 7, { idleTimeout: 0, ...connect }))
  socket.write('hello')
  await sim.drive(once(socket, 'data'))
  const [accepted] = await sim.drive(taken)
  const paid = (): number[] => [socket, accepted].map(({ stats }) => stats.attempts)
  const before = paid()
  await sim.runFor(60 * MINUTE)
  const idle = paid().map((count, side) => count - (before[side] ?? 0))
  // The way back is still there.
  socket.write('again')
  expect(String(await sim.drive(once(socket, 'data')))).toBe('again')
  socket.destroy()
  await sim.drive(Promise.all([alice.close(), bob.close()]))
  return idle
}

// docs/costs-and-privacy.md says these numbers.
it.each([
  [{ replies: 'phantom' }, [1, 1]],
  [{ replies: 'direct' }, [0, 1]],
  [{ replies: 'phantom', keepAlive: true, keepAliveInitialDelay: MINUTE }, [60, 60]],
] as const)('an idle hour with %o costs %o payments by who connected and who took it', async (options, payments) => {
  expect(await idlePayments(options)).toEqual(payments)
})
