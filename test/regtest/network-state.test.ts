import { createHash, randomBytes } from 'node:crypto'
import { createHodlInvoice, getChannel, getChannels, getInvoice, pay, updateRoutingFees } from 'lightning'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lndAvailable } from '../../tools/regtest/available.ts'
import { endChannel } from '../../tools/regtest/channels.ts'
import { keysend } from '../../tools/regtest/keysend.ts'
import type { LndNode } from '../../tools/regtest/lnd-node.ts'
import { type Network, startNetwork } from '../../tools/regtest/network.ts'
import { until } from '../../tools/regtest/until.ts'
import { leavesAsFound } from './leaves-as-found.ts'

const available = lndAvailable()
type Name = 'alice' | 'bob' | 'carol'

describe.skipIf(!available.ok)('a test that fails leaves the network as it found it', () => {
  let network: Network<Name>
  let found: unknown
  const channel = { capacitySat: 1_000_000, pushSat: 500_000 }

  beforeAll(async () => {
    network = await startNetwork<Name>({
      nodes: ['alice', 'bob', 'carol'],
      channels: [
        { between: ['alice', 'bob'], ...channel },
        { between: ['bob', 'carol'], ...channel },
      ],
    })
    found = await look()
  })

  afterAll(async () => {
    await network.close()
  })

  leavesAsFound(() => network)

  /** What each node says of itself and of its channels. */
  async function look(): Promise<unknown> {
    const nodes = [...network.nodes.values()]
    return await Promise.all(nodes.map(async (node) => ({ name: node.name, channels: await channelsOf(node) })))
  }

  async function channelsOf({ lnd, publicKey }: LndNode): Promise<readonly unknown[]> {
    const { channels } = await getChannels({ lnd })
    const seen = channels.map(async ({ id, capacity, is_active, pending_payments, partner_public_key }) => {
      const { policies } = await getChannel({ lnd, id })
      const { base_fee_mtokens, fee_rate } = policies.find(({ public_key }) => public_key === publicKey) ?? {}
      return { capacity, is_active, pending_payments, partner_public_key, base_fee_mtokens, fee_rate }
    })
    return (await Promise.all(seen)).toSorted((a, b) => a.partner_public_key.localeCompare(b.partner_public_key))
  }

  const changes: Readonly<Record<string, () => Promise<unknown>>> = {
    'a node that hangs': async () => network.node('bob').pause(),
    'a node that was killed': async () => await network.node('bob').kill(),
    'a node that is about to start again': async () => {
      await network.node('bob').stop()
      void network.node('bob').start()
    },
    'a node that was started in another way': async () =>
      await network.node('carol').restart({ requireInterceptor: true }),
    'two nodes that were taken apart': async () => await network.disconnect('alice', 'bob'),
    'a price that was changed': async () =>
      await updateRoutingFees({ lnd: network.node('bob').lnd, base_fee_mtokens: '77000', fee_rate: 9, cltv_delta: 99 }),
    'a channel that was opened': async () =>
      await network.openChannel({ between: ['alice', 'carol'], capacitySat: 300_000 }),
    'a channel that was closed': async () => {
      await endChannel(network.channel('bob', 'carol'), network.node('carol'), true)
      await network.mine()
    },
    'a payment that its payee holds': async () => {
      const id = createHash('sha256').update(randomBytes(32)).digest('hex')
      const { lnd } = network.node('carol')
      const { request } = await createHodlInvoice({ lnd, id, tokens: 1_000 })
      void pay({ lnd: network.node('alice').lnd, request }).catch(() => undefined)
      await until('the payee holds it', async () => (await getInvoice({ lnd, id })).is_held)
    },
  }

  describe.for(Object.entries(changes))('with %s', ([, change]) => {
    it.fails('which fails on purpose', { retry: 0 }, async () => {
      await change()
      throw new Error('on purpose')
    })

    it('which the next test does not see', async () => {
      expect(await look()).toEqual(found)
      const paid = await keysend({ from: network.node('alice'), to: network.node('carol'), amountMsat: 10_000n })
      expect(paid.feeMsat).toBe(1_000n)
    })
  })
})
