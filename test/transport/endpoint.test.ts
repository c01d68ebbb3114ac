import { once } from 'node:events'
import { createServer as createHttpServer, get as httpGet, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, it } from 'vitest'
import * as keysock from '../../src/index.ts'
import { createSimulation, demoNetwork, line, type Simulation } from '../../src/sim.ts'
import type { Endpoint } from '../../src/transport/sockets/endpoint.ts'
import type { Socket } from '../../src/transport/sockets/socket.ts'
import { pairOn } from './worlds.ts'

const simulate = (seed = 1): Simulation => createSimulation(demoNetwork(), { seed })
const somebody = `02${'ab'.repeat(32)}`

const codeOf = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'resolved',
    (error: NodeJS.ErrnoException) => error.code,
  )

describe('options are checked where they are given', () => {
  it.each([
    ['a key that is none', ['xyz', 1], 'ERR_KEYSOCK_INVALID_OPTION'],
    ['a key of the wrong length', [new Uint8Array(32), 1], 'ERR_KEYSOCK_INVALID_OPTION'],
    ['a key with a wrong first byte', [`05${'ab'.repeat(32)}`, 1], 'ERR_KEYSOCK_INVALID_OPTION'],
    ['a number as a key', [7, 1], 'ERR_KEYSOCK_INVALID_OPTION'],
    ['port 0', [somebody, 0], 'ERR_SOCKET_BAD_PORT'],
    ['a port that is too high', [somebody, 65_536], 'ERR_SOCKET_BAD_PORT'],
    ['no port', [somebody], 'ERR_SOCKET_BAD_PORT'],
    ['a cost below 0', [somebody, 1, { maxCost: -1 }], 'ERR_KEYSOCK_INVALID_OPTION'],
    ['a cost with a fraction', [somebody, 1, { maxCost: 1.5 }], 'ERR_KEYSOCK_INVALID_OPTION'],
    ['an idle timeout that is too short', [somebody, 1, { idleTimeout: 5 }], 'ERR_KEYSOCK_INVALID_OPTION'],
    ['replies of a kind that is not there', [somebody, 1, { replies: 'tor' }], 'ERR_KEYSOCK_INVALID_OPTION'],
    ['a signal that is none', [somebody, 1, { signal: {} }], 'ERR_KEYSOCK_INVALID_OPTION'],
    ['allowHalfOpen that is no boolean', [somebody, 1, { allowHalfOpen: 1 }], 'ERR_KEYSOCK_INVALID_OPTION'],
  ])('%s', async (_name, args, code) => {
    const sim = simulate()
    const { alice, bob } = await pairOn(sim)
    const create = alice.createConnection.bind(alice) as unknown as (...given: unknown[]) => Socket
    expect(() => create(...args)).toThrow(expect.objectContaining({ code }))
    await sim.drive(Promise.all([alice.close(), bob.close()]))
  })

  it('refuses an endpoint without a backend', async () => {
    const options = {} as Parameters<typeof keysock.createEndpoint>[0]
    expect(await codeOf(keysock.createEndpoint(options))).toBe('ERR_KEYSOCK_INVALID_OPTION')
  })
})

describe('the default endpoint', () => {
  afterEach(() => {
    keysock.setDefaultEndpoint(undefined)
    delete process.env['KEYSOCK_BACKEND']
    delete process.env['LNCLI_LNDDIR']
  })

  it("is lnd's where the environment speaks of lnd", async () => {
    process.env['LNCLI_LNDDIR'] = '/no/such/folder'
    await expect(keysock.connect(somebody, 1)).rejects.toThrow('the backend keysock/lnd cannot be used')
  })

  it('says what to do when nothing is configured', async () => {
    expect(await codeOf(keysock.connect(somebody, 1))).toBe('ERR_KEYSOCK_NO_BACKEND')
    await expect(keysock.createServer().listen(1)).rejects.toThrow('set KEYSOCK_BACKEND')
    const socket = keysock.createConnection(somebody, 1)
    expect(socket.connecting).toBe(true)
    expect(socket.stats).toMatchObject({ attempts: 0, paidMsat: 0n, satPerKilobyte: undefined })
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toBe('ERR_KEYSOCK_NO_BACKEND')
  })

  it('is not needed to say what a connection may cost', async () => {
    const given = [{}, { maxCost: 5 }].map((options) => keysock.createConnection(somebody, 1, options))
    const ended = Promise.all(given.map((socket) => once(socket, 'error')))
    expect(given.map(({ maxCost }) => maxCost)).toEqual([1_000_000n, 5n])
    await ended
  })

  it('says when KEYSOCK_BACKEND cannot be used', async () => {
    process.env['KEYSOCK_BACKEND'] = 'node:path'
    await expect(keysock.connect(somebody, 1)).rejects.toThrow(
      'the backend node:path cannot be used: it exports no function createBackend',
    )
    process.env['KEYSOCK_BACKEND'] = './no-such-module.js'
    expect(await codeOf(keysock.connect(somebody, 1))).toBe('ERR_KEYSOCK_BAD_BACKEND')
  })

  it('is the one that was set, for clients and servers alike', async () => {
    const sim = simulate()
    const { alice, bob } = await pairOn(sim)
    keysock.setDefaultEndpoint(bob)
    const server = keysock.createServer((socket) => socket.end('hello'))
    await server.listen(5)
    keysock.setDefaultEndpoint(alice)
    const socket = keysock.createConnection({ publicKey: bob.info.publicKey, port: 5 })
    socket.write('early')
    const [data] = (await sim.drive(once(socket, 'data'))) as [Buffer]
    expect(data.toString()).toBe('hello')
    await sim.drive(Promise.all([alice.close(), bob.close()]))
  })
})

describe('servers', () => {
  let made: { readonly sim: Simulation; readonly alice: Endpoint; readonly bob: Endpoint } | undefined
  async function pair(): Promise<NonNullable<typeof made>> {
    made = await pairOn(simulate())
    return made
  }
  afterEach(async () => {
    if (made !== undefined) await made.sim.drive(Promise.all([made.alice.close(), made.bob.close()]))
    made = undefined
  })

  it('take a free port for 0, and say which', async () => {
    const { bob } = await pair()
    const server = await bob.createServer().listen(0)
    expect(server.address()).toEqual({ address: bob.publicKeyHex, family: 'keysock', port: expect.any(Number) })
    expect(server.address()?.port).toBeGreaterThanOrEqual(49_152)
    expect(server.listening).toBe(true)
  })

  it('reject listen with EADDRINUSE, and emit it where somebody listens', async () => {
    const { bob } = await pair()
    await bob.createServer().listen(7)
    await expect(bob.createServer().listen(7)).rejects.toMatchObject({ code: 'EADDRINUSE', syscall: 'listen', port: 7 })
    const second = bob.createServer()
    const told = once(second, 'error')
    void second.listen(7)
    expect(await told).toEqual([expect.objectContaining({ code: 'EADDRINUSE' })])
  })

  it('give the port back when they close', async () => {
    const { bob } = await pair()
    const server = await bob.createServer().listen(7)
    await once(server.close(), 'close')
    expect(server.address()).toBe(null)
    await using again = bob.createServer()
    await again.listen(7)
  })

  it('throw for a second listen, and tell a close that found nothing to close', async () => {
    const { bob } = await pair()
    const server = await bob.createServer().listen(7)
    expect(() => server.listen(8)).toThrow(expect.objectContaining({ code: 'ERR_SERVER_ALREADY_LISTEN' }))
    const error = await new Promise<Error | undefined>((resolve) => {
      bob.createServer().close(resolve)
    })
    expect(error).toMatchObject({ code: 'ERR_SERVER_NOT_RUNNING' })
  })

  it('close when their last connection has', async () => {
    const { sim, alice, bob } = await pair()
    const server = bob.createServer((socket) => socket.resume())
    await server.listen(7)
    const socket = await sim.drive(alice.connect(bob.publicKeyHex, 7))
    expect(server.connections).toBe(1)
    let closed = false
    server.close(() => {
      closed = true
    })
    await sim.runFor(1_000)
    expect(closed).toBe(false)
    socket.end()
    await sim.drive(once(server, 'close'))
    expect(server.connections).toBe(0)
  })

  it('refuse above maxConnections, with a drop event', async () => {
    const { sim, alice, bob } = await pair()
    const server = bob.createServer((socket) => socket.resume())
    server.maxConnections = 1
    let drops = 0
    server.on('drop', () => drops++)
    await server.listen(7)
    await sim.drive(alice.connect(bob.publicKeyHex, 7))
    await expect(sim.drive(alice.connect(bob.publicKeyHex, 7))).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    expect(drops).toBe(1)
  })

  it.each<[string, readonly [number, number] | readonly [{ readonly port: number; readonly backlog: number }]]>([
    ['as an argument', [7, 0]],
    ['as an option', [{ port: 7, backlog: 0 }]],
  ])('take a backlog of 0, %s, for the default, as in net', async (_name, args) => {
    const { sim, alice, bob } = await pair()
    const server = bob.createServer((socket) => socket.end('hello'))
    await (server.listen as (...given: readonly unknown[]) => Promise<unknown>)(...args)
    const socket = await sim.drive(alice.connect(bob.publicKeyHex, 7))
    socket.end()
    expect(await sim.drive(text(socket))).toBe('hello')
  })

  it('close by a signal', async () => {
    const { bob } = await pair()
    const controller = new AbortController()
    const server = await bob.createServer().listen({ port: 7, signal: controller.signal })
    controller.abort()
    await once(server, 'close')
    expect(server.listening).toBe(false)
  })
})

describe('an endpoint that closes', () => {
  const states: readonly [string, (sim: Simulation, alice: Endpoint, bob: Endpoint) => Promise<Socket | undefined>][] =
    [
      ['with nothing in it', async () => undefined],
      ['with a server', async (_sim, _alice, bob) => void (await bob.createServer().listen(7))],
      [
        'while a socket connects, in its first tick',
        async (_sim, alice, bob) => alice.createConnection(bob.publicKeyHex, 7),
      ],
      [
        'while a socket connects',
        async (sim, alice, bob) => {
          const socket = alice.createConnection(bob.publicKeyHex, 7)
          await sim.runFor(20)
          return socket
        },
      ],
      [
        'with an open socket',
        async (sim, alice, bob) => {
          await bob.createServer((socket) => socket.resume()).listen(7)
          return await sim.drive(alice.connect(bob.publicKeyHex, 7))
        },
      ],
      [
        'with data under way',
        async (sim, alice, bob) => {
          await bob.createServer((socket) => socket.resume()).listen(7)
          const socket = await sim.drive(alice.connect(bob.publicKeyHex, 7))
          socket.write(Buffer.alloc(100_000))
          await sim.runFor(300)
          return socket
        },
      ],
      [
        'with a half-open socket',
        async (sim, alice, bob) => {
          await bob.createServer({ allowHalfOpen: true }, (socket) => socket.resume()).listen(7)
          const socket = await sim.drive(alice.connect(bob.publicKeyHex, 7, { allowHalfOpen: true }))
          socket.end()
          await sim.runFor(2_000)
          return socket
        },
      ],
      [
        'while its node is away',
        async (sim, alice, bob) => {
          await bob.createServer((socket) => socket.resume()).listen(7)
          const socket = await sim.drive(alice.connect(bob.publicKeyHex, 7))
          sim.fault({ name: 'node-offline', node: 'alice', forMs: 3_600_000 } as unknown as Parameters<
            typeof sim.fault
          >[0])
          return socket
        },
      ],
    ]

  it.each(states)('%s: ends what is open, and leaves no timer', async (_name, prepare) => {
    const sim = simulate()
    const { alice, bob } = await pairOn(sim)
    const socket = await prepare(sim, alice, bob)
    const errors: unknown[] = []
    socket?.on('error', (error) => errors.push(error))
    await sim.drive(Promise.all([alice.close(), bob.close(), alice.close()]))
    await sim.runFor(1)
    if (socket !== undefined) expect(socket.destroyed && socket.closed).toBe(true)
    expect(errors).toEqual([])
    expect(alice.stats.deadlines + bob.stats.deadlines).toBe(0)
    expect(() => alice.createConnection(bob.publicKeyHex, 7).on('error', () => undefined)).not.toThrow()
    expect(await codeOf(alice.connect(bob.publicKeyHex, 7))).toBe('ERR_KEYSOCK_ENDPOINT_CLOSED')
    expect(await codeOf(bob.createServer().listen(9))).toBe('ERR_KEYSOCK_ENDPOINT_CLOSED')
    expect(await codeOf(alice.quote(bob.publicKeyHex, 1))).toBe('ERR_KEYSOCK_ENDPOINT_CLOSED')
  })

  it('delivers what the application has ended', async () => {
    const sim = simulate()
    const { alice, bob } = await pairOn(sim)
    let got = 0
    await bob
      .createServer((socket) =>
        socket.on('data', (chunk: Buffer) => (got += chunk.length)).on('error', () => undefined),
      )
      .listen(7)
    const socket = alice.createConnection(bob.publicKeyHex, 7)
    socket.end(Buffer.alloc(20_000))
    await sim.drive(once(socket, 'finish'))
    await sim.drive(alice.close())
    expect(got).toBe(20_000)
    await sim.drive(bob.close())
  })
})

describe('two endpoints that close at once', () => {
  it('wait for the last word of each other, and no longer', async () => {
    const sim = simulate()
    const { alice, bob } = await pairOn(sim)
    const errors: unknown[] = []
    const server = createHttpServer((_request, response) => response.end('hello'))
    await bob
      .createServer((socket) =>
        server.emit(
          'connection',
          socket.on('error', (e) => errors.push(e)),
        ),
      )
      .listen(80)
    const socket = alice.createConnection(bob.publicKeyHex, 80).on('error', (e) => errors.push(e))
    const response = new Promise<IncomingMessage>((resolve) => {
      httpGet({ host: 'bob', createConnection: () => socket }, resolve)
    })
    expect(await sim.drive(response.then(text))).toBe('hello')
    const startMs = sim.clock.now()
    await sim.drive(Promise.all([alice.close(), bob.close()]))
    expect(sim.clock.now() - startMs).toBeLessThan(1_000)
    expect(errors).toEqual([])
  })

  it("wait a few round trips for a side that doesn't end", async () => {
    const sim = simulate()
    const { alice, bob } = await pairOn(sim)
    await bob.createServer({ allowHalfOpen: true }, (socket) => socket.on('error', () => undefined).resume()).listen(7)
    const socket = alice.createConnection(bob.publicKeyHex, 7, { allowHalfOpen: true })
    socket.end('nothing more')
    await sim.drive(once(socket, 'finish'))
    socket.destroy()
    const startMs = sim.clock.now()
    await sim.drive(alice.close())
    expect(sim.clock.now() - startMs).toBeGreaterThan(Number(socket.stats.roundTripMs))
    expect(sim.clock.now() - startMs).toBeLessThan(3_000)
    await sim.drive(bob.close())
  })
})

describe('what an endpoint knows', () => {
  it('quotes what bytes would cost, and the cost is near that', async () => {
    const sim = simulate()
    const { alice, bob } = await pairOn(sim)
    const quote = await sim.drive(alice.quote(bob.publicKeyHex, 50_000))
    await bob.createServer((socket) => socket.resume()).listen(7)
    const socket = alice.createConnection(bob.publicKeyHex, 7)
    socket.end(Buffer.alloc(50_000))
    await sim.drive(once(socket, 'close'))
    const paid = Number(socket.stats.paidMsat)
    expect(paid).toBeGreaterThan(Number(quote.costMsat) * 0.8)
    expect(paid).toBeLessThan(Number(quote.costMsat) * 1.25)
    await sim.drive(Promise.all([alice.close(), bob.close()]))
  })

  it('quotes a range of cost and time, and how the answers would come back, and pays nothing', async () => {
    const sim = simulate()
    const { alice, bob } = await pairOn(sim)
    const quote = await sim.drive(alice.quote(bob.publicKeyHex, 50_000))
    expect(quote.costToMsat).toBeGreaterThan(quote.costMsat)
    expect(quote.secondsTo).toBeGreaterThan(quote.secondsFrom)
    expect(quote.routes).toBeGreaterThan(0)
    expect(quote.answers).toMatchObject({
      type: 'hidden',
      candidates: expect.any(Number),
      fits: false,
      relays: expect.any(Number),
    })
    expect(alice.stats.replyPaths).toBe(0)
    const [less, direct] = await sim.drive(
      Promise.all([
        alice.quote(bob.publicKeyHex, 50_000, { answers: false }),
        keysock.createEndpoint({ backend: sim.backend('carol'), replies: 'direct' }),
      ]),
    )
    expect(less).toEqual({ ...quote, answers: undefined })
    expect((await sim.drive(direct.quote(bob.publicKeyHex, 1))).answers).toEqual({ type: 'direct' })
    expect(sim.stats().payments.sent).toBe(0)
    await sim.drive(Promise.all([alice.close(), bob.close(), direct.close()]))
  })

  it('quotes more time where few slots let fewer packets through', async () => {
    const seconds = async (slots: number): Promise<number> => {
      const sim = createSimulation(demoNetwork({ policyDefaults: { maxHtlcs: slots } }), { seed: 1 })
      const { alice, bob } = await pairOn(sim)
      const { secondsFrom } = await sim.drive(alice.quote(bob.publicKeyHex, 1_000_000, { answers: false }))
      await sim.drive(Promise.all([alice.close(), bob.close()]))
      return secondsFrom
    }
    expect(await seconds(1)).toBeGreaterThan(4 * (await seconds(483)))
  })

  it('quotes with the reason where no answer can come back', async () => {
    const channels = [{ between: ['alice', 'bob'] as const, capacityMsat: 5_000_000_000 }]
    const sim = createSimulation({ nodes: [{ name: 'alice' }, { name: 'bob' }], channels }, { seed: 1 })
    const { alice, bob } = await pairOn(sim)
    const { answers } = await sim.drive(alice.quote(bob.publicKeyHex, 1))
    expect(answers).toEqual({ type: 'none', message: expect.any(String) })
    await sim.drive(Promise.all([alice.close(), bob.close()]))
  })

  it('warns when few nodes could stand behind its reply paths, and the socket knows how many', async () => {
    const sim = simulate()
    const { alice, bob } = await pairOn(sim)
    const warnings: { readonly code: string }[] = []
    alice.on('warning', (warning) => warnings.push(warning as { readonly code: string }))
    await bob.createServer((socket) => socket.resume()).listen(7)
    const socket = await sim.drive(alice.connect(bob.publicKeyHex, 7))
    expect(socket.candidates).toBeLessThan(4)
    expect(warnings.map(({ code }) => code)).toEqual(['ERR_KEYSOCK_FEW_CANDIDATES'])
    expect(socket.remoteAddress).toBe(bob.publicKeyHex)
    expect(socket.remotePort).toBe(7)
    await sim.drive(Promise.all([alice.close(), bob.close()]))
  })

  it('gives all payments of a connection one seed for their expiries, and each connection another', async () => {
    const sim = createSimulation(demoNetwork(), { seed: 1, observe: ['alice'] })
    const { alice, bob } = await pairOn(sim)
    await bob.createServer((socket) => socket.pipe(socket)).listen(7)
    const seedsOf = async (): Promise<Set<unknown>> => {
      const before = sim.observed('alice').length
      const socket = alice.createConnection(bob.publicKeyHex, 7)
      socket.end(Buffer.alloc(5_000))
      await sim.drive(socket.toArray())
      const calls = sim.observed('alice').slice(before)
      const payments = calls.flatMap((each) => (each.kind === 'call' && each.call === 'pay' ? [each.argument] : []))
      expect(payments.length).toBeGreaterThan(4)
      return new Set(payments.map((payment) => (payment as { readonly shadowSeed?: unknown }).shadowSeed))
    }
    const [first, second] = [[...(await seedsOf())], [...(await seedsOf())]]
    expect(first).toEqual([expect.any(Number)])
    expect(second).toEqual([expect.any(Number)])
    expect(first).not.toEqual(second)
    await sim.drive(Promise.all([alice.close(), bob.close()]))
  })

  it('explains that no path can hide it', async () => {
    const sim = createSimulation(line(2), { seed: 1 })
    const [a, b] = [
      await sim.drive(keysock.createEndpoint({ backend: sim.backend('n0') })),
      await sim.drive(keysock.createEndpoint({ backend: sim.backend('n1') })),
    ]
    await b.createServer((socket) => socket.end('x')).listen(7)
    await expect(sim.drive(a.connect(b.publicKeyHex, 7))).rejects.toMatchObject({ code: 'ERR_KEYSOCK_NO_PATH' })
    const direct = await sim.drive(a.connect(b.publicKeyHex, 7, { replies: 'direct' }))
    await sim.drive(once(direct.resume(), 'close'))
    await sim.drive(Promise.all([a.close(), b.close()]))
  })

  it('gets a message on each of its connections: the other side learns nothing from what is known', async () => {
    const sim = simulate()
    const { alice, bob } = await pairOn(sim)
    await bob.createServer((socket) => void socket.resume().sendMessage('to whom', 'ab'.repeat(16))).listen(7)
    const got: string[] = []
    for (const name of ['first', 'second']) {
      const socket = alice.createConnection(bob.publicKeyHex, 7)
      socket.resume().on('message', () => got.push(name))
      await sim.runFor(10_000)
    }
    expect(got).toEqual(['first', 'second'])
    await sim.drive(Promise.all([alice.close(), bob.close()]))
  })

  it('gives EHOSTUNREACH where no route leads', async () => {
    const sim = simulate()
    const { alice, bob } = await pairOn(sim)
    const failure = await sim.drive(codeOf(alice.connect(somebody, 7, { replies: 'direct', connectTimeout: 5_000 })))
    expect(failure).toBe('EHOSTUNREACH')
    expect(await sim.drive(codeOf(alice.quote(somebody, 7)))).toBe('EHOSTUNREACH')
    await sim.drive(Promise.all([alice.close(), bob.close()]))
  })

  it('delivers messages beside the stream, once for each id', async () => {
    const sim = simulate()
    const { alice, bob } = await pairOn(sim)
    const got: string[] = []
    await bob
      .createServer((socket) =>
        socket.resume().on('message', (data: Buffer, id: string) => got.push(`${data.toString()} ${id}`)),
      )
      .listen(7)
    const socket = await sim.drive(alice.connect(bob.publicKeyHex, 7))
    const id = 'ab'.repeat(16)
    socket.sendMessage('one', id)
    const other = await sim.drive(alice.connect(bob.publicKeyHex, 7))
    other.sendMessage('one again', id)
    const third = other.sendMessage(Buffer.from('two'))
    await sim.runFor(5_000)
    expect(got).toEqual([`one ${id}`, `two ${third}`])
    expect(() => socket.sendMessage('x'.repeat(513))).toThrow(
      expect.objectContaining({ code: 'ERR_KEYSOCK_INVALID_OPTION' }),
    )
    await sim.drive(Promise.all([alice.close(), bob.close()]))
  })

  it('proves its key to the other side where the caller asks for it', async () => {
    const sim = simulate()
    const { alice, bob } = await pairOn(sim)
    const known = new Promise<string>((resolve) => {
      const server = bob.createServer((socket) => socket.resume().on('identified', resolve))
      void server.listen(7)
    })
    await sim.drive(alice.connect(bob.publicKeyHex, 7, { identify: true }))
    expect(await sim.drive(known)).toBe(alice.publicKeyHex)
    await sim.drive(Promise.all([alice.close(), bob.close()]))
  })

  it('rejects a connect that a signal ends, before and after it began', async () => {
    const sim = simulate()
    const { alice, bob } = await pairOn(sim)
    const aborted = alice.connect(bob.publicKeyHex, 7, { signal: AbortSignal.abort() })
    await expect(aborted).rejects.toMatchObject({ name: 'AbortError' })
    const controller = new AbortController()
    const later = alice.connect(bob.publicKeyHex, 7, { signal: controller.signal })
    controller.abort()
    await expect(later).rejects.toMatchObject({ name: 'AbortError' })
    await sim.drive(Promise.all([alice.close(), bob.close()]))
  })

  it('pauses at the cost cap and goes on when it is raised', async () => {
    const sim = simulate()
    const { alice, bob } = await pairOn(sim)
    let got = 0
    await bob.createServer((socket) => socket.on('data', (chunk: Buffer) => (got += chunk.length))).listen(7)
    const socket = await sim.drive(alice.connect(bob.publicKeyHex, 7, { maxCost: 30_000 }))
    const paused = once(socket, 'paused')
    socket.end(Buffer.alloc(50_000))
    expect(await sim.drive(paused)).toEqual(['cost', expect.objectContaining({ capMsat: 30_000n })])
    await sim.runFor(10_000)
    expect(got).toBeLessThan(50_000)
    expect(Number(socket.stats.paidMsat)).toBeLessThanOrEqual(30_000)
    socket.maxCost = 1_000_000
    await sim.drive(once(socket, 'close'))
    expect(got).toBe(50_000)
    await sim.drive(Promise.all([alice.close(), bob.close()]))
  })

  it('pauses at the cap of the process and goes on when that is raised', async () => {
    const sim = simulate()
    const { alice, bob } = await pairOn(sim, { alice: { caps: { process: 30_000 } } })
    const warnings: unknown[] = []
    alice.on('warning', (warning) => warnings.push((warning as { readonly code: string }).code))
    let got = 0
    await bob.createServer((socket) => socket.on('data', (chunk: Buffer) => (got += chunk.length))).listen(7)
    const socket = await sim.drive(alice.connect(bob.publicKeyHex, 7))
    socket.end(Buffer.alloc(50_000))
    await sim.drive(once(socket, 'paused'))
    await sim.runFor(10_000)
    expect(got).toBeLessThan(50_000)
    expect(alice.stats.spentMsat + alice.stats.reservedMsat).toBeLessThanOrEqual(30_000n)
    expect(warnings).toContain('ERR_KEYSOCK_COST')
    alice.setCaps({ process: 1_000_000 })
    await sim.drive(once(socket, 'close'))
    expect(got).toBe(50_000)
    await sim.drive(Promise.all([alice.close(), bob.close()]))
  })

  it('raises with the cap of the process what it may spend on anonymous callers', async () => {
    const sim = simulate()
    const { alice, bob } = await pairOn(sim, { bob: { caps: { process: 30_000 } } })
    await bob.createServer((socket) => socket.on('error', () => undefined).end(Buffer.alloc(50_000))).listen(7)
    const socket = alice.createConnection(bob.publicKeyHex, 7)
    const read = socket.toArray()
    await sim.runFor(20_000)
    expect(bob.stats.spentMsat + bob.stats.reservedMsat).toBeLessThanOrEqual(30_000n)
    expect(socket.bytesRead).toBeLessThan(50_000)
    bob.setCaps({ process: 1_000_000 })
    expect(Buffer.concat(await sim.drive(read))).toHaveLength(50_000)
    await sim.drive(Promise.all([alice.close(), bob.close()]))
  })
})
