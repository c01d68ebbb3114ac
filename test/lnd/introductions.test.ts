import { sha256 } from '@noble/hashes/sha2.js'
import { describe, expect, it } from 'vitest'
import { checkLnd, type Finding } from '../../src/backends/lnd/check.ts'
import { Crowd } from '../../src/backends/lnd/phantom/crowd.ts'
import { CHANNELS_AGE_MS } from '../../src/backends/lnd/limits.ts'
import { Introductions, type Introduction } from '../../src/backends/lnd/phantom/introductions.ts'
import { OwnChannels } from '../../src/backends/lnd/routes/own-channels.ts'
import type { PathRequest } from '../../src/medium/reply-path.ts'
import { fromHex, toHex } from '../../src/floor/bytes.ts'
import { publicKey } from '../../src/wire/keys.ts'
import { edge, policy, ScriptedLnd } from './scripted-lnd.ts'

const keyOf = (name: string): string => toHex(publicKey(sha256(new TextEncoder().encode(name))))
const OWN = keyOf('own')
const PAYER = publicKey(sha256(Uint8Array.of(200)))

interface Edge {
  readonly channel_id: string
  readonly node1_pub: string
  readonly node2_pub: string
}

interface Asked {
  readonly baseMsat?: number
  readonly disabled?: boolean
}

/** A graph by names, around a node 'own' that has channels with balance on both sides. */
class World {
  readonly lnd: ScriptedLnd
  readonly #edges: Edge[] = []
  readonly #blind = new Set<string>()
  #made = 0
  /** What lnd takes for a node's information. */
  answerMs = 0

  constructor() {
    this.lnd = new ScriptedLnd({
      listChannels: () => ({ channels: this.#edges.filter((each) => each.node2_pub === OWN).map(ownChannel) }),
      getNodeInfo: ({ pub_key: key, include_channels: isWhole }: { pub_key: string; include_channels: boolean }) => {
        this.lnd.clock.pass(this.answerMs)
        return {
          node: { pub_key: key, features: this.#blind.has(key) ? {} : { 25: {} } },
          channels: isWhole ? this.#edges.filter((each) => each.node1_pub === key || each.node2_pub === key) : [],
        }
      },
    })
  }

  /** A channel from one to another; `asked` is the first one's policy. */
  join(from: string, to: string, asked: Asked = {}): this {
    const id = ((700_000n << 40n) + BigInt(++this.#made)).toString()
    const node1Policy = { ...policy, fee_base_msat: String(asked.baseMsat ?? 1_000), disabled: asked.disabled ?? false }
    const ends = { channel_id: id, node1_pub: keyOf(from), node2_pub: keyOf(to) }
    this.#edges.push({ ...edge(id, ends.node1_pub, ends.node2_pub), ...ends, node1_policy: node1Policy } as Edge)
    return this
  }

  leaves(of: string, count: number, asked: Asked = {}): this {
    for (let i = 0; i < count; i++) this.join(of, `${of} ${i}`, asked)
    return this
  }

  /** Leaves of a node that relay no blinded payments, the first ones. */
  cannotRelay(of: string, count: number): this {
    for (let i = 0; i < count; i++) this.#blind.add(keyOf(`${of} ${i}`))
    return this
  }

  choose(order: number, changes: Partial<PathRequest> = {}): Promise<Introduction> {
    return chosenBy(this.introductions(order), changes)
  }

  introductions(order: number): Introductions {
    const { client, clock } = this.lnd
    return new Introductions({
      crowd: new Crowd(client, clock),
      clock,
      channels: new OwnChannels(client, clock),
      ownKey: OWN,
      orderKey: sha256(Uint8Array.of(order)),
    })
  }
}

function chosenBy(introductions: Introductions, changes: Partial<PathRequest> = {}): Promise<Introduction> {
  return introductions.choose({ payer: PAYER, relays: 1, maxCostMsat: 10_000n, ...changes })
}

function ownChannel(each: { channel_id: string; node1_pub: string }): object {
  return {
    chan_id: each.channel_id,
    active: true,
    private: false,
    remote_pubkey: each.node1_pub,
    capacity: '2000000',
    local_balance: '1000000',
    local_constraints: null,
    remote_balance: '1000000',
    remote_constraints: null,
    pending_htlcs: [],
  }
}

/** What `keysock doctor` finds of the candidates of a node. */
async function candidatesFound({ lnd }: World): Promise<Finding | undefined> {
  const getInfo = (): object => ({
    identity_pubkey: OWN,
    version: '0.21.1-beta',
    features: {},
    chains: [{ network: 'regtest' }],
  })
  lnd.script = { ...lnd.script, getInfo, deriveSharedKey: () => ({ shared_key: sha256(Uint8Array.of(1)) }) }
  return (await checkLnd({ lnd: lnd.services }, ['candidates'])).find(({ name }) => name === 'candidates')
}

const ORDERS = Array.from({ length: 16 }, (_, order) => order)

describe('the guard of a node on lnd', () => {
  it('is one behind which many could stand, whatever the secret order', async () => {
    const world = new World().join('small', 'own').leaves('small', 3).join('large', 'own').leaves('large', 20)
    for (const order of ORDERS) {
      const { links, crowd } = await world.choose(order)
      expect([links[0]?.from, crowd]).toEqual([keyOf('large'), 21])
    }
  })

  it('is one of those that fit, by the secret order, and the same again', async () => {
    const world = new World()
    for (const name of ['one', 'two', 'three']) world.join(name, 'own').leaves(name, 20)
    const chosen = await Promise.all(ORDERS.map(async (order) => (await world.choose(order)).links[0]?.from))
    expect(new Set(chosen).size).toBe(3)
    expect(await Promise.all(ORDERS.map(async (order) => (await world.choose(order)).links[0]?.from))).toEqual(chosen)
  })

  it('is none that asks more than the other side takes: the error names the channel and what it asks', async () => {
    const dear = new World().join('dear', 'own', { baseMsat: 40_000 }).leaves('dear', 20, { baseMsat: 40_000 })
    await expect(dear.choose(1)).rejects.toMatchObject({ code: 'no-path' })
    await expect(dear.choose(1)).rejects.toThrow(/cheapest, over channel 700000x0x1 of \w+\.\., 51003 msat a packet/)
    dear.join('fair', 'own').leaves('fair', 2)
    for (const order of ORDERS) expect((await dear.choose(order)).links[0]?.from).toBe(keyOf('fair'))
  })

  it('hides only among those that relay blinded payments, of whom a sample is asked', async () => {
    const world = new World().join('hub', 'own').leaves('hub', 99)
    expect((await world.choose(1)).crowd).toBe(100)
    const asked = world.lnd.calls.filter(({ name }) => name === 'getNodeInfo')
    expect(asked.length).toBeLessThan(40)
    const half = new World().join('hub', 'own').leaves('hub', 99).cannotRelay('hub', 50)
    const { crowd } = await half.choose(1)
    expect(crowd).toBeGreaterThan(25)
    expect(crowd).toBeLessThan(75)
  })

  it('hides nobody behind a direction that is disabled', async () => {
    const world = new World().join('hub', 'own').leaves('hub', 5).leaves('hub', 3, { disabled: true })
    expect((await world.choose(1)).crowd).toBe(6)
  })

  it('that does not fit hides badly, as doctor says, whatever the number', async () => {
    const few = await candidatesFound(new World().join('small', 'own').leaves('small', 9))
    expect(few).toMatchObject({
      verdict: 'poor',
      message: expect.stringContaining('one of 10 nodes at most, and who knows'),
    })
    const many = await candidatesFound(new World().join('large', 'own').leaves('large', 19))
    expect(many).toMatchObject({ verdict: 'good', message: expect.stringMatching(/one of 20 nodes$/) })
  })

  it('stays the same in a process, though a faster lnd would let it find a better one', async () => {
    const names = ['one', 'two', 'three', 'large'] as const
    const world = new World()
    for (const name of names) world.join(name, 'own').leaves(name, name === 'large' ? 20 : 3)
    const first = new Set<string | undefined>()
    for (const order of ORDERS) {
      const introductions = world.introductions(order)
      const guard = async (changes: Partial<PathRequest> = {}): Promise<string | undefined> =>
        (await chosenBy(introductions, changes)).links[0]?.from
      world.answerMs = 2_000
      const before = await guard()
      world.answerMs = 0
      expect(await guard()).toBe(before)
      first.add(before)
      // A payer that is the guard gets another one, and nobody else does for its sake.
      expect(await guard({ payer: fromHex(before as string) })).not.toBe(before)
      expect(await guard()).toBe(before)
      expect(await guard({ avoidGuards: [before as string] })).not.toBe(before)
    }
    expect(first.size).toBeGreaterThan(1)
  })

  it('is the same for all that ask at the same time', async () => {
    const world = new World().join('small', 'own').leaves('small', 3).join('large', 'own').leaves('large', 20)
    world.answerMs = 2_000
    for (const order of ORDERS) {
      const introductions = world.introductions(order)
      const both = await Promise.all([chosenBy(introductions), chosenBy(introductions)])
      expect(both[1].links[0]?.from).toBe(both[0].links[0]?.from)
    }
  })

  it('that was given up stands nowhere on a path, also not before another peer', async () => {
    const world = new World().join('given up', 'own').join('peer', 'own').join('given up', 'peer')
    world.leaves('given up', 3).leaves('peer', 3)
    for (const order of ORDERS) {
      const { links } = await world.choose(order, { relays: 2, avoidGuards: [keyOf('given up')] })
      expect(links.map(({ from }) => from)).not.toContain(keyOf('given up'))
    }
  })

  it('has a relay before it where two are asked for and 16 could stand behind, though one alone would fit', async () => {
    const world = new World().join('large', 'own').leaves('large', 15).join('front', 'large')
    for (let i = 0; i < 3; i++) world.join('front', `middle${i}`).leaves(`middle${i}`, 2)
    for (const order of ORDERS) {
      const { relays, crowd } = await world.choose(order, { relays: 2 })
      expect(relays).toBe(2)
      expect(crowd).toBeGreaterThanOrEqual(16)
      expect(crowd).toBeLessThan(128)
      expect((await world.choose(order, { relays: 2, maxCostMsat: 2_100n })).relays).toBe(1)
    }
  })

  it('has a relay before it where it hides too few, with auto', async () => {
    const world = new World().join('small', 'own').leaves('small', 2)
    world.join('front', 'small')
    for (let i = 0; i < 12; i++) world.join('front', `middle${i}`).leaves(`middle${i}`, 40)
    for (const order of ORDERS) {
      const { links, relays, crowd } = await world.choose(order, { relays: 'auto' })
      expect([relays, links.map(({ from }) => from)]).toEqual([2, [keyOf('front'), keyOf('small')]])
      expect(crowd).toBeGreaterThanOrEqual(128)
      expect((await world.choose(order)).relays).toBe(1)
    }
  })

  it('has a relay before it among many neighbours that can be none', async () => {
    const world = new World().join('small', 'own').leaves('small', 2).join('front', 'small').cannotRelay('blind', 40)
    for (let i = 0; i < 40; i++) world.join(`blind ${i}`, 'small')
    for (let i = 0; i < 12; i++) world.join('front', `middle${i}`).leaves(`middle${i}`, 40)
    for (const order of ORDERS) {
      const { links } = await world.choose(order, { relays: 2 })
      expect(links.map(({ from }) => from)).toEqual([keyOf('front'), keyOf('small')])
    }
  })
})

describe('what is known of nodes', () => {
  it('is let go of when it is too old to be used: a node has thousands of channels', async () => {
    const world = new World().leaves('hub', 3)
    const crowd = new Crowd(world.lnd.client, world.lnd.clock)
    for (const name of ['hub', 'hub 0', 'hub 1']) await crowd.node(keyOf(name))
    expect(crowd.known).toBe(3)
    world.lnd.clock.pass(CHANNELS_AGE_MS - 1)
    await crowd.node(keyOf('hub 2'))
    world.lnd.clock.pass(1)
    expect(crowd.known).toBe(1)
    world.lnd.clock.pass(CHANNELS_AGE_MS)
    expect([crowd.known, world.lnd.clock.timers]).toEqual([0, 0])
  })
})
