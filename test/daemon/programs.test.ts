import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { BackendEvent } from '../../src/backends/backend.ts'
import { ANSWER_MS } from '../../src/backends/daemon/protocol/limits.ts'
import { createEndpoint, type Socket } from '../../src/index.ts'
import { createSimulation, demoNetwork, type Simulation } from '../../src/sim.ts'
import type { Endpoint } from '../../src/transport/sockets/endpoint.ts'
import { MemoryStore } from '../../src/transport/store/memory.ts'
import { MemoryDaemon } from './memory-daemon.ts'

let sim: Simulation
/** On bob's node. */
let daemon: MemoryDaemon
/** Alone on alice's node. */
let alice: Endpoint

beforeEach(async () => {
  sim = createSimulation(demoNetwork(), { seed: 11, quietTurns: 3 })
  daemon = new MemoryDaemon(sim, 'bob')
  await sim.drive(daemon.start())
  alice = await sim.drive(createEndpoint({ backend: sim.backend('alice') }))
})

afterEach(async () => {
  await sim.drive(Promise.all([alice.close(), daemon.kill()]))
  expect(sim.audit()).toEqual([])
})

/** Everything that a socket gives until its end. */
async function whole(socket: Socket): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of socket.iterator({ destroyOnReturn: false })) parts.push(part as Buffer)
  return Buffer.concat(parts).toString()
}

async function answering(endpoint: Endpoint, port: number, answer: string): Promise<void> {
  const server = endpoint.createServer({ allowHalfOpen: true }, (socket) => {
    whole(socket).then(
      (question) => socket.end(`${answer} ${question}`),
      () => undefined,
    )
  })
  await sim.drive(server.listen(port))
}

function ask(from: Endpoint, to: Endpoint, port: number, question: string, options = {}): Promise<string> {
  const socket = from.createConnection(to.publicKeyHex, port, options)
  socket.end(question)
  return whole(socket)
}

const codeOf = async (promise: Promise<unknown>): Promise<unknown> => {
  try {
    await promise
  } catch (error) {
    return (error as NodeJS.ErrnoException).code
  }
  return undefined
}

describe('programs on one node', () => {
  it('listen on ports of their own, and each gets its connections alone', async () => {
    const [one, two] = [await daemon.endpoint(), await daemon.endpoint()]
    await answering(one, 7, 'one')
    await answering(two, 8, 'two')
    expect(await sim.drive(Promise.all([ask(alice, one, 7, 'a'), ask(alice, one, 8, 'b')]))).toEqual(['one a', 'two b'])
    expect(one.stats).toMatchObject({ connectionsAccepted: 1, packetsStray: 0, opensRefused: 0 })
    expect(two.stats).toMatchObject({ connectionsAccepted: 1, packetsStray: 0, opensRefused: 0 })
  })

  it('connect out at once, over hidden paths and with direct replies', async () => {
    const [one, two] = [await daemon.endpoint(), await daemon.endpoint()]
    await answering(alice, 7, 'alice')
    const answers = await sim.drive(
      Promise.all([
        ask(one, alice, 7, '1'),
        ask(two, alice, 7, '2', { replies: 'direct' }),
        ask(one, alice, 7, '3', { replies: 'direct' }),
        ask(two, alice, 7, '4'),
      ]),
    )
    expect(answers).toEqual(['alice 1', 'alice 2', 'alice 3', 'alice 4'])
    expect([one.stats.packetsStray, two.stats.packetsStray]).toEqual([0, 0])
  })

  it('take connections where a refusal is unpaid', async () => {
    const [one, two] = [await daemon.endpoint({ phantomLane: true }), await daemon.endpoint()]
    await answering(one, 7, 'one')
    await answering(two, 8, 'two')
    const options = { lane: 'phantom' }
    expect(await sim.drive(ask(alice, one, 7, 'a', options))).toBe('one a')
    // Nobody at all, and somebody who does not take packets there.
    await sim.runFor(5_000)
    expect(await codeOf(sim.drive(ask(alice, one, 9, 'b', options)))).toBe('ECONNREFUSED')
    expect(await codeOf(sim.drive(ask(alice, one, 8, 'c', options)))).toBe('ECONNREFUSED')
  })

  it('decide about openings before they are paid: by who calls, and for a price', async () => {
    const one = await daemon.endpoint({ phantomLane: true })
    const server = one.createServer({ openingPrice: 20_000 }, (socket) => socket.resume().end('in'))
    server.on('opening', (request) => {
      if (request.remoteAddress !== alice.publicKeyHex) request.refuse()
    })
    await sim.drive(server.listen(7))
    const options = { lane: 'phantom', maxOpeningPrice: 20_000 }
    expect(await codeOf(sim.drive(ask(alice, one, 7, 'a', { lane: 'phantom' })))).toBe('ERR_KEYSOCK_PRICE')
    expect(await codeOf(sim.drive(ask(alice, one, 7, 'b', options)))).toBe('ECONNREFUSED')
    expect(alice.stats.spentMsat).toBe(0n)
    expect(await sim.drive(ask(alice, one, 7, 'c', { ...options, identify: 'open' }))).toBe('in')
    expect(alice.stats.spentMsat).toBeGreaterThanOrEqual(20_000n)
  })

  it('that would take them there where the daemon does not are told so, not given an address that fails', async () => {
    const without = new MemoryDaemon(sim, 'carol', false)
    await sim.drive(without.start())
    const attaching = without.endpoint({ phantomLane: true })
    await expect(attaching).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('--no-phantom-lane'),
    })
    const plain = await without.endpoint()
    expect(await sim.drive(plain.address())).toBe(plain.publicKeyHex)
    await sim.drive(without.kill())
  })

  it('hear EADDRINUSE for a port of another, and listen(0) finds a free one', async () => {
    const [one, two] = [await daemon.endpoint(), await daemon.endpoint()]
    await answering(one, 7, 'one')
    expect(await codeOf(sim.drive(two.createServer().listen(7)))).toBe('EADDRINUSE')
    const failing = two.createServer()
    const failure = once(failing, 'error')
    failing.listen(7).catch(() => undefined)
    expect(await sim.drive(failure)).toMatchObject([{ code: 'EADDRINUSE', syscall: 'listen', port: 7 }])
    const servers = [one.createServer(), two.createServer(), two.createServer()]
    await sim.drive(Promise.all(servers.map((server) => server.listen(0))))
    expect(new Set(servers.map((server) => server.address()?.port)).size).toBe(3)
  })

  it('are refused where nobody listens', async () => {
    const one = await daemon.endpoint()
    await sim.runFor(5_000)
    expect(await codeOf(sim.drive(ask(alice, one, 9, 'x')))).toBe('ECONNREFUSED')
  })

  it('find a port free that was given back', async () => {
    const [one, two] = [await daemon.endpoint(), await daemon.endpoint()]
    const server = one.createServer()
    await sim.drive(server.listen(7))
    server.close()
    await answering(two, 7, 'two')
    expect(await sim.drive(ask(alice, two, 7, 'a'))).toBe('two a')
  })
})

describe('a program that dies', () => {
  it('frees its ports and paths at once, and the others go on', async () => {
    const [one, two] = [await daemon.program(), await daemon.endpoint()]
    await answering(one.endpoint, 7, 'one')
    await answering(two, 8, 'two')
    await answering(alice, 7, 'alice')
    const talk = one.endpoint.createConnection(alice.publicKeyHex, 7)
    talk.on('error', () => undefined)
    talk.write('hello')
    const other = two.createConnection(alice.publicKeyHex, 7)
    other.write('over')
    await sim.drive(Promise.all([once(talk, 'connect'), once(other, 'connect')]))
    expect(daemon.server.status().clients).toMatchObject([
      { ports: [7], paths: expect.toSatisfy((count: number) => count > 0) },
      { ports: [8] },
    ])
    await one.kill()
    expect(daemon.server.status().clients).toMatchObject([{ ports: [8] }])
    await answering(two, 7, 'two')
    other.end(' and out')
    expect(await sim.drive(whole(other))).toBe('alice over and out')
    expect(await sim.drive(ask(alice, two, 7, 'a'))).toBe('two a')
  })

  it('has connections wait a moment for the next on its port', async () => {
    const store = new MemoryStore()
    const one = await daemon.program({ store })
    await answering(one.endpoint, 7, 'one')
    await one.kill()
    const question = alice.createConnection(one.endpoint.publicKeyHex, 7)
    question.end('a')
    await sim.runFor(2_000)
    expect(daemon.server.status().heldOpens).toBe(1)
    const two = await daemon.endpoint({ store })
    await answering(two, 7, 'two')
    expect(await sim.drive(whole(question))).toBe('two a')
  })

  it('has them refused when the moment is over', async () => {
    const one = await daemon.program()
    await answering(one.endpoint, 7, 'one')
    await one.kill()
    expect(await codeOf(sim.drive(ask(alice, one.endpoint, 7, 'a')))).toBe('ECONNREFUSED')
  })
})

describe('a connection to the daemon that breaks', () => {
  it('is made again, and neither side of a transfer notices', async () => {
    const one = await daemon.program()
    await answering(one.endpoint, 7, 'one')
    await answering(alice, 7, 'alice')
    const long = 'x'.repeat(100_000)
    const there = ask(alice, one.endpoint, 7, long)
    const back = ask(one.endpoint, alice, 7, long)
    for (let i = 0; i < 5; i++) {
      await sim.runFor(200)
      expect(one.endpoint.stats.paymentsUnresolved).toBeGreaterThan(0)
      one.cut()
    }
    expect(await sim.drive(Promise.all([there, back]))).toEqual([`one ${long}`, `alice ${long}`])
    // Copies of what waited at the daemon may still be under way.
    await sim.runFor(10_000)
    expect(one.endpoint.stats.paymentsUnresolved).toBe(0)
  })

  it('and a daemon that starts again lose nothing', async () => {
    const [one, two] = [await daemon.endpoint(), await daemon.endpoint()]
    await answering(one, 7, 'one')
    await answering(two, 8, 'two')
    await answering(alice, 7, 'alice')
    const long = 'x'.repeat(100_000)
    const answers = [
      ask(alice, one, 7, long),
      ask(alice, one, 8, long),
      ask(one, alice, 7, long),
      ask(two, alice, 7, long),
    ]
    for (let i = 0; i < 3; i++) {
      await sim.runFor(300)
      expect([one.stats, two.stats].map((stats) => stats.paymentsUnresolved > 0)).toEqual([true, true])
      await sim.drive(daemon.restart())
    }
    const expected = ['one', 'two', 'alice', 'alice'].map((name) => `${name} ${long}`)
    expect(await sim.drive(Promise.all(answers))).toEqual(expected)
    expect(daemon.server.status().clients.flatMap(({ ports }) => ports)).toEqual([7, 8])
  })

  it('delivers what was opened while the daemon was away', async () => {
    const one = await daemon.endpoint()
    await answering(one, 7, 'one')
    await sim.drive(daemon.kill())
    const question = alice.createConnection(one.publicKeyHex, 7)
    question.end('a')
    await sim.runFor(3_000)
    await sim.drive(daemon.restart())
    expect(await sim.drive(whole(question))).toBe('one a')
  })
})

describe('an absence', () => {
  it('is the daemon’s or the node’s, as programs hear in a field', async () => {
    const one = await daemon.endpoint()
    const absences: unknown[] = []
    for (const state of ['offline', 'online'] as const) one.on(state, ({ away }) => absences.push([state, away]))
    await sim.drive(daemon.kill())
    await sim.runFor(1_000)
    await sim.drive(daemon.restart())
    await sim.runFor(5_000)
    sim.fault({ name: 'node-offline', node: 'bob', forMs: 1_000 })
    await sim.runFor(5_000)
    expect(absences).toEqual([
      ['offline', 'daemon'],
      ['online', 'daemon'],
      ['offline', 'node'],
      ['online', 'node'],
    ])
  })
})

describe('a call that takes long at the node', () => {
  it('is waited for while the daemon says how it is, and nothing else suffers', async () => {
    const slow = createSimulation({ ...demoNetwork(), rpc: { findRoutesMs: 5 * ANSWER_MS } }, { seed: 12 })
    const slowDaemon = new MemoryDaemon(slow, 'bob')
    await slow.drive(slowDaemon.start())
    const backend = slowDaemon.attach()
    const events: string[] = []
    await slow.drive(backend.start({ sink: ({ type }) => events.push(type) }))
    const request = {
      destination: { lane: 'node' as const, publicKey: slow.keyOf('alice') },
      amountMsat: 5_000n,
      maxFeeMsat: 100_000n,
      count: 1,
    }
    const found = await slow.drive(Promise.all([backend.findRoutes(request), backend.findRoutes(request)]))
    expect(found.map((routes) => routes.length)).toEqual([1, 1])
    expect(events).toEqual([])
    await slow.drive(backend.stop())
    await slow.drive(slowDaemon.kill())
  })
})

describe('a daemon that hangs', () => {
  it('counts as away after a while, and as back when it answers', async () => {
    const backend = daemon.attach()
    const events: string[] = []
    const details: string[] = []
    const away: unknown[] = []
    const sink = (event: BackendEvent): void => {
      events.push(event.type)
      if (event.type === 'offline') details.push(event.detail)
      if (event.type === 'offline' || event.type === 'online') away.push(event.away)
    }
    await sim.drive(backend.start({ sink }))
    const stream = daemon.streams.at(-1)
    stream?.pause()
    const request = {
      destination: { lane: 'node' as const, publicKey: sim.keyOf('alice') },
      amountMsat: 5_000n,
      maxFeeMsat: 100_000n,
      count: 1,
    }
    await expect(sim.drive(backend.findRoutes(request))).rejects.toMatchObject({
      code: 'offline',
      what: 'the daemon is away (it does not answer)',
      advice: "wait for 'online'",
      away: 'daemon',
      message: "the daemon is away (it does not answer); wait for 'online'",
    })
    await sim.runFor(1_000)
    expect(events).toEqual(['offline', 'online'])
    expect(away).toEqual(['daemon', 'daemon'])
    expect(details).toEqual([expect.stringMatching(/^the daemon is away: /)])
    expect(await sim.drive(backend.findRoutes(request))).toHaveLength(1)
    await sim.drive(backend.stop())
  })
})
