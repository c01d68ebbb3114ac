import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createEndpoint } from '../../src/index.ts'
import { createSimulation, type NetworkDescription, type Simulation } from '../../src/sim.ts'
import type { PolicyOptions } from '../../src/backends/sim/description.ts'
import type { Endpoint, EndpointOptions } from '../../src/transport/sockets/endpoint.ts'
import type { Socket } from '../../src/transport/sockets/socket.ts'

type Told = Error & { readonly code: string }

let others: Endpoint[]
let sim: Simulation

async function open(name: string, options: Partial<EndpointOptions> = {}): Promise<Endpoint> {
  const endpoint = await sim.drive(createEndpoint({ backend: sim.backend(name), ...options }))
  others.push(endpoint)
  return endpoint
}

beforeEach(() => {
  others = []
})

afterEach(async () => {
  await sim.drive(Promise.all(others.map((endpoint) => endpoint.close())))
  expect(sim.audit()).toEqual([])
})

/** alice's only channel is with carol, her introduction node: what carol asks on it is what alice's paths publish. */
function network(carols: PolicyOptions = {}): NetworkDescription {
  const capacityMsat = 5_000_000_000
  return {
    nodes: ['alice', 'bob', 'carol', 'dave', 'erin'].map((name) => ({ name })),
    channels: [
      { between: ['bob', 'carol'], capacityMsat },
      { between: ['bob', 'dave'], capacityMsat },
      { between: ['dave', 'carol'], capacityMsat },
      { between: ['erin', 'carol'], capacityMsat },
      { between: ['carol', 'alice'], capacityMsat, policies: { carol: carols } },
    ],
  }
}

interface Accepted {
  readonly sockets: Socket[]
  readonly errors: Told[]
}

async function serve(server: Endpoint): Promise<Accepted> {
  const accepted: Accepted = { sockets: [], errors: [] }
  await server
    .createServer((socket) => {
      accepted.sockets.push(socket)
      socket.on('error', (error) => accepted.errors.push(error as Told))
      socket.resume().end('an answer')
    })
    .listen(7)
  return accepted
}

describe('what an anonymous caller takes of each answer', () => {
  it.for<readonly [string, PolicyOptions]>([
    ['a least amount of 90,000 msat', { minHtlcMsat: 90_000 }],
    ['one of 9,500 msat, which is too much with the fee', { minHtlcMsat: 9_500 }],
    ['a base fee of 45,000 msat', { baseFeeMsat: 45_000 }],
  ])('is not paid above maxFee (%s): the application is told at once', async ([, policy]) => {
    sim = createSimulation(network(policy), { seed: 1 })
    const bob = await open('bob')
    const alice = await open('alice', { maxFee: 200_000n })
    const accepted = await serve(bob)
    const connecting = alice.connect(bob.publicKeyHex, 7, { connectTimeout: 20_000 })
    await expect(sim.drive(connecting)).rejects.toMatchObject({ code: 'ETIMEDOUT' })
    expect(accepted.errors).toMatchObject([{ code: 'ERR_KEYSOCK_FEE' }])
    expect(accepted.errors[0]?.message).toContain('maxFee allows 10000')
    expect(accepted.sockets.every((socket) => socket.destroyed)).toBe(true)
    expect(bob.stats).toMatchObject({ spentMsat: 0n, reservedMsat: 0n, paymentsUnresolved: 0 })
  })

  it.for<readonly [string, PolicyOptions, Partial<EndpointOptions>]>([
    ['what lnd asks by default, with two relays', {}, { relays: 2 }],
    ['1 msat', { minHtlcMsat: 1, baseFeeMsat: 0, feePpm: 0 }, {}],
  ])('is paid within maxFee (%s)', async ([, policy, options]) => {
    sim = createSimulation(network(policy), { seed: 1 })
    const bob = await open('bob')
    const alice = await open('alice', options)
    await serve(bob)
    const socket = await sim.drive(alice.connect(bob.publicKeyHex, 7))
    expect(await sim.drive(text(socket))).toBe('an answer')
  })

  it('ends a connection whose later paths ask it, too', async () => {
    sim = createSimulation(network(), { seed: 1 })
    const bob = await open('bob')
    const alice = await open('alice', { maxFee: 200_000n })
    const accepted: Socket[] = []
    await bob.createServer((each) => void accepted.push(each.resume())).listen(7)
    const socket = await sim.drive(alice.connect(bob.publicKeyHex, 7))
    socket.on('error', () => undefined).resume()
    const policy = { minHtlcMsat: 90_000 }
    sim.fault({ name: 'policy-change', channel: sim.channelBetween('carol', 'alice'), from: 'carol', policy })
    socket.write('again')
    const [error] = await sim.drive(once(accepted[0] as Socket, 'error'))
    expect(error).toMatchObject({ code: 'ERR_KEYSOCK_FEE' })
    expect(bob.stats.spentMsat).toBeLessThan(50_000n)
  })

  it('is paid where the endpoint says that it may be', async () => {
    sim = createSimulation(network({ minHtlcMsat: 90_000 }), { seed: 1 })
    const bob = await open('bob', { maxFee: 110_000n })
    const alice = await open('alice', { maxFee: 110_000n })
    await serve(bob)
    const socket = await sim.drive(alice.connect(bob.publicKeyHex, 7))
    expect(await sim.drive(text(socket))).toBe('an answer')
    expect(bob.stats.spentMsat + bob.stats.reservedMsat).toBeGreaterThanOrEqual(100_000n)
  })
})

describe('a caller whose replies cost more than the other side takes by default', () => {
  const dear: PolicyOptions = { minHtlcMsat: 90_000 }

  it('is told at once, with the channel and what it asks, and pays nothing', async () => {
    sim = createSimulation(network(dear), { seed: 1 })
    const bob = await open('bob')
    const alice = await open('alice')
    await serve(bob)
    const startedMs = sim.clock.now()
    const connecting = sim.drive(alice.connect(bob.publicKeyHex, 7))
    const error = await connecting.catch((reason: unknown) => reason as Told)
    expect(error).toMatchObject({ code: 'ERR_KEYSOCK_NO_PATH' })
    const { message } = error as Told
    expect(message).toContain(`channel ${sim.channelBetween('carol', 'alice')} of 'carol', 101250 msat a packet`)
    expect(message).toContain('takes 10000 msat by default')
    expect(sim.clock.now() - startedMs, 'virtual ms').toBeLessThan(5_000)
    expect(alice.stats.spentMsat).toBe(0n)
  })

  it('takes another peer, where one asks less', async () => {
    const described = network(dear)
    const another = { between: ['erin', 'alice'] as const, capacityMsat: 5_000_000_000 }
    for (let seed = 1; seed <= 8; seed++) {
      sim = createSimulation({ ...described, channels: [...described.channels, another] }, { seed })
      const [bob, alice] = [await open('bob'), await open('alice')]
      await serve(bob)
      const socket = await sim.drive(alice.connect(bob.publicKeyHex, 7))
      expect(await sim.drive(text(socket)), `seed ${seed}`).toBe('an answer')
      await sim.drive(Promise.all([alice.close(), bob.close()]))
      others = []
    }
  })
})

describe('a way whose least amount is high', () => {
  const capacityMsat = 5_000_000_000
  /** alice - carol - bob, and what is between dave and others. */
  const way = (policy: PolicyOptions, more: NetworkDescription['channels'] = []): NetworkDescription => ({
    nodes: ['alice', 'bob', 'carol', 'dave'].map((name) => ({ name })),
    channels: [
      { between: ['alice', 'carol'], capacityMsat },
      { between: ['carol', 'bob'], capacityMsat, policies: { carol: policy } },
      ...more,
    ],
  })

  it('is not paid, on the node lane either: connect says at once what it would cost, and what of it is the amount', async () => {
    sim = createSimulation(way({ minHtlcMsat: 512_000 }), { seed: 1 })
    const [alice, bob] = [await open('alice'), await open('bob')]
    await serve(bob)
    const startedMs = sim.clock.now()
    const error = await sim.drive(alice.connect(bob.publicKeyHex, 7)).catch((reason: unknown) => reason as Told)
    expect(error).toMatchObject({ code: 'ERR_KEYSOCK_FEE' })
    expect((error as Told).message).toContain('at least 513001 msat, amount and fee together (512000 msat is the least')
    expect(sim.clock.now() - startedMs, 'virtual ms').toBeLessThan(5_000)
    expect(alice.stats.spentMsat).toBe(0n)
    await expect(sim.drive(alice.quote(bob.publicKeyHex, 1_000))).rejects.toMatchObject({ code: 'ERR_KEYSOCK_FEE' })
  })

  it('is left for another, though its fee is lower', async () => {
    const daves: NetworkDescription['channels'] = [
      { between: ['bob', 'dave'], capacityMsat },
      { between: ['alice', 'dave'], capacityMsat },
      { between: ['carol', 'dave'], capacityMsat, policy: { baseFeeMsat: 5_000 } },
    ]
    sim = createSimulation(way({ minHtlcMsat: 512_000, baseFeeMsat: 0 }, daves), { seed: 1 })
    const [alice, bob] = [await open('alice'), await open('bob')]
    await serve(bob)
    const socket = await sim.drive(alice.connect(bob.publicKeyHex, 7))
    expect(await sim.drive(text(socket))).toBe('an answer')
    expect(alice.stats.spentMsat + bob.stats.spentMsat).toBeLessThan(100_000n)
  })
})

describe('a node to which no route leads', () => {
  it('is told of within 5 s', async () => {
    const island: NetworkDescription = {
      nodes: ['alice', 'bob', 'carol', 'dave'].map((name) => ({ name })),
      channels: [
        { between: ['alice', 'carol'], capacityMsat: 5_000_000_000 },
        { between: ['dave', 'bob'], capacityMsat: 5_000_000_000 },
      ],
    }
    sim = createSimulation(island, { seed: 1 })
    const [alice, bob] = [await open('alice', { replies: 'direct' }), await open('bob')]
    await serve(bob)
    const startedMs = sim.clock.now()
    const connecting = sim.drive(alice.connect(bob.publicKeyHex, 7))
    await expect(connecting).rejects.toMatchObject({ code: 'EHOSTUNREACH' })
    expect(sim.clock.now() - startedMs, 'virtual ms').toBeLessThan(5_000)
  })
})

describe('what the hints of an address ask', () => {
  const hidden: NetworkDescription = {
    nodes: [{ name: 'alice' }, { name: 'bob' }, { name: 'carol', public: false }],
    channels: [
      { between: ['alice', 'bob'], capacityMsat: 5_000_000_000 },
      { between: ['bob', 'carol'], capacityMsat: 5_000_000_000, policy: { minHtlcMsat: 90_000 } },
    ],
  }

  it('is bound by maxFee with the least amount: connect and quote say so, unpaid', async () => {
    sim = createSimulation(hidden, { seed: 1 })
    const alice = await open('alice')
    const carol = await open('carol')
    const address = await sim.drive(carol.address())
    await expect(sim.drive(alice.quote(address, 1_000))).rejects.toMatchObject({ code: 'ERR_KEYSOCK_FEE' })
    const startedMs = sim.clock.now()
    await expect(sim.drive(alice.connect(address, 7, { replies: 'direct' }))).rejects.toMatchObject({
      code: 'ERR_KEYSOCK_FEE',
    })
    expect(sim.clock.now() - startedMs, 'virtual ms').toBeLessThan(5_000)
    expect(alice.stats.spentMsat).toBe(0n)
  })

  it('is paid where the endpoint says that it may be', async () => {
    sim = createSimulation(hidden, { seed: 1 })
    const alice = await open('alice', { maxFee: 100_000n })
    const carol = await open('carol', { maxFee: 100_000n })
    await serve(carol)
    const address = await sim.drive(carol.address())
    expect((await sim.drive(alice.quote(address, 1_000))).packetMsat).toBeGreaterThan(90_000n)
    const socket = await sim.drive(alice.connect(address, 7, { replies: 'direct' }))
    expect(await sim.drive(text(socket))).toBe('an answer')
  })
})

describe('a quote', () => {
  const capacityMsat = 5_000_000_000
  /** From alice to bob over relays, each with what it asks for passing on to bob. */
  const over = (relays: Readonly<Record<string, PolicyOptions>>): NetworkDescription => ({
    nodes: ['alice', 'bob', ...Object.keys(relays)].map((name) => ({ name })),
    channels: Object.entries(relays).flatMap(([relay, asked]) => [
      { between: ['alice', relay] as const, capacityMsat, policy: { minHtlcMsat: 1_000 } },
      { between: [relay, 'bob'] as const, capacityMsat, policies: { [relay]: asked } },
    ]),
  })
  const quote = async (
    relays: Readonly<Record<string, PolicyOptions>>,
    suffix = '',
  ): Promise<Awaited<ReturnType<Endpoint['quote']>>> => {
    sim = createSimulation(over(relays), { seed: 1 })
    const alice = await open('alice')
    const bob = Buffer.from(sim.keyOf('bob')).toString('hex')
    return await sim.drive(alice.quote(bob + suffix, 10_000, { answers: false }))
  }
  const usual: PolicyOptions = { minHtlcMsat: 1_000, baseFeeMsat: 1_000, feePpm: 0 }
  const free: PolicyOptions = { minHtlcMsat: 90_000, baseFeeMsat: 0, feePpm: 0 }

  it('is of the routes that a connection takes: one without a fee may ask for a least amount above maxFee', async () => {
    const alone = await quote({ carol: usual })
    expect(await quote({ carol: usual, dave: free })).toEqual(alone)
    expect(alone).toMatchObject({ routes: 1, packetMsat: 2_000n })
  })

  it('is of the cheapest packet, not of the lowest fee', async () => {
    const dear: PolicyOptions = { ...free, minHtlcMsat: 8_000 }
    expect(await quote({ carol: usual, dave: dear })).toMatchObject({ routes: 2, packetMsat: 2_000n })
  })

  it('names the cheapest packet where each is above maxFee', async () => {
    const quoting = quote({ carol: { ...usual, minHtlcMsat: 20_000 }, dave: free })
    await expect(quoting).rejects.toMatchObject({
      code: 'ERR_KEYSOCK_FEE',
      message: expect.stringContaining('costs 21000 msat'),
    })
  })

  it('is of the lane that the address names, where less fits into a packet', async () => {
    const node = await quote({ carol: usual })
    const phantom = await quote({ carol: usual }, '+phantom')
    expect(phantom.packetBytes).toBeLessThan(node.packetBytes)
  })
})
