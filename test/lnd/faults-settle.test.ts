import { setTimeout as sleep } from 'node:timers/promises'
import { getChannels } from 'lightning'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { fromHex, toHex } from '../../src/floor/bytes.ts'
import { lndAvailable } from '../../tools/regtest/available.ts'
import { startNetwork, type Network } from '../../tools/regtest/network.ts'
import { until } from '../../tools/regtest/until.ts'
import { BackendPayer, outcomeOf } from '../../tools/regtest/backend-payer.ts'
import { leavesAsFound } from '../regtest/leaves-as-found.ts'
import { TcpProxy } from './tcp-proxy.ts'
import { BackendReceiver } from '../../tools/regtest/backend-receiver.ts'

const AMOUNT_MSAT = 20_000n
/** What lnd may lose when it dies between a verdict and its payment. */
const KILLS_MS = [0, 5, 10, 30, 50]
const available = lndAvailable()
type Name = 'alice' | 'bob' | 'carol'

describe.skipIf(!available.ok)('a settled payment over a hidden path', () => {
  let network: Network<Name>
  let payer: BackendPayer
  let receiver: BackendReceiver
  const half = { capacitySat: 5_000_000, pushSat: 2_500_000 }

  beforeAll(async () => {
    network = await startNetwork<Name>({
      nodes: ['alice', 'bob', 'carol'],
      channels: [
        { between: ['carol', 'bob'], ...half },
        { between: ['bob', 'alice'], ...half },
      ],
    })
  })

  afterAll(async () => {
    await network.close()
  })

  leavesAsFound(() => network)

  beforeEach(async () => {
    payer = await BackendPayer.attach(network.node('carol'))
    onTestFinished(() => payer.backend.stop())
    receiver = await attachReceiver()
  })

  async function attachReceiver(socket?: string): Promise<BackendReceiver> {
    const attached = await BackendReceiver.attach(network.node('alice'), socket)
    onTestFinished(() => attached.backend.stop())
    return attached
  }

  const newPath = async (by: BackendReceiver): Promise<Uint8Array> =>
    await until('there is a path', () => by.path(fromHex(network.node('carol').publicKey)))

  async function balanceSat(): Promise<number> {
    const { channels } = await getChannels({ lnd: network.node('alice').lnd })
    return channels.reduce((sum, channel) => sum + channel.local_balance, 0)
  }

  it.for([
    ['requires', true],
    ['does not require', false],
  ] as const)(
    'is settled again when lnd, which %s an interceptor, was killed right after the word',
    async ([, waits]) => {
      const alice = network.node('alice')
      await alice.restart({ requireInterceptor: waits })
      await network.waitActive()
      const before = await balanceSat()
      const outcomes: (string | undefined)[] = []
      for (const ms of KILLS_MS) {
        const path = await newPath(receiver)
        const killed = new Promise<void>((resolve, reject) => {
          receiver.settled = () => {
            receiver.settled = () => undefined
            sleep(ms)
              .then(() => alice.kill())
              .then(resolve, reject)
          }
        })
        const begun = await payer.begin({ lane: 'phantom', path }, AMOUNT_MSAT)
        await killed
        await alice.start()
        await network.waitActive()
        const decided = (): true | undefined => outcomeOf(begun) !== undefined || undefined
        await until('the payment is decided', decided)
        outcomes.push(outcomeOf(begun)?.status)
      }
      const hashes = receiver.offers.map(({ hash }) => toHex(hash))
      expect(new Set(hashes).size).toBe(hashes.length)
      expect(new Set(receiver.confirmed).size).toBe(receiver.confirmed.length)
      const delivered = outcomes.filter((status) => status === 'delivered').length
      expect(outcomes.filter((status) => status !== 'delivered' && status !== 'failed')).toEqual([])
      // What the payer paid is here, whatever lnd did between, where lnd waits for the interceptor. Where it does not,
      // it may fail at its start what it had settled (spec/lnd.md §5): what was told to be here is here.
      const come = waits ? delivered : receiver.confirmed.length
      await until(
        'the money is here',
        async () => (await balanceSat()) - before >= come * Number(AMOUNT_MSAT / 1_000n) || undefined,
      )
      expect(receiver.confirmed.length).toBeLessThanOrEqual(delivered)
    },
  )

  it('is not delivered twice at later restarts, whose offers do not end the stream', async () => {
    const alice = network.node('alice')
    const before = receiver.offers.length
    const first = await newPath(receiver)
    expect(await payer.pay({ lane: 'phantom', path: first })).toBe('delivered')
    for (let restarts = 0; restarts < 2; restarts++) {
      await alice.restart()
      await network.waitActive()
      const path = await newPath(receiver)
      expect(await payer.pay({ lane: 'phantom', path })).toBe('delivered')
    }
    expect(receiver.offers.length - before).toBe(3)
    expect(receiver.warnings).toEqual([])
    // One that knows nothing of them.
    await receiver.backend.stop()
    receiver = await attachReceiver()
    const path = await newPath(receiver)
    await alice.restart()
    await network.waitActive()
    await until('it is paid', async () => (await payer.pay({ lane: 'phantom', path })) === 'delivered' || undefined)
    expect(receiver.warnings).toEqual([])
  })

  it('waits for a stream that broke where lnd requires an interceptor', async () => {
    const alice = network.node('alice')
    await receiver.backend.stop()
    await alice.restart({ requireInterceptor: true })
    await network.waitActive()
    const proxy = await TcpProxy.start(alice.socket)
    receiver = await attachReceiver(proxy.socket)
    const path = await newPath(receiver)
    receiver.holds = true
    const begun = await payer.begin({ lane: 'phantom', path })
    const [first] = await until('it is offered', () => (receiver.offers.length > 0 ? receiver.offers : undefined))
    proxy.cut('reset')
    const [, second] = await until('it is offered again', () =>
      receiver.offers.length > 1 ? receiver.offers : undefined,
    )
    expect(receiver.gone).toEqual([first?.offerId])
    expect(second?.hash).toEqual(first?.hash)
    expect(second?.offerId).not.toBe(first?.offerId)
    if (second !== undefined) receiver.settle(second)
    await until('it is decided', () => outcomeOf(begun))
    expect(outcomeOf(begun)?.status).toBe('delivered')
    expect(receiver.offers).toHaveLength(2)
  })
})
