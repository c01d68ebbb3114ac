import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, expect, it } from 'vitest'
import type { Backend } from '../../src/backends/backend.ts'
import { demoNetwork, createSimulation, type Fault, type Simulation } from '../../src/sim.ts'
import { FolderStore, MemoryStore, readAccount } from '../../src/index.ts'
import type { AccountView } from '../../src/transport/connection/interface.ts'
import type { DrivenConnection } from '../../src/transport/driver/driven-connection.ts'
import { Endpoint, type EndpointOptions } from '../../src/transport/sockets/endpoint.ts'
import type { Account } from '../../src/transport/account/account.ts'
import type { PaidEntry } from '../../src/transport/account/entry.ts'
import { FolderKeeper } from '../../src/transport/account/folder-keeper.ts'
import { settleRecorded } from '../../src/transport/driver/start-driver.ts'
import type { StoreChange } from '../../src/transport/store/store.ts'

const HOUR = 3_600_000

/** An endpoint, and every connection that it ever had. */
async function open(
  sim: Simulation,
  name: string,
  options: Omit<EndpointOptions, 'backend'> = {},
): Promise<{ readonly endpoint: Endpoint; readonly connections: Map<string, DrivenConnection> }> {
  const connections = new Map<string, DrivenConnection>()
  const look = (all: Iterable<DrivenConnection>): void => {
    for (const connection of all) connections.set(connection.id, connection)
  }
  const endpoint = await sim.drive(Endpoint.open({ backend: sim.backend(name), ...options }, look))
  return { endpoint, connections }
}

async function expectAgreement({
  endpoint,
  connections,
}: {
  readonly endpoint: Endpoint
  readonly connections: ReadonlyMap<string, DrivenConnection>
}): Promise<void> {
  const { account, stats } = endpoint
  const [all] = await account.totals()
  const { spentMsat, feesMsat, receivedMsat, strayMsat } = stats
  const nothing = { paidMsat: 0n, feesMsat: 0n, receivedMsat: 0n, strayMsat: 0n, failed: 0 }
  expect({ ...nothing, ...all }).toMatchObject({ paidMsat: spentMsat, feesMsat, receivedMsat, strayMsat })
  const byConnection = new Map((await account.totals({ by: 'connection' })).map((total) => [total.key, total]))
  for (const [id, connection] of connections) {
    const { spentMsat: paidMsat, feesMsat: fees, receivedMsat: received }: AccountView = connection.account
    expect({ ...nothing, ...byConnection.get(id) }).toMatchObject({
      paidMsat,
      feesMsat: fees,
      receivedMsat: received,
      failed: connection.stats.failedAttempts,
    })
  }
}

const end = fc.constantFrom('alice', 'bob')
const count = fc.integer({ min: 1, max: 8 })
const fault: fc.Arbitrary<Fault> = fc.oneof(
  fc.record({ name: fc.constant('stream-lost' as const), node: end, forMs: fc.integer({ min: 1, max: 20_000 }) }),
  fc.record({ name: fc.constant('interceptor-drops' as const), node: end, forMs: fc.integer({ min: 1, max: 5_000 }) }),
  fc.record({
    name: fc.constant('verdict-lost' as const),
    node: end,
    end: fc.constantFrom('payer-fails' as const, 'relay-keeps' as const, 'offered-again' as const),
    count,
  }),
  fc.record({ name: fc.constant('payment-fails' as const), from: end, count }),
  fc.record({
    name: fc.constant('payment-hangs' as const),
    from: end,
    end: fc.constantFrom('fail' as const, 'land' as const),
    forMs: fc.integer({ min: 5_000, max: 600_000 }),
    count,
  }),
  fc.record({ name: fc.constant('arrivals-replayed' as const), node: end, count: fc.integer({ min: 1, max: 50 }) }),
)

/** Asks and answers until a time comes; what becomes of it is not looked at. */
async function traffic(sim: Simulation, from: Endpoint, to: Endpoint, lane: 'node' | 'phantom'): Promise<void> {
  const socket = from.createConnection(to.publicKeyHex, 7, { lane })
  socket.on('error', () => undefined).resume()
  socket.end(Buffer.alloc(30_000, 1))
}

it('agrees with sockets and endpoint to the msat, whatever is lost, hangs or is restarted', async () => {
  const planned = fc.array(fc.record({ fault, atMs: fc.integer({ min: 0, max: 20_000 }) }), { maxLength: 5 })
  const lane = fc.constantFrom('node' as const, 'phantom' as const)
  const restartMs = fc.option(fc.integer({ min: 100, max: 8_000 }))
  await fc.assert(
    fc.asyncProperty(planned, lane, restartMs, fc.integer(), async (faults, way, killMs, seed) => {
      const sim = createSimulation(demoNetwork(), { seed })
      const store = new MemoryStore()
      const bob = await open(sim, 'bob', { phantomLane: way === 'phantom' })
      await bob.endpoint
        .createServer((socket) => {
          socket.on('error', () => undefined).resume()
          socket.end(Buffer.alloc(20_000, 2))
        })
        .listen(7)
      let alice = await open(sim, 'alice', { store })
      const now = sim.clock.now()
      for (const { fault: one, atMs } of faults) sim.fault(one, now + atMs)
      await traffic(sim, alice.endpoint, bob.endpoint, way)
      if (killMs !== null) {
        await sim.runFor(killMs)
        const closing = alice.endpoint.close()
        await sim.drive(closing)
        await expectAgreement(alice)
        alice = await open(sim, 'alice', { store })
        await traffic(sim, alice.endpoint, bob.endpoint, way)
      }
      sim.fault({ name: 'node-offline', node: 'alice', forMs: 30_000 })
      await sim.runFor(80 * HOUR)
      await expectAgreement(alice)
      await expectAgreement(bob)
      expect([alice.endpoint.stats.reservedMsat, bob.endpoint.stats.reservedMsat]).toEqual([0n, 0n])
      await sim.drive(Promise.all([alice.endpoint.close(), bob.endpoint.close()]))
    }),
    { numRuns: Number(process.env['FC_RUNS'] ?? 12) },
  )
})

const folders: string[] = []
afterEach(async () => {
  for (const each of folders.splice(0)) await rm(each, { recursive: true, force: true })
})

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'keysock-account-'))
  folders.push(path)
  return path
}

/** Lets time pass, the disk's as well as the network's, until something is so. */
async function passUntil(sim: Simulation, so: () => boolean): Promise<void> {
  while (!so()) {
    await sim.runFor(100)
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
}

async function finish<Value>(sim: Simulation, promise: Promise<Value>): Promise<Value> {
  let isDone = false
  void promise.finally(() => (isDone = true)).catch(() => undefined)
  await passUntil(sim, () => isDone)
  return await promise
}

async function changeOf(sim: Simulation, name: string, run: () => Promise<void>): Promise<bigint> {
  const balance = (): bigint => BigInt(sim.stats().nodes.find((node) => node.name === name)?.balanceMsat ?? 0)
  const before = balance()
  await run()
  return balance() - before
}

async function netOf(account: Account): Promise<bigint> {
  const [total] = await account.totals()
  return total === undefined ? 0n : total.receivedMsat - total.paidMsat
}

it('is what the balances of the nodes changed by, on both sides', async () => {
  const sim = createSimulation(demoNetwork(), { seed: 3 })
  const alice = (await open(sim, 'alice')).endpoint
  const bob = (await open(sim, 'bob')).endpoint
  await bob
    .createServer((socket) =>
      socket
        .on('error', () => undefined)
        .resume()
        .end('thanks'),
    )
    .listen(7)
  let bobs = 0n
  const alices = await changeOf(sim, 'alice', async () => {
    bobs = await changeOf(sim, 'bob', async () => {
      await traffic(sim, alice, bob, 'node')
      await sim.runFor(2 * HOUR)
    })
  })
  expect(await netOf(alice.account)).toBe(alices)
  expect(await netOf(bob.account)).toBe(bobs)
  expect(bobs > 0n && alices < 0n).toBe(true)
  const [byPeer] = await alice.account.totals({ by: 'peer' })
  expect(byPeer).toMatchObject({ key: bob.publicKeyHex })
  expect((await bob.account.totals({ by: 'port' })).map(({ key }) => key)).toEqual(['7'])
  expect((await alice.account.totals({ by: 'day' })).map(({ key }) => key)).toEqual(['1970-01-01'])
  await sim.drive(Promise.all([alice.close(), bob.close()]))
})

it('goes on in its folder when the process is a new one, and can be read beside it', async () => {
  const sim = createSimulation(demoNetwork(), { seed: 3, quietTurns: 4 })
  const path = await folder()
  const bob = (await open(sim, 'bob')).endpoint
  await bob
    .createServer((socket) =>
      socket
        .on('error', () => undefined)
        .resume()
        .end('thanks'),
    )
    .listen(7)
  let spentMsat = 0n
  for (let run = 0; run < 2; run++) {
    const alice = await Endpoint.open({ backend: sim.backend('alice'), store: new FolderStore(path) })
    await traffic(sim, alice, bob, 'node')
    // The disk takes its time, which is not that of the network.
    await passUntil(sim, () => alice.stats.spentMsat > 0n && alice.stats.connections === 0)
    await finish(sim, alice.close())
    spentMsat += alice.stats.spentMsat
    const [total] = await readAccount(join(path, 'account')).totals()
    expect(total?.paidMsat).toBe(spentMsat)
  }
  const store = new FolderStore(path)
  const { spent = [], reservations } = await store.open()
  await store.close()
  expect(reservations.size).toBe(0)
  expect(spent).toEqual([{ day: '1970-01-01', port: 7, program: '', msat: spentMsat }])
  await sim.drive(bob.close())
})

/** A process ended between a payment's entry and its release. */
async function leaveBoth(
  sim: Simulation,
  path: string,
  hash: string,
  outcome: PaidEntry['outcome'],
  changes: readonly StoreChange[] = [],
): Promise<void> {
  const keeper = new FolderKeeper({ folder: join(path, 'account'), clock: sim.clock, warn: () => undefined })
  const party = { connection: '', peer: 'p', port: 9, role: '', program: '' } as const
  const paid = { type: 'paid', timeMs: 5, ...party, hash, amountMsat: 10n, feeMsat: 1n, channels: ['a'] } as const
  void keeper.add({ ...paid, outcome, purpose: '' }, party)
  await keeper.close()
  const left = new FolderStore(path)
  await left.open()
  await left.write([{ type: 'reserve', hash, peer: 'p', amountMsat: 10n, feeMsat: 2n, port: 9 }, ...changes])
  await left.close()
}

it('counts a payment once whose process ended between its entry and its release', async () => {
  const sim = createSimulation(demoNetwork(), { seed: 3, quietTurns: 4 })
  const path = await folder()
  await leaveBoth(sim, path, 'ab'.repeat(32), 'settled')
  const alice = await Endpoint.open({ backend: sim.backend('alice'), store: new FolderStore(path) })
  expect(alice.stats).toMatchObject({ paymentsUnresolved: 0, reservedMsat: 0n })
  expect(await alice.account.totals()).toMatchObject([{ paidMsat: 11n, payments: 1 }])
  await finish(sim, alice.close())
  const store = new FolderStore(path)
  const state = await store.open()
  await store.close()
  expect(state.reservations.size).toBe(0)
  expect(state.spent).toEqual([{ day: '1970-01-01', port: 9, program: '', msat: 11n }])
})

it('frees nothing because an attempt under the same hash failed: the one after it may still be under way', async () => {
  const sim = createSimulation(demoNetwork(), { seed: 3, quietTurns: 4 })
  const path = await folder()
  const hash = 'ab'.repeat(32)
  await leaveBoth(sim, path, hash, 'failed')
  const keeper = new FolderKeeper({ folder: join(path, 'account'), clock: sim.clock, warn: () => undefined })
  const store = new FolderStore(path)
  const { stored, changes } = await settleRecorded(await store.open(), keeper)
  await store.close()
  await keeper.close()
  expect([...stored.reservations.keys()]).toEqual([hash])
  expect(changes).toEqual([])
})

it.each(['settled', 'delivered'] as const)(
  'pays a message once that was %s, and whose process ended between its entry and its release',
  async (outcome) => {
    const sim = createSimulation(demoNetwork(), { seed: 3, quietTurns: 4 })
    const path = await folder()
    const [hash, id] = ['ab'.repeat(32), '01'.repeat(16)]
    await leaveBoth(sim, path, hash, outcome, [{ type: 'note-sent', id, attempt: 0, hash }])
    const bob = (await open(sim, 'bob')).endpoint
    for (let life = 0; life < 2; life++) {
      const preimage = new Uint8Array(32).fill(7)
      // What the entry does not tell.
      const track = async (): ReturnType<Backend['track']> => ({ status: 'delivered', feeMsat: 1n, preimage })
      const backend = Object.assign(sim.backend('alice'), { track })
      const alice = await Endpoint.open({ backend, store: new FolderStore(path) })
      const sent = await finish(sim, alice.sendMessage(bob.publicKeyHex, 7, 'hello', { id, lane: 'node' }))
      expect(sent).toMatchObject({ attempts: 1, amountMsat: 10n, feeMsat: 1n, route: ['a'] })
      expect(Buffer.from(sent.hash).toString('hex')).toBe(hash)
      const told = outcome === 'settled' ? { lane: 'node' } : { lane: 'phantom', preimage }
      expect(sent).toMatchObject(told)
      await finish(sim, alice.close())
    }
    await sim.drive(bob.close())
  },
)
