import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { createEndpoint, FolderStore, MemoryStore } from '../../src/index.ts'
import { createSimulation, demoNetwork, hubNetwork, type Simulation } from '../../src/sim.ts'
import { Endpoint } from '../../src/transport/sockets/endpoint.ts'
import { SEND_AHEAD_BYTES } from '../../src/transport/connection/limits.ts'
import { INITIAL_WINDOW_BYTES, WRITE_PIECE_BYTES } from '../../src/transport/limits.ts'
import type { Socket } from '../../src/transport/sockets/socket.ts'
import { pairOn } from './worlds.ts'

const MINUTE = 60_000
const bytes = (length: number, salt: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, i) => (i * 31 + salt + (i >> 8)) & 0xff))

interface Exchange {
  readonly sent: Buffer
  readonly answered: Buffer
  readonly atServer: Buffer
  readonly atClient: Buffer
  readonly client: Socket
  readonly codes: readonly string[]
  readonly hash: string
  readonly closedMs: number
}

/** Sends data both ways at once, and lets time pass until both sockets have closed. */
async function exchange(
  sim: Simulation,
  options: {
    readonly size?: number
    readonly replies?: 'phantom' | 'direct'
    readonly during?: (sim: Simulation) => void
  } = {},
): Promise<Exchange> {
  const { size = 60_000, replies = 'phantom', during } = options
  const alice = await sim.drive(Endpoint.open({ backend: sim.backend('alice'), replies }))
  const bob = await sim.drive(Endpoint.open({ backend: sim.backend('bob') }))
  const [sent, answered] = [bytes(size, 1), bytes(size, 2)]
  const [atServer, atClient]: [Buffer[], Buffer[]] = [[], []]
  const codes: string[] = []
  let closed = 0
  const watch = (socket: Socket, into: Buffer[]): void => {
    socket.on('data', (chunk: Buffer) => into.push(chunk))
    socket.on('error', (error: NodeJS.ErrnoException) => codes.push(error.code ?? ''))
    socket.on('close', () => closed++)
  }
  await bob
    .createServer((socket) => {
      watch(socket, atServer)
      socket.end(answered)
    })
    .listen(7)
  // It pays for what it is answered, too.
  const client = alice.createConnection(bob.publicKeyHex, 7, { maxCost: 10_000_000 })
  watch(client, atClient)
  client.end(sent)
  during?.(sim)
  await sim.run({ until: () => closed === 2, withinMs: 180 * MINUTE })
  const [hash, closedMs] = [sim.traceHash(), sim.stats().nowMs]
  await sim.drive(Promise.all([alice.close(), bob.close()]))
  return {
    sent,
    answered,
    atServer: Buffer.concat(atServer),
    atClient: Buffer.concat(atClient),
    client,
    codes,
    hash,
    closedMs,
  }
}

function expectAll(result: Exchange): void {
  expect(result.codes).toEqual([])
  expect(result.atServer.equals(result.sent)).toBe(true)
  expect(result.atClient.equals(result.answered)).toBe(true)
}

describe('data goes both ways, all of it', () => {
  const weathers = [
    ['in calm', {}, []],
    ['while a tenth of the payments fails', { failure: 0.1 }, []],
    ['while a third of the payments fails', { failure: 0.3 }, []],
    ['while some payments hang for hours', { hang: 0.03 }, []],
    ['with failures, hangs and the traffic of others', { failure: 0.05, hang: 0.02, traffic: { perSecond: 20 } }, []],
    ['over a slow network', { latency: 'slow' }, []],
    [
      'while verdicts are lost and the payer is told that it failed',
      {},
      [{ name: 'verdict-lost', node: 'alice', end: 'payer-fails', count: 5 }],
    ],
    [
      'while verdicts are lost and the offer comes again',
      {},
      [{ name: 'verdict-lost', node: 'alice', end: 'offered-again', count: 5 }],
    ],
    [
      'while a relay is paid and the receiver is not',
      {},
      [{ name: 'verdict-lost', node: 'alice', end: 'relay-keeps', count: 3 }],
    ],
    ['while HTLCs are offered twice at once', {}, [{ name: 'duplicate-offer', node: 'alice', count: 5 }]],
    ['while a relay keeps part of the amounts', {}, [{ name: 'relay-keeps', node: 'carol', msat: 1, count: 5 }]],
    ['while the interceptor loses its stream', {}, [{ name: 'interceptor-drops', node: 'alice', forMs: 2_000 }]],
    ['while the node forgets its routes', {}, [{ name: 'routes-forgotten', node: 'alice' }]],
    ['while a channel runs dry', {}, [{ name: 'channel-drained', from: 'alice' }]],
    ['while the node is away for a while', {}, [{ name: 'node-offline', node: 'alice', forMs: 30_000 }]],
    ['while the node of the other side restarts', {}, [{ name: 'node-restart', node: 'bob', forMs: 5_000 }]],
    ['while the streams of the process are lost', {}, [{ name: 'stream-lost', node: 'bob', forMs: 5_000 }]],
    ['while arrivals come again', {}, [{ name: 'arrivals-replayed', node: 'bob', count: 10 }]],
    ['while blocks are found', {}, [{ name: 'blocks-found', count: 6 }]],
    ['while a policy changes', {}, [{ name: 'policy-change' }]],
  ] as const

  it.each(weathers)('%s', async (_name, network, faults) => {
    for (const replies of ['phantom', 'direct'] as const) {
      const sim = createSimulation(demoNetwork(network), { seed: 11 })
      const during = (): void => {
        for (const fault of faults) sim.fault(fault, 500)
      }
      expectAll(await exchange(sim, { replies, during }))
      expect(sim.audit()).toEqual([])
    }
  })

  it('the same seed gives the same trace, another one another', async () => {
    const play = async (seed: number): Promise<string> => {
      const sim = createSimulation(demoNetwork({ failure: 0.1, hang: 0.02, traffic: { perSecond: 5 } }), { seed })
      return (await exchange(sim)).hash
    }
    const [first, second, other] = [await play(1), await play(1), await play(2)]
    expect(second).toBe(first)
    expect(other).not.toBe(first)
  })
})

describe('an interceptor stream that is away for two seconds', () => {
  it('delays an answer by seconds, however many packets were refused meanwhile', async () => {
    const sim = createSimulation(demoNetwork(), { seed: 3 })
    const dropAtMs = 2_000
    const result = await exchange(sim, {
      size: 250_000,
      during: () => sim.fault({ name: 'interceptor-drops', node: 'alice', forMs: 2_000 }, dropAtMs),
    })
    expectAll(result)
    expect(result.closedMs).toBeGreaterThan(dropAtMs + 2_000)
    expect(result.closedMs).toBeLessThan(dropAtMs + 20_000)
  })
})

describe('a reader that does not read', () => {
  it('stops the writer within the window and the buffers, and gets all when it goes on', async () => {
    const caps = { peer: 1_000_000_000, process: 1_000_000_000 }
    const sim = createSimulation(demoNetwork(), { seed: 9 })
    const { alice, bob } = await pairOn(sim, { alice: { caps, maxCost: 100_000_000 } })
    let reader: Socket | undefined
    let read = 0
    await bob
      .createServer({ pauseOnConnect: true }, (socket) => {
        reader = socket
      })
      .listen(7)
    const total = 3 * INITIAL_WINDOW_BYTES + 5
    let made = 0
    const source = new Readable({
      read() {
        made += 20_000
        const left = total - (made - 20_000)
        this.push(left <= 0 ? null : Buffer.alloc(Math.min(20_000, left)))
      },
    })
    const writer = await sim.drive(alice.connect(bob.publicKeyHex, 7))
    const piped = pipeline(source, writer)
    await sim.runFor(5 * MINUTE)
    const stoppedAt = made
    // The window, what is kept ready and a piece of a write, and the buffers of three streams (64 KiB each).
    const bound = INITIAL_WINDOW_BYTES + SEND_AHEAD_BYTES + WRITE_PIECE_BYTES + 3 * 65_536 + 40_000
    expect(stoppedAt).toBeLessThan(bound)
    expect(stoppedAt).toBeGreaterThan(INITIAL_WINDOW_BYTES)
    await sim.runFor(2 * MINUTE)
    expect(made, 'it stands still').toBe(stoppedAt)
    reader?.on('data', (chunk: Buffer) => (read += chunk.length)).resume()
    await sim.drive(piped)
    await sim.drive(once(writer, 'close'))
    expect(read).toBe(total)
    await sim.drive(Promise.all([alice.close(), bob.close()]))
  })
})

describe('a connection to a process that is gone', () => {
  it('ends at its idle timeout', async () => {
    const sim = createSimulation(demoNetwork(), { seed: 5 })
    const { alice, bob } = await pairOn(sim)
    // The objects of the crashed process live on in this one.
    await bob.createServer((socket) => socket.resume().on('error', () => undefined)).listen(7)
    const socket = await sim.drive(alice.connect(bob.publicKeyHex, 7, { idleTimeout: 600_000 }))
    sim.fault({ name: 'process-crash', node: 'bob' })
    const from = sim.clock.now()
    socket.write('hello?')
    const [error] = (await sim.drive(once(socket, 'error'))) as [NodeJS.ErrnoException]
    expect(error.code).toBe('ETIMEDOUT')
    expect(sim.clock.now() - from).toBeLessThan(600_000 + 2 * MINUTE)
    await sim.drive(alice.close())
  })

  it('ends a connect at its timeout', async () => {
    const sim = createSimulation(demoNetwork(), { seed: 5 })
    const { alice, bob } = await pairOn(sim)
    sim.fault({ name: 'process-crash', node: 'bob' })
    const from = sim.clock.now()
    await expect(sim.drive(alice.connect(bob.publicKeyHex, 7, { connectTimeout: 20_000 }))).rejects.toMatchObject({
      code: 'ETIMEDOUT',
      syscall: 'connect',
    })
    expect(sim.clock.now() - from).toBeCloseTo(20_000, -3)
    await sim.drive(alice.close())
  })
})

describe('a process that comes back', () => {
  const folders: string[] = []
  const folder = async (): Promise<string> => {
    const made = await mkdtemp(join(tmpdir(), 'keysock-scenario-'))
    folders.push(made)
    return made
  }
  afterAll(async () => {
    for (const each of folders) await rm(each, { recursive: true, force: true })
  })

  it('knows the OPENs that a former one took, and takes none of them twice', async () => {
    const sim = createSimulation(demoNetwork(), { seed: 6, quietTurns: 4 })
    const path = await folder()
    const alice = await sim.drive(createEndpoint({ backend: sim.backend('alice') }))
    const first = await createEndpoint({ backend: sim.backend('bob'), store: new FolderStore(path) })
    const got: string[] = []
    const take = (socket: Socket): void => {
      socket.on('error', () => undefined).on('data', (data: Buffer) => got.push(data.toString()))
    }
    await first.createServer(take).listen(7)
    const socket = alice.createConnection(first.publicKeyHex, 7, { connectTimeout: 60_000 })
    socket.on('error', () => undefined)
    socket.write('pay me once')
    await waitFor(sim, () => got.length === 1)
    await finish(sim, first.close())
    // The node hands everything up again to a process that forgot where it was.
    const left = new FolderStore(path)
    const state = await left.open()
    await left.close()
    expect(state.opensSeen.size).toBe(1)
    expect(state.settleIndex).toBeGreaterThan(0n)
    const second = await createEndpoint({ backend: sim.backend('bob'), store: new ReplayStore(state) })
    await second.createServer(take).listen(7)
    sim.fault({ name: 'arrivals-replayed', node: 'bob', count: 10 })
    await waitFor(sim, () => second.stats.packetsStray > 0)
    expect(got).toEqual(['pay me once'])
    expect(second.stats.connectionsAccepted).toBe(0)
    await finish(sim, Promise.all([alice.close(), second.close()]))
  })

  it('asks the node for every payment of the former one before it frees the caps', async () => {
    const sim = createSimulation(demoNetwork(), { seed: 8 })
    const store = new MemoryStore()
    const bob = await sim.drive(createEndpoint({ backend: sim.backend('bob') }))
    await bob.createServer((socket) => socket.resume()).listen(7)
    sim.fault({ name: 'payment-hangs', from: 'alice', forMs: 30 * MINUTE, end: 'fail', count: 3 })
    const crashed = await sim.drive(createEndpoint({ backend: sim.backend('alice'), store }))
    const socket = crashed.createConnection(bob.publicKeyHex, 7)
    socket.on('error', () => undefined)
    socket.write('x'.repeat(5_000))
    await sim.runFor(2_000)
    const reserved = crashed.stats.reservedMsat
    expect(reserved).toBeGreaterThan(0n)
    sim.fault({ name: 'process-crash', node: 'alice' })
    await store.close() // what a crash does to a lock
    const next = await sim.drive(createEndpoint({ backend: sim.backend('alice'), store }))
    await sim.runFor(5_000)
    expect(next.stats.reservedMsat, 'still in flight').toBeGreaterThan(0n)
    expect(next.stats.paymentsUnresolved).toBeGreaterThan(0)
    await sim.runFor(60 * MINUTE)
    expect(next.stats.reservedMsat).toBe(0n)
    expect(next.stats.paymentsUnresolved).toBe(0)
    const left = await stateOf(next, store, sim)
    expect(left.reservations.size).toBe(0)
    await sim.drive(bob.close())
  })

  async function stateOf(
    endpoint: Endpoint,
    store: MemoryStore,
    sim: Simulation,
  ): Promise<Awaited<ReturnType<MemoryStore['open']>>> {
    await sim.drive(endpoint.close())
    return store.open()
  }

  /** Starts from a given state, and begins at the current index. */
  class ReplayStore extends MemoryStore {
    readonly #state: Awaited<ReturnType<MemoryStore['open']>>
    constructor(state: Awaited<ReturnType<MemoryStore['open']>>) {
      super()
      this.#state = state
    }
    override async open(): Promise<Awaited<ReturnType<MemoryStore['open']>>> {
      await super.open()
      return this.#state
    }
  }

  async function finish(sim: Simulation, promise: Promise<unknown>): Promise<void> {
    let done = false
    promise.then(
      () => (done = true),
      () => (done = true),
    )
    await waitFor(sim, () => done)
    await promise
  }

  /** A folder's disk takes real time, during which the simulation stands still. */
  async function waitFor(sim: Simulation, condition: () => boolean): Promise<void> {
    for (let i = 0; i < 100_000 && !condition(); i++) await sim.runFor(1)
    expect(condition()).toBe(true)
  }
})

describe('many connections to one node', () => {
  it('share its window and all finish', async () => {
    const sim = createSimulation(hubNetwork({ failure: 0.02 }), { seed: 4 })
    const a = await sim.drive(
      createEndpoint({ backend: sim.backend('leaf0'), caps: { peer: 1_000_000_000, process: 1_000_000_000 } }),
    )
    const b = await sim.drive(createEndpoint({ backend: sim.backend('leaf1') }))
    await b.createServer((socket) => socket.pipe(socket)).listen(7)
    let done = 0
    for (let i = 0; i < 30; i++) {
      const body = bytes(2_000, i)
      const got: Buffer[] = []
      const socket = a.createConnection(b.publicKeyHex, 7)
      socket.on('data', (chunk: Buffer) => got.push(chunk))
      socket.on('close', () => {
        expect(Buffer.concat(got).equals(body)).toBe(true)
        done++
      })
      socket.end(body)
    }
    await sim.run({ until: () => done === 30, withinMs: 30 * MINUTE })
    expect(done).toBe(30)
    await sim.drive(Promise.all([a.close(), b.close()]))
    expect(a.stats.deadlines + b.stats.deadlines).toBe(0)
  })
})
