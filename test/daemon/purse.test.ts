import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, it, onTestFinished } from 'vitest'
import type { Policy } from '../../src/index.ts'
import { processClock, turn } from '../../src/floor/clock.ts'
import { createEndpoint } from '../../src/index.ts'
import { createSimulation, demoNetwork, type Simulation } from '../../src/sim.ts'
import { ProgramsPurse } from '../../src/transport/driver/programs-purse.ts'
import type { Endpoint } from '../../src/transport/sockets/endpoint.ts'
import { FolderStore } from '../../src/transport/store/folder.ts'
import { MemoryStore } from '../../src/transport/store/memory.ts'
import type { Store } from '../../src/transport/store/store.ts'
import { MemoryDaemon } from './memory-daemon.ts'

const MINUTE = 60_000

interface Bench {
  readonly sim: Simulation
  readonly daemon: MemoryDaemon
  readonly bob: Endpoint
}

/** A daemon on alice, and a listener on bob that answers with a few bytes. */
async function bench(policy: Policy | undefined, seed = 3): Promise<Bench> {
  const sim = createSimulation(demoNetwork(), { seed })
  const daemon = new MemoryDaemon(sim, 'alice', true, policy)
  await sim.drive(daemon.start())
  const bob = await sim.drive(createEndpoint({ backend: sim.backend('bob') }))
  for (const port of [7, 8]) {
    await bob
      .createServer((socket) => {
        socket.on('error', () => undefined).resume()
        socket.end(Buffer.alloc(3_000))
      })
      .listen(port)
  }
  return { sim, daemon, bob }
}

function send(from: Endpoint, to: Endpoint, port = 7, bytes = 20_000): void {
  const socket = from.createConnection(to.publicKeyHex, port)
  socket.on('error', () => undefined).resume()
  socket.end(Buffer.alloc(bytes))
}

async function totals(daemon: MemoryDaemon, by: 'program' | 'port' | 'peer' | 'all'): Promise<Record<string, bigint>> {
  return Object.fromEntries((await daemon.purse.account.totals({ by })).map(({ key, paidMsat }) => [key, paidMsat]))
}

it('keeps one account for all programs, by name, peer and port, which agrees with theirs', async () => {
  const { sim, daemon, bob } = await bench(undefined)
  const shop = await daemon.endpoint({}, 'shop')
  const nameless = await daemon.endpoint()
  send(shop, bob, 7)
  send(nameless, bob, 8, 5_000)
  await sim.runFor(10 * MINUTE)
  expect(shop.stats.spentMsat).toBeGreaterThan(nameless.stats.spentMsat)
  expect(await totals(daemon, 'program')).toEqual({ shop: shop.stats.spentMsat, '': nameless.stats.spentMsat })
  expect(await totals(daemon, 'port')).toMatchObject({ 7: shop.stats.spentMsat, 8: nameless.stats.spentMsat })
  expect((await totals(daemon, 'peer'))[bob.publicKeyHex]).toBe(shop.stats.spentMsat + nameless.stats.spentMsat)
  const [all] = await daemon.purse.account.totals()
  expect(all?.receivedMsat).toBe(shop.stats.receivedMsat + nameless.stats.receivedMsat)
  expect(daemon.server.status().clients.map(({ program }) => program)).toEqual(['shop', ''])
})

it('counts what comes in for the program that it is for', async () => {
  const { sim, daemon, bob } = await bench(undefined)
  const shop = await daemon.endpoint({}, 'shop')
  await shop
    .createServer((socket) =>
      socket
        .on('error', () => undefined)
        .resume()
        .end('thanks'),
    )
    .listen(9)
  const socket = bob.createConnection(shop.publicKeyHex, 9)
  socket.on('error', () => undefined).resume()
  socket.end(Buffer.alloc(10_000))
  await sim.runFor(10 * MINUTE)
  expect(shop.stats.receivedMsat).toBeGreaterThan(0n)
  const found = await daemon.purse.account.totals({ by: 'program' })
  expect(found).toMatchObject([{ key: 'shop', receivedMsat: shop.stats.receivedMsat }])
  // Of a packet that comes before its OPEN nobody knows the port yet.
  const ofPort = (await daemon.purse.account.totals({ by: 'port' })).find(({ key }) => key === '9')
  expect(ofPort?.receivedMsat).toBeGreaterThan(shop.stats.receivedMsat / 2n)
})

it('pays for a program within its cap, whatever that program thinks, and tells it why not', async () => {
  const { sim, daemon, bob } = await bench({ programs: { shop: { daySat: 10 }, '*': { daySat: 6 } } })
  const shop = await daemon.endpoint({}, 'shop')
  const others = [await daemon.endpoint(), await daemon.endpoint({}, 'made up')]
  const warnings: string[] = []
  shop.on('warning', ({ code }) => warnings.push(code))
  for (const program of [shop, ...others]) send(program, bob)
  await sim.runFor(30 * MINUTE)
  expect(shop.stats.spentMsat).toBeLessThanOrEqual(10_000n)
  expect(shop.stats.spentMsat).toBeGreaterThan(4_000n)
  // A new name is no new cap.
  expect(others.reduce((sum, { stats }) => sum + stats.spentMsat, 0n)).toBeLessThanOrEqual(6_000n)
  expect(warnings).toContain('over-cap')
})

it('pays to nobody whom the policy keeps out', async () => {
  const { sim, daemon, bob } = await bench({ connectTo: { never: [] } })
  const strict = new MemoryDaemon(sim, 'carol', true, { connectTo: { never: [bob.publicKeyHex] } })
  await sim.drive(strict.start())
  const free = await daemon.endpoint()
  const bound = await strict.endpoint()
  send(free, bob)
  send(bound, bob)
  await sim.runFor(MINUTE)
  expect(free.stats.spentMsat).toBeGreaterThan(0n)
  expect(bound.stats.spentMsat + bound.stats.reservedMsat).toBe(0n)
})

it('frees nothing that may still be spent when it is killed, and knows what was spent today', async () => {
  const { sim, daemon, bob } = await bench({ daySat: 12 })
  sim.fault({ name: 'payment-hangs', from: 'alice', forMs: 20 * MINUTE, end: 'land', count: 4 })
  const first = await daemon.endpoint()
  send(first, bob)
  await sim.runFor(5_000)
  expect(daemon.purse.unresolved).toBeGreaterThan(0)
  await sim.drive(daemon.restart())
  const second = await daemon.endpoint()
  send(second, bob)
  await sim.runFor(3 * 60 * MINUTE)
  expect(daemon.purse.unresolved).toBe(0)
  const balance = sim.stats().nodes.find(({ name }) => name === 'alice')
  expect(balance).toBeDefined()
  expect(first.stats.spentMsat + second.stats.spentMsat).toBeLessThanOrEqual(12_000n)
})

/** A purse alone, and what it stores, in order, when it is on disk; ends of payments wait for `release`. */
async function purseAlone(): Promise<{
  purse: ProgramsPurse
  stored: string[]
  release: () => void
  again: () => void
}> {
  const { clock } = createSimulation(demoNetwork(), { seed: 3 })
  const inner = new MemoryStore()
  const stored: string[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  const store: Store = {
    open: () => inner.open(),
    close: () => inner.close(),
    write: async (changes) => {
      if (changes.some(({ type }) => type === 'release')) await promise
      stored.push(...changes.map(({ type }) => type))
      await inner.write(changes)
    },
  }
  const purse = await ProgramsPurse.open({ store, clock, rules: undefined, log: () => undefined })
  const payment = { routeId: 'r', hash: new Uint8Array(32), record: new Uint8Array(), amountMsat: 5n }
  const again = (): void => void purse.begin({ program: '', payment, peer: 'p', feeMsat: 1n, channels: [] })
  return { purse, stored, release: resolve, again }
}

it('stores a payment under the hash of one that failed after the end of that one', async () => {
  const { purse, stored, release, again } = await purseAlone()
  again()
  purse.decided(new Uint8Array(32), { status: 'failed', reason: 'timeout', place: 'route' })
  again()
  await turn()
  expect(stored).toEqual(['reserve'])
  release()
  await turn()
  expect(stored).toEqual(['reserve', 'release', 'reserve'])
})

it('counts each arrival once, in whatever order they are handed on', async () => {
  const { purse } = await purseAlone()
  for (const settleIndex of [2n, 4n, 1n, 3n, 4n, 1n, 2n]) purse.received({ amountMsat: 1n, program: 'a', settleIndex })
  expect(await purse.account.totals()).toMatchObject([{ receivedMsat: 4n }])
})

it('counts an OPEN whose port is claimed late, as its program does', async () => {
  const sim = createSimulation(demoNetwork(), { seed: 3 })
  const daemon = new MemoryDaemon(sim, 'alice')
  await sim.drive(daemon.start())
  const bob = await sim.drive(createEndpoint({ backend: sim.backend('bob') }))
  const alice = await daemon.endpoint()
  await sim.drive(alice.mailbox(7).poll())
  send(bob, alice, 9, 10)
  await sim.runFor(1_500)
  const sending = bob.sendMessage(alice.publicKeyHex, 7, 'hello', { lane: 'node' })
  await sim.runFor(2_500)
  await sim.drive(sending)
  const server = alice.createServer((socket) => socket.on('error', () => undefined).end('thanks'))
  await sim.drive(server.listen(9))
  await sim.runFor(10 * MINUTE)
  const [sent] = await bob.account.totals()
  const deliveredMsat = (sent?.paidMsat ?? 0n) - (sent?.feesMsat ?? 0n)
  expect(deliveredMsat).toBeGreaterThan(0n)
  expect(alice.stats.receivedMsat).toBe(deliveredMsat)
  expect((await daemon.purse.account.totals())[0]?.receivedMsat).toBe(deliveredMsat)
})

it('counts what comes in at a node that was restored from an older state', async () => {
  const { sim, daemon, bob } = await bench(undefined)
  daemon.purse.received({ amountMsat: 7n, program: 'shop', settleIndex: 900n })
  daemon.settleIndex = 900n
  await sim.drive(daemon.restart())
  const shop = await daemon.endpoint({}, 'shop')
  await sim.drive(shop.createServer((socket) => socket.on('error', () => undefined).end('thanks')).listen(9))
  send(bob, shop, 9)
  await sim.runFor(10 * MINUTE)
  expect(shop.stats.receivedMsat).toBeGreaterThan(0n)
  expect((await daemon.purse.account.totals())[0]?.receivedMsat).toBe(shop.stats.receivedMsat)
})

it('no cap of a daemon is ever passed, whatever fails, hangs, or is killed', async () => {
  const fault = fc.oneof(
    fc.record({
      name: fc.constant('payment-hangs' as const),
      from: fc.constant('alice'),
      end: fc.constantFrom('fail' as const, 'land' as const),
      forMs: fc.integer({ min: 1_000, max: 10 * MINUTE }),
      count: fc.integer({ min: 1, max: 6 }),
    }),
    fc.record({
      name: fc.constant('payment-fails' as const),
      from: fc.constant('alice'),
      count: fc.integer({ min: 1, max: 6 }),
    }),
    fc.record({
      name: fc.constant('stream-lost' as const),
      node: fc.constant('alice'),
      forMs: fc.integer({ min: 1, max: 10_000 }),
    }),
  )
  const sat = fc.integer({ min: 3, max: 40 })
  const kills = fc.array(fc.integer({ min: 100, max: 8_000 }), { maxLength: 2 })
  await fc.assert(
    fc.asyncProperty(
      fc.array(fault, { maxLength: 3 }),
      kills,
      fc.record({ day: sat, shop: sat, others: sat, port: sat }),
      fc.integer(),
      async (faults, lives, caps, seed) => {
        const policy: Policy = {
          daySat: caps.day,
          programs: { shop: { daySat: caps.shop }, '*': { daySat: caps.others } },
          ports: { 7: { daySat: caps.port } },
        }
        const { sim, daemon, bob } = await bench(policy, seed)
        const before = balanceOf(sim)
        for (const each of faults) sim.fault(each, sim.clock.now() + 500)
        const shop = await daemon.endpoint({}, 'shop')
        const other = await daemon.endpoint()
        send(shop, bob, 7)
        send(other, bob, 7)
        send(other, bob, 8)
        for (const life of lives) {
          await sim.runFor(life)
          await sim.drive(daemon.restart())
          send(shop, bob, 8)
        }
        await sim.runFor(6 * 60 * MINUTE)
        expect(daemon.purse.unresolved).toBe(0)
        const spent = shop.stats.spentMsat + other.stats.spentMsat
        expect(spent).toBeLessThanOrEqual(BigInt(caps.day) * 1_000n)
        expect(shop.stats.spentMsat).toBeLessThanOrEqual(BigInt(caps.shop) * 1_000n)
        expect(other.stats.spentMsat).toBeLessThanOrEqual(BigInt(caps.others) * 1_000n)
        const gone = before - balanceOf(sim)
        expect(gone).toBeLessThanOrEqual(BigInt(caps.day) * 1_000n)
        await sim.drive(Promise.all([shop.close(), other.close(), bob.close()]))
        await sim.drive(daemon.kill())
      },
    ),
    { numRuns: Number(process.env['FC_RUNS'] ?? 10) },
  )
})

it('lets its folder go where it cannot open: the next try has it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ks-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const left = new FolderStore(folder)
  await left.open()
  await left.write([{ type: 'reserve', hash: 'aa', peer: '', amountMsat: 1_000n, feeMsat: 0n }])
  await left.close()
  // No folder of entries to look into for what became of the payment.
  writeFileSync(join(folder, 'account'), '')
  const open = (): Promise<ProgramsPurse> =>
    ProgramsPurse.open({ store: new FolderStore(folder), clock: processClock, rules: undefined, log: () => undefined })
  await expect(open()).rejects.toMatchObject({ code: 'ENOTDIR' })
  rmSync(join(folder, 'account'))
  const purse = await open()
  expect(purse.unresolved).toBe(1)
  await purse.close()
})

function balanceOf(sim: Simulation): bigint {
  return BigInt(sim.stats().nodes.find(({ name }) => name === 'alice')?.balanceMsat ?? 0)
}
