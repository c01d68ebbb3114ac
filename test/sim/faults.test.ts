import { describe, expect, it } from 'vitest'
import { FAULTS, SimulationError, demoNetwork, line, type NodeStats, type Simulation } from '../../src/sim.ts'
import { recordOf } from '../../src/backends/contract/probe.ts'
import { keysend, startPair, phantomPayment, routeToBob } from './pair.ts'

const HOUR_MS = 3_600_000

describe('a fault of a payment', () => {
  it('payment-fails fails it at the named channel, and only as many as it counts', async () => {
    const pair = await startPair()
    const route = await routeToBob(pair)
    pair.sim.fault({ name: 'payment-fails', channel: route.channels[1] as string, count: 2 })
    for (let i = 0; i < 2; i++) {
      expect(await keysend(pair, i, route)).toEqual({
        status: 'failed',
        reason: 'temporary-channel-failure',
        place: 'route',
        channel: route.channels[1],
      })
    }
    expect(await keysend(pair, 3, route)).toMatchObject({ status: 'settled' })
  })

  it('payment-fails at the hop after the last fails it at the destination', async () => {
    const pair = await startPair()
    pair.sim.fault({ name: 'payment-fails', hop: 9 })
    expect(await keysend(pair)).toMatchObject({ status: 'failed', place: 'destination' })
  })

  it('payment-fails is reported after the way there and back', async () => {
    const pair = await startPair(line(4), { names: ['n0', 'n3'] })
    const times: number[] = []
    for (const hop of [1, 3]) {
      pair.sim.fault({ name: 'payment-fails', hop })
      const start = pair.sim.clock.now()
      await keysend(pair)
      times.push(pair.sim.clock.now() - start)
    }
    expect(times[1]).toBeGreaterThan((times[0] ?? 0) + 200)
  })

  it('payment-hangs holds balance and slots, then gives them back', async () => {
    const pair = await startPair()
    const route = await routeToBob(pair)
    pair.sim.fault({ name: 'payment-hangs', hop: 1, forMs: HOUR_MS })
    const outcome = pair.alice.backend.pay(pair.alice.keysend(route, recordOf(10, 1)))
    await pair.sim.runFor(HOUR_MS / 2)
    expect(node(pair, 'alice').slotsUsed).toBe(1)
    expect(await pair.sim.drive(outcome)).toMatchObject({ status: 'failed' })
    expect(pair.sim.clock.now()).toBeGreaterThan(HOUR_MS)
    expect(node(pair, 'alice')).toMatchObject({ slotsUsed: 0, inFlightMsat: 0 })
  })

  it('payment-hangs with a landing settles late', async () => {
    const pair = await startPair()
    pair.sim.fault({ name: 'payment-hangs', hop: 2, forMs: HOUR_MS, end: 'land' })
    expect(await keysend(pair)).toMatchObject({ status: 'settled' })
    expect(pair.sim.clock.now()).toBeGreaterThan(HOUR_MS)
    expect(pair.bob.arrivals()).toHaveLength(1)
  })

  it('payment-hangs ends at the expiry of its HTLC at the latest', async () => {
    const pair = await startPair()
    pair.sim.fault({ name: 'payment-hangs', hop: 1, forMs: 1_000 * HOUR_MS })
    expect(await keysend(pair)).toMatchObject({ status: 'failed', reason: 'timeout' })
  })

  it('relay-keeps is refused by the destination on the node lane', async () => {
    const pair = await startPair()
    pair.sim.fault({ name: 'relay-keeps', msat: 1 })
    expect(await keysend(pair)).toMatchObject({ status: 'failed', reason: 'rejected-by-node', place: 'destination' })
    expect(pair.bob.arrivals()).toEqual([])
  })

  it('relay-keeps is refused by the backend on the phantom lane, with a warning, without an offer', async () => {
    const pair = await startPair(demoNetwork({ policyDefaults: { baseFeeMsat: 0, feePpm: 0 } }))
    const payment = await phantomPayment(pair)
    // More than what the path's class rounds its rate up by: 2,500 millionths of 5,000 msat.
    pair.sim.fault({ name: 'relay-keeps', msat: 14 })
    expect(await pair.alice.pay(payment)).toMatchObject({ status: 'failed', reason: 'blinded', place: 'introduction' })
    expect(pair.bob.offers()).toEqual([])
    expect(pair.bob.events).toContainEqual(expect.objectContaining({ type: 'warning', code: 'short-amount' }))
  })
})

describe('a fault of a node or its process', () => {
  it('node-offline at the destination fails payments at the relay before it', async () => {
    const pair = await startPair()
    const route = await routeToBob(pair)
    pair.sim.fault({ name: 'node-offline', node: 'bob' })
    expect(await keysend(pair, 1, route)).toMatchObject({ reason: 'temporary-channel-failure', place: 'route' })
    expect(pair.bob.events.at(-1)).toMatchObject({ type: 'offline' })
  })

  it('node-offline at the sender makes its payments unknown; node-online tells how they ended', async () => {
    const pair = await startPair()
    const route = await routeToBob(pair)
    const payment = pair.alice.keysend(route, recordOf(10, 1))
    const outcome = pair.alice.backend.pay(payment)
    await pair.sim.runFor(60)
    pair.sim.fault({ name: 'node-offline', node: 'alice' })
    expect(await pair.sim.drive(outcome)).toEqual({ status: 'unknown' })
    expect(await keysend(pair, 1, route)).toMatchObject({ reason: 'node-away' })
    await pair.sim.runFor(10_000)
    pair.sim.fault({ name: 'node-online', node: 'alice' })
    await pair.sim.run()
    expect(pair.alice.events).toContainEqual({
      type: 'payment-resolved',
      hash: payment.hash,
      outcome: { status: 'settled', feeMsat: 1_000n },
    })
    expect(await pair.sim.drive(pair.alice.backend.track(payment.hash))).toMatchObject({ status: 'settled' })
  })

  it('node-restart comes back by itself', async () => {
    const pair = await startPair()
    pair.sim.fault({ name: 'node-restart', node: 'bob', forMs: 2_000 })
    await pair.sim.runFor(2_001)
    expect(pair.bob.events.map((event) => event.type)).toEqual(['offline', 'online'])
    expect(await keysend(pair)).toMatchObject({ status: 'settled' })
  })

  it('process-crash ends a process without a word, and another can attach', async () => {
    const pair = await startPair()
    const route = await routeToBob(pair)
    let settled = false
    void pair.alice.backend.pay(pair.alice.keysend(route, recordOf(10, 1))).then(() => {
      settled = true
    })
    pair.sim.fault({ name: 'process-crash', node: 'alice' })
    await pair.sim.run()
    expect(settled).toBe(false)
    const again = pair.sim.backend('alice')
    expect((await again.start({ sink: () => {} })).publicKey).toEqual(pair.sim.keyOf('alice'))
  })

  it('stream-lost hides outcomes and arrivals until it is over', async () => {
    const pair = await startPair()
    const payment = pair.alice.keysend(await routeToBob(pair), recordOf(10, 1))
    const outcome = pair.alice.backend.pay(payment)
    pair.sim.fault({ name: 'stream-lost', node: 'alice', forMs: 4_000 })
    pair.sim.fault({ name: 'stream-lost', node: 'bob', forMs: 4_000 })
    expect(await pair.sim.drive(outcome)).toEqual({ status: 'unknown' })
    await pair.sim.runFor(3_000)
    expect(pair.bob.arrivals()).toEqual([])
    await pair.sim.runFor(2_000)
    expect(pair.bob.arrivals()).toHaveLength(1)
    expect(pair.alice.events.map((event) => event.type)).toEqual(['offline', 'online', 'payment-resolved'])
  })

  it('arrivals-replayed hands the last ones up again, with their settle indexes', async () => {
    const pair = await startPair()
    await keysend(pair, 1)
    await keysend(pair, 2)
    pair.sim.fault({ name: 'arrivals-replayed', node: 'bob', count: 2 })
    expect(pair.bob.arrivals().map((arrival) => arrival.settleIndex)).toEqual([1n, 2n, 1n, 2n])
  })

  it('routes-forgotten makes pinned routes answer route-gone', async () => {
    const pair = await startPair()
    const route = await routeToBob(pair)
    pair.sim.fault({ name: 'routes-forgotten', node: 'alice' })
    expect(await keysend(pair, 1, route)).toMatchObject({ reason: 'route-gone' })
  })
})

describe('a fault of a channel', () => {
  it('channel-drained at the sender means no-balance; elsewhere a temporary failure', async () => {
    const pair = await startPair()
    const route = await routeToBob(pair)
    pair.sim.fault({ name: 'channel-drained', channel: route.channels[1] as string, from: 'carol' })
    expect(await keysend(pair, 1, route)).toMatchObject({
      reason: 'temporary-channel-failure',
      place: 'route',
      channel: route.channels[1],
    })
    pair.sim.fault({ name: 'channel-drained', channel: route.channels[0] as string, from: 'alice' })
    expect(await keysend(pair, 2, route)).toMatchObject({ reason: 'no-balance', place: 'local' })
  })

  it('channel-closed fails payments and is gone from the graph', async () => {
    const pair = await startPair()
    const route = await routeToBob(pair)
    pair.sim.fault({ name: 'channel-closed', channel: route.channels[1] as string })
    expect(await keysend(pair, 1, route)).toMatchObject({ reason: 'unknown-next-peer', channel: route.channels[1] })
    expect(pair.sim.publicGraph().channels.map((channel) => channel.id)).not.toContain(route.channels[1])
    expect(await keysend(pair, 2)).toMatchObject({ status: 'settled' })
  })

  it('channel-closed makes the paths over it stale', async () => {
    const pair = await startPair()
    await pair.bob.makePaths(pair.alice.publicKey)
    pair.sim.fault({ name: 'channel-closed', channel: pair.sim.channelBetween('bob', 'carol') })
    pair.sim.fault({ name: 'channel-closed', channel: pair.sim.channelBetween('bob', 'erin') })
    expect(pair.bob.events.filter((event) => event.type === 'paths-stale')).toHaveLength(1)
  })

  it('policy-change makes a pinned route fail with policy; a new route works', async () => {
    const pair = await startPair()
    const route = await routeToBob(pair)
    pair.sim.fault({
      name: 'policy-change',
      channel: route.channels[1] as string,
      from: 'carol',
      policy: { baseFeeMsat: 5_000 },
    })
    expect(await keysend(pair, 1, route)).toMatchObject({ reason: 'policy', channel: route.channels[1] })
    expect(await keysend(pair, 2)).toMatchObject({ status: 'settled' })
  })

  it('liquidity-shift moves balance, and no money is lost', async () => {
    const pair = await startPair()
    const before = node(pair, 'alice').balanceMsat
    pair.sim.fault({
      name: 'liquidity-shift',
      channel: pair.sim.channelBetween('alice', 'carol'),
      from: 'alice',
      msat: 7_000,
    })
    expect(node(pair, 'alice').balanceMsat).toBe(before - 7_000)
    expect(pair.sim.audit()).toEqual([])
  })
})

describe('a fault of the chain', () => {
  it('blocks-found moves the height and tells', async () => {
    const pair = await startPair()
    pair.sim.fault({ name: 'blocks-found', count: 3 })
    expect(pair.sim.stats().height).toBe(850_003)
    expect(pair.bob.events).toContainEqual({ type: 'block', height: 850_003 })
  })

  it('block-interval makes blocks faster or slower', async () => {
    const pair = await startPair()
    pair.sim.fault({ name: 'block-interval', intervalMs: 60_000 })
    await pair.sim.runFor(10 * 60_000)
    expect(pair.sim.stats().height).toBe(850_010)
  })
})

describe('a fault', () => {
  it('can be set for a time', async () => {
    const pair = await startPair()
    pair.sim.fault({ name: 'node-restart', node: 'bob' }, 5_000)
    await pair.sim.runFor(4_999)
    expect(pair.bob.events).toEqual([])
    await pair.sim.runFor(2)
    expect(pair.bob.events.map((event) => event.type)).toEqual(['offline'])
  })

  it('of an unknown name or node is refused', async () => {
    const { sim } = await startPair()
    expect(() => sim.fault({ name: 'earthquake' } as never)).toThrow(SimulationError)
    expect(() => sim.fault({ name: 'node-offline', node: 'nobody' })).toThrow("no node 'nobody'")
  })

  it('of every kind can come by chance, and no money is lost', async () => {
    const names = Object.entries(FAULTS)
    const faults = names.map(([name, scope]) => ({ name, ...(scope === 'time' ? { perHour: 20 } : { chance: 0.2 }) }))
    const pair = await startPair(
      demoNetwork({
        faults: faults.filter(
          ({ name }) => !['process-crash', 'channel-closed', 'channel-force-closed', 'node-offline'].includes(name),
        ),
      }),
    )
    for (let i = 0; i < 60; i++) {
      const pending = routeToBob(pair).then((route) => keysend(pair, i, route))
      await pending.catch(() => undefined)
      await pair.sim.runFor(60_000)
    }
    await pair.sim.run()
    expect(pair.sim.audit()).toEqual([])
    expect(pair.sim.stats().payments.underWay).toBe(0)
  })
})

function node({ sim }: { readonly sim: Simulation }, name: string): NodeStats {
  return sim.stats().nodes.find((other) => other.name === name) as NodeStats
}
