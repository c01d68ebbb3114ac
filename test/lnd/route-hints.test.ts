import { sha256 } from '@noble/hashes/sha2.js'
import { describe, expect, it } from 'vitest'
import type { RouteHint } from '../../src/medium/route.ts'
import { Status } from '../../src/backends/lnd/rpc/errors.ts'
import { OwnChannels } from '../../src/backends/lnd/routes/own-channels.ts'
import { Policies } from '../../src/backends/lnd/routes/policies.ts'
import { routeHints } from '../../src/backends/lnd/routes/route-hints.ts'
import { toHex } from '../../src/floor/bytes.ts'
import { publicKey } from '../../src/wire/keys.ts'
import { formatShortChannelId } from '../../src/wire/bolt4/short-channel-id.ts'
import { edge, rpcError, ScriptedLnd } from './scripted-lnd.ts'

const HEIGHT = 800_000
const [alice, bob, carol] = [1, 2, 3].map((n) => toHex(publicKey(sha256(Uint8Array.of(n))))) as [string, string, string]

/** An id with its funding in this block. */
const idAt = (block: number): string => (BigInt(block) << 40n).toString()
const [old, second, young, alias, peerAlias] = [700_000, 700_001, HEIGHT - 1, 16_000_000, 16_000_002].map(idAt) as [
  string,
  string,
  string,
  string,
  string,
]
const nameOf = (id: string): string => formatShortChannelId(BigInt(id))

/** A channel of alice's with bob. */
const channel = (id: string, inboundSat: number, more: object = {}): object => ({
  chan_id: id,
  active: true,
  private: false,
  remote_pubkey: bob,
  remote_balance: String(inboundSat),
  remote_constraints: null,
  ...more,
})

/** The channels that alice's address names, where her graph has these of her own. */
async function hinted(channels: readonly object[], inGraph: readonly string[]): Promise<string[]> {
  const edges = inGraph.map((id) => edge(id, alice, bob))
  const { client, clock } = new ScriptedLnd({
    listChannels: () => ({ channels }),
    getNodeInfo: () => ({ node: { pub_key: bob, features: {} }, channels: [...edges, edge('9', bob, carol)] }),
    getChanInfo: ({ chan_id: id }: { chan_id: string }) => {
      const found = inGraph.indexOf(id)
      if (found < 0) throw rpcError(Status.notFound, 'edge not found')
      return edges[found]
    },
  })
  const hints: RouteHint[] = await routeHints({
    client,
    channels: new OwnChannels(client, clock),
    policies: new Policies(client, clock),
    ownKey: alice,
    height: () => HEIGHT,
  })
  return hints.map(({ channelId }) => channelId)
}

describe('the hints of an address', () => {
  it('are none where a public channel has room towards the node', async () => {
    expect(await hinted([channel(old, 1_000), channel(second, 9_000, { private: true })], [old, second])).toEqual([])
  })

  it('name a private channel where no public one has room towards the node', async () => {
    const channels = [channel(old, 10), channel(second, 1_000, { private: true })]
    expect(await hinted(channels, [old, second])).toEqual([nameOf(second)])
  })

  it('leave out what has no room either, but where nothing else leads to the node', async () => {
    const empty = channel(second, 10, { private: true })
    expect(await hinted([channel(old, 10), empty], [old, second])).toEqual([])
    expect(await hinted([empty], [second])).toEqual([nameOf(second)])
  })

  it('name a public channel that is too young to be announced', async () => {
    expect(await hinted([channel(young, 1_000)], [young])).toEqual([nameOf(young)])
  })

  it('name a channel that waits for its confirmation by the alias that its peer gave', async () => {
    const early = channel(alias, 1_000, { zero_conf: true, zero_conf_confirmed_scid: '0', peer_scid_alias: peerAlias })
    expect(await hinted([early], [alias])).toEqual([nameOf(peerAlias)])
  })

  it('need none once that channel is confirmed and announced, whatever ListChannels calls it', async () => {
    const confirmed = { zero_conf: true, zero_conf_confirmed_scid: old, peer_scid_alias: peerAlias }
    expect(await hinted([channel(alias, 1_000, confirmed)], [old])).toEqual([])
    // A private one stays unknown, and its policy stands under its confirmed id.
    expect(await hinted([channel(alias, 1_000, { ...confirmed, private: true })], [old])).toEqual([nameOf(peerAlias)])
  })
})
