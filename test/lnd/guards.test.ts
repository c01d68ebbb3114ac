import { getChannel, updateRoutingFees } from 'lightning'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { fromHex } from '../../src/floor/bytes.ts'
import { lndAvailable } from '../../tools/regtest/available.ts'
import { BackendPayer, outcomeOf } from '../../tools/regtest/backend-payer.ts'
import { BackendReceiver } from '../../tools/regtest/backend-receiver.ts'
import { ownChannel } from '../../tools/regtest/channels.ts'
import { exchange, file, sha256Hex } from '../../tools/regtest/file-exchange.ts'
import type { LndNode } from '../../tools/regtest/lnd-node.ts'
import { startNetwork, type Network } from '../../tools/regtest/network.ts'
import { until } from '../../tools/regtest/until.ts'
import { leavesAsFound } from '../regtest/leaves-as-found.ts'
import { attach, settledUp } from './attached-endpoint.ts'

/** Each side pays less than 100 sat for these files over a guard of usual price. */
const CAP_MSAT = 400_000n
const FILE_BYTES = 20_000
const DEAR_MSAT = '1000000'
const GUARDS = ['bob', 'erin'] as const
type Guard = (typeof GUARDS)[number]
type Name = 'alice' | Guard | 'carol' | 'dave'
const available = lndAvailable()

describe.skipIf(!available.ok)('a hidden caller whose peers differ', () => {
  let network: Network<Name>
  let port = 0
  const half = { capacitySat: 3_000_000, pushSat: 1_500_000 }

  beforeAll(async () => {
    network = await startNetwork<Name>({
      nodes: ['alice', ...GUARDS, 'carol', 'dave'],
      channels: [
        ...GUARDS.flatMap((guard) => [
          { between: ['alice', guard] as const, ...half },
          { between: [guard, 'carol'] as const, ...half },
        ]),
        // Dave can pay over bob alone, and be paid over erin alone: all that he has is on his side here ...
        { between: ['dave', 'bob'], capacitySat: 1_000_000, private: true },
        // ... and there on hers.
        { between: ['erin', 'dave'], capacitySat: 1_000_000 },
      ],
    })
  })

  afterAll(async () => {
    await network.close()
  })

  leavesAsFound(() => network)

  /** Over which of her peers alice's answers from carol come, as long as nothing speaks against it. */
  async function chosenGuard(): Promise<Guard> {
    const { backend } = await BackendReceiver.attach(network.node('alice'))
    try {
      const request = {
        count: 1,
        payer: fromHex(network.node('carol').publicKey),
        relays: 1,
        lifetimeBlocks: 300,
      } as const
      const { guards } = await backend.makePaths(request)
      const guard = guards?.at(-1)
      const found = GUARDS.find((name) => network.node(name).publicKey === guard)
      if (found === undefined) throw new Error(`alice's guard ${guard} is none of ${GUARDS.join(', ')}`)
      return found
    } finally {
      await backend.stop()
    }
  }

  const otherThan = (guard: Guard): Guard => (guard === 'bob' ? 'erin' : 'bob')

  /** A file each way between a hidden caller and carol, who pays for the answer. */
  async function transfer(from: 'alice' | 'dave'): Promise<void> {
    const caller = await attach(network.node(from), CAP_MSAT)
    const carol = await attach(network.node('carol'), CAP_MSAT)
    const [question, answer] = [file(1, FILE_BYTES), file(2, FILE_BYTES)]
    const ends = { from: caller.endpoint, to: carol.endpoint, publicKey: network.node('carol').publicKey, port: ++port }
    const got = await exchange({ ...ends, question, answer, maxCost: CAP_MSAT })
    expect([got.atServer, got.atClient]).toEqual([sha256Hex(question), sha256Hex(answer)])
    await Promise.all([settledUp(caller, CAP_MSAT), settledUp(carol, CAP_MSAT)])
  }

  /** What has come to alice over her channel with a guard, sat. */
  async function receivedOver(guard: Guard): Promise<number> {
    const channel = await ownChannel(network.node('alice'), network.channel('alice', guard))
    return channel?.received ?? 0
  }

  /** The guard's own channel to alice takes no less than this from now on, and she knows it. */
  async function askAtLeast(guard: LndNode, leastMsat: string): Promise<void> {
    const {
      id,
      transactionId: transaction_id,
      output: transaction_vout,
    } = network.channel('alice', guard.name as Guard)
    const usual = { base_fee_mtokens: '1000', fee_rate: 1, cltv_delta: 80 }
    const { failures } = await updateRoutingFees({
      lnd: guard.lnd,
      transaction_id,
      transaction_vout,
      ...usual,
      min_htlc_mtokens: leastMsat,
    })
    expect(failures).toEqual([])
    for (const name of ['alice', 'carol'] as const)
      await until(`${name} knows what ${guard.name} asks`, async () => {
        const { policies } = await getChannel({ lnd: network.node(name).lnd, id })
        const policy = policies.find(({ public_key }) => public_key === guard.publicKey)
        return policy?.min_htlc_mtokens === leastMsat || undefined
      })
  }

  it('is answered over another guard than the one that takes no less than 1,000 sat', async () => {
    const dear = await chosenGuard()
    await askAtLeast(network.node(dear), DEAR_MSAT)
    const before = await receivedOver(otherThan(dear))
    await transfer('alice')
    expect(await receivedOver(otherThan(dear))).toBeGreaterThan(before)
  })

  it('is answered over another guard than the one that passes nothing on', async () => {
    const silent = await chosenGuard()
    await network.node(silent).restart({ args: ['--rejecthtlc'] })
    await network.waitActive()
    const before = await receivedOver(otherThan(silent))
    await transfer('alice')
    expect(await receivedOver(otherThan(silent))).toBeGreaterThan(before)
  })

  it('cannot be paid over a way that leads through its own node to its guard', async () => {
    const receiver = await BackendReceiver.attach(network.node('alice'))
    onTestFinished(() => receiver.backend.stop())
    const payer = await BackendPayer.attach(network.node('carol'))
    onTestFinished(() => payer.backend.stop())
    const path = await receiver.path(fromHex(network.node('carol').publicKey))
    const request = { destination: { lane: 'phantom', path }, amountMsat: 1_000n, maxFeeMsat: 100_000n } as const
    const routes = await payer.backend.findRoutes({ ...request, count: 2 })
    const own = new Set(GUARDS.map((guard) => network.channel('alice', guard).id))
    const outcomes: string[] = []
    for (const { id, channels } of routes) {
      const leadsThrough = channels.some((channel) => own.has(channel))
      const begun = payer.beginOver({ id, lane: 'phantom', amountMsat: 1_000n })
      await until('the payment is decided', () => outcomeOf(begun))
      outcomes.push(`${leadsThrough ? 'through alice' : 'past alice'}: ${outcomeOf(begun)?.status}`)
    }
    expect(new Set(outcomes)).toEqual(new Set(['past alice: delivered', 'through alice: failed']))
  })

  it('pays over a private channel, and is answered over the public one', async () => {
    await transfer('dave')
  })
})
