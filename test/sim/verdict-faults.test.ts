import { describe, expect, it } from 'vitest'
import { demoNetwork } from '../../src/sim.ts'
import { keysend, startPair, phantomPayment, type Pair } from './pair.ts'

function confirmed({ bob }: Pair): number {
  return bob.events.filter((event) => event.type === 'offer-confirmed').length
}

function gone({ bob }: Pair): number {
  return bob.events.filter((event) => event.type === 'offer-gone').length
}

describe('verdict-lost', () => {
  it('tells the payer failed, and nothing is confirmed', async () => {
    const pair = await startPair()
    const payment = await phantomPayment(pair)
    pair.sim.fault({ name: 'verdict-lost', node: 'bob' })
    expect(await pair.alice.pay(payment)).toMatchObject({ status: 'failed', reason: 'blinded' })
    expect([pair.bob.offers().length, confirmed(pair)]).toEqual([1, 0])
  })

  it('with a relay that keeps the money tells the payer delivered, and nothing is confirmed', async () => {
    const pair = await startPair()
    const payment = await phantomPayment(pair)
    pair.sim.fault({ name: 'verdict-lost', node: 'bob', end: 'relay-keeps' })
    expect(await pair.alice.pay(payment)).toMatchObject({ status: 'delivered' })
    await pair.sim.run()
    expect([confirmed(pair), pair.sim.audit()]).toEqual([0, []])
  })

  it('with another offer is settled by the same verdict and confirmed once', async () => {
    const pair = await startPair()
    const payment = await phantomPayment(pair)
    pair.sim.fault({ name: 'verdict-lost', node: 'bob', end: 'offered-again' })
    expect(await pair.alice.pay(payment)).toMatchObject({ status: 'delivered' })
    expect(new Set(pair.bob.offers().map((offer) => offer.offerId)).size).toBe(2)
    expect(confirmed(pair)).toBe(1)
  })
})

describe('offers', () => {
  it('duplicate-offer offers an HTLC twice; it is paid and confirmed once', async () => {
    const pair = await startPair()
    const payment = await phantomPayment(pair, { settling: false })
    pair.sim.fault({ name: 'duplicate-offer', node: 'bob' })
    const outcome = pair.alice.backend.pay(payment)
    await pair.bob.until(() => pair.bob.offers().length === 2)
    const [first, second] = pair.bob.offers()
    expect(first?.hash).toEqual(second?.hash)
    await pair.bob.backend.answer(second?.offerId ?? '', { action: 'refuse', code: 0 })
    expect(await pair.sim.drive(outcome)).toMatchObject({ status: 'failed' })
  })

  it('offered-again offers a settled HTLC later; settling it again pays nothing', async () => {
    const pair = await startPair()
    const payment = await phantomPayment(pair)
    pair.sim.fault({ name: 'offered-again', node: 'bob', afterMs: 60_000 })
    await pair.alice.pay(payment)
    await pair.sim.run()
    expect(pair.bob.offers().map((offer) => offer.hash)).toEqual([payment.hash, payment.hash])
    expect([confirmed(pair), pair.sim.audit()]).toEqual([1, []])
  })

  it('a wrong preimage ends the stream: every held offer is let go, and the next one works', async () => {
    const pair = await startPair()
    const [first, second] = [
      await phantomPayment(pair, { settling: false }),
      await phantomPayment(pair, { settling: false }),
    ]
    const outcomes = [pair.alice.backend.pay(first), pair.alice.backend.pay(second)]
    await pair.bob.until(() => pair.bob.offers().length === 2)
    await pair.bob.backend.answer(pair.bob.offers()[0]?.offerId ?? '', {
      action: 'settle',
      preimage: new Uint8Array(32),
    })
    expect((await pair.sim.drive(Promise.all(outcomes))).map((outcome) => outcome.status)).toEqual(['failed', 'failed'])
    expect(gone(pair)).toBe(2)
    expect(pair.bob.events).toContainEqual(expect.objectContaining({ type: 'warning', code: 'wrong-preimage' }))
    expect(await pair.alice.pay(await phantomPayment(pair))).toMatchObject({ status: 'delivered' })
  })
})

describe('interceptor-drops', () => {
  it('lets held offers go: gone for the process, failed for the payer', async () => {
    const pair = await startPair()
    const outcome = pair.alice.backend.pay(await phantomPayment(pair, { settling: false }))
    await pair.bob.until(() => pair.bob.offers().length === 1)
    pair.sim.fault({ name: 'interceptor-drops', node: 'bob' })
    expect(await pair.sim.drive(outcome)).toMatchObject({ status: 'failed', reason: 'blinded' })
    expect([gone(pair), pair.bob.offers().length]).toEqual([1, 1])
  })

  it('keeps and offers them again where the interceptor is required', async () => {
    const demo = demoNetwork()
    const nodes = demo.nodes.map((node) => (node.name === 'bob' ? { ...node, requireInterceptor: true } : node))
    const pair = await startPair({ ...demo, nodes })
    const payment = await phantomPayment(pair)
    const settle = pair.bob.verdictFor
    pair.bob.answerOffers(undefined)
    const outcome = pair.alice.backend.pay(payment)
    await pair.bob.until(() => pair.bob.offers().length === 1)
    pair.bob.answerOffers(settle)
    pair.sim.fault({ name: 'interceptor-drops', node: 'bob' })
    expect(await pair.sim.drive(outcome)).toMatchObject({ status: 'delivered' })
    expect(new Set(pair.bob.offers().map((offer) => offer.offerId)).size).toBe(2)
  })

  it('leaves held what a later process cannot open: it fails', async () => {
    const demo = demoNetwork()
    const nodes = demo.nodes.map((node) => (node.name === 'bob' ? { ...node, requireInterceptor: true } : node))
    const pair = await startPair({ ...demo, nodes })
    const outcome = pair.alice.backend.pay(await phantomPayment(pair, { settling: false }))
    await pair.bob.until(() => pair.bob.offers().length === 1)
    await pair.bob.backend.stop()
    await pair.sim.runFor(10_000)
    expect(pair.sim.stats().nodes.find((node) => node.name === 'bob')?.heldOffers).toBe(1)
    const events: string[] = []
    await pair.sim.backend('bob').start({ sink: (event) => events.push(event.type) })
    expect(await pair.sim.drive(outcome)).toMatchObject({ status: 'failed', reason: 'blinded' })
    expect(events).toEqual([])
  })

  it('leaves the node lane alone', async () => {
    const pair = await startPair()
    pair.sim.fault({ name: 'interceptor-drops', node: 'bob', forMs: 60_000 })
    expect(await keysend(pair)).toMatchObject({ status: 'settled' })
  })
})

describe('a path', () => {
  it('refuses from its expiry height on', async () => {
    const pair = await startPair()
    const payment = await phantomPayment(pair, { lifetimeBlocks: 3 })
    pair.sim.fault({ name: 'blocks-found', count: 3 })
    expect(await pair.alice.pay(payment)).toMatchObject({ status: 'failed', reason: 'blinded' })
    expect(pair.bob.offers()).toEqual([])
  })

  it('with altered bytes leads to the introduction node and no further', async () => {
    const pair = await startPair()
    const { paths } = await pair.bob.makePaths(pair.alice.publicKey)
    const path = paths[0]?.bytes.slice() ?? new Uint8Array()
    const inData = path.length - 20
    path[inData] = (path[inData] ?? 0) ^ 1
    const route = await pair.alice.route({ lane: 'phantom', path })
    const outcome = await pair.alice.pay({
      routeId: route.id,
      hash: pair.world.entropy.bytes(32),
      record: new Uint8Array(9),
      amountMsat: 5_000n,
    })
    expect(outcome).toMatchObject({ status: 'failed', reason: 'blinded', place: 'introduction' })
  })

  it('with two relays hides two hops away, and costs about 80 bytes of a record', async () => {
    const pair = await startPair()
    const payment = await phantomPayment(pair, { relays: 2 })
    expect(await pair.alice.pay(payment)).toMatchObject({ status: 'delivered' })
  })
})
