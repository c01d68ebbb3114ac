import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { createEndpoint } from '../../src/index.ts'
import { createSimulation, type NetworkDescription, type Simulation } from '../../src/sim.ts'
import type { PolicyOptions } from '../../src/backends/sim/description.ts'
import type { EndpointOptions } from '../../src/transport/sockets/endpoint.ts'
import type { Socket } from '../../src/transport/sockets/socket.ts'

/** Bob and carol relay between alice and dave, and ask this over all of their channels. */
function network(asked: PolicyOptions): NetworkDescription {
  const capacityMsat = 5_000_000_000
  return {
    nodes: [{ name: 'alice' }, { name: 'bob', policy: asked }, { name: 'carol', policy: asked }, { name: 'dave' }],
    channels: [
      { between: ['alice', 'bob'], capacityMsat },
      { between: ['bob', 'carol'], capacityMsat },
      { between: ['carol', 'dave'], capacityMsat },
    ],
  }
}

interface Told {
  readonly answer: string
  readonly spentMsat: bigint
  readonly failed: readonly number[]
}

/** What alice is answered by dave, in virtual time, and what each side paid. */
async function ask(asked: PolicyOptions, options: Partial<EndpointOptions> = {}): Promise<Told> {
  const sim: Simulation = createSimulation(network(asked), { seed: 1 })
  const dave = await sim.drive(createEndpoint({ backend: sim.backend('dave'), phantomLane: true }))
  const alice = await sim.drive(createEndpoint({ backend: sim.backend('alice'), ...options }))
  const sockets: Socket[] = []
  const server = dave.createServer((socket) => {
    sockets.push(socket)
    socket.resume().end('an answer')
  })
  await sim.drive(server.listen(7))
  const socket = alice.createConnection(sim.keyOf('dave'), 7)
  socket.end('a question')
  const answer = await sim.drive(text(socket))
  sockets.push(socket)
  await sim.drive(Promise.all([alice.close(), dave.close()]))
  expect(sim.audit()).toEqual([])
  const failed = sockets.map(({ stats }) => stats.failedAttempts)
  return { answer, spentMsat: alice.stats.spentMsat, failed }
}

describe('relays that ask a fee for what comes in', () => {
  const fee = { inboundBaseFeeMsat: 500, inboundFeePpm: 2_000 }

  it.for<readonly [string, PolicyOptions, Partial<EndpointOptions>]>([
    ['over hidden paths', fee, {}],
    ['over hidden paths with two relays', fee, { relays: 2 }],
    ['to a node that does not hide', fee, { replies: 'direct' }],
    ['as a discount', { inboundBaseFeeMsat: -500, inboundFeePpm: -100_000 }, {}],
    ['as a discount of more than the fee', { inboundBaseFeeMsat: -5_000 }, {}],
  ])('get it, %s: no payment fails', async ([, asked, options]) => {
    expect(await ask(asked, options)).toMatchObject({ answer: 'an answer', failed: [0, 0] })
  })

  it('cost more with a fee, and less with a discount', async () => {
    const plain = await ask({})
    expect((await ask(fee)).spentMsat).toBeGreaterThan(plain.spentMsat)
    expect((await ask({ inboundBaseFeeMsat: -500 })).spentMsat).toBeLessThan(plain.spentMsat)
  })
})
