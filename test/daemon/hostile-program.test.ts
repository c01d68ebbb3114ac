import type { Duplex } from 'node:stream'
import { sha256 } from '@noble/hashes/sha2.js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { PathResult } from '../../src/medium/reply-path.ts'
import type { Route } from '../../src/medium/route.ts'
import type { Backend, BackendEvent } from '../../src/backends/backend.ts'
import {
  GREETING_MS,
  MAX_CALLS_PER_PROGRAM,
  MAX_PROGRAMS,
  MAX_LINE_BYTES,
  MAX_PATHS_PER_PROGRAM,
  MAX_PORTS_PER_PROGRAM,
} from '../../src/backends/daemon/protocol/limits.ts'
import { DaemonBackend } from '../../src/backends/daemon/client/daemon-backend.ts'
import { streamPair } from '../../src/backends/daemon/protocol/socket.ts'
import { createSimulation, demoNetwork, type Simulation } from '../../src/sim.ts'
import { RawProgram } from './raw-program.ts'
import { MemoryDaemon } from './memory-daemon.ts'

let sim: Simulation
let daemon: MemoryDaemon
/** A well-behaved program on the same node. */
let victim: Backend
let victimEvents: BackendEvent[]
let raw: RawProgram
/** On the other end of the network. */
let payer: Backend

beforeEach(async () => {
  sim = createSimulation(demoNetwork(), { seed: 5, quietTurns: 3 })
  daemon = new MemoryDaemon(sim, 'bob')
  await sim.drive(daemon.start())
  victim = daemon.attach()
  victimEvents = []
  await sim.drive(victim.start({ sink: (event) => victimEvents.push(event) }))
  payer = sim.backend('alice')
  await sim.drive(payer.start({ sink: () => undefined }))
  raw = new RawProgram(await daemon.open())
})

afterEach(async () => {
  await victimWorks()
  await sim.drive(Promise.all([victim.stop(), payer.stop()]))
  await sim.drive(daemon.kill())
})

const toBob = (): Parameters<Backend['findRoutes']>[0] => ({
  destination: { lane: 'node', publicKey: sim.keyOf('bob') },
  amountMsat: 5_000n,
  maxFeeMsat: 100_000n,
  count: 1,
})
const toAlice = {
  destination: { lane: 'node', publicKey: () => Buffer.from(sim.keyOf('alice')).toString('base64') },
}
const request = (): object => ({
  destination: { lane: 'node', publicKey: toAlice.destination.publicKey() },
  amountMsat: '5000',
  maxFeeMsat: '100000',
  count: 1,
})

/** Whatever else happened, the daemon still serves the other program. */
async function victimWorks(): Promise<void> {
  const routes = await sim.drive(
    victim.findRoutes({ ...toBob(), destination: { lane: 'node', publicKey: sim.keyOf('alice') } }),
  )
  expect(routes).toHaveLength(1)
}

async function victimPath(): Promise<PathResult> {
  return await sim.drive(victim.makePaths({ count: 1, payer: sim.keyOf('alice'), relays: 1, lifetimeBlocks: 100 }))
}

/** Pays the victim over its path; gives the outcome to come. */
async function payOver({
  paths,
}: PathResult): Promise<{ readonly outcome: Promise<unknown>; readonly preimage: Uint8Array }> {
  const path = paths[0]?.bytes ?? new Uint8Array()
  const [route] = await sim.drive(payer.findRoutes({ ...toBob(), destination: { lane: 'phantom', path } }))
  const preimage = sim.entropy.bytes(32)
  const outcome = payer.pay({
    routeId: (route as Route).id,
    hash: sha256(preimage),
    record: new Uint8Array(40),
    amountMsat: 5_000n,
  })
  return { outcome, preimage }
}

describe('a program that does not keep to the protocol is cut off', () => {
  it.each<[string, string | Uint8Array]>([
    ['no JSON', 'hello\n'],
    ['no UTF-8', Uint8Array.of(0x22, 0xff, 0x22, 0x0a)],
    ['JSON that is no call', '[1,2,3]\n'],
    ['a line without end', 'x'.repeat(MAX_LINE_BYTES + 1)],
    ['a line that is too long', `${'{"id":1,"call":"hello","with":{"versions":[4]}}'.padEnd(MAX_LINE_BYTES + 1)}\n`],
    ['a call before the greeting', '{"id":1,"call":"status","with":null}\n'],
    ['a call with another argument', '{"id":1,"call":"hello","with":{"versions":"all"}}\n'],
    ['a call with a field too many', '{"id":1,"call":"hello","with":{"versions":[1]},"x":1}\n'],
  ])('%s', async (_, text) => {
    raw.write(text)
    expect(await sim.drive(raw.closed())).toBe(true)
    // At once: whoever does not attach is cut off later anyway.
    expect(sim.clock.now()).toBeLessThan(GREETING_MS)
  })

  it.each(['pay', 'makePaths', 'sharedSecret', 'claimPort', 'answer', 'detach'])(
    'a call to %s before it attached',
    async (call) => {
      await raw.call('hello', { versions: [4] })
      const argument = { claimPort: { port: 7 }, sharedSecret: { point: '' } }[call] ?? null
      expect(await sim.drive(raw.call(call, argument))).toBeUndefined()
    },
  )

  it.each(['', 'a\u001b[2Jb', 'two\nlines', '\u202eshop', 'x'.repeat(65)])(
    'a name that no program may have is refused, and shown to nobody: %j',
    async (program) => {
      expect(await sim.drive(raw.attach(1, { program }))).toMatchObject({ error: { code: 'bad-request' } })
      const { result } = (await sim.drive(raw.call('status'))) ?? {}
      expect((result as { clients: readonly unknown[] }).clients).toHaveLength(1)
    },
  )

  it('attaching twice', async () => {
    await sim.drive(raw.attach())
    expect(await sim.drive(raw.attach())).toBeUndefined()
  })

  it('speaking no version that the daemon speaks', async () => {
    expect(await sim.drive(raw.call('hello', { versions: [1, 7] }))).toMatchObject({ error: { code: 'unsupported' } })
    expect(await sim.drive(raw.closed())).toBe(true)
  })

  it('saying nothing', async () => {
    await sim.runFor(GREETING_MS + 1)
    expect(await sim.drive(raw.closed())).toBe(true)
  })

  it('attaching again on another connection: the older one ends, and its ports are at hand', async () => {
    await sim.drive(raw.attach(1, { ports: [7] }))
    const again = new RawProgram(await daemon.open())
    expect(await sim.drive(again.attach(1, { ports: [7], isBack: true }))).toMatchObject({
      result: { portsInUse: [] },
    })
    expect(await sim.drive(raw.closed())).toBe(true)
    const stranger = new RawProgram(await daemon.open())
    expect(await sim.drive(stranger.attach(2, { ports: [7] }))).toMatchObject({ result: { portsInUse: [7] } })
  })

  it('leaving unread what it is told', async () => {
    await raw.call('hello', { versions: [4] })
    raw.pause()
    const call = '{"id":1,"call":"status","with":null}\n'.repeat(1_000)
    const ends = daemon.streams.at(-1)
    for (let i = 0; i < 100 && ends?.destroyed === false; i++) {
      raw.write(call)
      await sim.runFor(1)
    }
    expect(ends?.destroyed).toBe(true)
  })
})

describe('a program gets no more than its share', () => {
  it('an unknown call is answered', async () => {
    await raw.call('hello', { versions: [4] })
    expect(await sim.drive(raw.call('steal'))).toMatchObject({ error: { code: 'unsupported' } })
  })

  it('of calls under way', async () => {
    await sim.drive(raw.attach())
    const answers = Array.from({ length: MAX_CALLS_PER_PROGRAM + 1 }, () => raw.call('findRoutes', request()))
    const codes = (await sim.drive(Promise.all(answers))).map((answer) => answer?.error?.code)
    expect(codes.filter((code) => code === 'bad-request')).toHaveLength(1)
  })

  it('of calls under way, but may answer offers and let go of what it has all the same', async () => {
    await sim.drive(raw.attach())
    const finds = Array.from({ length: MAX_CALLS_PER_PROGRAM }, () => raw.call('findRoutes', request()))
    const verdict = { action: 'refuse', code: 0 }
    const others = [
      raw.call('answer', { offerId: 'o1', verdict }),
      raw.call('releasePort', { port: 7 }),
      raw.call('closePaths', { pathIds: [] }),
      raw.call('claimPort', { port: 7 }),
    ]
    const codes = (await sim.drive(Promise.all(others))).map((answer) => answer?.error?.code)
    expect(codes).toEqual([undefined, undefined, undefined, 'bad-request'])
    await sim.drive(Promise.all(finds))
  })

  it('of calls under way, which the library keeps to itself', async () => {
    const backend = victim as Required<Backend>
    await sim.drive(backend.claimPort(7))
    const made = await victimPath()
    const finds = Array.from({ length: MAX_CALLS_PER_PROGRAM }, () => backend.findRoutes(toBob()))
    const letGo = [backend.releasePort(7), backend.closePaths(made.paths.map(({ pathId }) => pathId))]
    await expect(backend.findRoutes(toBob())).rejects.toMatchObject({ code: 'bad-request' })
    await sim.drive(Promise.all(letGo))
    expect(daemon.server.status().clients).toMatchObject([{ ports: [], paths: 0 }])
    await sim.drive(Promise.allSettled(finds))
  })

  it('of ports', async () => {
    await sim.drive(raw.attach())
    for (let port = 1; port <= MAX_PORTS_PER_PROGRAM; port++) void raw.call('claimPort', { port })
    expect(await sim.drive(raw.call('claimPort', { port: 2_000 }))).toMatchObject({ error: { code: 'bad-request' } })
    await sim.drive((victim as Required<Backend>).claimPort(2_000))
  })

  it('of paths', async () => {
    await sim.drive(raw.attach())
    const payerKey = Buffer.from(sim.keyOf('alice')).toString('base64')
    const ask = (): ReturnType<RawProgram['call']> =>
      raw.call('makePaths', { count: 8, payer: payerKey, relays: 1, lifetimeBlocks: 10 })
    for (let made = 0; made < MAX_PATHS_PER_PROGRAM; made += 8) expect(await sim.drive(ask())).toHaveProperty('result')
    expect(await sim.drive(ask())).toMatchObject({ error: { code: 'bad-request' } })
    expect((await victimPath()).paths).toHaveLength(1)
  })

  it('of paths that it asks for all at once', async () => {
    await sim.drive(raw.attach())
    const payerKey = Buffer.from(sim.keyOf('alice')).toString('base64')
    const wish = { count: 8, payer: payerKey, relays: 1, lifetimeBlocks: 10 }
    const asked = Array.from({ length: MAX_PATHS_PER_PROGRAM / 8 + 1 }, () => raw.call('makePaths', wish))
    const codes = (await sim.drive(Promise.all(asked))).map((answer) => answer?.error?.code)
    expect(codes.filter((code) => code === 'bad-request')).toHaveLength(1)
    expect(
      daemon.server
        .status()
        .clients.map(({ paths }) => paths)
        .toSorted((a, b) => a - b),
    ).toEqual([0, MAX_PATHS_PER_PROGRAM])
  })

  it('and there are not more programs than fit', async () => {
    const codes: (string | undefined)[] = []
    for (let i = 0; i < MAX_PROGRAMS; i++) {
      const program = new RawProgram(await daemon.open())
      codes.push((await sim.drive(program.attach(i + 10)))?.error?.code)
    }
    // The victim is attached as well; the daemon's own endpoint counts as none.
    expect(codes.filter((code) => code !== undefined)).toEqual(['unsupported'])
  })
})

describe("a program that names another's things", () => {
  beforeEach(async () => {
    await sim.drive(raw.attach())
  })

  it('pays over no route of it', async () => {
    const routes = await sim.drive(
      victim.findRoutes({ ...toBob(), destination: { lane: 'node', publicKey: sim.keyOf('alice') } }),
    )
    const routeId = (routes[0] as Route).id.replace(/^\d+\./, '')
    const payment = { routeId, hash: '', record: '', amountMsat: '5000' }
    expect(await sim.drive(raw.call('pay', payment))).toMatchObject({
      result: { status: 'failed', reason: 'route-gone', place: 'local' },
    })
  })

  it('answers no offer of it, and closes no path', async () => {
    const made = await victimPath()
    const pathIds = made.paths.map(({ pathId }) => pathId.replace(/^\d+\./, ''))
    expect(await sim.drive(raw.call('closePaths', { pathIds }))).toMatchObject({ result: null })
    const { outcome, preimage } = await payOver(made)
    await sim.runFor(1_000)
    const offer = victimEvents.find((event) => event.type === 'offer')
    if (offer?.type !== 'offer') throw new Error('no offer came')
    const offerId = offer.offerId.replace(/^\d+\./, '')
    const verdict = { action: 'refuse', code: 0 }
    expect(await sim.drive(raw.call('answer', { offerId, verdict }))).toMatchObject({ result: null })
    await sim.drive(victim.answer(offer.offerId, { action: 'settle', preimage }))
    expect(await sim.drive(outcome)).toMatchObject({ status: 'delivered' })
    expect(raw.received.filter(({ event }) => event?.type === 'offer')).toEqual([])
  })

  it('frees no port of it', async () => {
    await sim.drive((victim as Required<Backend>).claimPort(7))
    await sim.drive(raw.call('releasePort', { port: 7 }))
    expect(await sim.drive(raw.call('claimPort', { port: 7 }))).toMatchObject({ error: { code: 'port-in-use' } })
  })
})

describe('a program whose daemon does not keep to the protocol', () => {
  it('says so once when the next daemon speaks another version, and goes on calling', async () => {
    let isOther = false
    let calls = 0
    const open = async (): ReturnType<MemoryDaemon['open']> => {
      if (!isOther) return await daemon.open()
      calls += 1
      const [program, other] = streamPair()
      other.once('data', () => void other.write('{"id":1,"error":{"code":"unsupported","message":"version 9"}}\n'))
      return program
    }
    const events: BackendEvent[] = []
    const backend = new DaemonBackend({ open, clock: sim.clock, entropy: sim.entropy })
    await sim.drive(backend.start({ sink: (event) => events.push(event) }))
    isOther = true
    daemon.streams.at(-1)?.destroy()
    await sim.runFor(10_000)
    expect(calls).toBeGreaterThan(4)
    isOther = false
    await sim.runFor(3_000)
    expect(events).toMatchObject([
      { type: 'offline' },
      { type: 'warning', code: 'unsupported', message: 'version 9' },
      { type: 'online' },
    ])
    await sim.drive(backend.stop())
  })

  it.each<[string, (ask: { id: number; call: string }) => unknown]>([
    ['answers what was not asked', ({ id }) => ({ id: id + 1, result: null })],
    ['answers with something else', ({ id }) => ({ id, result: { version: 'one' } })],
    ['speaks another version', ({ id }) => ({ id, result: { version: 9 } })],
    ['tells events of a kind that is none', () => ({ event: { type: 'gift' } })],
  ])('that %s does not start', async (_, answer) => {
    const open = (): Promise<Duplex> => {
      const [program, other] = streamPair()
      other.on('error', () => undefined)
      other.on('data', (chunk: Buffer) => {
        other.write(`${JSON.stringify(answer(JSON.parse(chunk.toString()) as { id: number; call: string }))}\n`)
      })
      return Promise.resolve(program)
    }
    const backend = new DaemonBackend({ open, clock: sim.clock, entropy: sim.entropy })
    await expect(sim.drive(backend.start({ sink: () => undefined }))).rejects.toMatchObject({
      code: expect.stringMatching(/offline|unsupported/),
    })
  })
})
