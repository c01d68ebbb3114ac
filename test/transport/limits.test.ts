import fc from 'fast-check'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createEndpoint, MemoryStore, type Policy, type Question, type Socket } from '../../src/index.ts'
import { createSimulation, demoNetwork, type Simulation } from '../../src/sim.ts'
import { toHex } from '../../src/floor/bytes.ts'
import type { Endpoint } from '../../src/transport/sockets/endpoint.ts'
import { publicKey } from '../../src/wire/keys.ts'
import { ScriptedBackend, settle } from './scripted-backend.ts'

/** Amount and fee of a packet over the route of `ScriptedBackend`, msat; paid it costs the same. */
const PRICE_MSAT = 2_000n
const PRICE_SAT = 2
const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const keys = [3, 4].map((byte) => toHex(publicKey(new Uint8Array(32).fill(byte))))

let backend: ScriptedBackend
let endpoint: Endpoint
let store: MemoryStore
let warnings: string[]

beforeEach(() => {
  store = new MemoryStore()
  backend = new ScriptedBackend()
  warnings = []
})

async function start(policy: Policy): Promise<void> {
  endpoint = await createEndpoint({ backend, replies: 'direct', policy, store })
  endpoint.on('warning', ({ code }) => warnings.push(code))
}

let processes = 0

/** Of another process, whose random bytes are others. */
function fresh(): ScriptedBackend {
  const next = new ScriptedBackend()
  next.entropy.bytes(++processes)
  return next
}

/** The process ends, and the next one begins later on. */
async function restart(policy: Policy, atMs = 0): Promise<void> {
  await stop()
  const next = fresh()
  await next.clock.advance(backend.clock.now() + atMs)
  backend = next
  await start(policy)
}

async function stop(): Promise<void> {
  const closing = endpoint.close()
  await backend.clock.advance(60_000)
  await closing
}

afterEach(stop)

function connect(peer = 0, port = 7, told: unknown[] = []): Socket {
  // All packets cost the same.
  const options = { connectTimeout: 10 * DAY_MS, idleTimeout: 0, maxAnswer: 0 }
  const socket = endpoint.createConnection(keys[peer] ?? '', port, options)
  socket.on('error', (error: Error) => told.push(error))
  return socket.on('paused', (_reason, pause) => told.push(pause))
}

/** Writes what needs more payments than any cap here lets pass, and settles what goes out, until nothing does. */
async function spendAll(socket: Socket, outcome: 'settled' | 'failed' = 'settled'): Promise<number> {
  socket.write(Buffer.alloc(60_000))
  return await settleAll(outcome)
}

async function settleAll(outcome: 'settled' | 'failed' = 'settled'): Promise<number> {
  await backend.clock.advance(20)
  let count = 0
  for (; count < backend.payments.length && count < 200; count++) {
    const { resolve } = backend.payments[count] ?? {}
    if (outcome === 'settled') resolve?.({ status: 'settled', feeMsat: 1_000n })
    else resolve?.({ status: 'failed', reason: 'temporary-channel-failure', place: 'route' })
    await settle()
    await backend.clock.advance(20)
  }
  return count
}

it('a cap of the day holds over all peers, until the day ends', async () => {
  await start({ daySat: 5 * PRICE_SAT })
  expect(await spendAll(connect(0))).toBe(5)
  expect(endpoint.stats).toMatchObject({ daySpentMsat: 5n * PRICE_MSAT, dayCapMsat: 5n * PRICE_MSAT })
  const told: unknown[] = []
  connect(1, 7, told)
  await backend.clock.advance(1_000)
  expect(backend.payments).toHaveLength(5)
  expect(told).toEqual([expect.objectContaining({ capMsat: 5n * PRICE_MSAT })])
  await backend.clock.advance(DAY_MS)
  expect(backend.payments.length).toBeGreaterThan(5)
  await settleAll()
  expect(endpoint.stats.daySpentMsat).toBeLessThanOrEqual(5n * PRICE_MSAT)
})

it('a cap of the hour holds over all peers, until the hour ends, and within that of the day', async () => {
  await start({ daySat: 8 * PRICE_SAT, hourSat: 5 * PRICE_SAT })
  expect(await spendAll(connect(0))).toBe(5)
  const { hourEndsMs = 0 } = endpoint.stats
  expect(endpoint.stats).toMatchObject({ hourSpentMsat: 5n * PRICE_MSAT, hourCapMsat: 5n * PRICE_MSAT })
  expect(hourEndsMs % HOUR_MS).toBe(0)
  const told: unknown[] = []
  connect(1, 7, told).write(Buffer.alloc(60_000))
  await backend.clock.advance(1_000)
  expect(backend.payments).toHaveLength(5)
  expect(told).toEqual([expect.objectContaining({ capMsat: 5n * PRICE_MSAT })])
  await backend.clock.advance(HOUR_MS)
  expect(backend.payments.length).toBeGreaterThan(5)
  await settleAll()
  expect(endpoint.stats).toMatchObject({ hourSpentMsat: 3n * PRICE_MSAT, daySpentMsat: 8n * PRICE_MSAT })
})

it('what was spent today is known to the next process, and not to that of the next day', async () => {
  const policy = { daySat: 5 * PRICE_SAT }
  await start(policy)
  await spendAll(connect())
  await restart(policy)
  expect(endpoint.stats).toMatchObject({ spentMsat: 0n, daySpentMsat: 5n * PRICE_MSAT })
  connect().write('x')
  await backend.clock.advance(1_000)
  expect(backend.payments).toEqual([])
  await restart(policy, DAY_MS)
  expect(endpoint.stats.daySpentMsat).toBe(0n)
})

it('what hangs over a restart, and over midnight, may still be spent, and stays reserved', async () => {
  const policy = { daySat: 5 * PRICE_SAT, ports: { 7: { daySat: 4 * PRICE_SAT } } }
  await start(policy)
  connect().write(Buffer.alloc(60_000))
  await backend.clock.advance(20)
  const under = endpoint.stats.paymentsUnresolved
  expect(under).toBe(4)
  await restart(policy, DAY_MS)
  expect(endpoint.stats).toMatchObject({ paymentsUnresolved: 4, daySpentMsat: 0n, reservedMsat: 4n * PRICE_MSAT })
  connect(0, 7).write('x')
  await backend.clock.advance(1_000)
  expect(backend.payments).toEqual([])
  connect(0, 8).write(Buffer.alloc(3_000))
  await backend.clock.advance(1_000)
  expect(backend.payments).toHaveLength(1)
})

it('a port has its own cap, and those without one share that of *', async () => {
  await start({ ports: { 7: { daySat: 3 * PRICE_SAT }, '*': { daySat: 2 * PRICE_SAT } } })
  expect(await spendAll(connect(0, 7))).toBe(3)
  await spendAll(connect(0, 8))
  await spendAll(connect(1, 9))
  expect(backend.payments).toHaveLength(5)
  expect((await endpoint.account.totals({ by: 'port' })).map(({ key, payments }) => [key, payments])).toEqual([
    ['7', 3],
    ['8', 2],
  ])
})

it('asks whether more may be spent, once for each cap, and goes on with what is allowed', async () => {
  await start({ daySat: 3 * PRICE_SAT })
  const questions: Question[] = []
  endpoint.on('question', (question) => questions.push(question))
  const told: unknown[] = []
  await spendAll(connect(0, 7, told))
  expect(questions).toHaveLength(1)
  expect(questions[0]).toMatchObject({
    cap: 'day',
    of: '',
    capMsat: 3n * PRICE_MSAT,
    spentMsat: 3n * PRICE_MSAT,
    connection: { peer: keys[0], port: 7 },
  })
  questions[0]?.allow(2n * PRICE_MSAT)
  await settleAll()
  expect(backend.payments).toHaveLength(5)
  expect(questions).toHaveLength(2)
  questions[1]?.refuse()
  questions[1]?.allow(1_000_000n)
  await backend.clock.advance(60_000)
  expect(backend.payments).toHaveLength(5)
  expect(questions).toHaveLength(2)
})

it('a cap that was raised for a day is what the policy says on the next', async () => {
  await start({ daySat: 2 * PRICE_SAT })
  endpoint.on('question', (question) => question.allow(2n * PRICE_MSAT))
  await spendAll(connect())
  await backend.clock.advance(DAY_MS)
  expect(endpoint.stats.dayCapMsat).toBeLessThanOrEqual(4n * PRICE_MSAT)
})

it('waits for an answer as long as that takes, also where nobody listens for paused', async () => {
  await start({ daySat: 2 * PRICE_SAT })
  const questions: Question[] = []
  endpoint.on('question', (question) => questions.push(question))
  const told: unknown[] = []
  const socket = endpoint.createConnection(keys[0] ?? '', 7, { connectTimeout: 10 * DAY_MS, idleTimeout: 0 })
  socket.on('error', (error: Error) => told.push(error))
  await spendAll(socket)
  await backend.clock.advance(600_000)
  expect(told).toEqual([])
  questions[0]?.refuse()
  await backend.clock.advance(60_000)
  expect(told).toEqual([expect.objectContaining({ code: 'ERR_KEYSOCK_COST' })])
})

it('where nobody listens the answer is no, and a warning says so', async () => {
  await start({ daySat: 2 * PRICE_SAT })
  await spendAll(connect())
  expect(warnings).toEqual(['ERR_KEYSOCK_COST'])
  expect(backend.payments).toHaveLength(2)
})

it('warns once when a share of a cap is spent', async () => {
  await start({ daySat: 4 * PRICE_SAT, alertPercent: 50 })
  const socket = connect()
  socket.write(Buffer.alloc(60_000))
  await backend.clock.advance(20)
  backend.payments[0]?.resolve({ status: 'settled', feeMsat: 1_000n })
  await backend.clock.advance(20)
  expect(warnings).not.toContain('ERR_KEYSOCK_CAP_NEAR')
  await settleAll()
  expect(warnings.filter((code) => code === 'ERR_KEYSOCK_CAP_NEAR')).toHaveLength(1)
})

it('connects to nobody whom the policy keeps out', async () => {
  await start({ connectTo: { never: [keys[0] ?? ''] } })
  const told: unknown[] = []
  try {
    connect(0, 7, told)
  } catch (error) {
    told.push(error)
  }
  await backend.clock.advance(1_000)
  expect(told).toEqual([expect.objectContaining({ code: 'ERR_KEYSOCK_POLICY' })])
  const message = endpoint.sendMessage(keys[0] ?? '', 7, new Uint8Array(1))
  await expect(message).rejects.toMatchObject({ code: 'ERR_KEYSOCK_POLICY' })
  const keysend = endpoint.sendKeysend(keys[0] ?? '', new Map([[7_629_169n, new Uint8Array(1)]]))
  await expect(keysend).rejects.toMatchObject({ code: 'ERR_KEYSOCK_POLICY' })
  connect(1)
  await backend.clock.advance(1_000)
  expect(backend.payments).toHaveLength(1)
  await stop()
  backend = fresh()
  await start({ connectTo: { only: [keys[0] ?? ''] } })
  connect(0)
  await backend.clock.advance(1_000)
  expect(backend.payments).toHaveLength(1)
})

it('the lower of a policy and the options holds', async () => {
  endpoint = await createEndpoint({ backend, caps: { process: 5_000n }, policy: { processSat: 4, peerSat: 3 } })
  expect(endpoint.stats.capMsat).toBe(4_000n)
  await stop()
  backend = fresh()
  endpoint = await createEndpoint({ backend, caps: { process: 3_000n }, policy: { processSat: 4 } })
  expect(endpoint.stats.capMsat).toBe(3_000n)
})

async function simulated(
  sim: Simulation,
  name: string,
  options: Partial<Parameters<typeof createEndpoint>[0]>,
): Promise<Endpoint> {
  return await sim.drive(createEndpoint({ backend: sim.backend(name), ...options }))
}

it.each(['never', 'only'] as const)(
  'lets no caller in whom the list %s keeps out, once it says who it is',
  async (list) => {
    const sim = createSimulation(demoNetwork(), { seed: 4 })
    const alice = await simulated(sim, 'alice', {})
    const key = list === 'never' ? alice.publicKeyHex : toHex(sim.keyOf('carol'))
    const bob = await simulated(sim, 'bob', { phantomLane: true, policy: { callers: { [list]: [key] } } })
    const got: string[] = []
    await bob
      .createServer((socket) => {
        socket.on('error', () => undefined).on('identified', () => got.push('identified'))
        socket.resume()
      })
      .listen(7)
    const codes: string[] = []
    const dial = (options: object): void => {
      const socket = alice.createConnection(bob.publicKeyHex, 7, options)
      socket.on('error', (error: NodeJS.ErrnoException) => codes.push(error.code ?? '')).resume()
      socket.write('hello')
    }
    dial({ identify: true })
    dial({ replies: 'direct' })
    dial({ identify: 'open' })
    dial({ identify: 'open', lane: 'phantom' })
    await sim.runFor(600_000)
    expect(codes).toHaveLength(4)
    expect(got).toEqual([])
    // Who does not say who it is is the application's to judge.
    dial({})
    await sim.runFor(60_000)
    expect(codes).toHaveLength(4)
    await sim.drive(Promise.all([alice.close(), bob.close()]))
    endpoint = await createEndpoint({ backend })
  },
)

it('no cap is ever passed, whatever is lost, hangs or is restarted, and the books agree', async () => {
  const hang = fc.record({
    name: fc.constant('payment-hangs' as const),
    from: fc.constant('alice'),
    end: fc.constantFrom('fail' as const, 'land' as const),
    forMs: fc.integer({ min: 5_000, max: 3_600_000 }),
    count: fc.integer({ min: 1, max: 8 }),
  })
  const fail = fc.record({
    name: fc.constant('payment-fails' as const),
    from: fc.constant('alice'),
    count: fc.integer({ min: 1, max: 8 }),
  })
  const killed = fc.record({
    name: fc.constant('stream-lost' as const),
    node: fc.constant('alice'),
    forMs: fc.integer({ min: 1, max: 20_000 }),
  })
  const faults = fc.array(
    fc.record({ fault: fc.oneof(hang, fail, killed), atMs: fc.integer({ min: 0, max: 20_000 }) }),
    {
      maxLength: 4,
    },
  )
  const runs = fc.array(fc.integer({ min: 200, max: 20_000 }), { minLength: 1, maxLength: 3 })
  const sat = fc.integer({ min: 3, max: 60 })
  await fc.assert(
    fc.asyncProperty(
      faults,
      runs,
      sat,
      sat,
      sat,
      fc.integer(),
      async (planned, lives, daySat, portSat, otherSat, seed) => {
        const sim = createSimulation(demoNetwork(), { seed })
        const kept = new MemoryStore()
        const policy: Policy = { daySat, ports: { 7: { daySat: portSat }, '*': { daySat: otherSat } } }
        const bob = await simulated(sim, 'bob', {})
        for (const port of [7, 8, 9]) {
          await bob.createServer((socket) => socket.on('error', () => undefined).resume()).listen(port)
        }
        const begun = sim.clock.now()
        for (const { fault, atMs } of planned) sim.fault(fault, begun + atMs)
        /** By day and by port, msat, over all processes. */
        const paid = new Map<string, bigint>()
        const count = (key: string, msat: bigint): void => void paid.set(key, (paid.get(key) ?? 0n) + msat)
        for (const [index, life] of [...lives, 100_000_000].entries()) {
          const alice = await simulated(sim, 'alice', { store: kept, policy })
          const isLast = index === lives.length
          for (const port of isLast ? [] : [7, 8, 9]) {
            const socket = alice.createConnection(bob.publicKeyHex, port)
            socket.on('error', () => undefined).resume()
            socket.write(Buffer.alloc(30_000))
          }
          await sim.runFor(life)
          await sim.drive(alice.close())
          for await (const entry of alice.account.entries()) {
            if (entry.type !== 'paid' || entry.outcome === 'failed') continue
            const day = Math.floor(entry.timeMs / DAY_MS)
            count(`${day}`, entry.amountMsat + entry.feeMsat)
            count(`${day} ${entry.port === 7 ? '7' : '*'}`, entry.amountMsat + entry.feeMsat)
          }
          const today = Math.floor(sim.clock.now() / DAY_MS)
          expect(alice.stats.daySpentMsat).toBe(paid.get(`${today}`) ?? 0n)
          if (isLast) expect(alice.stats.reservedMsat).toBe(0n)
        }
        for (const [key, msat] of paid) {
          const [, port] = key.split(' ')
          const capSat = port === undefined ? daySat : port === '7' ? portSat : otherSat
          expect(msat).toBeLessThanOrEqual(BigInt(capSat) * 1_000n)
        }
        await sim.drive(bob.close())
      },
    ),
    { numRuns: Number(process.env['FC_RUNS'] ?? 15) },
  )
  endpoint = await createEndpoint({ backend })
})
