import { expect, it } from 'vitest'
import type { PathRequest } from '../../src/medium/reply-path.ts'
import { createEndpoint } from '../../src/index.ts'
import { appearances, createSimulation, decodePath, demoNetwork, hubNetwork } from '../../src/sim.ts'
import { MAX_ISOLATION_CHARACTERS, MAX_ISOLATIONS } from '../../src/transport/limits.ts'
import type { Endpoint } from '../../src/transport/sockets/endpoint.ts'
import { publicKey } from '../../src/wire/keys.ts'
import { MemoryDaemon } from '../daemon/memory-daemon.ts'
import { watchResponder } from '../anonymity/responder-view.ts'
import { ScriptedBackend } from './scripted-backend.ts'

const ignore = (): void => undefined
const peer = publicKey(new Uint8Array(32).fill(3))

interface Scripted {
  readonly backend: ScriptedBackend
  readonly endpoint: Endpoint
}

async function scripted(): Promise<Scripted> {
  const backend = new ScriptedBackend()
  return { backend, endpoint: await createEndpoint({ backend }) }
}

async function closed({ backend, endpoint }: Scripted): Promise<void> {
  const closing = endpoint.close()
  await backend.clock.advance(60_000)
  await closing
}

/** How many payments a connection has under way that nobody answers, beside another whose payments all hang. */
async function underWay(first: string | undefined, second: string | undefined): Promise<number> {
  const world = await scripted()
  const { backend, endpoint } = world
  const connect = async (isolation: string | undefined): Promise<number> => {
    const before = backend.payments.length
    const options = isolation === undefined ? {} : { isolation }
    endpoint.createConnection(peer, 7, options).on('error', ignore).write(new Uint8Array(200_000))
    await backend.clock.advance(1_000)
    return backend.payments.length - before
  }
  if (first !== 'nobody') await connect(first)
  const count = await connect(second)
  await closed(world)
  return count
}

it('payments that hang in one isolation leave the window of another as it would be alone', async () => {
  const alone = await underWay('nobody', 'b')
  expect(await underWay('a', 'b')).toBe(alone)
  expect(await underWay(undefined, 'b')).toBe(alone)
  expect(await underWay('a', undefined)).toBe(alone)
  // The control: the same name, and no name at all, share the window.
  expect(await underWay('b', 'b')).toBeLessThan(alone)
  expect(await underWay(undefined, undefined)).toBeLessThan(alone)
})

it('finds the routes of each isolation by itself', async () => {
  const world = await scripted()
  const { backend, endpoint } = world
  let searches = 0
  const { routes } = backend
  backend.findRoutes = async () => {
    searches += 1
    return await Promise.resolve(routes)
  }
  for (const isolation of ['a', 'b', 'a'])
    endpoint.createConnection(peer, 7, { isolation }).on('error', ignore).write('hello')
  await backend.clock.advance(500)
  expect(searches).toBe(2)
  await closed(world)
})

it('keeps the state of so many names, and forgets those without connections that were used the longest ago', async () => {
  const world = await scripted()
  const { backend, endpoint } = world
  for (let i = 0; i < MAX_ISOLATIONS + 20; i++) {
    endpoint
      .createConnection(peer, 7, { isolation: `site ${i}` })
      .on('error', ignore)
      .destroy()
    await backend.clock.advance(300_000)
  }
  expect(endpoint.stats.isolations).toBe(MAX_ISOLATIONS)
  await closed(world)
})

it('refuses a name more than there may be with connections, and takes it when one has closed', async () => {
  const world = await scripted()
  const { backend, endpoint } = world
  const sockets = Array.from({ length: MAX_ISOLATIONS }, (_, i) =>
    endpoint.createConnection(peer, 7, { isolation: `site ${i}` }).on('error', ignore),
  )
  const codes: (string | undefined)[] = []
  const one = (): void =>
    void endpoint
      .createConnection(peer, 7, { isolation: 'one more' })
      .on('error', (error: NodeJS.ErrnoException) => codes.push(error.code))
  one()
  await backend.clock.advance(1)
  expect(codes).toEqual(['ERR_KEYSOCK_TOO_MANY_CONNECTIONS'])
  sockets[0]?.destroy()
  await backend.clock.advance(300_000)
  one()
  await backend.clock.advance(1)
  expect(codes).toHaveLength(1)
  expect(endpoint.stats.isolations).toBe(MAX_ISOLATIONS)
  await closed(world)
})

it.each([
  ['an empty name', { isolation: '' }],
  ['one that is too long', { isolation: 'x'.repeat(MAX_ISOLATION_CHARACTERS + 1) }],
  ['direct replies', { isolation: 'a', replies: 'direct' }],
  ['a proof of the own key', { isolation: 'a', identify: true }],
] as const)('is refused with %s', async (_name, options) => {
  const world = await scripted()
  await expect(world.endpoint.connect(peer, 7, options)).rejects.toMatchObject({ code: 'ERR_KEYSOCK_INVALID_OPTION' })
  await closed(world)
})

it('a guard that brings nothing is given up in its isolation alone, so that nobody links two by making one fail', async () => {
  const sim = createSimulation(demoNetwork(), { seed: 3 })
  const backend = sim.backend('alice')
  const avoided: (readonly string[] | undefined)[] = []
  const makePaths = backend.makePaths.bind(backend)
  backend.makePaths = (request: PathRequest) => {
    avoided.push(request.avoidGuards)
    return makePaths(request)
  }
  const alice = await sim.drive(createEndpoint({ backend }))
  const bob = await sim.drive(createEndpoint({ backend: sim.backend('bob') }))
  await bob.createServer((socket) => void socket.on('error', ignore).end('hello')).listen(7)
  for (const name of ['carol', 'dave'])
    sim.fault({ name: 'payment-fails', from: 'bob', channel: sim.channelBetween('alice', name), count: 100_000 })
  const connect = alice.connect(bob.publicKeyHex, 7, { isolation: 'a', connectTimeout: 90_000 })
  await sim.drive(connect.then(ignore, ignore))
  expect(avoided.at(-1)).toHaveLength(1)
  const before = avoided.length
  for (const options of [{ isolation: 'b' }, {}, { isolation: 'a' }]) {
    const socket = alice.createConnection(bob.publicKeyHex, 7, options).on('error', ignore)
    await sim.runFor(1_000)
    socket.destroy()
  }
  expect(avoided.slice(before).map((guards) => guards?.length ?? 0)).toEqual([0, 0, 1])
  await sim.drive(Promise.all([alice.close(), bob.close()]))
})

it('what reaches the other side has no name in it, and no key, id or point of another isolation', async () => {
  const isolations = ['alice-at-work', 'alice-at-home']
  const view = await watchResponder({
    network: hubNetwork(),
    initiator: 'leaf0',
    responder: 'leaf5',
    replies: 'phantom',
    connections: 2,
    isolations,
  })
  const parts = view.conversations.map(({ paths }) => paths.map((path) => decodePath(path)))
  const points = parts.flat().flatMap((path) => [path.pathKey, ...path.blindedIds].map(String))
  expect(new Set(points).size).toBe(points.length)
  const all = view.conversations.flatMap(({ observed, frames, records }) => [observed, frames, records])
  for (const name of isolations) expect(appearances(all, new TextEncoder().encode(name))).toEqual([])
  // One guard for all of them: two would leave the nodes that have both (spec/decisions/0024).
  expect(new Set(parts.flat().map(({ introduction }) => String(introduction))).size).toBe(1)
})

it('works over a daemon, which knows nothing of it', async () => {
  const sim = createSimulation(demoNetwork(), { seed: 11, quietTurns: 3 })
  const daemon = new MemoryDaemon(sim, 'alice')
  await sim.drive(daemon.start())
  const alice = await daemon.endpoint()
  const bob = await sim.drive(createEndpoint({ backend: sim.backend('bob') }))
  await bob.createServer((socket) => void socket.on('error', ignore).pipe(socket)).listen(7)
  const sockets = await sim.drive(
    Promise.all(['a', 'b'].map((isolation) => alice.connect(bob.publicKeyHex, 7, { isolation }))),
  )
  for (const socket of sockets) {
    socket.end('hello')
    expect(await sim.drive(socket.toArray())).toEqual([Buffer.from('hello')])
  }
  expect(alice.stats.isolations).toBe(2)
  await sim.drive(Promise.all([alice.close(), bob.close()]))
  await sim.drive(daemon.kill())
})
