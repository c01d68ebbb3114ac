import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createEndpoint, FolderStore } from '../../src/index.ts'
import { createLndBackend } from '../../src/lnd.ts'
import { fromHex, toHex } from '../../src/floor/bytes.ts'
import { UNLISTED_MS } from '../../src/backends/lnd/limits.ts'
import { GHOST_MS } from '../../src/medium/limits.ts'
import { lndAvailable } from '../../tools/regtest/available.ts'
import type { Network } from '../../tools/regtest/network.ts'
import { until } from '../../tools/regtest/until.ts'
import { type Ledger, readLedger } from '../../tools/regtest/ledger.ts'
import { BackendPayer, outcomeOf } from '../../tools/regtest/backend-payer.ts'
import { leavesAsFound } from '../regtest/leaves-as-found.ts'
import { FixtureProgram } from './fixture-program.ts'
import { TcpProxy } from './tcp-proxy.ts'
import { startThreeInARow } from '../regtest/three-in-a-row.ts'

const available = lndAvailable()
type Name = 'alice' | 'bob' | 'carol'
const sender = import.meta.resolve('./fixtures/sender.ts')

describe.skipIf(!available.ok)('a payment that a node was lost over', () => {
  let network: Network<Name>

  beforeAll(async () => {
    network = await startThreeInARow()
  })

  afterAll(async () => {
    await network.close()
  })

  leavesAsFound(() => network)

  const carol = (): Uint8Array => fromHex(network.node('carol').publicKey)

  it('is unknown while it hangs, and told when it is decided, settled or failed', async () => {
    const alice = network.node('alice')
    const proxy = await TcpProxy.start(alice.socket)
    const payer = await attachPayer(proxy.socket)
    const before = await readLedger(alice)
    // Routes are found before the relay hangs: its peers give it up after a while.
    const good = await payer.route({ lane: 'node', publicKey: carol() })
    // Nobody takes packets at this phantom.
    const bad = await payer.route({ lane: 'phantom', publicKey: carol() })
    network.node('bob').pause()
    const settling = [good, good, good].map((route) => payer.beginOver(route))
    const failing = [bad, bad, bad].map((route) => payer.beginOver(route))
    const underWay = async (): Promise<true | undefined> =>
      (await readLedger(alice, before.lastIndex)).inFlight.length === 6 || undefined
    await until('six payments hang', underWay)
    proxy.cut('reset')
    await until('all are unknown', () => payer.begun.every(({ first }) => first?.status === 'unknown') || undefined)
    await until('the node is back', () => payer.isOnline || undefined)
    // For longer than what no channel holds is believed to be under way.
    for (const end = Date.now() + GHOST_MS + 5_000; Date.now() < end; await sleep(1_000))
      for (const { hash } of payer.begun) expect(await payer.backend.track(hash)).toEqual({ status: 'in-flight' })
    expect(payer.begun.every(({ resolved }) => resolved === undefined)).toBe(true)
    network.node('bob').resume()
    await until('all are told', () => payer.begun.every((each) => outcomeOf(each) !== undefined) || undefined)
    expect(settling.map((each) => outcomeOf(each)?.status)).toEqual(['settled', 'settled', 'settled'])
    expect(failing.map((each) => outcomeOf(each)?.status)).toEqual(['failed', 'failed', 'failed'])
    expect(await readLedger(alice, before.lastIndex)).toMatchObject({ inFlight: [], succeeded: 3, failed: 3 })
  })

  it('binds the caps of the next process until lnd has told', async () => {
    const [alice, bob] = [network.node('alice'), network.node('bob')]
    const folder = mkdtempSync(join(tmpdir(), 'keysock-store-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const receiver = await createEndpoint({ backend: backendOf('carol') })
    onTestFinished(() => receiver.close())
    await receiver.createServer((socket) => socket.resume().on('error', () => undefined)).listen(7)
    const before = await readLedger(alice)
    const { socket, certPath, macaroonPath } = alice
    const program = new FixtureProgram(sender, [socket, certPath, macaroonPath, folder, receiver.publicKeyHex, '7'])
    await program.answer('connected')
    await until(
      'a good deal was sent',
      async () => (await readLedger(alice, before.lastIndex)).succeeded > 30 || undefined,
    )
    bob.pause()
    const ledger = (): Promise<Ledger> => readLedger(alice, before.lastIndex)
    await until('payments hang', async () => (await ledger()).inFlight.length > 5 || undefined)
    await program.kill()

    // lnd may yet begin what the program had handed over: it is all in the store, or was decided before.
    const store = new FolderStore(folder)
    const { reservations } = await store.open()
    await store.close()
    const begun = new Set([...(await ledger()).hashes, ...reservations.keys()])
    expect(reservations.size).toBeGreaterThan(5)
    const backend = backendOf('alice')
    // A cap below what is under way: until that is decided nothing may be sent.
    const endpoint = await createEndpoint({ backend, store: new FolderStore(folder), caps: { process: 3_000n } })
    onTestFinished(() => endpoint.close())
    expect(endpoint.stats.reservedMsat).toBeGreaterThan(3_000n)
    const connecting = endpoint.createConnection(receiver.publicKeyHex, 7).on('error', () => undefined)
    let pauses = 0
    connecting.on('paused', () => pauses++)
    await until('the connection is paused', () => pauses > 0 || undefined)
    // As long as the relay hangs, what lnd has in flight stays so.
    await until('all that lnd knows to be decided is freed, and nothing else', async () => {
      const { paymentsUnresolved } = endpoint.stats
      const { inFlight } = await ledger()
      return (
        (paymentsUnresolved === inFlight.length && paymentsUnresolved === endpoint.stats.paymentsUnresolved) ||
        undefined
      )
    })
    expect(endpoint.stats.paymentsUnresolved).toBeGreaterThan(5)
    expect(endpoint.stats.reservedMsat).toBeGreaterThan(3_000n)
    expect((await ledger()).hashes.filter((hash) => !begun.has(hash))).toEqual([])
    connecting.destroy()
    bob.resume()
    await until('all is decided', () => (endpoint.stats.paymentsUnresolved === 0 ? true : undefined))
    expect(endpoint.stats.reservedMsat).toBe(0n)
    expect((await ledger()).inFlight).toEqual([])
  })

  it('is decided in the end when lnd was killed right after it was begun', async () => {
    const alice = network.node('alice')
    const payer = await attachPayer()
    const before = await readLedger(alice)
    const beginning: Promise<unknown>[] = []
    for (const ms of [5, 10, 20, 30, 40, 50]) {
      await network.waitActive()
      await until('the node is back', () => payer.isOnline || undefined)
      const begun = await payer.begin({ lane: 'node', publicKey: carol() })
      for (let i = 0; i < 3; i++) beginning.push(payer.begin({ lane: 'node', publicKey: carol() }))
      await sleep(ms)
      await alice.kill()
      await until('it is lost', () => (begun.first === undefined ? undefined : true))
      await alice.start()
    }
    await network.waitActive()
    await Promise.all(beginning)
    await until(
      'every payment is decided',
      () => payer.begun.every((each) => outcomeOf(each) !== undefined) || undefined,
      // What lnd calls in flight and never sent is believed for UNLISTED_MS.
      { deadlineMs: 2 * UNLISTED_MS },
    )
    // Failed means that nothing went: not one of them was paid, nor is held by a channel.
    const after = await readLedger(alice, before.lastIndex)
    const failed = payer.begun.filter((each) => outcomeOf(each)?.status === 'failed')
    const settled = payer.begun.length - failed.length
    expect(after.succeeded).toBe(settled)
    const ghosts = new Set(after.inFlight)
    const told = new Set(failed.map(({ hash }) => toHex(hash)))
    expect([...ghosts].filter((hash) => !told.has(hash))).toEqual([])
  })

  async function attachPayer(socket?: string): Promise<BackendPayer> {
    const payer = await BackendPayer.attach(network.node('alice'), socket)
    onTestFinished(() => payer.backend.stop())
    return payer
  }

  function backendOf(name: Name): ReturnType<typeof createLndBackend> {
    const { socket, certPath, macaroonPath } = network.node(name)
    return createLndBackend({ socket, cert: certPath, macaroon: macaroonPath })
  }
})
