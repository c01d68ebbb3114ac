import { describe, expect, it } from 'vitest'
import { FIND_MS } from '../../src/backends/lnd/limits.ts'
import { Status } from '../../src/backends/lnd/rpc/errors.ts'
import type { RawChannel } from '../../src/backends/lnd/rpc/raw-messages.ts'
import { Policies } from '../../src/backends/lnd/routes/policies.ts'
import { RouteFinder, type WaySearch } from '../../src/backends/lnd/routes/route-finder.ts'
import { edge, policy, rpcError, ScriptedLnd, type Script } from './scripted-lnd.ts'

const [alice, bob, carol] = [`02${'aa'.repeat(32)}`, `02${'bb'.repeat(32)}`, `02${'cc'.repeat(32)}`]

/** Two channels from alice to bob, 1 and 2, and 3 from bob to carol. */
const edges: Script = {
  getChanInfo: ({ chan_id: id }: { chan_id: string }) => (id === '3' ? edge(id, bob, carol) : edge(id, alice, bob)),
}
const own = ['1', '2'].map((id) => ({ chan_id: id, active: true })) as unknown as RawChannel[]
const way = (first: string): object => ({
  routes: [
    {
      hops: [
        { chan_id: first, pub_key: bob },
        { chan_id: '3', pub_key: carol },
      ],
    },
  ],
})
const none = (): never => {
  throw rpcError(Status.unknown, 'unable to find a path to destination')
}

/** A search on an lnd with these words. */
class World {
  readonly lnd: ScriptedLnd
  readonly finder: RouteFinder
  readonly search: WaySearch = {
    from: alice,
    to: carol,
    amountMsat: 1_000n,
    maxFeeMsat: 100_000n,
    count: 4,
    finalDelta: 40,
    avoid: new Set(),
    hints: [],
    prefer: 'balanced',
    own,
  }

  constructor(queryRoutes: (asked: number) => unknown) {
    this.lnd = new ScriptedLnd({
      ...edges,
      queryRoutes: () => queryRoutes(this.lnd.count('queryRoutes')),
    })
    const { client, clock } = this.lnd
    this.finder = new RouteFinder({ client, clock, policies: new Policies(client, clock) })
  }

  /** The first channels of what is found. */
  async find(changes: Partial<WaySearch> = {}): Promise<(string | undefined)[]> {
    const ways = await this.finder.find({ ...this.search, ...changes })
    return ways.map((hops) => hops[0]?.chanId)
  }

  /** Lets this many queries begin. */
  async begun(queries: number): Promise<void> {
    await this.lnd.until(() => this.lnd.count('queryRoutes') >= queries)
  }
}

const hangs = (): Promise<never> => Promise.race([])

describe('what is preferred', () => {
  it.each([
    ['cheap', -1, ['1', '1000']],
    ['balanced', 0, ['1', '1000']],
    ['fast', 1, ['1000', '1']],
  ] as const)(
    '%s is a time preference of %i, and decides which amount is asked for first',
    async (prefer, time, amounts) => {
      const world = new World((asked) => (asked < 3 ? none() : way('1')))
      await world.find({ prefer, amountMsat: 1n, count: 1 })
      const asked = world.lnd.calls.filter(({ name }) => name === 'queryRoutes').map(({ request }) => request)
      expect(asked[0]).toMatchObject({ time_pref: time })
      expect(asked.slice(0, 2).map((request) => (request as { amt_msat: string }).amt_msat)).toEqual(amounts)
    },
  )
})

describe('a search for routes', () => {
  it('asks for one way after another, and for detours where there is only one', async () => {
    const world = new World((asked) => (asked === 1 ? way('1') : asked < 10 ? none() : way('2')))
    expect(await world.find()).toEqual(['1', '2'])
  })

  it('ends in time with the ways that it has when lnd is slow', async () => {
    const world = new World((asked) => (asked === 1 ? way('1') : hangs()))
    const found = world.find()
    await world.begun(2)
    world.lnd.clock.pass(FIND_MS)
    expect(await found).toEqual(['1'])
    expect(world.lnd.count('queryRoutes')).toBe(2)
  })

  it('ends in time however many queries are slow', async () => {
    const world = new World((asked) => {
      world.lnd.clock.pass(3_000)
      return asked === 1 ? way('1') : none()
    })
    expect(await world.find()).toEqual(['1'])
    expect(world.lnd.clock.now()).toBe(FIND_MS)
  })

  it('says so when lnd was too slow to find any', async () => {
    const world = new World(hangs)
    const found = world.find()
    await world.begun(1)
    world.lnd.clock.pass(FIND_MS)
    await expect(found).rejects.toMatchObject({ code: 'unsupported', message: expect.stringContaining('within 30 s') })
  })

  it('goes around an own channel by whichever of its ids the graph has', async () => {
    const world = new World((asked) => (asked === 1 ? way('1') : none()))
    const aliased = { chan_id: '16', active: true, alias_scids: ['16'], zero_conf_confirmed_scid: '1' }
    const [, other] = own
    await world.find({ count: 2, own: [aliased, other] as unknown as RawChannel[] })
    const asked = (): { request: object }[] => world.lnd.calls.filter(({ name }) => name === 'queryRoutes')
    expect(asked()[1]?.request).toMatchObject({ outgoing_chan_ids: ['2'] })
    const before = asked().length
    await world.find({ count: 1, own: [aliased, other] as unknown as RawChannel[], avoid: new Set(['0x0x2']) })
    expect(asked()[before]?.request).toMatchObject({ outgoing_chan_ids: ['1', '16'] })
  })

  it('finds what a relay asks for what comes in to it; the node at the end asks nothing for that', async () => {
    const world = new World(() => way('1'))
    const charged = { ...policy, inbound_fee_base_msat: 500, inbound_fee_rate_milli_msat: -20 }
    world.lnd.script = {
      ...world.lnd.script,
      getChanInfo: ({ chan_id: id }: { chan_id: string }) =>
        id === '3'
          ? { ...edge(id, bob, carol), node2_policy: charged }
          : { ...edge(id, alice, bob), node2_policy: charged },
    }
    const [found] = await world.finder.find({ ...world.search, count: 1 })
    expect(found?.map(({ inbound }) => inbound)).toEqual([{ baseMsat: 500n, ppm: -20n }, undefined])
  })

  it('fails where the node goes away', async () => {
    const world = new World(() => {
      throw rpcError(Status.unavailable, 'no connection')
    })
    await expect(world.find()).rejects.toMatchObject({ code: Status.unavailable })
  })
})
