import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { fromHex } from '../../src/floor/bytes.ts'
import type { PaymentFailure, PaymentOutcome } from '../../src/medium/payment.ts'
import { createEndpoint, type Endpoint, type EndpointOptions } from '../../src/index.ts'
import { createLndBackend, lndPermissions } from '../../src/lnd.ts'
import { ldkAvailable } from '../../tools/ldk-node/available.ts'
import type { LdkNode } from '../../tools/ldk-node/ldk-node.ts'
import { BackendPayer, type BegunPayment, outcomeOf } from '../../tools/regtest/backend-payer.ts'
import { BackendReceiver } from '../../tools/regtest/backend-receiver.ts'
import { exchange, file, sha256Hex } from '../../tools/regtest/file-exchange.ts'
import { until } from '../../tools/regtest/until.ts'
import { LdkNetwork, leavesLdkAsFound } from './ldk-network.ts'

const available = ldkAvailable()
/** Any code will do: over a blinded path nobody hears it. */
const NO_LISTENER = 1
/** What the onion of a payment holds at most, over a single hop. */
const MAX_RECORD_BYTES = 1_206
/** How many HTLCs LDK takes from a peer at once, unless it is told otherwise (spec/lnd.md §10). */
const LDK_SLOTS = 50
/** What bob takes of a peer at once: fewer than dora does. */
const BOB_SLOTS = 30

type Failed = Pick<PaymentFailure, 'place' | 'reason' | 'channel'>

/** Payments that find no slot. */
const MORE = 5

type Name = 'alice' | 'carol' | 'bob'

function isSuchFailure(outcome: PaymentOutcome, how: Failed): boolean {
  if (outcome.status !== 'failed') return false
  const { place, reason, channel } = outcome
  return place === how.place && reason === how.reason && (how.channel === undefined || channel === how.channel)
}

/** Waits until so many payments as find no slot have failed in this way. Returns how many did. */
async function untilFailed(begun: readonly BegunPayment[], how: Failed): Promise<number> {
  return await until('some payments find no slot', () => {
    const failed = begun.map(outcomeOf).filter((outcome) => outcome !== undefined && isSuchFailure(outcome, how))
    return failed.length >= MORE ? failed.length : undefined
  })
}

describe.skipIf(!available.ok)(`an LDK node on the way${available.ok ? '' : ` (skipped: ${available.reason})`}`, () => {
  let network: LdkNetwork<Name, 'dora'>
  let dora: LdkNode
  let port = 0
  const question = file(1, 40_000)
  const answer = file(2, 60_000)

  beforeAll(async () => {
    // bob has no other peer, so dora is the guard of a bob that hides; for an alice that hides carol is the guard, and
    // dora the relay before it.
    network = await LdkNetwork.start({
      lnds: { alice: {}, carol: {}, bob: { maxHtlcs: BOB_SLOTS } },
      ldks: ['dora'],
      // Of dora's channels each side opens one.
      channels: [
        ['alice', 'carol'],
        ['carol', 'dora'],
        ['dora', 'bob'],
      ],
    })
    dora = network.ldk('dora')
  })

  afterAll(async () => {
    await network.close()
  })

  leavesLdkAsFound(() => network)

  function keyOf(name: Name): Uint8Array {
    return fromHex(network.lnds.node(name).publicKey)
  }

  /** An endpoint with only what spec/lnd.md asks for; it is closed with the test. */
  async function endpoint(name: Name, options: Omit<EndpointOptions, 'backend'> = {}): Promise<Endpoint> {
    const node = network.lnds.node(name)
    const { base64 } = await node.bakeMacaroon(lndPermissions)
    const backend = createLndBackend({ socket: node.socket, cert: node.certPath, macaroon: base64 })
    const end = await createEndpoint({ backend, ...options })
    onTestFinished(() => end.close())
    return end
  }

  async function payerAt(name: Name): Promise<BackendPayer> {
    const payer = await BackendPayer.attach(network.lnds.node(name))
    onTestFinished(() => payer.backend.stop())
    return payer
  }

  async function receiverAt(name: Name): Promise<BackendReceiver> {
    const receiver = await BackendReceiver.attach(network.lnds.node(name))
    onTestFinished(() => receiver.backend.stop())
    return receiver
  }

  it('is the guard of a caller that hides, and a file goes each way', async () => {
    const before = (await dora.info()).forwarded
    const [from, to] = [await endpoint('bob', { relays: 1 }), await endpoint('alice')]
    const { publicKey } = network.lnds.node('alice')
    const got = await exchange({ from, to, publicKey, port: ++port, question, answer })
    expect(got.atServer).toBe(sha256Hex(question))
    expect(got.atClient).toBe(sha256Hex(answer))
    await until('dora has relayed both files', async () => {
      const relayed = (await dora.info()).forwarded - before
      return relayed * MAX_RECORD_BYTES >= question.length + answer.length || undefined
    })
  })

  it('is the relay before the guard of a caller that hides, and a file goes each way', async () => {
    const receiver = await receiverAt('alice')
    const request = { count: 1, payer: keyOf('bob'), relays: 2, lifetimeBlocks: 100 } as const
    const made = await receiver.backend.makePaths(request)
    // Three hops after the introduction node, which is dora: carol, alice, the phantom.
    expect(made.paths[0]?.bytes[1]).toBe(3)
    expect(made.paths[0]?.bytes.slice(2, 35)).toEqual(fromHex(dora.publicKey))
    await receiver.backend.stop()
    const [from, to] = [await endpoint('alice', { relays: 2 }), await endpoint('bob')]
    const { publicKey } = network.lnds.node('bob')
    const got = await exchange({ from, to, publicKey, port: ++port, question, answer })
    expect(got.atServer).toBe(sha256Hex(question))
    expect(got.atClient).toBe(sha256Hex(answer))
  })

  it('relays plain keysends where replies are direct', async () => {
    const [from, to] = [await endpoint('alice'), await endpoint('bob')]
    const few = { question: file(3, 5_000), answer: file(4, 5_000), replies: 'direct' as const }
    const { publicKey } = network.lnds.node('bob')
    const got = await exchange({ from, to, publicKey, port: ++port, ...few })
    expect(got.atServer).toBe(sha256Hex(few.question))
    expect(got.atClient).toBe(sha256Hex(few.answer))
  })

  it('carries the refusal of a port on which nobody listens', async () => {
    const [from, to] = [await endpoint('bob'), await endpoint('alice')]
    const listening = to.createServer()
    await listening.listen(++port)
    const { publicKey } = network.lnds.node('alice')
    await expect(from.connect(publicKey, port + 1)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    listening.close()
  })

  it('tells a payer nothing but that the path refused, as lnd does, when the phantom turns a payment down', async () => {
    const [payer, receiver] = [await payerAt('alice'), await receiverAt('bob')]
    receiver.holds = true
    const begun = await payer.begin({ lane: 'phantom', path: await receiver.path(keyOf('alice')) })
    const offer = await until('the payment is offered', () => receiver.offers[0])
    await receiver.backend.answer(offer.offerId, { action: 'refuse', code: NO_LISTENER })
    const outcome = await until('the payment is decided', () => outcomeOf(begun))
    expect(outcome).toMatchObject({ status: 'failed', place: 'introduction', reason: 'blinded' })
  })

  it('refuses a fee below its policy without the policy, and the route is found again at the new price', async () => {
    const payer = await payerAt('alice')
    const destination = { lane: 'node', publicKey: keyOf('bob') } as const
    const found = await payer.route(destination)
    const { publicKey } = network.lnds.node('bob')
    // LDK takes what it asked for before, too, for some minutes: the one before that is gone.
    await dora.setPolicy({ peer: publicKey, baseFeeMsat: 4_000 })
    await dora.setPolicy({ peer: publicKey, baseFeeMsat: 5_000 })
    const begun = payer.beginOver(found)
    const outcome = await until('the payment is decided', () => outcomeOf(begun))
    expect(outcome).toMatchObject({
      status: 'failed',
      place: 'route',
      reason: 'policy',
      channel: network.channelOf('dora', 'bob'),
    })
    expect((await dora.info()).failures).toHaveProperty('FeeInsufficient')
    const paid = await until('a payment at the new price arrives', async () => {
      const status = await payer.pay(destination)
      return status === 'settled' ? status : undefined
    })
    expect(paid).toBe('settled')
  })

  it('takes 50 payments of a peer at once, and the payer hears of the next one that there is no slot', async () => {
    const payer = await payerAt('bob')
    const found = await payer.route({ lane: 'node', publicKey: keyOf('carol') })
    const [route] = await payer.backend.findRoutes({
      destination: { lane: 'node', publicKey: keyOf('carol') },
      amountMsat: 1_000n,
      maxFeeMsat: 1_000_000n,
      count: 1,
    })
    expect(route?.firstChannelSlots).toBe(LDK_SLOTS)
    network.lnds.node('carol').pause()
    const begun = Array.from({ length: LDK_SLOTS + MORE }, () => payer.beginOver(found))
    // The others are held: a carol that hangs for longer than LDK waits for it is away, and some of them come back.
    const refused = await untilFailed(begun, { place: 'local', reason: 'no-slot' })
    expect(refused).toBe(MORE)
    network.lnds.node('carol').resume()
    await until('all are decided', () => begun.every((each) => outcomeOf(each) !== undefined) || undefined)
  })

  it('fails what finds no slot on the channel that leads on, and names that channel', async () => {
    const payer = await payerAt('alice')
    const found = await payer.route({ lane: 'node', publicKey: keyOf('bob') })
    network.lnds.node('bob').pause()
    const begun = Array.from({ length: BOB_SLOTS + MORE }, () => payer.beginOver(found))
    const channel = network.channelOf('dora', 'bob')
    const refused = await untilFailed(begun, { place: 'route', reason: 'temporary-channel-failure', channel })
    expect(refused).toBe(MORE)
    network.lnds.node('bob').resume()
    await until('all are decided', () => begun.every((each) => outcomeOf(each) !== undefined) || undefined)
  })

  it('goes on in the middle of an answer when it was started again, with the channels that it had', async () => {
    const [from, to] = [await endpoint('bob'), await endpoint('alice')]
    let restarted: Promise<void> | undefined
    const { publicKey } = network.lnds.node('alice')
    const got = await exchange({
      from,
      to,
      publicKey,
      port: ++port,
      question: file(5, 5_000),
      answer,
      midway: {
        bytes: 20_000,
        act: () => {
          restarted = dora.stop().then(async () => {
            await dora.start()
            await network.waitActive()
          })
        },
      },
    })
    await restarted
    expect(got.atClient).toBe(sha256Hex(answer))
    expect(dora.closed).toEqual([])
  })
})
