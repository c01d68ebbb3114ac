import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { Probe, recordOf } from '../../src/backends/contract/probe.ts'
import { demoNetwork, FAULTS } from '../../src/sim.ts'
import { keysend, startPair, phantomPayment, routeToBob, type Pair } from './pair.ts'

const HOUR_MS = 3_600_000
const balance = (pair: Pair, name: string): number =>
  pair.sim.stats().nodes.find((node) => node.name === name)?.balanceMsat ?? NaN

describe('a node that is killed', () => {
  it.for([
    [0, 'failed', 0],
    [20, 'delivered', 0],
    // The amount, and what the path's class rounds its rate up by.
    [60, 'delivered', 5_013],
  ] as const)('%i ms after a settle: the payer sees %s, the receiver has %i msat', async ([afterMs, status, got]) => {
    const pair = await startPair(demoNetwork({ policyDefaults: { baseFeeMsat: 0, feePpm: 0 } }))
    const payment = await phantomPayment(pair)
    const before = balance(pair, 'bob')
    pair.sim.fault({ name: 'killed-after-settle', node: 'bob', afterMs })
    expect(await pair.alice.pay(payment)).toMatchObject({ status })
    await pair.sim.runFor(60_000)
    expect(balance(pair, 'bob') - before).toBe(got)
    expect(pair.bob.events.map(({ type }) => type)).toEqual(expect.arrayContaining(['offline', 'online']))
    expect(pair.sim.audit()).toEqual([])
  })

  it('2 ms after a payment never sent it, and says so when it is back', async () => {
    const pair = await startPair()
    const payment = pair.alice.keysend(await routeToBob(pair), recordOf(10, 1))
    pair.sim.fault({ name: 'killed-after-send', from: 'alice', afterMs: 2 })
    expect(await pair.alice.pay(payment)).toEqual({ status: 'unknown' })
    await pair.sim.runFor(3_100)
    expect(pair.alice.events).toContainEqual({
      type: 'payment-resolved',
      hash: payment.hash,
      outcome: { status: 'failed', reason: 'node-away', place: 'local' },
    })
    expect(pair.bob.arrivals()).toEqual([])
  })

  it('10 ms after a payment keeps a ghost of it, until the backend sees that no channel holds it', async () => {
    const pair = await startPair()
    const payment = pair.alice.keysend(await routeToBob(pair), recordOf(10, 1))
    pair.sim.fault({ name: 'killed-after-send', from: 'alice' })
    expect(await pair.alice.pay(payment)).toEqual({ status: 'unknown' })
    await pair.sim.runFor(10_000)
    expect(await pair.sim.drive(pair.alice.backend.track(payment.hash))).toEqual({ status: 'in-flight' })
    expect(pair.sim.stats().nodes.map(({ slotsUsed }) => slotsUsed)).toEqual([0, 0, 0, 0, 0])
    await pair.sim.runFor(10_000)
    expect(await pair.sim.drive(pair.alice.backend.track(payment.hash))).toMatchObject({ status: 'failed' })
  })

  it('100 ms after a payment finds that it went on', async () => {
    const pair = await startPair()
    const payment = pair.alice.keysend(await routeToBob(pair), recordOf(10, 1))
    pair.sim.fault({ name: 'killed-after-send', from: 'alice', afterMs: 100 })
    expect(await pair.alice.pay(payment)).toEqual({ status: 'unknown' })
    await pair.sim.runFor(10_000)
    expect(pair.alice.events).toContainEqual(
      expect.objectContaining({ type: 'payment-resolved', outcome: { status: 'settled', feeMsat: 1_000n } }),
    )
  })
})

describe('a process that is blocked', () => {
  it('hears of everything in its order, later, while its node settles and its offers are refused', async () => {
    const pair = await startPair()
    const { sim, alice, bob } = pair
    const payment = await phantomPayment(pair)
    sim.fault({ name: 'process-blocked', node: 'bob', forMs: 60_000 })
    const startMs = sim.clock.now()
    expect(await keysend(pair, 1)).toMatchObject({ status: 'settled' })
    expect(await alice.pay(payment)).toMatchObject({ status: 'failed', reason: 'blinded' })
    expect(sim.clock.now() - startMs).toBeLessThan(10_000)
    expect(bob.events).toEqual([])
    await sim.runFor(60_000)
    expect(bob.events.map(({ type }) => type)).toEqual(['arrival', 'offer', 'offer-gone'])
  })

  it('gets its timers and answers afterwards', async () => {
    const { sim, alice } = await startPair()
    const { clock } = alice.backend
    let firedMs = 0
    clock?.schedule(clock.now() + 1_000, () => {
      firedMs = sim.clock.now()
    })
    const cancel = clock?.schedule(clock.now() + 1_000, () => {
      throw new Error('it was cancelled')
    })
    sim.fault({ name: 'process-blocked', node: 'alice' })
    await sim.runFor(2_000)
    cancel?.()
    await sim.runFor(300_000)
    expect(firedMs).toBe(300_000)
  })

  it('lets payments of others pass', async () => {
    const { sim } = await startPair()
    sim.fault({ name: 'process-blocked', node: 'alice' })
    sim.fault({ name: 'foreign-payments', from: 'dave', to: 'carol', count: 50, overMs: 10_000 })
    await sim.runFor(60_000)
    expect(sim.stats().foreign).toEqual({ sent: 50, settled: 50, failed: 0 })
  })
})

describe('a channel that is force-closed', () => {
  it('pays what was settled blocks later', async () => {
    const pair = await startPair()
    const route = await routeToBob(pair)
    const outcome = pair.alice.backend.pay(pair.alice.keysend(route, recordOf(10, 1)))
    await pair.sim.run({ until: () => pair.bob.arrivals().length > 0 })
    pair.sim.fault({ name: 'channel-force-closed', channel: route.channels.at(-1) as string })
    const startMs = pair.sim.clock.now()
    expect(await pair.sim.drive(outcome)).toMatchObject({ status: 'settled' })
    expect(pair.sim.clock.now() - startMs).toBeGreaterThan(HOUR_MS / 2)
    expect(pair.sim.audit()).toEqual([])
  })

  it('offers again what it holds, and fails what nobody settles when it expires', async () => {
    const pair = await startPair()
    const { sim, alice, bob } = pair
    const payment = await phantomPayment(pair, { settling: false })
    const outcome = alice.backend.pay(payment)
    await bob.until(() => bob.offers().length === 1)
    for (const peer of ['carol', 'erin'])
      sim.fault({ name: 'channel-force-closed', channel: sim.channelBetween('bob', peer) })
    await bob.until(() => bob.offers().length === 2)
    expect(bob.offers()[1]?.hash).toEqual(payment.hash)
    const startMs = sim.clock.now()
    expect(await sim.drive(outcome, { withinMs: 100 * HOUR_MS })).toMatchObject({ status: 'failed' })
    expect(sim.clock.now() - startMs).toBeGreaterThan(3 * HOUR_MS)
    expect(sim.stats().nodes.map(({ inFlightMsat }) => inFlightMsat)).toEqual([0, 0, 0, 0, 0])
  })
})

describe('what strangers do', () => {
  it('zombie-offers brings a settled HTLC again at every new stream, and pays it once', async () => {
    const pair = await startPair()
    const payment = await phantomPayment(pair)
    pair.sim.fault({ name: 'zombie-offers', node: 'bob' })
    expect(await pair.alice.pay(payment)).toMatchObject({ status: 'delivered' })
    for (let i = 0; i < 3; i++) {
      pair.sim.fault({ name: 'interceptor-drops', node: 'bob' })
      await pair.sim.runFor(10_000)
    }
    expect(pair.bob.offers()).toHaveLength(4)
    expect(pair.bob.events.filter(({ type }) => type === 'offer-confirmed')).toHaveLength(1)
  })

  it('foreign-bytes puts noise and former packets under our type', async () => {
    const pair = await startPair()
    await keysend(pair, 7)
    pair.sim.fault({ name: 'foreign-bytes', node: 'bob', count: 80, overMs: 8_000 })
    await pair.sim.runFor(60_000)
    expect(pair.bob.arrivals()).toHaveLength(81)
    expect(new Set(pair.bob.arrivals().map(({ record }) => record.length)).size).toBeGreaterThan(20)
    expect(new Set(pair.bob.arrivals().map(({ hash }) => Buffer.from(hash).toString('hex'))).size).toBe(81)
  })

  it('foreign-bytes replays former packets in payments of their own', async () => {
    const pair = await startPair()
    await keysend(pair, 7)
    pair.sim.fault({ name: 'foreign-bytes', node: 'bob', kind: 'replayed', count: 3, overMs: 300 })
    await pair.sim.runFor(60_000)
    expect(new Set(pair.bob.arrivals().map(({ record }) => Buffer.from(record).toString('hex'))).size).toBe(1)
    expect(pair.bob.arrivals()).toHaveLength(4)
  })

  it("foreign-bytes reaches a node's phantom, where nobody is paid for it", async () => {
    const { sim, world } = await startPair()
    const carol = new Probe(world, { publicKey: sim.keyOf('carol'), attach: () => sim.backend('carol') })
    await carol.start({ phantomLane: true })
    carol.answerOffers(() => ({ action: 'refuse', code: 1 }))
    sim.fault({ name: 'foreign-bytes', node: 'carol', lane: 'phantom', count: 20, overMs: 2_000 })
    await sim.runFor(30_000)
    expect(carol.offers()).toHaveLength(20)
    expect(sim.stats().foreign).toEqual({ sent: 20, settled: 0, failed: 20 })
  })

  it('foreign-payments take slots and balances, and no process hears of them', async () => {
    const pair = await startPair()
    const before = balance(pair, 'carol')
    pair.sim.fault({ name: 'foreign-payments', from: 'alice', to: 'bob', count: 30, overMs: 100, msat: 20_000 })
    await pair.sim.runFor(150)
    expect(pair.sim.stats().nodes.find(({ name }) => name === 'alice')?.slotsUsed).toBeGreaterThan(0)
    await pair.sim.runFor(60_000)
    expect(pair.sim.stats().foreign).toMatchObject({ sent: 30, settled: 30 })
    expect(pair.sim.stats().payments.sent).toBe(0)
    expect([...pair.alice.events, ...pair.bob.events].filter(({ type }) => type !== 'block')).toEqual([])
    expect(balance(pair, 'carol')).toBeGreaterThanOrEqual(before)
  })
})

describe('the table of faults', () => {
  it('stands in spec/simulator.md, each with what it hangs on', () => {
    const page = readFileSync(new URL('../../spec/simulator.md', import.meta.url), 'utf8')
    const rows = [...page.matchAll(/^\| `([a-z-]+)` \| ([^|]+) \| ([^|]*) \|/gm)].map(([, name, scope]) => [
      name,
      scope,
    ])
    const scopes = Object.entries(FAULTS).map(([name, scope]) => [name, scope === 'time' ? '(per hour)' : scope])
    expect(Object.fromEntries(rows)).toEqual(Object.fromEntries(scopes))
  })
})
