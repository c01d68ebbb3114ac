import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { fromHex } from '../../src/floor/bytes.ts'
import { createEndpoint, type Endpoint } from '../../src/index.ts'
import { createLndBackend, lndPermissions } from '../../src/lnd.ts'
import { ldkAvailable } from '../../tools/ldk-node/available.ts'
import { BackendPayer, outcomeOf } from '../../tools/regtest/backend-payer.ts'
import { BackendReceiver } from '../../tools/regtest/backend-receiver.ts'
import { exchange, file, sha256Hex } from '../../tools/regtest/file-exchange.ts'
import { until } from '../../tools/regtest/until.ts'
import { LdkNetwork, leavesLdkAsFound } from './ldk-network.ts'

const available = ldkAvailable()

describe.skipIf(!available.ok)('two LDK nodes, one behind the other', () => {
  let network: LdkNetwork<'alice' | 'bob' | 'dave', 'dora' | 'erik'>

  beforeAll(async () => {
    network = await LdkNetwork.start({
      lnds: { alice: {}, bob: {}, dave: {} },
      ldks: ['dora', 'erik'],
      channels: [
        ['alice', 'dora'],
        ['dora', 'erik'],
        ['erik', 'bob'],
      ],
      privateChannels: [['dave', 'erik']],
    })
  })

  afterAll(async () => {
    await network.close()
  })

  leavesLdkAsFound(() => network)

  async function endpoint(name: 'alice' | 'bob', relays: 1 | 2): Promise<Endpoint> {
    const node = network.lnds.node(name)
    const { base64 } = await node.bakeMacaroon(lndPermissions)
    const backend = createLndBackend({ socket: node.socket, cert: node.certPath, macaroon: base64 })
    const end = await createEndpoint({ backend, relays })
    onTestFinished(() => end.close())
    return end
  }

  it('are the guard of a caller that hides and the relay before it, and a file goes each way', async () => {
    const { publicKey } = network.lnds.node('alice')
    const receiver = await BackendReceiver.attach(network.lnds.node('bob'))
    onTestFinished(() => receiver.backend.stop())
    const request = { count: 1, payer: fromHex(publicKey), relays: 2, lifetimeBlocks: 100 } as const
    const { paths } = await receiver.backend.makePaths(request)
    // Three hops after the introduction node, which is dora: erik, bob, the phantom.
    expect(paths[0]?.bytes[1]).toBe(3)
    expect(paths[0]?.bytes.slice(2, 35)).toEqual(fromHex(network.ldk('dora').publicKey))
    await receiver.backend.stop()
    const [question, answer] = [file(1, 20_000), file(2, 40_000)]
    const [from, to] = [await endpoint('bob', 2), await endpoint('alice', 1)]
    const got = await exchange({ from, to, publicKey, port: 1, question, answer })
    expect(got.atServer).toBe(sha256Hex(question))
    expect(got.atClient).toBe(sha256Hex(answer))
  })

  it('lead nowhere over a channel that is not announced, until their owner says so', async () => {
    const payer = await BackendPayer.attach(network.lnds.node('alice'))
    onTestFinished(() => payer.backend.stop())
    const erik = network.ldk('erik')
    const { publicKey } = network.lnds.node('dave')
    const channelId = network.channelOf('dave', 'erik')
    const { baseFeeMsat, feeRatePpm, timeLockDelta } = await erik.channelWith(publicKey)
    const hint = {
      publicKey: fromHex(erik.publicKey),
      channelId,
      feeBaseMsat: BigInt(baseFeeMsat),
      feePpm: feeRatePpm,
      cltvDelta: timeLockDelta,
    }
    const destination = { lane: 'node', publicKey: fromHex(publicKey), hints: [hint] } as const
    const begun = await payer.begin(destination)
    const outcome = await until('the payment is decided', () => outcomeOf(begun))
    expect(outcome).toMatchObject({ place: 'route', reason: 'unknown-next-peer', channel: channelId })
    expect((await erik.info()).failures).toHaveProperty('PrivateChannelForward')
    await erik.stop()
    await erik.start({ forwardsToPrivate: true })
    await network.waitActive()
    const status = await until('a payment arrives', async () => {
      const paid = await payer.pay(destination)
      return paid === 'settled' ? paid : undefined
    })
    expect(status).toBe('settled')
  })
})
