import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type { Backend } from '../../src/backends/backend.ts'
import { createEndpoint, type Endpoint, type EndpointOptions } from '../../src/index.ts'
import { createLndBackend, lndPermissions } from '../../src/lnd.ts'
import { lndAvailable } from '../../tools/regtest/available.ts'
import type { LndNode } from '../../tools/regtest/lnd-node.ts'
import { startNetwork, type Network } from '../../tools/regtest/network.ts'
import { file } from '../../tools/regtest/file-exchange.ts'
import { until } from '../../tools/regtest/until.ts'
import { leavesAsFound } from '../regtest/leaves-as-found.ts'

const available = lndAvailable()
type Name = 'alice' | 'bob' | 'carol' | 'dave'

/** What the tests ask lnd beside what keysock does. */
interface RawClient {
  channelBalance(request: object, done: Answer<{ readonly local_balance: { readonly msat: string } }>): void
  listInvoices(request: object, done: Answer<{ readonly invoices: readonly unknown[] }>): void
}
interface RawRouter {
  queryMissionControl(request: object, done: Answer<{ readonly pairs: readonly RawPair[] }>): void
}
interface RawPair {
  readonly node_from: Uint8Array
  readonly node_to: Uint8Array
  readonly history: { readonly fail_time: string }
}
type Answer<T> = (error: unknown, answer: T) => void

function ask<T>(call: (done: Answer<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, answer) => {
      if (error === null) resolve(answer)
      else reject(error instanceof Error ? error : new Error('lnd did not answer'))
    })
  })
}

describe.skipIf(!available.ok)(
  `the unblinded phantom lane on real nodes${available.ok ? '' : ` (skipped: ${available.reason})`}`,
  () => {
    let network: Network<Name> | undefined
    let alice: Endpoint
    let carol: Endpoint
    const half = { capacitySat: 5_000_000, pushSat: 2_500_000 }

    beforeAll(async () => {
      network = await startNetwork<Name>({
        nodes: ['alice', 'bob', 'carol', 'dave'],
        channels: [
          { between: ['alice', 'bob'], ...half },
          { between: ['bob', 'carol'], ...half },
          { between: ['carol', 'dave'], ...half },
        ],
      })
    })

    afterAll(async () => {
      await network?.close()
    })

    leavesAsFound(() => network)

    beforeEach(async () => {
      alice = await endpoint('alice')
      carol = await endpoint('carol', { phantomLane: true })
    })

    function nodeOf(name: Name): LndNode {
      if (network === undefined) throw new Error('there is no network')
      return network.node(name)
    }

    async function endpoint(name: Name, options: { readonly phantomLane?: boolean } = {}): Promise<Endpoint> {
      const node = nodeOf(name)
      const { base64 } = await node.bakeMacaroon(lndPermissions)
      const backend = createLndBackend({ socket: node.socket, cert: node.certPath, macaroon: base64 })
      return await opened({ backend, ...options })
    }

    /** It is closed with the test, however that ends. */
    async function opened(options: EndpointOptions): Promise<Endpoint> {
      const end = await createEndpoint(options)
      onTestFinished(() => end.close())
      return end
    }

    function backendOf(name: Name): Backend {
      const { socket, certPath: cert, macaroon } = nodeOf(name)
      return createLndBackend({ socket, cert, macaroon: macaroon.base64 })
    }

    const client = (name: Name): RawClient => nodeOf(name).lnd.default as RawClient
    const invoices = async (name: Name): Promise<number> =>
      (await ask<{ invoices: readonly unknown[] }>((done) => client(name).listInvoices({}, done))).invoices.length
    const balances = (): Promise<readonly string[]> =>
      Promise.all(
        (['alice', 'bob', 'carol', 'dave'] as const).map(async (name) => {
          const answer = await ask<{ local_balance: { msat: string } }>((done) => client(name).channelBalance({}, done))
          return answer.local_balance.msat
        }),
      )
    /** Nothing was paid: channels take a moment to agree that a payment is gone from them. */
    async function isBack(before: readonly string[]): Promise<void> {
      await until('the balances are as before', async () => {
        expect(await balances()).toEqual(before)
        return true
      })
    }
    /** Pairs of real nodes that alice's lnd holds a failure against. */
    async function blamed(): Promise<number> {
      const router = nodeOf('alice').lnd.router as RawRouter
      const { pairs } = await ask<{ pairs: readonly RawPair[] }>((done) => router.queryMissionControl({}, done))
      const known = new Set([...(network?.nodes.values() ?? [])].map((node) => node.publicKey))
      const isKnown = (key: Uint8Array): boolean => known.has(Buffer.from(key).toString('hex'))
      return pairs.filter(
        ({ node_from, node_to, history }) => isKnown(node_from) && isKnown(node_to) && history.fail_time !== '0',
      ).length
    }

    it('refuses an OPEN unpaid, with its code, and blames no pair of nodes', async () => {
      const before = await balances()
      const error = await alice
        .connect(carol.publicKeyHex, 9, { lane: 'phantom' })
        .then(() => undefined)
        .catch((reason: unknown) => reason as NodeJS.ErrnoException)
      expect(error).toMatchObject({ code: 'ECONNREFUSED' })
      expect(error?.message).toContain('nobody listens on the port')
      await isBack(before)
      // A copy of the OPEN may have been on its way.
      await until('no copy is under way', () => (alice.stats.paymentsUnresolved === 0 ? true : undefined))
      expect(alice.stats).toMatchObject({ spentMsat: 0n, reservedMsat: 0n, paymentsUnresolved: 0 })
      expect(carol.stats).toMatchObject({ opensRefused: 1, connections: 0, spentMsat: 0n })
      expect(await invoices('carol')).toBe(0)
      expect(await blamed()).toBe(0)
    })

    it('says so where nobody takes packets there, unpaid', async () => {
      const before = await balances()
      await expect(alice.connect(nodeOf('dave').publicKey, 7, { lane: 'phantom' })).rejects.toMatchObject({
        code: 'ECONNREFUSED',
        message: expect.stringContaining("lane 'node'") as string,
      })
      await isBack(before)
    })

    it('carries a file each way, and leaves no invoice at the node', async () => {
      const [question, answer] = [file(1, 40_000), file(2, 30_000)]
      const asked = Promise.withResolvers<Buffer>()
      const server = carol.createServer({ allowHalfOpen: true }, (socket) => {
        buffer(socket).then((all) => {
          socket.end(answer)
          asked.resolve(all)
        }, asked.reject)
      })
      await server.listen(7)
      const socket = await alice.connect(carol.publicKeyHex, 7, { lane: 'phantom' })
      socket.end(question)
      expect((await buffer(socket)).equals(answer)).toBe(true)
      expect((await asked.promise).equals(question)).toBe(true)
      expect(socket.stats.paidMsat).toBeGreaterThan(0n)
      expect(await invoices('carol')).toBe(0)
    })

    it.for(['carol', 'bob'] as const)(
      'loses nothing when the lnd of %s restarts in the middle of a question',
      async (name) => {
        const question = file(4, 80_000)
        const asked = Promise.withResolvers<Buffer>()
        let restarted: Promise<void> | undefined
        const server = carol.createServer({ allowHalfOpen: true }, (socket) => {
          socket.on('data', () => {
            if (socket.bytesRead > 10_000) restarted ??= nodeOf(name).restart()
          })
          buffer(socket).then((all) => {
            socket.end('thanks')
            asked.resolve(all)
          }, asked.reject)
        })
        await server.listen(8)
        const socket = await alice.connect(carol.publicKeyHex, 8, { lane: 'phantom' })
        socket.end(question)
        expect((await asked.promise).equals(question)).toBe(true)
        expect((await buffer(socket)).toString()).toBe('thanks')
        await restarted
        expect(await invoices('carol')).toBe(0)
      },
    )

    it('ends at once when the process that takes them is another one by now', async () => {
      const backend = backendOf('dave')
      const first = await opened({ backend, phantomLane: true })
      await first.createServer((socket) => socket.resume().on('error', () => undefined)).listen(7)
      const socket = await alice.connect(first.publicKeyHex, 7, { lane: 'phantom' })
      const error = new Promise<NodeJS.ErrnoException>((resolve) => {
        socket.on('error', resolve)
      })
      // It is gone without a word to anybody.
      await backend.stop()
      await endpoint('dave', { phantomLane: true })
      socket.write('still there?')
      expect(await error).toMatchObject({ code: 'ECONNRESET' })
    })

    it('lets the payments of others pass through the node that takes them', async () => {
      const relayed = await endpoint('dave')
      const server = relayed.createServer({ allowHalfOpen: true }, (socket) => {
        buffer(socket).then(
          (all) => socket.end(all),
          () => undefined,
        )
      })
      await server.listen(7)
      const socket = await alice.connect(relayed.publicKeyHex, 7)
      const sent = file(3, 10_000)
      socket.end(sent)
      expect((await buffer(socket)).equals(sent)).toBe(true)
    })

    it('starts only where the interceptor is free', async () => {
      await expect(endpoint('carol', { phantomLane: true })).rejects.toMatchObject({ code: 'unsupported' })
    })
  },
)
