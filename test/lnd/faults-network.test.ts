import { setTimeout as sleep } from 'node:timers/promises'
import { getChannels } from 'lightning'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lndAvailable } from '../../tools/regtest/available.ts'
import { endChannel, type OpenChannel } from '../../tools/regtest/channels.ts'
import { keysend } from '../../tools/regtest/keysend.ts'
import { startNetwork, type Network } from '../../tools/regtest/network.ts'
import { told, until } from '../../tools/regtest/until.ts'
import { exchange, file, sha256Hex, type Midway } from '../../tools/regtest/file-exchange.ts'
import { leavesAsFound } from '../regtest/leaves-as-found.ts'
import { attach, settledUp } from './attached-endpoint.ts'

/** 1,000 sat: twice what a file each way costs its sender. */
const CAP_MSAT = 1_000_000n
/** KEYSOCK_LONG_TESTS=1 keeps a node away for a minute. */
const AWAY_MS = process.env['KEYSOCK_LONG_TESTS'] === '1' ? 60_000 : 15_000
const FOREIGN = 200
/** More than any payment of a transfer may take. */
const EXPIRY_BLOCKS = 300
const available = lndAvailable()
type Name = 'alice' | 'bob' | 'carol' | 'dave'

describe.skipIf(!available.ok)('a transfer over nodes and channels that fail', () => {
  let network: Network<Name>
  let port = 0
  const half = { capacitySat: 5_000_000, pushSat: 2_500_000 }
  const question = file(1)
  const answer = file(2)

  beforeAll(async () => {
    network = await startNetwork<Name>({
      nodes: ['alice', 'bob', 'carol', 'dave'],
      channels: [
        { between: ['alice', 'bob'], ...half },
        { between: ['bob', 'carol'], ...half },
        { between: ['dave', 'carol'], ...half },
        // The reserve and 150 sat: alice's side runs dry on the way.
        { between: ['dave', 'alice'], capacitySat: 1_000_000, pushSat: 10_150 },
      ],
    })
  })

  afterAll(async () => {
    await network.close()
  })

  leavesAsFound(() => network)

  /** A file each way, with what happens midway, one after the other; every byte once, and the account as lnd's. */
  async function transfer(events: readonly Happening[], after: () => Promise<unknown> = async () => 0): Promise<void> {
    const alice = await attach(network.node('alice'), CAP_MSAT)
    const carol = await attach(network.node('carol'), CAP_MSAT)
    const [from, to] = [alice.endpoint, carol.endpoint]
    let happened: Promise<unknown> = Promise.resolve()
    const midway = events.map(({ of, bytes, act }): Midway => {
      const start = (): void => {
        happened = happened.then(act)
        // Whoever waits for it below is told; until then nobody does.
        happened.catch(() => undefined)
      }
      return { of, bytes, act: start }
    })
    try {
      const publicKey = network.node('carol').publicKey
      const got = await exchange({ from, to, publicKey, port: ++port, question, answer, maxCost: CAP_MSAT, midway })
      expect(got.atServer).toBe(sha256Hex(question))
      expect(got.atClient).toBe(sha256Hex(answer))
      await happened
      await after()
      await Promise.all([settledUp(alice, CAP_MSAT), settledUp(carol, CAP_MSAT)])
      // No more has come than was paid.
      expect(got.client.stats.receivedMsat).toBeLessThanOrEqual(to.stats.spentMsat)
      expect(got.server.stats.receivedMsat).toBeLessThanOrEqual(from.stats.spentMsat)
    } finally {
      await Promise.allSettled([happened])
    }
  }

  it('goes on over another channel where one runs out of balance', async () => {
    await transfer([])
  })

  it('goes on with 200 payments of others through the same nodes, none of which is touched', async () => {
    const paid: Promise<string>[] = []
    const flood = async (): Promise<void> => {
      // Over alice and over carol, who both have an interceptor or a lane to their own node.
      const ways = [
        ['bob', 'dave'],
        ['dave', 'bob'],
        ['alice', 'carol'],
        ['carol', 'alice'],
      ] as const
      for (let i = 0; i < FOREIGN / 2; i++) {
        const [from, to] = ways[i % ways.length] ?? ways[0]
        const one = keysend({ from: network.node(from), to: network.node(to), amountMsat: 5_000n })
        paid.push(one.then(() => 'paid', told))
      }
    }
    await transfer([
      { of: 'question', bytes: 40_000, act: flood },
      { of: 'answer', bytes: 40_000, act: flood },
    ])
    expect(paid).toHaveLength(FOREIGN)
    expect((await Promise.all(paid)).filter((how) => how !== 'paid')).toEqual([])
  })

  async function kill(name: Name, awayMs: number = 0): Promise<void> {
    await network.node(name).kill()
    await sleep(awayMs)
    await network.node(name).start()
    await network.waitActive()
  }

  it('loses nothing when the lnd of each is killed and started in turn, each way', async () => {
    const kills = [
      [30_000, 'alice'],
      [80_000, 'bob'],
      [130_000, 'carol'],
    ] as const
    await transfer(
      (['question', 'answer'] as const).flatMap((of) =>
        kills.map(([bytes, name]) => ({ of, bytes, act: () => kill(name) })),
      ),
    )
  })

  it('waits for a node that is away', async () => {
    await transfer([{ of: 'answer', bytes: 60_000, act: () => kill('carol', AWAY_MS) }])
  })

  it('goes another way when a channel is closed, in agreement and then by force', async () => {
    await network.openChannels([
      { between: ['alice', 'dave'], capacitySat: 3_000_000, pushSat: 1_500_000 },
      { between: ['alice', 'bob'], capacitySat: 3_000_000, pushSat: 1_500_000 },
    ])
    const [agreed, forced] = [network.channel('alice', 'bob'), network.channel('bob', 'carol')]
    const agree = async (): Promise<void> => {
      await closeAgreed(agreed)
      await until('it is closed', async () => {
        await network.mine()
        return (await isOpen(agreed)) ? undefined : true
      })
    }
    const force = async (): Promise<void> => {
      await endChannel(forced, network.node('carol'), true)
      await network.mine(3)
    }
    const events: readonly Happening[] = [
      { of: 'question', bytes: 60_000, act: agree },
      { of: 'answer', bytes: 60_000, act: force },
    ]
    // Past the expiry of everything that was in it.
    await transfer(events, async () => await network.mine(EXPIRY_BLOCKS))
  })
})

/** Something that happens when so many bytes have come. */
interface Happening {
  readonly of: 'question' | 'answer'
  readonly bytes: number
  readonly act: () => Promise<unknown>
}

interface RawCloser {
  closeChannel(request: object): { on(event: string, listener: (message: unknown) => void): unknown }
}

/** Asks for a channel's end also while payments are in it: no further ones are taken, and it ends when those have. */
async function closeAgreed({ opener, transactionId, output }: OpenChannel): Promise<void> {
  const channel_point = { funding_txid_str: transactionId, output_index: output }
  const stream = (opener.lnd.default as RawCloser).closeChannel({ channel_point, no_wait: true, sat_per_vbyte: '2' })
  await new Promise((resolve, reject) => {
    stream.on('data', resolve)
    stream.on('error', (error) => reject(new Error(told(error))))
  })
  // It goes on to tell of blocks, until the node ends.
  stream.on('error', () => undefined)
}

async function isOpen({ opener, transactionId }: OpenChannel): Promise<boolean> {
  const { channels } = await getChannels({ lnd: opener.lnd })
  return channels.some(({ transaction_id }) => transaction_id === transactionId)
}
