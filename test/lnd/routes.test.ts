import { sha256 } from '@noble/hashes/sha2.js'
import { describe, expect, it } from 'vitest'
import { packetCostMsat, type Route } from '../../src/medium/route.ts'
import { MAX_PINNED_ROUTES } from '../../src/medium/limits.ts'
import { OwnBalance } from '../../src/backends/lnd/routes/own-balance.ts'
import { OwnChannels } from '../../src/backends/lnd/routes/own-channels.ts'
import { Policies } from '../../src/backends/lnd/routes/policies.ts'
import { Routes } from '../../src/backends/lnd/routes/routes.ts'
import { fromHex, toHex } from '../../src/floor/bytes.ts'
import { publicKey } from '../../src/wire/keys.ts'
import { ScriptedLnd } from './scripted-lnd.ts'

const [alice, bob] = [1, 2].map((n) => toHex(publicKey(sha256(Uint8Array.of(n))))) as [string, string]
const policy = {
  time_lock_delta: 80,
  min_htlc: '1000',
  fee_base_msat: '0',
  fee_rate_milli_msat: '0',
  disabled: false,
  max_htlc_msat: '990000000',
}

function routesOn(client: ScriptedLnd['client'], clock: ScriptedLnd['clock']): Routes {
  return new Routes({
    client,
    clock,
    entropy: { bytes: (length) => new Uint8Array(length) },
    policies: new Policies(client, clock),
    channels: new OwnChannels(client, clock),
    balance: new OwnBalance({ clock, emit: () => undefined }),
    ownKey: alice,
    height: () => 800_000,
  })
}

describe('pinned routes', () => {
  it('are kept while they are paid over, however many others are found', async () => {
    const { client, clock } = new ScriptedLnd({
      listChannels: () => ({
        channels: [{ chan_id: '1', active: true, local_balance: '9000', local_constraints: null }],
      }),
      queryRoutes: () => ({ routes: [{ hops: [{ chan_id: '1', pub_key: bob }] }] }),
      getChanInfo: () => ({
        channel_id: '1',
        node1_pub: alice,
        node2_pub: bob,
        capacity: '1000000',
        node1_policy: policy,
        node2_policy: policy,
      }),
    })
    const routes = routesOn(client, clock)
    const find = async (): Promise<Route> => {
      const destination = { lane: 'node', publicKey: fromHex(bob) } as const
      const [route] = await routes.find({ destination, amountMsat: 1_000n, maxFeeMsat: 0n, count: 1 })
      return route as Route
    }
    const idle = await find()
    const used = await find()
    for (let i = 0; i < MAX_PINNED_ROUTES; i++) {
      await find()
      expect(routes.get(used.id)).toBeDefined()
    }
    expect(routes.get(idle.id)).toBeUndefined()
  })

  it('come in the order of what a packet costs: a least amount counts as a fee does', async () => {
    const [carol, dave] = [3, 4].map((n) => toHex(publicKey(sha256(Uint8Array.of(n))))) as [string, string]
    const ends: Record<string, readonly [string, string, object]> = {
      1: [alice, carol, policy],
      2: [alice, dave, policy],
      3: [carol, bob, { ...policy, min_htlc: '9000' }],
      4: [dave, bob, { ...policy, fee_base_msat: '500' }],
    }
    const over = (...hops: readonly [string, string][]): object => ({
      routes: [{ hops: hops.map(([id, key]) => ({ chan_id: id, pub_key: key })) }],
    })
    let asked = 0
    const { client, clock } = new ScriptedLnd({
      listChannels: () => ({
        channels: ['1', '2'].map((id) => ({
          chan_id: id,
          active: true,
          local_balance: '9000',
          local_constraints: null,
        })),
      }),
      queryRoutes: () => (asked++ % 2 === 0 ? over(['1', carol], ['3', bob]) : over(['2', dave], ['4', bob])),
      getChanInfo: ({ chan_id: id }: { chan_id: string }) => {
        const [from, to, asks] = ends[id] as readonly [string, string, object]
        return {
          channel_id: id,
          node1_pub: from,
          node2_pub: to,
          capacity: '1000000',
          node1_policy: asks,
          node2_policy: asks,
        }
      },
    })
    const destination = { lane: 'node', publicKey: fromHex(bob) } as const
    const request = { destination, amountMsat: 1n, maxFeeMsat: 10_000n, count: 2 }
    const found = await routesOn(client, clock).find(request)
    expect(found.map((route) => packetCostMsat(route))).toEqual([1_500n, 9_000n])
  })
})
