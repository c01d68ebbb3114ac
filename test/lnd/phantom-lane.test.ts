import { sha256 } from '@noble/hashes/sha2.js'
import { describe, expect, it } from 'vitest'
import type { PathRequest, PathResult, ReplyPath } from '../../src/medium/reply-path.ts'
import type { BackendEvent } from '../../src/backends/backend.ts'
import { MAX_HOLD_MS, MAX_LONG_HOLDS, MAX_OPEN_PATHS, MAX_PATHS_PER_REQUEST } from '../../src/medium/limits.ts'
import { INTERCEPTOR_OPEN_MS, PATH_ENTRANCE_MS, THREAD_UP_MS } from '../../src/backends/lnd/limits.ts'
import { decodePath } from '../../src/backends/paths/reply-path.ts'
import type { InterceptorCommand, InterceptorReport } from '../../src/backends/lnd/phantom/interceptor-messages.ts'
import { OwnChannels } from '../../src/backends/lnd/routes/own-channels.ts'
import { PhantomLane } from '../../src/backends/lnd/phantom/phantom-lane.ts'
import { toHex } from '../../src/floor/bytes.ts'
import { turn } from '../../src/floor/clock.ts'
import { Code } from '../../src/wire/errors.ts'
import { publicKey } from '../../src/wire/keys.ts'
import { edge, policy, ScriptedLnd, type Script } from './scripted-lnd.ts'

const HEIGHT = 800_000
const [alice, bob, carol] = [1, 2, 3].map((n) => toHex(publicKey(sha256(Uint8Array.of(n))))) as [string, string, string]

const [first, second] = ['769658139444346880', '769658139444346881'] as const
const edges = [edge(first, alice, bob), edge(second, bob, carol)]
const nodeOf = (key: string): object => ({ pub_key: key, features: { 25: {} } })

/** alice - bob - carol, as alice's lnd tells of it. */
const graph: Script = {
  listChannels: () => ({
    channels: [
      {
        chan_id: first,
        active: true,
        private: false,
        remote_pubkey: bob,
        remote_balance: '1000000',
        remote_constraints: null,
        pending_htlcs: [],
      },
    ],
  }),
  getNodeInfo: ({ pub_key: key }: { pub_key: string }) => ({ node: nodeOf(key), channels: key === bob ? edges : [] }),
  getChanInfo: ({ chan_id: id }: { chan_id: string }) => edges[id === first ? 0 : 1],
}

/** The phantom lane of alice. */
class World {
  readonly lnd: ScriptedLnd
  readonly lane: PhantomLane
  readonly told: BackendEvent[] = []
  readonly commands: InterceptorCommand[] = []
  report: (report: InterceptorReport) => void = () => undefined
  /** Whether the thread of the interceptor has come up; before that it does nothing. */
  isUp = true

  constructor(script: Script = {}) {
    this.lnd = new ScriptedLnd({ ...graph, ...script })
    const { client, clock } = this.lnd
    let count = 0
    this.lane = new PhantomLane({
      client,
      clock,
      entropy: { bytes: (length) => sha256(Uint8Array.of(++count >> 8, count & 0xff)).slice(0, length) },
      channels: new OwnChannels(client, clock),
      ownKey: alice,
      height: () => HEIGHT,
      emit: (event) => this.told.push(event),
      sharedSecret: async () => new Uint8Array(32).fill(7),
      startHost: (report) => {
        this.report = report
        const isUp = (): boolean => this.isUp
        return {
          get isUp() {
            return isUp()
          },
          command: (command) => this.#take(command),
          stop: async () => undefined,
        }
      },
    })
  }

  /** Keys that the interceptor takes payments for. */
  get keys(): number {
    return this.commands.reduce((sum, command) => {
      if (command.type === 'add') return sum + command.keys.length
      return command.type === 'remove' ? sum - command.chanIds.length : sum
    }, 0)
  }

  /** Until the interceptor was told to open the stream. */
  async asked(): Promise<void> {
    while (!this.commands.some(({ type }) => type === 'open')) await turn()
  }

  make(changes: Partial<PathRequest> = {}): Promise<PathResult> {
    const payer = publicKey(sha256(Uint8Array.of(3)))
    return this.lane.makePaths({ count: 2, payer, relays: 1, lifetimeBlocks: 144, ...changes })
  }

  #take(command: InterceptorCommand): void {
    this.commands.push(command)
    if (command.type === 'open' && this.isUp) this.report({ type: 'state', state: 'open', detail: 'the stream stands' })
  }
}

describe('hidden paths', () => {
  it('are open as soon as they are made', async () => {
    const world = new World()
    const { paths, candidates } = await world.make()
    expect(paths.map(({ expiryHeight }) => expiryHeight)).toEqual([HEIGHT + 144, HEIGHT + 144])
    expect(candidates).toBe(1)
    expect(world.keys).toBe(2)
    world.lane.closePaths(paths.map(({ pathId }) => pathId))
    expect(world.keys).toBe(0)
  })

  it('wait for a thread that takes long to come up, a minute at most, and for lnd no longer than before', async () => {
    for (const { isUp, waits } of [
      { isUp: false, waits: THREAD_UP_MS },
      { isUp: true, waits: INTERCEPTOR_OPEN_MS },
    ]) {
      const world = new World()
      world.isUp = false
      let failed = false
      const made = world.make().catch((error: unknown) => {
        failed = true
        return error
      })
      await world.asked()
      world.isUp = isUp
      for (let ms = 0; ms < waits; ms += 1_000) {
        expect(failed).toBe(false)
        world.lnd.clock.pass(1_000)
        await turn()
      }
      expect(failed).toBe(true)
      expect(await made).toMatchObject({ code: 'offline' })
    }
    const slow = new World()
    slow.isUp = false
    const made = slow.make()
    await slow.asked()
    slow.lnd.clock.pass(3 * INTERCEPTOR_OPEN_MS)
    slow.isUp = true
    slow.report({ type: 'state', state: 'open', detail: 'the stream stands' })
    expect((await made).paths).toHaveLength(2)
  })

  it('tell their cost and their relays', async () => {
    const { costMsat, relays, guards } = await new World().make()
    // 1,000 msat and a base fee of 1,000 msat, and a rate of 2,500 millionths of the former.
    expect([costMsat, relays, guards]).toEqual([2_003n, 1, [bob]])
  })

  it('need no look at the whole graph, and one at each node that could stand behind them', async () => {
    const world = new World()
    await world.make({ count: 1 })
    await world.make({ count: 1, payer: publicKey(sha256(Uint8Array.of(9))) })
    const asked = world.lnd.calls.flatMap(({ name, request }) =>
      name === 'getNodeInfo' ? [(request as { pub_key: string }).pub_key] : [],
    )
    expect(asked.toSorted()).toEqual([alice, bob, carol].toSorted())
  })

  it('are never more than the bound, however many are asked for at once', async () => {
    const world = new World({ listChannels: () => Promise.race([]) })
    for (let i = 0; i < MAX_OPEN_PATHS / MAX_PATHS_PER_REQUEST; i++) void world.make({ count: MAX_PATHS_PER_REQUEST })
    await expect(world.make({ count: 1 })).rejects.toMatchObject({ code: 'bad-request' })
  })

  it('are told to be stale when their channel is gone', async () => {
    const world = new World()
    const { paths } = await world.make()
    await world.lane.checkPaths()
    expect(world.told).toEqual([])
    world.lnd.script = { ...world.lnd.script, listChannels: () => ({ channels: [] }) }
    world.lnd.clock.pass(2_000)
    await world.lane.checkPaths()
    expect(world.told).toEqual([{ type: 'paths-stale', pathIds: paths.map(({ pathId }) => pathId) }])
  })

  it('lead over a channel that was open before its funding was confirmed, by its confirmed id', async () => {
    const alias = (16_000_000n << 40n).toString()
    const { channels } = (graph.listChannels as () => { channels: object[] })()
    const confirmed = { ...channels[0], chan_id: alias, alias_scids: [alias], zero_conf: true }
    const listChannels = (): object => ({ channels: [{ ...confirmed, zero_conf_confirmed_scid: first }] })
    const world = new World({ listChannels })
    expect((await world.make()).paths).toHaveLength(2)
    await world.lane.checkPaths()
    expect(world.told).toEqual([])
    const early = new World({ listChannels: () => ({ channels: [{ ...confirmed, zero_conf_confirmed_scid: '0' }] }) })
    await expect(early.make()).rejects.toThrow('waits for its first confirmation')
  })

  it('are told to be stale when a relay asks for something else', async () => {
    const world = new World()
    const { paths } = await world.make()
    world.lnd.script = {
      ...world.lnd.script,
      getChanInfo: () => ({ ...edges[0], node2_policy: { ...policy, fee_base_msat: '2000' } }),
    }
    await world.lane.checkPaths()
    expect(world.told).toEqual([{ type: 'paths-stale', pathIds: paths.map(({ pathId }) => pathId) }])
  })

  it('hold what the guard asks for what comes in to it, which its other channels tell', async () => {
    const charged = { ...policy, inbound_fee_base_msat: 500, inbound_fee_rate_milli_msat: 0 }
    // Bob asks it on his channel with carol; what comes in from alice is no matter here.
    const dearer = [edge(first, alice, bob), { ...edge(second, bob, carol), node1_policy: charged }]
    const world = new World({
      getNodeInfo: ({ pub_key: key }: { pub_key: string }) => ({
        node: nodeOf(key),
        channels: key === bob ? dearer : [],
      }),
    })
    const dave = publicKey(sha256(Uint8Array.of(4)))
    const { paths, candidates } = await world.make({ payer: dave })
    const asked = decodePath((paths[0] as ReplyPath).bytes).totals.baseFeeMsat
    expect(asked).toBeGreaterThanOrEqual(1_500)
    expect(candidates).toBe(1)
    const plain = await new World().make({ payer: dave })
    expect(decodePath((plain.paths[0] as ReplyPath).bytes).totals.baseFeeMsat).toBe(1_000)
  })

  it('are told to be stale when the guard asks more for what comes in to it', async () => {
    const world = new World()
    const { paths } = await world.make()
    const charged = { ...policy, inbound_fee_base_msat: 500, inbound_fee_rate_milli_msat: 0 }
    const dearer = [edge(first, alice, bob), { ...edge(second, bob, carol), node1_policy: charged }]
    world.lnd.script = { ...world.lnd.script, getNodeInfo: () => ({ node: nodeOf(bob), channels: dearer }) }
    world.lnd.clock.pass(PATH_ENTRANCE_MS)
    await world.lane.checkPaths()
    expect(world.told).toEqual([{ type: 'paths-stale', pathIds: paths.map(({ pathId }) => pathId) }])
  })

  it('are told to be stale when the interceptor comes back, and when another program has it', async () => {
    const world = new World()
    const { paths } = await world.make()
    const pathIds = paths.map(({ pathId }) => pathId)
    world.report({ type: 'state', state: 'down', detail: 'the stream broke' })
    expect(world.told).toEqual([])
    world.report({ type: 'state', state: 'open', detail: 'the stream stands' })
    expect(world.told).toEqual([{ type: 'paths-stale', pathIds }])
    world.report({ type: 'state', state: 'taken', detail: 'interceptor already exists' })
    expect(world.told.slice(1)).toMatchObject([
      { type: 'warning', code: 'interceptor-taken' },
      { type: 'paths-stale', pathIds },
    ])
  })
})

it('an offer that is held is held no longer by asking again', async () => {
  const world = new World()
  await world.lane.listen()
  const [record, hash] = [new Uint8Array(9), new Uint8Array(32)]
  world.report({ type: 'offer', offerId: 'o1', record, amountMsat: 1_000n, hash, holdHeight: HEIGHT + 40 })
  const beganMs = world.lnd.clock.now()
  expect(world.lane.hold('o1')).toBe(beganMs + MAX_HOLD_MS)
  world.lnd.clock.pass(1_000)
  expect(world.lane.hold('o1')).toBe(beganMs + MAX_HOLD_MS)
})

it('64 offers are held for long at once, and one more is when one of them has its answer', async () => {
  const world = new World()
  await world.lane.listen()
  const [record, hash] = [new Uint8Array(9), new Uint8Array(32)]
  const idOf = (i: number): string => `o${i}`
  for (let i = 0; i <= MAX_LONG_HOLDS; i++)
    world.report({ type: 'offer', offerId: idOf(i), record, amountMsat: 1_000n, hash, holdHeight: HEIGHT + 40 })
  for (let i = 0; i < MAX_LONG_HOLDS; i++) expect(world.lane.hold(idOf(i))).toBeDefined()
  const late = idOf(MAX_LONG_HOLDS)
  expect(world.lane.hold(late)).toBeUndefined()
  world.lane.answer(idOf(0), { action: 'refuse', code: Code.BUSY })
  expect(world.lane.hold(late)).toBeDefined()
  const held = world.commands.filter(({ type }) => type === 'hold')
  expect(held).toHaveLength(MAX_LONG_HOLDS + 1)
})
