import { once } from 'node:events'
import { expect, it } from 'vitest'
import { createEndpoint, type Socket, type TraceRecord } from '../../src/index.ts'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
import { MemoryDaemon } from '../daemon/memory-daemon.ts'
import { close, echo, open, parse, PORT, type ReadRecord } from './scenarios.ts'
import { complaints, readSchema } from './schema.ts'

const schema = readSchema()

/** Both ends' records of one run. */
async function transfer(): Promise<readonly ReadRecord[]> {
  const world = await open()
  const { sim, alice, bob, files } = world
  alice.setCaps({ process: 90_000_000, peer: { publicKey: bob.publicKeyHex, cap: 80_000_000 } })
  sim.fault({ name: 'node-offline', node: 'alice', forMs: 2_000 }, sim.clock.now() + 3_000)
  await echo(world, sim.entropy.bytes(300_000))
  await sim.drive(alice.sendKeysend(bob.publicKeyHex, { 70_000: Buffer.from('hello') }))
  await close(world)
  return [...files.alice.records, ...files.bob.records]
}

/** A price that is paid, and told anew; a cap that stands against more. */
async function sale(): Promise<readonly ReadRecord[]> {
  const world = await open({ network: demoNetwork() })
  const { sim, alice, bob, files } = world
  const server = bob.createServer({ tariff: { kilobyte: 2_000 } }, (socket) => {
    socket.on('error', () => undefined).end(sim.entropy.bytes(60_000))
  })
  await server.listen(PORT)
  const socket = alice.createConnection(bob.publicKeyHex, PORT, {
    maxCost: 60_000,
    maxTariff: { kilobyte: 3_000, packet: 10_000 },
  })
  socket.on('error', () => undefined).resume()
  await sim.drive(once(socket, 'paused'))
  socket.destroy()
  await close(world)
  return [...files.alice.records, ...files.bob.records]
}

/** The error of a socket. */
function failureOf(socket: Socket): Promise<Error> {
  return new Promise((resolve) => {
    socket.once('error', resolve)
  })
}

/** Routes that cost too much, and none at all. */
async function noWay(): Promise<readonly ReadRecord[]> {
  const world = await open({ network: demoNetwork(), alice: { maxFee: 1n } })
  const { sim, alice, bob, files } = world
  const socket = alice.createConnection(bob.publicKeyHex, PORT)
  await sim.drive(failureOf(socket))
  await close(world)
  return files.alice.records
}

/** A node without a neighbour that could stand before it. */
async function noPath(): Promise<readonly ReadRecord[]> {
  const world = await open({
    network: {
      nodes: [{ name: 'alice' }, { name: 'bob' }],
      channels: [{ between: ['alice', 'bob'], capacityMsat: 1_000_000_000 }],
    },
  })
  const { sim, alice, bob, files } = world
  const socket = alice.createConnection(bob.publicKeyHex, PORT)
  await sim.drive(failureOf(socket))
  await close(world)
  return files.alice.records
}

it('every event is one of spec/qlog.md, with the fields that stand there', async () => {
  const records = [...(await transfer()), ...(await sale()), ...(await noWay()), ...(await noPath())]
  const wrong = records.flatMap(({ name, data }) => complaints(schema, name, data))
  expect([...new Set(wrong)]).toEqual([])
  const seen = new Set(records.map(({ name }) => name.replace('keysock:', '')))
  // What a slow disk drops has a test of its own.
  const unseen = [...schema.keys()].filter((name) => !seen.has(name) && name !== 'events_dropped')
  expect(unseen).toEqual([])
})

it('times never go back, and every connection begins before anything else is told of it', async () => {
  const records = (await transfer()).filter(({ group_id: group = 'way' }) => !group.startsWith('way'))
  const begun = new Set<string>()
  for (const { name, group_id: group = '' } of records) {
    if (name === 'keysock:connection_started') begun.add(group)
    expect(begun).toContain(group)
  }
})

it('a trace has no key, preimage, hash or byte of what was sent', async () => {
  const world = await open()
  const payload = world.sim.entropy.bytes(100_000)
  await echo(world, payload)
  await close(world)
  const text = (world.files.alice.text + world.files.bob.text).toLowerCase()
  expect(world.secrets.size).toBeGreaterThan(100)
  const found = [...world.secrets].filter((hex) => text.includes(hex.slice(0, 32)))
  expect(found).toEqual([])
  expect(text.includes(Buffer.from(payload.subarray(0, 24)).toString('base64').toLowerCase())).toBe(false)
})

it('an anonymous trace names neither peers nor channels', async () => {
  const world = await open({ anonymous: true })
  await echo(world, world.sim.entropy.bytes(50_000))
  await close(world)
  const text = world.files.alice.text + world.files.bob.text
  expect(text).not.toMatch(/0[23][0-9a-f]{64}/)
  expect(text).not.toMatch(/\d+x\d+x\d+/)
  const routes = world.files.alice.records.flatMap(({ data }) => (data['route'] ?? []) as string[])
  expect(new Set(routes.map((name) => /^c\d+$/.test(name)))).toEqual(new Set([true]))
})

it('two runs with one seed write the same', async () => {
  const texts: string[] = []
  for (const seed of [3, 3]) {
    const world = await open({ seed })
    await echo(world, world.sim.entropy.bytes(80_000))
    await close(world)
    texts.push(world.files.alice.text)
  }
  expect(texts[0]).toBe(texts[1])
})

it('a trace changes nothing of what is done', async () => {
  const ends: number[] = []
  for (const isTraced of [true, false]) {
    const sim = createSimulation(demoNetwork({ failure: 0.1, hang: 0.02 }), { seed: 4 })
    const trace = isTraced ? { trace: (): void => undefined } : {}
    const alice = await sim.drive(createEndpoint({ backend: sim.backend('alice'), ...trace }))
    const bob = await sim.drive(createEndpoint({ backend: sim.backend('bob'), ...trace }))
    await bob.createServer((socket) => socket.resume().end()).listen(PORT)
    const socket = alice.createConnection(bob.publicKeyHex, PORT)
    socket.resume().end(sim.entropy.bytes(100_000))
    await sim.drive(once(socket, 'close'))
    ends.push(sim.clock.now())
  }
  expect(ends[0]).toBe(ends[1])
})

it('begins with the header of a qlog file in its sequential form', async () => {
  const world = await open()
  await close(world)
  expect(parse(world.files.alice.text)[0]).toMatchObject({
    file_schema: 'urn:ietf:params:qlog:file:sequential',
    serialization_format: 'application/qlog+json-seq',
    trace: {
      vantage_point: { type: 'unknown' },
      event_schemas: ['urn:keysock:qlog:events:1'],
      common_fields: {
        time_format: 'relative_to_epoch',
        reference_time: { clock_type: 'monotonic', epoch: 'unknown', wall_clock_time: expect.any(String) as string },
      },
    },
  })
})

it('a function hears the same records, with amounts as bigints', async () => {
  const records: TraceRecord[] = []
  const world = await open({ alice: { trace: (record) => void records.push(record) } })
  await echo(world, world.sim.entropy.bytes(5_000))
  await close(world)
  const settled = records.find((record) => record.name === 'keysock:payment_settled')
  expect(settled?.data.amount_msat).toEqual(expect.any(BigInt))
})

it('a program of a daemon traces as any other', async () => {
  const sim = createSimulation(demoNetwork(), { seed: 5 })
  const daemon = new MemoryDaemon(sim, 'alice')
  await sim.drive(daemon.start())
  const names = new Set<string>()
  const program = await daemon.endpoint({ trace: ({ name }) => void names.add(name) })
  const bob = await sim.drive(createEndpoint({ backend: sim.backend('bob') }))
  await bob.createServer((socket) => socket.resume().end()).listen(PORT)
  const socket = program.createConnection(bob.publicKeyHex, PORT)
  socket.resume().end('hello')
  await sim.drive(once(socket, 'close'))
  expect(names).toContain('keysock:payment_settled')
  await sim.drive(Promise.all([program.close(), bob.close()]))
  await sim.drive(daemon.kill())
})
