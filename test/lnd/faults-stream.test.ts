import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lndAvailable } from '../../tools/regtest/available.ts'
import { startNetwork, type Network } from '../../tools/regtest/network.ts'
import { exchange, file, sha256Hex, type Midway } from '../../tools/regtest/file-exchange.ts'
import { leavesAsFound } from '../regtest/leaves-as-found.ts'
import { attachProxied, type ProxiedEndpoint, settledUp } from './attached-endpoint.ts'

/** 1,000 sat: twice what a file each way costs its sender. */
const CAP_MSAT = 1_000_000n
const available = lndAvailable()
type Name = 'alice' | 'bob' | 'carol'
type End = 'alice' | 'carol'

describe.skipIf(!available.ok)('the gRPC connection of a program', () => {
  let network: Network<Name>
  let port = 0
  const question = file(1)
  const answer = file(2)
  const half = { capacitySat: 5_000_000, pushSat: 2_500_000 }

  beforeAll(async () => {
    network = await startNetwork<Name>({
      nodes: ['alice', 'bob', 'carol'],
      channels: [
        { between: ['alice', 'bob'], ...half },
        { between: ['bob', 'carol'], ...half },
      ],
      // How long lnd keeps a client of which it hears nothing: 1 min and 20 s unless told.
      every: { args: ['--grpc.server-ping-time=5s', '--grpc.server-ping-timeout=5s'] },
    })
  })

  afterAll(async () => {
    await network.close()
  })

  leavesAsFound(() => network)

  /** A file each way, with something that happens midway; every byte once, and the account as lnd's. */
  async function transfer(midway: (ends: Readonly<Record<End, ProxiedEndpoint>>) => readonly Midway[]): Promise<void> {
    const alice = await attachProxied(network.node('alice'), CAP_MSAT)
    const carol = await attachProxied(network.node('carol'), CAP_MSAT)
    const publicKey = network.node('carol').publicKey
    const [from, to] = [alice.endpoint, carol.endpoint]
    const options = { from, to, publicKey, port: ++port, question, answer, maxCost: CAP_MSAT }
    const got = await exchange({ ...options, midway: midway({ alice, carol }) })
    expect(got.atServer).toBe(sha256Hex(question))
    expect(got.atClient).toBe(sha256Hex(answer))
    await Promise.all([settledUp(alice, CAP_MSAT), settledUp(carol, CAP_MSAT)])
    expect(got.client.stats.paidMsat).toBe(from.stats.spentMsat)
    expect(got.server.stats.paidMsat).toBe(to.stats.spentMsat)
  }

  it.for(['alice', 'carol'] as const)(
    'can be cut at %s in the middle of a transfer, again and again, and refused for two seconds',
    async (name) => {
      const refuse = ({ proxy }: ProxiedEndpoint): void => {
        proxy.refuse()
        proxy.cut('reset')
        setTimeout(() => proxy.admit(), 2_000)
      }
      await transfer((ends) =>
        (['question', 'answer'] as const).flatMap((of) => [
          { of, bytes: 30_000, act: () => ends[name].proxy.cut('reset') },
          { of, bytes: 75_000, act: () => ends[name].proxy.cut('end') },
          { of, bytes: 120_000, act: () => refuse(ends[name]) },
        ]),
      )
    },
  )

  it('can stall at one end in a question, and at the other in an answer', async () => {
    await transfer(({ alice, carol }) => [
      { of: 'question', bytes: 60_000, act: () => carol.proxy.stall() },
      { of: 'answer', bytes: 60_000, act: () => alice.proxy.stall() },
    ])
  })

  it('can be lost without a word to either side, with offers on their way', async () => {
    await transfer(({ alice, carol }) => [
      { of: 'answer', bytes: 40_000, act: () => alice.proxy.stall('lost') },
      { of: 'answer', bytes: 100_000, act: () => carol.proxy.stall('lost') },
    ])
  })
})
