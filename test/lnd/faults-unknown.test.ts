import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEndpoint, FolderStore } from '../../src/index.ts'
import { createLndBackend } from '../../src/lnd.ts'
import { fromHex, toHex } from '../../src/floor/bytes.ts'
import { lndAvailable } from '../../tools/regtest/available.ts'
import { startNetwork, type Network } from '../../tools/regtest/network.ts'
import { until } from '../../tools/regtest/until.ts'
import { readLedger } from '../../tools/regtest/ledger.ts'
import { type BegunPayment, BackendPayer, outcomeOf } from '../../tools/regtest/backend-payer.ts'
import { FixtureProgram } from './fixture-program.ts'
import { TcpProxy } from './tcp-proxy.ts'

const START_MS = 20 * 60_000
const TEST_MS = 300_000
const available = lndAvailable()
type Name = 'alice' | 'bob' | 'carol'
const sender = import.meta.resolve('./fixtures/sender.ts')

describe.skipIf(!available.ok)('a payment that a node was lost over', () => {
  let network: Network<Name>
  const half = { capacitySat: 5_000_000, pushSat: 2_500_000 }

  beforeAll(async () => {
    network = await startNetwork<Name>({
      nodes: ['alice', 'bob', 'carol'],
      channels: [
        { between: ['alice', 'bob'], ...half },
        { between: ['bob', 'carol'], ...half },
      ],
    })
  }, START_MS)

  afterAll(async () => {
    await network.close()
  })

  const carol = (): Uint8Array => fromHex(network.node('carol').publicKey)

  it('is unknown while it hangs, and told when it is decided, settled or failed', { timeout: TEST_MS }, async () => {
    const alice = network.node('alice')
    const proxy = await TcpProxy.start(alice.socket)
    const payer = await BackendPayer.attach(alice, proxy.socket)
    const before = await readLedger(alice)
    // Routes are found before the relay hangs.
    await payer.backend.findRoutes({
      destination: { lane: 'node', publicKey: carol() },
      amountMsat: 1_000n,
      maxFeeMsat: 20_000n,
      count: 1,
    })
    network.node('bob').pause()
    const settling: BegunPayment[] = []
    const failing: BegunPayment[] = []
    for (let i = 0; i < 3; i++) {
      settling.push(await payer.begin({ lane: 'node', publicKey: carol() }))
      // Nobody takes packets at this phantom.
      failing.push(await payer.begin({ lane: 'phantom', publicKey: carol() }))
    }
    const underWay = async (): Promise<true | undefined> =>
      (await readLedger(alice, before.lastIndex)).inFlight.length === 6 || undefined
    await until('six payments hang', underWay)
    proxy.cut('reset')
    await until('all are unknown', () => payer.begun.every(({ first }) => first?.status === 'unknown') || undefined)
    await until('the node is back', () => payer.isOnline || undefined)
    for (const { hash } of payer.begun) expect(await payer.backend.track(hash)).toEqual({ status: 'in-flight' })
    expect(payer.begun.every(({ resolved }) => resolved === undefined)).toBe(true)
    network.node('bob').resume()
    await until('all are told', () => payer.begun.every((each) => outcomeOf(each) !== undefined) || undefined)
    expect(settling.map((each) => outcomeOf(each)?.status)).toEqual(['settled', 'settled', 'settled'])
    expect(failing.map((each) => outcomeOf(each)?.status)).toEqual(['failed', 'failed', 'failed'])
    expect(await readLedger(alice, before.lastIndex)).toMatchObject({ inFlight: [], succeeded: 3, failed: 3 })
    await payer.backend.stop()
    await proxy.close()
  })

  it('binds the caps of the next process until lnd has told', { timeout: TEST_MS }, async () => {
    const [alice, bob] = [network.node('alice'), network.node('bob')]
    const folder = mkdtempSync(join(tmpdir(), 'keysock-store-'))
    const receiver = await createEndpoint({ backend: backendOf('carol') })
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
    const hanging = async (): Promise<number> => (await readLedger(alice, before.lastIndex)).inFlight.length
    await until('payments hang', async () => (await hanging()) > 5 || undefined)
    await program.kill()

    const inFlight = await hanging()
    const sent = (await readLedger(alice)).lastIndex
    const backend = backendOf('alice')
    // A cap below what is under way: until that is decided nothing may be sent.
    const endpoint = await createEndpoint({ backend, store: new FolderStore(folder), caps: { process: 3_000n } })
    expect(endpoint.stats.paymentsUnresolved).toBeGreaterThanOrEqual(inFlight)
    expect(endpoint.stats.reservedMsat).toBeGreaterThan(3_000n)
    const connecting = endpoint.createConnection(receiver.publicKeyHex, 7).on('error', () => undefined)
    let pauses = 0
    connecting.on('paused', () => pauses++)
    await until('the connection is paused', () => pauses > 0 || undefined)
    await until('all that lnd knows to be decided is freed', () =>
      endpoint.stats.paymentsUnresolved === inFlight ? true : undefined,
    )
    expect((await readLedger(alice)).lastIndex).toBe(sent)
    expect(endpoint.stats.reservedMsat).toBeGreaterThan(0n)
    bob.resume()
    await until('all is decided', () => (endpoint.stats.paymentsUnresolved === 0 ? true : undefined), {
      deadlineMs: 120_000,
    })
    expect(endpoint.stats.reservedMsat).toBe(0n)
    expect(await hanging()).toBe(0)
    connecting.destroy()
    await Promise.all([endpoint.close(), receiver.close()])
    rmSync(folder, { recursive: true })
  })

  it('is decided in the end when lnd was killed right after it was begun', { timeout: TEST_MS }, async () => {
    const alice = network.node('alice')
    const payer = await BackendPayer.attach(alice)
    const before = await readLedger(alice)
    for (const ms of [5, 10, 20, 30, 40, 50]) {
      await network.waitActive()
      await until('the node is back', () => payer.isOnline || undefined)
      const begun = await payer.begin({ lane: 'node', publicKey: carol() })
      for (let i = 0; i < 3; i++) void payer.begin({ lane: 'node', publicKey: carol() })
      await sleep(ms)
      await alice.kill()
      await until('it is lost', () => (begun.first === undefined ? undefined : true))
      await alice.start()
    }
    await network.waitActive()
    await until(
      'every payment is decided',
      () => payer.begun.every((each) => outcomeOf(each) !== undefined) || undefined,
      {
        deadlineMs: 120_000,
      },
    )
    // Failed means that nothing went: not one of them was paid, nor is held by a channel.
    const after = await readLedger(alice, before.lastIndex)
    const failed = payer.begun.filter((each) => outcomeOf(each)?.status === 'failed')
    const settled = payer.begun.length - failed.length
    expect(after.succeeded).toBe(settled)
    const ghosts = new Set(after.inFlight)
    const told = new Set(failed.map(({ hash }) => toHex(hash)))
    expect([...ghosts].filter((hash) => !told.has(hash))).toEqual([])
    await payer.backend.stop()
  })

  function backendOf(name: Name): ReturnType<typeof createLndBackend> {
    const { socket, certPath, macaroonPath } = network.node(name)
    return createLndBackend({ socket, cert: certPath, macaroon: macaroonPath })
  }
})
