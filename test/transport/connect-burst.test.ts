import { expect, it } from 'vitest'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
import { Endpoint } from '../../src/transport/sockets/endpoint.ts'

const CONNECTS = 250
const ignore = (): void => {}

it('250 connects at once are all answered within what 20 key agreements a second give', async () => {
  const sim = createSimulation(demoNetwork(), { seed: 7 })
  const alice = await sim.drive(Endpoint.open({ backend: sim.backend('alice'), replies: 'direct' }, ignore))
  const bob = await sim.drive(Endpoint.open({ backend: sim.backend('bob') }, ignore))
  const beganMs = sim.clock.now()
  const ends = Array.from({ length: CONNECTS }, () =>
    alice.connect(bob.publicKeyHex, 7).then(
      () => 'connected',
      (error: unknown) => (error as { readonly code: string }).code,
    ),
  )
  expect(new Set(await sim.drive(Promise.all(ends)))).toEqual(new Set(['ECONNREFUSED']))
  // spec §14: 100 at once, the others at 20 a second, 7.5 s.
  expect(sim.clock.now() - beganMs).toBeLessThan(12_000)
  await sim.drive(Promise.all([alice.close(), bob.close()]))
})
