import { expect, it } from 'vitest'
import { createSimulation, demoNetwork, type Simulation } from '../../src/sim.ts'
import { Endpoint } from '../../src/transport/sockets/endpoint.ts'

const ignore = (): void => {}

/** alice hides behind carol or dave; neither passes on to her what bob pays, where `silent` names it. */
async function world(silent: readonly string[]): Promise<{ sim: Simulation; alice: Endpoint; bob: Endpoint }> {
  const sim = createSimulation(demoNetwork(), { seed: 3 })
  const alice = await sim.drive(Endpoint.open({ backend: sim.backend('alice') }, ignore))
  const bob = await sim.drive(Endpoint.open({ backend: sim.backend('bob') }, ignore))
  await bob.createServer((socket) => void socket.on('error', ignore).end('hello')).listen(7)
  for (const name of silent) {
    const channel = sim.channelBetween('alice', name)
    sim.fault({ name: 'payment-fails', from: 'bob', channel, count: 100_000 })
  }
  return { sim, alice, bob }
}

/** The node over which alice's paths lead first. */
async function guardOf(): Promise<'carol' | 'dave'> {
  const sim = createSimulation(demoNetwork(), { seed: 3 })
  const backend = sim.backend('alice')
  await sim.drive(backend.start({ sink: ignore }))
  const request = { count: 1, payer: sim.keyOf('bob'), relays: 1, lifetimeBlocks: 144 } as const
  const { guards } = await sim.drive(backend.makePaths(request))
  return guards?.at(-1) === Buffer.from(sim.keyOf('carol')).toString('hex') ? 'carol' : 'dave'
}

it('a guard that passes nothing on is replaced within the first connect, and for all later ones', async () => {
  const { sim, alice, bob } = await world([await guardOf()])
  const connectMs = async (): Promise<number> => {
    const beganMs = sim.clock.now()
    const socket = await sim.drive(alice.connect(bob.publicKeyHex, 7))
    socket.destroy()
    return sim.clock.now() - beganMs
  }
  // spec §9.4: fresh paths are asked for after a minute's silence.
  expect(await connectMs()).toBeLessThan(65_000)
  expect(await connectMs()).toBeLessThan(2_000)
  await sim.drive(Promise.all([alice.close(), bob.close()]))
})

it('where no guard passes anything on, the error names those that were tried', async () => {
  const { sim, alice, bob } = await world(['carol', 'dave'])
  const keys = ['carol', 'dave'].map((name) => Buffer.from(sim.keyOf(name)).toString('hex'))
  const error: unknown = await sim.drive(
    alice.connect(bob.publicKeyHex, 7).then(
      () => undefined,
      (reason: unknown) => reason,
    ),
  )
  expect(error).toMatchObject({ code: 'ETIMEDOUT' })
  for (const key of keys) expect(String(error)).toContain(key)
  await sim.drive(Promise.all([alice.close(), bob.close()]))
})
