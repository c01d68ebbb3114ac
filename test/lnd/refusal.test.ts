import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { createEndpoint, type Endpoint, type KeysockError, type OpeningRequest } from '../../src/index.ts'
import { createLndBackend, lndPermissions } from '../../src/lnd.ts'
import type { ConnectOptions } from '../../src/transport/options/options.ts'
import { lndAvailable } from '../../tools/regtest/available.ts'
import { startNetwork, type Network } from '../../tools/regtest/network.ts'
import { until } from '../../tools/regtest/until.ts'
import { leavesAsFound } from '../regtest/leaves-as-found.ts'

const available = lndAvailable()
const NAMES = ['alice', 'bob', 'carol'] as const
type Name = (typeof NAMES)[number]

/** Of the channels of a node, to the msat. */
interface Balance {
  readonly local_balance: { readonly msat: string }
  readonly remote_balance: { readonly msat: string }
  readonly unsettled_local_balance: { readonly msat: string }
}
interface RawClient {
  channelBalance(request: object, done: (error: Error | null, answer: Balance) => void): void
}

describe.skipIf(!available.ok)(
  `a refusal before payment on real nodes${available.ok ? '' : ` (skipped: ${available.reason})`}`,
  () => {
    let network: Network<Name> | undefined
    let alice: Endpoint
    let carol: Endpoint

    beforeAll(async () => {
      const half = { capacitySat: 5_000_000, pushSat: 2_500_000 }
      network = await startNetwork<Name>({
        nodes: NAMES,
        channels: [
          { between: ['alice', 'bob'], ...half },
          { between: ['bob', 'carol'], ...half },
        ],
      })
    })

    afterAll(async () => {
      await network?.close()
    })

    leavesAsFound(() => network)

    beforeEach(async () => {
      alice = await endpoint('alice')
      carol = await endpoint('carol', true)
    })

    /** It is closed with the test, however that ends. */
    async function endpoint(name: Name, phantomLane = false): Promise<Endpoint> {
      const node = network?.node(name)
      if (node === undefined) throw new Error('there is no network')
      const { base64 } = await node.bakeMacaroon(lndPermissions)
      const backend = createLndBackend({ socket: node.socket, cert: node.certPath, macaroon: base64 })
      const end = await createEndpoint({ backend, phantomLane })
      onTestFinished(() => end.close())
      return end
    }

    /** What each node has in its channels, what the other ends have there, and what is under way: msat. */
    async function balances(): Promise<Readonly<Record<string, string>>> {
      const rows = NAMES.map(async (name) => {
        const client = network?.node(name).lnd.default as RawClient
        const { local_balance, remote_balance, unsettled_local_balance } = await new Promise<Balance>(
          (resolve, reject) => {
            client.channelBalance({}, (error, answer) => (error === null ? resolve(answer) : reject(error)))
          },
        )
        return [name, `${local_balance.msat} ${remote_balance.msat} ${unsettled_local_balance.msat}`] as const
      })
      return Object.fromEntries(await Promise.all(rows))
    }

    /** Channels take a moment to agree that a payment is gone from them. */
    async function areBack(before: Readonly<Record<string, string>>, what: string): Promise<void> {
      const after = await until('the balances are as before', async () => {
        const now = await balances()
        expect(now).toEqual(before)
        return now
      })
      console.log(`${what}\n  before: ${JSON.stringify(before)}\n  after:  ${JSON.stringify(after)}`)
    }

    async function refused(port: number, options: ConnectOptions = {}): Promise<KeysockError> {
      const connecting = alice.connect(carol.publicKeyHex, port, { lane: 'phantom', ...options })
      const result = await connecting.catch((error: unknown) => error as KeysockError)
      if (!(result instanceof Error)) throw new Error('it was connected')
      return result
    }

    async function listen(decide: (request: OpeningRequest) => unknown): Promise<void> {
      const server = carol.createServer((socket) => socket.on('error', () => undefined).end('served'))
      server.on('opening', (request) => decide(request))
      await server.listen(7)
    }

    /** Nothing of alice's or carol's was spent, and nothing is under way. */
    function nothingPaid(): void {
      expect(alice.stats).toMatchObject({ spentMsat: 0n, reservedMsat: 0n, paymentsUnresolved: 0 })
      expect(carol.stats).toMatchObject({ spentMsat: 0n, connections: 0 })
    }

    it.for([
      ['at once', 0],
      ['after a promise', 1_000],
    ] as const)('leaves all channels as they were to the msat: %s', async ([when, ms]) => {
      await listen(async (request) => {
        if (ms > 0) await sleep(ms)
        request.refuse('', 403)
      })
      const before = await balances()
      expect(await refused(7)).toMatchObject({ code: 'ECONNREFUSED', peerCode: 403 })
      await areBack(before, `refused ${when}`)
      await until('no copy is under way', () => (alice.stats.paymentsUnresolved === 0 ? true : undefined))
      nothingPaid()
    })

    it('is told by the key of who calls', async () => {
      await listen((request) => (request.remoteAddress === alice.publicKeyHex ? undefined : request.refuse()))
      const before = await balances()
      expect(await refused(7)).toMatchObject({ code: 'ECONNREFUSED', peerCode: 18 })
      await areBack(before, 'refused without a name')
      const socket = await alice.connect(carol.publicKeyHex, 7, { lane: 'phantom', identify: 'open' })
      socket.end()
      expect(await text(socket)).toBe('served')
      expect(alice.stats.spentMsat).toBeGreaterThan(0n)
    })

    it('names an opening price, which is paid within the limit of the caller alone', async () => {
      const server = carol.createServer({ openingPrice: 50_000 }, (socket) =>
        socket.on('error', () => undefined).end('served'),
      )
      await server.listen(7)
      const before = await balances()
      const error = await refused(7, { maxOpeningPrice: 49_999 })
      expect(error).toMatchObject({ code: 'ERR_KEYSOCK_PRICE', openingPriceMsat: 50_000n })
      await areBack(before, 'refused with a price')
      nothingPaid()
      const socket = await alice.connect(carol.publicKeyHex, 7, { lane: 'phantom', maxOpeningPrice: 50_000 })
      socket.end()
      expect(await text(socket)).toBe('served')
      expect(alice.stats.spentMsat).toBeGreaterThanOrEqual(50_000n)
      expect(alice.stats.spentMsat).toBeLessThan(100_000n)
    })
  },
)
