import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import type { BackendEvent } from '../../src/backends/backend.ts'
import { createEndpoint, type Endpoint, type Socket } from '../../src/index.ts'
import { createSimulation, demoNetwork, type NetworkDescription, type Simulation } from '../../src/sim.ts'
import { pairOn, type Pair } from './worlds.ts'

const LANE = { lane: 'phantom' } as const
const letters = (length: number): string => Array.from({ length }, (_, i) => 'abcdefghij'[i % 10]).join('')

/** bob takes connections at the phantom of his node. */
async function open(network: NetworkDescription = demoNetwork(), seed = 3): Promise<Pair> {
  return await pairOn(createSimulation(network, { seed, observe: ['bob'] }), { bob: { phantomLane: true } })
}

async function errorOf(pair: Pair, connecting: Promise<Socket>): Promise<NodeJS.ErrnoException> {
  const result = await pair.sim.drive(connecting.catch((error: unknown) => error as NodeJS.ErrnoException))
  if (!(result instanceof Error)) throw new Error('it was connected')
  return result
}

async function close({ sim, alice, bob }: Pair): Promise<void> {
  await sim.drive(Promise.all([alice.close(), bob.close()]))
  expect(sim.audit()).toEqual([])
}

/** What bob's process was told of one type. */
function events<Type extends BackendEvent['type']>(
  sim: Simulation,
  type: Type,
): Extract<BackendEvent, { type: Type }>[] {
  return sim
    .observed('bob')
    .flatMap((each) => (each.kind === 'event' ? [each.event as BackendEvent] : []))
    .filter((event): event is Extract<BackendEvent, { type: Type }> => event.type === type)
}

it('is taken by itself where the address offers it, and left where the application names the other', async () => {
  const pair = await open()
  await pair.bob.createServer((socket) => socket.end('answer')).listen(7)
  const address = await pair.sim.drive(pair.bob.address())
  expect(address).toBe(`${pair.bob.publicKeyHex}+phantom`)
  const first = await pair.sim.drive(pair.alice.connect(address, 7))
  expect(await pair.sim.drive(text(first))).toBe('answer')
  first.end()
  expect(events(pair.sim, 'arrival')).toEqual([])
  expect(events(pair.sim, 'offer').length).toBeGreaterThan(0)
  const second = await pair.sim.drive(pair.alice.connect(address, 7, { lane: 'node' }))
  expect(await pair.sim.drive(text(second))).toBe('answer')
  expect(events(pair.sim, 'arrival').length).toBeGreaterThan(0)
  await close(pair)
})

it('shows the responder no more of the caller than the node lane does', async () => {
  const pair = await open()
  const sockets: Socket[] = []
  await pair.bob.createServer((socket) => void sockets.push(socket.resume())).listen(7)
  const address = await pair.sim.drive(pair.bob.address())
  for (const options of [{}, { lane: 'node' }] as const) await pair.sim.drive(pair.alice.connect(address, 7, options))
  const seen = sockets.map(({ remoteAddress, remotePort }) => ({ remoteAddress, remotePort }))
  expect(seen[0]).toEqual(seen[1])
  expect(seen[0]?.remoteAddress).toBeUndefined()
  await close(pair)
})

function balances(sim: Simulation): readonly number[] {
  return sim.stats().nodes.map(({ balanceMsat }) => balanceMsat)
}

describe('a connection over the unblinded phantom lane', () => {
  it('is refused unpaid, at once, with the code of the reason', async () => {
    const pair = await open()
    const before = balances(pair.sim)
    const startedMs = pair.sim.clock.now()
    const error = await errorOf(pair, pair.alice.connect(pair.bob.publicKeyHex, 9, LANE))
    expect(error).toMatchObject({ code: 'ECONNREFUSED', syscall: 'connect' })
    expect(error.message).toContain('nobody listens on the port')
    expect(pair.sim.clock.now() - startedMs).toBeLessThan(2_000)
    expect(balances(pair.sim)).toEqual(before)
    expect(pair.alice.stats).toMatchObject({ spentMsat: 0n, reservedMsat: 0n, paymentsUnresolved: 0 })
    expect(pair.bob.stats).toMatchObject({ spentMsat: 0n, opensRefused: 1, connections: 0 })
    await close(pair)
  })

  it('is refused unpaid where the listener has no room', async () => {
    const pair = await open()
    const server = pair.bob.createServer(() => undefined)
    server.maxConnections = 0
    await server.listen(7)
    const error = await errorOf(pair, pair.alice.connect(pair.bob.publicKeyHex, 7, LANE))
    expect(error).toMatchObject({ code: 'ECONNREFUSED' })
    expect(error.message).toContain('a bound is reached')
    expect(pair.alice.stats.spentMsat).toBe(0n)
    await close(pair)
  })

  it('fails with a clear error where the other side does not take packets there, unpaid', async () => {
    const pair = await pairOn(createSimulation(demoNetwork(), { seed: 3 }))
    await pair.bob.createServer(() => undefined).listen(7)
    const error = await errorOf(pair, pair.alice.connect(pair.bob.publicKeyHex, 7, LANE))
    expect(error).toMatchObject({ code: 'ECONNREFUSED' })
    expect(error.message).toContain("lane 'node'")
    expect(pair.alice.stats.spentMsat).toBe(0n)
    await close(pair)
  })

  it('carries data both ways, early data too, with nothing at the node and no packet for acknowledgements', async () => {
    const pair = await open()
    const { sim, alice, bob } = pair
    await bob
      .createServer({ allowHalfOpen: true }, (socket) => void text(socket).then((all) => socket.end(all.toUpperCase())))
      .listen(7)
    const question = letters(40_000)
    const socket = alice.createConnection(bob.publicKeyHex, 7, LANE)
    socket.end(question)
    expect(await sim.drive(text(socket))).toBe(question.toUpperCase())
    expect(events(sim, 'arrival')).toEqual([])
    // Some 1,000 bytes a packet, and none for acknowledgements.
    expect(socket.stats.attempts).toBeLessThan(50)
    await close(pair)
  })

  const weathers: readonly (readonly [string, Partial<NetworkDescription>])[] = [
    ['a third of the payments fails', { failure: 0.3 }],
    ['some payments hang for hours', { hang: 0.03 }],
    ['a verdict in ten is lost', { faults: [{ name: 'verdict-lost', chance: 0.1, with: { end: 'payer-fails' } }] }],
    [
      'a verdict in ten leaves a relay with the money',
      { faults: [{ name: 'verdict-lost', chance: 0.1, with: { end: 'relay-keeps' } }] },
    ],
    ['HTLCs are offered twice', { faults: [{ name: 'duplicate-offer', chance: 0.5 }] }],
    ['a relay keeps part of some', { faults: [{ name: 'relay-keeps', chance: 0.1 }] }],
    ['interceptors drop', { faults: [{ name: 'interceptor-drops', perHour: 600 }] }],
  ]

  it.for(weathers)('loses nothing while %s', async ([, network]) => {
    const pair = await open({ ...demoNetwork(), ...network }, 5)
    const { sim, alice, bob } = pair
    const answers: Promise<string>[] = []
    await bob
      .createServer((socket) => {
        answers.push(text(socket))
        socket.end(letters(20_000))
      })
      .listen(7)
    for (let i = 0; i < 3; i++) {
      const socket = alice.createConnection(bob.publicKeyHex, 7, LANE)
      socket.end(letters(15_000 + i))
      expect(await sim.drive(text(socket))).toBe(letters(20_000))
      expect(await sim.drive(answers[i] as Promise<string>)).toBe(letters(15_000 + i))
    }
    expect(answers).toHaveLength(3)
    await close(pair)
  })

  it('survives that its OPEN is taken and its payer told otherwise: the copy pays with a preimage of its own', async () => {
    const pair = await open()
    const { sim, alice, bob } = pair
    sim.fault({ name: 'verdict-lost', node: 'bob', end: 'payer-fails' })
    // The answer is late, so that it does not tell.
    sim.fault({ name: 'payment-hangs', from: 'bob', forMs: 3_000, count: 8 })
    let connections = 0
    await bob
      .createServer((socket) => {
        connections += 1
        socket.end('hello')
      })
      .listen(7)
    const socket = await sim.drive(alice.connect(bob.publicKeyHex, 7, LANE))
    socket.end()
    expect(await sim.drive(text(socket))).toBe('hello')
    expect(connections).toBe(1)
    const offers = events(sim, 'offer')
    const opens = offers.filter(({ record }) => ((record[0] ?? 0) & 7) === 0)
    expect(opens.length).toBe(2)
    expect(opens.map(({ record }) => record[9])).toEqual([0, 1])
    expect(new Set(opens.map(({ hash }) => Buffer.from(hash).toString('hex'))).size).toBe(2)
    await close(pair)
  })

  it('ends at once with ECONNRESET when the process that answers was replaced', async () => {
    const pair = await open()
    const { sim, alice, bob } = pair
    await bob.createServer(() => undefined).listen(7)
    const socket = await sim.drive(alice.connect(bob.publicKeyHex, 7, LANE))
    sim.fault({ name: 'process-crash', node: 'bob' })
    const next = await sim.drive(createEndpoint({ backend: sim.backend('bob'), phantomLane: true }))
    const ended = new Promise<NodeJS.ErrnoException>((resolve) => {
      socket.on('error', resolve)
    })
    const startedMs = sim.clock.now()
    socket.write('still there?')
    expect(await sim.drive(ended)).toMatchObject({ code: 'ECONNRESET' })
    expect(sim.clock.now() - startedMs).toBeLessThan(5_000)
    await sim.drive(Promise.all([alice.close(), next.close()]))
  })

  it('is no way to have an OPEN taken whose payment nobody can settle', async () => {
    const pair = await open()
    const { sim, bob } = pair
    await bob.createServer(() => undefined).listen(7)
    await replayUnpaid(pair)
    expect(bob.stats).toMatchObject({ connectionsAccepted: 0, connections: 0 })
    await sim.drive(Promise.all([pair.alice.close(), bob.close()]))
  })

  it('cannot use up the key agreements of those who pay for theirs', async () => {
    const pair = await open()
    const { sim, alice, bob } = pair
    await bob.createServer((socket) => socket.end('served')).listen(7)
    const refused = Array.from({ length: 140 }, () =>
      alice.connect(bob.publicKeyHex, 9, { ...LANE, connectTimeout: 5_000 }).catch(() => undefined),
    )
    const socket = await sim.drive(alice.connect(bob.publicKeyHex, 7))
    socket.end()
    expect(await sim.drive(text(socket))).toBe('served')
    await sim.drive(Promise.all(refused))
    await close(pair)
  })

  it('takes its options by their names only', async () => {
    const pair = await open()
    const connect = (lane: unknown): Socket => pair.alice.createConnection(pair.bob.publicKeyHex, 7, { lane } as never)
    expect(() => connect('direct')).toThrow("lane must be 'node' or 'phantom'")
    await expect(
      createEndpoint({ backend: pair.sim.backend('carol'), phantomLane: 'yes' as never }),
    ).rejects.toMatchObject({ code: 'ERR_KEYSOCK_INVALID_OPTION' })
    await close(pair)
  })
})

/** Sends the OPEN of a connection of alice's again, over a payment whose preimage is not the OPEN's. */
async function replayUnpaid({ sim, bob }: Pair): Promise<void> {
  const backend = sim.backend('carol')
  const carol: Endpoint = await sim.drive(createEndpoint({ backend: unpaid(backend) }))
  carol.createConnection(bob.publicKeyHex, 7, LANE).on('error', () => undefined)
  await sim.runFor(30_000)
  await sim.drive(carol.close())
}

/** A backend that pays with hashes of preimages that only it knows. */
function unpaid(backend: ReturnType<Simulation['backend']>): ReturnType<Simulation['backend']> {
  return new Proxy(backend, {
    get: (target, name) => {
      const value = Reflect.get(target, name) as unknown
      if (name === 'pay')
        return (payment: Parameters<typeof backend.pay>[0]) =>
          target.pay({ ...payment, hash: new Uint8Array(target.entropy?.bytes(32) ?? []) })
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
