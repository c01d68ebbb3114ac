import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lndAvailable } from '../../tools/regtest/available.ts'
import { exchange, file, sha256Hex } from '../../tools/regtest/file-exchange.ts'
import type { LndNode } from '../../tools/regtest/lnd-node.ts'
import { startNetwork, type Network } from '../../tools/regtest/network.ts'
import { until } from '../../tools/regtest/until.ts'
import { attach, settledUp } from './attached-endpoint.ts'

const START_MS = 20 * 60_000
const TEST_MS = 300_000
const CAP_MSAT = 2_000_000n
const FILE_BYTES = 20_000
const available = lndAvailable()
type Name = 'alice' | 'bob' | 'carol' | 'dave'

/** bLIP 18, as lnd takes and tells it. */
interface Fee {
  readonly base_fee_msat: number
  readonly fee_rate_ppm: number
}
interface RawPolicy {
  readonly inbound_fee_base_msat: number
  readonly inbound_fee_rate_milli_msat: number
}
interface RawGraph {
  readonly edges: readonly {
    readonly node1_pub: string
    readonly node1_policy: RawPolicy | null
    readonly node2_pub: string
    readonly node2_policy: RawPolicy | null
  }[]
}
interface RawClient {
  updateChannelPolicy(request: object, done: Answer<{ readonly failed_updates: readonly unknown[] }>): void
  describeGraph(request: object, done: Answer<RawGraph>): void
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

describe.skipIf(!available.ok)('relays that ask a fee for what comes in', () => {
  let network: Network<Name>
  let port = 0
  const half = { capacitySat: 5_000_000, pushSat: 2_500_000 }

  beforeAll(async () => {
    network = await startNetwork<Name>({
      nodes: ['alice', 'bob', 'carol', 'dave'],
      channels: [
        { between: ['alice', 'bob'], ...half },
        { between: ['bob', 'carol'], ...half },
        { between: ['carol', 'dave'], ...half },
      ],
      every: { args: ['--accept-positive-inbound-fees'] },
    })
  }, START_MS)

  afterAll(async () => {
    await network.close()
  })

  /** Bob and carol ask this from now on, over all of their channels, and both ends know it. */
  async function charge(fee: Fee): Promise<void> {
    const relays = [network.node('bob'), network.node('carol')]
    const policy = { global: true, base_fee_msat: '1000', fee_rate_ppm: 1, time_lock_delta: 80, inbound_fee: fee }
    for (const { lnd } of relays) {
      const answer = await ask<{ failed_updates: readonly unknown[] }>((done) =>
        (lnd.default as RawClient).updateChannelPolicy(policy, done),
      )
      expect(answer.failed_updates).toEqual([])
    }
    const keys = new Set(relays.map(({ publicKey }) => publicKey))
    for (const name of ['alice', 'bob', 'carol', 'dave'] as const)
      await until(`${name} knows the fees`, () => knows(network.node(name), keys, fee), { everyMs: 100 })
  }

  async function knows({ lnd }: LndNode, keys: ReadonlySet<string>, fee: Fee): Promise<true | undefined> {
    const { edges } = await ask<RawGraph>((done) => (lnd.default as RawClient).describeGraph({}, done))
    const asked = edges
      .flatMap((edge) => [
        { key: edge.node1_pub, policy: edge.node1_policy },
        { key: edge.node2_pub, policy: edge.node2_policy },
      ])
      .filter(({ key }) => keys.has(key))
    const isTold = asked.every(
      ({ policy }) =>
        policy?.inbound_fee_base_msat === fee.base_fee_msat && policy.inbound_fee_rate_milli_msat === fee.fee_rate_ppm,
    )
    return isTold ? true : undefined
  }

  it.for([
    ['a fee', { base_fee_msat: 500, fee_rate_ppm: 2_000 }, 'phantom'],
    ['a fee, to a node that does not hide', { base_fee_msat: 700, fee_rate_ppm: 0 }, 'direct'],
    ['a discount', { base_fee_msat: -300, fee_rate_ppm: -500 }, 'phantom'],
    ['a discount of more than what goes out costs', { base_fee_msat: -5_000, fee_rate_ppm: -900 }, 'phantom'],
  ] as const)(
    'carry a file each way, without a refused payment: %s',
    { timeout: TEST_MS },
    async ([, fee, replies]) => {
      await charge(fee)
      const alice = await attach(network.node('alice'), CAP_MSAT)
      const dave = await attach(network.node('dave'), CAP_MSAT)
      try {
        const { publicKey } = network.node('dave')
        const [question, answer] = [file(1, FILE_BYTES), file(2, FILE_BYTES)]
        const ends = { from: alice.endpoint, to: dave.endpoint, publicKey, port: ++port }
        const got = await exchange({ ...ends, question, answer, replies, maxCost: CAP_MSAT })
        expect([got.atServer, got.atClient]).toEqual([sha256Hex(question), sha256Hex(answer)])
        await Promise.all([settledUp(alice, CAP_MSAT), settledUp(dave, CAP_MSAT)])
        expect([got.client.stats.failedAttempts, got.server.stats.failedAttempts]).toEqual([0, 0])
      } finally {
        await Promise.all([alice.endpoint.close(), dave.endpoint.close()])
      }
    },
  )
})
