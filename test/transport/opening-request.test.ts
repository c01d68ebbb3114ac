import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { createSimulation, demoNetwork, type NetworkDescription } from '../../src/sim.ts'
import {
  type KeysockError,
  type OpeningRequest,
  risingPrice,
  type ServerOptions,
  type Socket,
} from '../../src/index.ts'
import { pause } from '../../src/floor/clock.ts'
import type { ConnectOptions } from '../../src/transport/options/options.ts'
import { type Pair, pairOn } from './worlds.ts'

type Decide = (request: OpeningRequest) => unknown

let pair: Pair
/** What bob's application was asked, in order. */
let asked: OpeningRequest[]

/** bob listens on port 7, at his node and at its phantom, and decides by `decide`. */
async function open(decide: Decide | undefined, options: ServerOptions = {}): Promise<void> {
  pair = await pairOn(createSimulation(demoNetwork(), { seed: 3 }), { bob: { phantomLane: true } })
  asked = []
  const server = pair.bob.createServer(options, (socket) => socket.on('error', () => undefined).end('served'))
  if (decide !== undefined) {
    server.on('opening', (request) => {
      asked.push(request)
      return decide(request)
    })
  }
  await server.listen(7)
}

afterEach(async () => {
  const { sim, alice, bob } = pair
  await sim.drive(Promise.all([alice.close(), bob.close()]))
  expect(sim.audit()).toEqual([])
})

const balances = (): readonly number[] => pair.sim.stats().nodes.map(({ balanceMsat }) => balanceMsat)

async function connect(options: ConnectOptions = {}): Promise<Socket | KeysockError> {
  const { sim, alice, bob } = pair
  const connecting = alice.connect(bob.publicKeyHex, 7, { lane: 'phantom', ...options })
  return await sim.drive(connecting.catch((error: unknown) => error as KeysockError))
}

async function served(options: ConnectOptions = {}): Promise<string> {
  const socket = await connect(options)
  if (socket instanceof Error) throw socket
  socket.end()
  return await pair.sim.drive(text(socket))
}

/** Resolves after so many ms of the simulation. */
const afterMs = (ms: number): Promise<void> => pause(ms, pair.sim.clock)

describe("a server that listens for 'opening'", () => {
  it('turns a caller down before anything is paid, with a code that the caller reads', async () => {
    await open((request) => request.refuse('not today', 300))
    const before = balances()
    expect(await connect()).toMatchObject({ code: 'ECONNREFUSED', peerCode: 300, syscall: 'connect' })
    expect(balances()).toEqual(before)
    expect(pair.alice.stats).toMatchObject({ spentMsat: 0n, reservedMsat: 0n })
    expect(pair.bob.stats).toMatchObject({ spentMsat: 0n, connections: 0, opensRefused: 1, opensSeen: 0 })
  })

  it('may take its time, with a promise', async () => {
    await open(async (request) => {
      await afterMs(1_500)
      request.refuse()
    })
    const before = balances()
    const startedMs = pair.sim.clock.now()
    expect(await connect()).toMatchObject({ code: 'ECONNREFUSED', peerCode: 18 })
    expect(pair.sim.clock.now() - startedMs).toBeGreaterThan(1_500)
    expect(balances()).toEqual(before)
  })

  it('takes whom it does not refuse, at once or after a promise', async () => {
    await open(() => (asked.length === 1 ? undefined : afterMs(1_000)))
    expect(await served()).toBe('served')
    expect(await served()).toBe('served')
  })

  it('is too late after 2.5 s: the caller hears BUSY and tries again, and what is said then does not count', async () => {
    const late: boolean[] = []
    await open(async (request) => {
      if (asked.length > 1) return
      await afterMs(2_600)
      late.push(request.refuse())
    })
    expect(await served()).toBe('served')
    expect(asked.length).toBe(2)
    expect(late).toEqual([false])
  })

  it('knows port, size, amount and load before it decides, and who calls where the caller says so', async () => {
    await open(() => undefined)
    const { sim, alice, bob } = pair
    const socket = alice.createConnection(bob.publicKeyHex, 7, { lane: 'phantom', identify: 'open' })
    socket.end('0123456789')
    expect(await sim.drive(text(socket))).toBe('served')
    expect(asked[0]).toMatchObject({ port: 7, lane: 'phantom', bytes: 10, connections: 0, waiting: 0 })
    expect(asked[0]?.remoteAddress).toBe(alice.publicKeyHex)
    expect(asked[0]?.amountMsat).toBeGreaterThan(0n)
    expect(await served()).toBe('served')
    expect(asked[1]?.remoteAddress).toBeUndefined()
    expect(asked[1]?.openingsPerSecond).toBeGreaterThan(0)
  })

  it('gives its application a socket that names a caller who identified itself from the start', async () => {
    await open(() => undefined)
    const { sim, alice, bob } = pair
    const heard: (string | undefined)[] = []
    const server = bob.createServer((socket) => {
      heard.push(socket.remoteAddress)
      socket.on('identified', (key) => heard.push(key)).on('error', () => undefined)
      socket.end()
    })
    await server.listen(8)
    for (const lane of ['node', 'phantom'] as const) {
      const socket = await sim.drive(alice.connect(bob.publicKeyHex, 8, { lane, identify: 'open' }))
      socket.end()
      await sim.drive(text(socket))
    }
    expect(heard).toEqual(Array.from({ length: 4 }, () => alice.publicKeyHex))
  })

  it('refuses on the node lane, too, with its reason; there the money has come', async () => {
    await open((request) => request.refuse('not today'))
    const error = await connect({ lane: 'node' })
    expect(error).toMatchObject({ code: 'ECONNREFUSED', peerCode: 18 })
    expect((error as Error).message).toContain('not today')
    expect(pair.alice.stats.spentMsat).toBeGreaterThan(0n)
    expect(asked[0]?.lane).toBe('node')
  })

  it('decides once: accept goes before what other listeners say', async () => {
    await open((request) => [request.accept(), request.refuse()])
    expect(await served()).toBe('served')
  })

  it('takes codes of its own only', async () => {
    const thrown: unknown[] = []
    await open((request) => {
      for (const code of [17, 255, 2 ** 24, 1.5]) {
        try {
          request.refuse('', code)
        } catch (error) {
          thrown.push((error as KeysockError).code)
        }
      }
    })
    await served()
    expect(thrown).toEqual(Array.from({ length: 4 }, () => 'ERR_KEYSOCK_INVALID_OPTION'))
  })

  it('lets nobody in where a listener throws, and the error is thrown on', async () => {
    const caught = once(process, 'uncaughtException')
    const others = process.listeners('uncaughtException')
    for (const each of others.slice(0, -1)) process.off('uncaughtException', each)
    try {
      await open(() => {
        throw new Error('a fault of the application')
      })
      expect(await connect()).toMatchObject({ code: 'ECONNREFUSED', peerCode: 16 })
      await setImmediate()
      expect(await caught).toMatchObject([{ message: 'a fault of the application' }, 'uncaughtException'])
    } finally {
      for (const each of others.slice(0, -1)) process.on('uncaughtException', each)
    }
  })
})

describe('whatever a server decides, and whenever', () => {
  const decision = fc.record({
    afterMs: fc.constantFrom(undefined, 0, 400, 2_000),
    refuses: fc.boolean(),
    openingPrice: fc.constantFrom(0, 15_000),
  })

  it('on a bad day, too, who is refused pays nothing, and who is taken is served once', async () => {
    const weather = fc.constantFrom<Partial<NetworkDescription>>(
      {},
      { failure: 0.3 },
      { faults: [{ name: 'duplicate-offer', chance: 0.5 }] },
      { faults: [{ name: 'verdict-lost', chance: 0.2, with: { end: 'payer-fails' } }] },
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(decision, { minLength: 1, maxLength: 4 }),
        weather,
        fc.nat(),
        async (all, bad, seed) => {
          const sim = createSimulation({ ...demoNetwork(), ...bad }, { seed })
          pair = await pairOn(sim, { bob: { phantomLane: true } })
          const { alice, bob } = pair
          for (const [index, { afterMs: ms, refuses, openingPrice }] of all.entries()) {
            let connections = 0
            const server = bob.createServer({ openingPrice }, (socket) => {
              connections += 1
              socket.on('error', () => undefined).end('served')
            })
            server.on('opening', async (request) => {
              if (ms !== undefined) await afterMs(ms)
              if (refuses) request.refuse()
            })
            await server.listen(index + 1)
            const socket = alice.createConnection(bob.publicKeyHex, index + 1, {
              lane: 'phantom',
              maxOpeningPrice: 15_000,
            })
            socket.end()
            const end = await sim.drive(text(socket).catch((error: unknown) => (error as KeysockError).code))
            expect(end).toBe(refuses ? 'ECONNREFUSED' : 'served')
            expect(connections).toBe(refuses ? 0 : 1)
            // Of this connection: packets of the ones before may still be on their way.
            const { paidMsat } = socket.stats
            if (refuses) expect(paidMsat).toBe(0n)
            // Where the node lost the verdict, it lost the money with it.
            else if (bad.faults?.[0]?.name !== 'verdict-lost') {
              expect(paidMsat).toBeGreaterThanOrEqual(BigInt(openingPrice))
            }
            // A price is paid once, whatever came of the first copy.
            expect(paidMsat).toBeLessThan(BigInt(2 * openingPrice || 60_000))
          }
          await sim.drive(Promise.all([alice.close(), bob.close()]))
          expect(sim.audit()).toEqual([])
        },
      ),
      { numRuns: 15 },
    )
  })
})

describe('an opening price', () => {
  it('is told before anything is paid, and paid with the next copy within the limit of the caller', async () => {
    await open(undefined, { openingPrice: 20_500 })
    const startedMs = pair.sim.clock.now()
    expect(await served({ maxOpeningPrice: 21_000 })).toBe('served')
    expect(pair.alice.stats.spentMsat).toBeGreaterThanOrEqual(21_000n)
    expect(pair.alice.stats.spentMsat).toBeLessThan(42_000n)
    expect(pair.sim.clock.now() - startedMs).toBeLessThan(5_000)
  })

  it('above the limit ends the connect with both numbers, and nothing is paid', async () => {
    await open(undefined, { openingPrice: 20_500 })
    const before = balances()
    const error = await connect({ maxOpeningPrice: 20_999 })
    expect(error).toMatchObject({ code: 'ERR_KEYSOCK_PRICE', openingPriceMsat: 21_000n, peerCode: 7 })
    expect((error as Error).message).toContain('asks 21000 msat for the opening; maxOpeningPrice allows 20999')
    expect(balances()).toEqual(before)
    expect(pair.alice.stats).toMatchObject({ spentMsat: 0n, reservedMsat: 0n })
  })

  it('that rises on the way is followed, a price at a time, up to the limit', async () => {
    let price = 1_000
    await open(undefined, { openingPrice: () => (price += 5_000) })
    expect(await connect({ maxOpeningPrice: 30_000 })).toMatchObject({ code: 'ERR_KEYSOCK_PRICE' })
    expect(pair.alice.stats.spentMsat).toBe(0n)
  })

  it('waits at the cap of the caller, as any payment does', async () => {
    await open(undefined, { openingPrice: 50_000 })
    const error = await connect({ maxOpeningPrice: 60_000, maxCost: 20_000 })
    expect(error).toMatchObject({ code: 'ERR_KEYSOCK_COST' })
    expect(pair.alice.stats.spentMsat).toBe(0n)
  })

  it('costs no key agreement where no listener takes so little', async () => {
    await open(undefined, { openingPrice: 20_000 })
    await connect()
    expect(pair.bob.stats).toMatchObject({ opensRefused: 0, packetsStray: 1 })
  })

  it('is a number of msat, or a function that gives one', async () => {
    await open(undefined)
    const make = (openingPrice: unknown) => () => pair.bob.createServer({ openingPrice } as ServerOptions)
    const wrong = expect.objectContaining({ code: 'ERR_KEYSOCK_INVALID_OPTION' }) as Error
    expect(make(-1)).toThrow(wrong)
    expect(make(2n ** 24n * 1_000n)).toThrow(wrong)
    expect(make(() => 5)).not.toThrow()
  })
})

describe('risingPrice', () => {
  const idle = { connections: 0, waiting: 0, openingsPerSecond: 0 }

  it('is the least while there is little to do, and doubles with every ten callers more', () => {
    const price = risingPrice()
    expect(price(idle)).toBe(100_000n)
    expect(price({ ...idle, connections: 10 })).toBe(100_000n)
    expect(price({ ...idle, connections: 20 })).toBe(200_000n)
    expect(price({ ...idle, openingsPerSecond: 0.5 })).toBe(400_000n)
    expect(price({ connections: 30, waiting: 10, openingsPerSecond: 0.5 })).toBe(800_000n)
  })

  it('has an end that a refusal can say', () => {
    expect(risingPrice({ quiet: 1 })({ ...idle, connections: 60_000 })).toBe((2n ** 24n - 1n) * 1_000n)
  })

  it('takes its options by their names', () => {
    expect(() => risingPrice({ least: -1 })).toThrow('least')
    expect(() => risingPrice({ quiet: 0 })).toThrow('quiet')
    expect(() => risingPrice({ leastMsat: 1 } as never)).toThrow('leastMsat')
  })
})
