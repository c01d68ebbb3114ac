import { queryObjects } from 'node:v8'
import { describe, expect, test } from 'vitest'
import type { FailureReason, PaymentFailure, PaymentOutcome } from '../../src/medium/payment.ts'
import type { PeerGrant, PeerOptions } from '../../src/transport/peer/interface.ts'
import { PeerController } from '../../src/transport/peer/peer-controller.ts'
import { RoundRobin } from '../../src/transport/peer/round-robin.ts'
import { SlotPool } from '../../src/transport/peer/slots.ts'
import { route } from './medium.ts'

const data = { reason: 'data', avoid: [] } as const
const settled: PaymentOutcome = { status: 'settled', feeMsat: 0n }

function make(options: Partial<PeerOptions> = {}): PeerController {
  return new PeerController({
    lane: 'node',
    anonymous: false,
    random: (length) => new Uint8Array(length),
    slots: new SlotPool(),
    maxFeeMsat: 10_000n,
    ...options,
  })
}

/** A peer with routes at time 0. */
function ready(options: Partial<PeerOptions> = {}, routes = [route('a', ['c', 'd'], 483)]): PeerController {
  const peer = make(options)
  peer.request(0)
  peer.provideRoutes(0, routes)
  return peer
}

/** Takes as many grants as there are, all sent. */
function fill(peer: PeerController, now: number): number[] {
  const tickets: number[] = []
  for (;;) {
    const grant = peer.grant(now, data)
    if (grant === undefined) return tickets
    peer.sent(now, grant.ticket)
    tickets.push(grant.ticket)
  }
}

function send(peer: PeerController, now: number, want: Parameters<PeerController['grant']>[1] = data): PeerGrant {
  const grant = peer.grant(now, want)
  if (grant === undefined) throw new Error('no grant')
  peer.sent(now, grant.ticket)
  return grant
}

function failure(reason: FailureReason, place: PaymentFailure['place'], channel?: string): PaymentOutcome {
  return { status: 'failed', reason, place, ...(channel === undefined ? {} : { channel }) }
}

describe('rows of turns', () => {
  test('there are none where nobody waits, also when nobody gave a turn back', () => {
    const peer = make()
    const before = queryObjects(RoundRobin, { format: 'count' })
    const token = {}
    peer.enqueue(token)
    expect(queryObjects(RoundRobin, { format: 'count' })).toBe(before + 1)
    expect([peer.nextTurn(), peer.nextTurn()]).toEqual([token, undefined])
    // What the driver does after each look, with those that were refused.
    peer.giveBack([])
    expect(queryObjects(RoundRobin, { format: 'count' })).toBe(before)
    peer.giveBack([token])
    expect(peer.waiting).toBe(1)
  })
})

describe('grants', () => {
  test('there is none without a route, and routes are asked for', () => {
    const peer = make()
    expect(peer.grant(0, data)).toBeUndefined()
    expect(peer.request(0)).toEqual({ count: 3, avoid: [] })
    expect(peer.request(0)).toBeUndefined()
  })

  test('32 to begin with', () => {
    expect(fill(ready(), 0)).toHaveLength(32)
  })

  test('never more than the channel admits, less what is left to others', () => {
    expect(fill(ready({}, [route('a', ['c'], 30)]), 0)).toHaveLength(28)
  })

  test('what is alone of its connection finds a place beside a full window, four at most', () => {
    const peer = ready()
    fill(peer, 0)
    for (let i = 0; i < 4; i++) send(peer, 0, { ...data, isAlone: true })
    expect(peer.grant(0, { ...data, isAlone: true })).toBeUndefined()
    expect(peer.grant(0, { ...data, isAlone: false })).toBeUndefined()
  })

  test('control packets find a place beside a window full of data', () => {
    const peer = ready()
    fill(peer, 0)
    expect(peer.grant(0, { ...data, reason: 'control' })).toBeDefined()
  })

  test('a cancelled one leaves no trace', () => {
    const peer = ready()
    const grant = peer.grant(0, data)
    peer.cancel(grant?.ticket ?? 0)
    expect(fill(peer, 0)).toHaveLength(32)
  })

  test('a ticket is resolved once', () => {
    const peer = ready()
    const { ticket } = send(peer, 0)
    peer.resolve(100, ticket, settled)
    expect(() => peer.resolve(100, ticket, settled)).toThrow('once')
    expect(() => peer.cancel(ticket)).toThrow('once')
  })

  test('a ticket that was not sent cannot be resolved, one that was sent cannot be cancelled', () => {
    const peer = ready()
    const first = peer.grant(0, data)?.ticket ?? 0
    expect(() => peer.resolve(0, first, settled)).toThrow('cancel')
    peer.sent(0, first)
    expect(() => peer.cancel(first)).toThrow('resolved')
  })

  test('carry what the packet is built to', () => {
    expect(ready().grant(0, data)).toMatchObject({
      lane: 'node',
      route: { id: 'a', recordBytes: 1_100, minAmountMsat: 1_000n, feeBaseMsat: 1_000n, channels: ['c', 'd'] },
      hedgeAfterMs: 3_000,
    })
  })

  test('time does not go back', () => {
    const peer = ready()
    peer.wake(100)
    expect(() => peer.wake(99)).toThrow('time')
  })
})

describe('an anonymous peer', () => {
  const anonymous = { anonymous: true, lane: 'phantom' } as const

  test('has two unresolved attempts to begin with, two more per settlement', () => {
    const peer = ready(anonymous)
    const [first = 0, second = 0, ...more] = fill(peer, 0)
    expect(more).toEqual([])
    peer.resolve(500, first, { status: 'delivered', feeMsat: 0n })
    expect(fill(peer, 500)).toHaveLength(3)
    peer.resolve(600, second, failure('temporary-channel-failure', 'route'))
    expect(fill(peer, 600)).toHaveLength(1)
  })

  test('that holds both gets a third after 10 s, a fourth after 20 s, and so on: ten in half an hour', () => {
    const peer = ready(anonymous)
    fill(peer, 0)
    for (const reason of ['control', 'hedge', 'urgent'] as const) {
      expect(peer.grant(9_999, { ...data, reason })).toBeUndefined()
    }
    peer.wake(10_000)
    const third = peer.grant(10_000, { ...data, reason: 'hedge' })
    peer.sent(10_000, third?.ticket ?? -1)
    const heldAt = [10_000, 19_999, 20_000, 40_000, 1_800_000].map((now) => {
      peer.wake(now)
      for (;;) {
        const copy = peer.grant(now, { ...data, reason: 'urgent' })
        if (copy === undefined) break
        peer.sent(now, copy.ticket)
      }
      const { hung, inFlight } = peer.stats()
      return hung + inFlight
    })
    expect(heldAt).toEqual([3, 3, 4, 5, 10])
    expect(peer.deadline()).toBeLessThanOrEqual(1_920_000)
  })
})

describe('what hangs', () => {
  test('leaves the window after 60 s, all of it', () => {
    const peer = ready()
    fill(peer, 0)
    expect(peer.deadline()).toBe(60_000)
    peer.wake(60_000)
    expect(peer.stats()).toMatchObject({ inFlight: 0, hung: 32, stuck: 32 })
    expect(fill(peer, 60_000)).toHaveLength(32)
  })

  test('leaves the window earlier when it is late and others have overtaken it', () => {
    const peer = ready()
    send(peer, 0)
    for (let now = 0; now < 3_000; now += 100) peer.resolve(now + 100, send(peer, now).ticket, settled)
    expect(peer.stats()).toMatchObject({ inFlight: 0, hung: 1, stuck: 0 })
  })

  test('fills half of the slots at most before it counts again, and leaves a window of 2 over another channel', () => {
    const routes = [route('a', ['c'], 30), route('b', ['e'], 30)]
    const peer = ready({}, routes)
    let now = 0
    for (let round = 0; round < 20; round++) {
      fill(peer, now)
      now += 60_000
      peer.wake(now)
    }
    // 28 slots each: nothing hangs beyond them.
    expect(peer.stats().hung).toBe(56)
    const other = ready({}, [route('a', ['c'], 30)])
    fill(other, 0)
    other.wake(60_000)
    expect(fill(other, 60_000)).toEqual([])
    other.provideRoutes(60_000, [route('b', ['e'], 30)])
    expect(fill(other, 60_000).length).toBeGreaterThanOrEqual(2)
  })

  test('frees its slot when it lands, however late', () => {
    const peer = ready({}, [route('a', ['c'], 8)])
    const [first = 0] = fill(peer, 0)
    peer.wake(3_600_000)
    // The eighth slot is there for half of the time, and this time nothing comes back from it either.
    expect(fill(peer, 3_600_000)).toHaveLength(1)
    expect(peer.grant(3_600_000, data)).toBeUndefined()
    peer.resolve(3_600_001, first, settled)
    expect(peer.grant(3_600_001, data)).toBeDefined()
  })

  test('an unknown outcome leaves the window at once, keeps its slot, and is resolved later', () => {
    const peer = ready()
    const { ticket } = send(peer, 0)
    peer.resolve(100, ticket, { status: 'unknown' })
    peer.resolve(200, ticket, { status: 'unknown' })
    expect(peer.stats()).toMatchObject({ inFlight: 0, hung: 1 })
    peer.resolve(9_000_000, ticket, settled)
    expect(peer.stats()).toMatchObject({ hung: 0, delivered: 1 })
  })
})

describe('hedges', () => {
  test('are 16, and a few percent of what is sent where nothing hangs', () => {
    const peer = ready()
    let hedges = 0
    let now = 0
    for (let index = 0; index < 1_000; index++) {
      now += 100
      peer.resolve(now, send(peer, now).ticket, settled)
      const hedge = peer.grant(now, { ...data, reason: 'hedge' })
      if (hedge !== undefined) {
        hedges += 1
        peer.sent(now, hedge.ticket)
        peer.resolve(now, hedge.ticket, settled)
      }
    }
    expect(hedges).toBeGreaterThanOrEqual(16 + 30)
    expect(hedges).toBeLessThanOrEqual(16 + 60)
    expect(peer.grant(now, { ...data, reason: 'urgent' })).toBeDefined()
  })

  test('that are given back are not counted', () => {
    const peer = ready()
    const before = peer.stats().hedgesLeft
    peer.cancel(peer.grant(0, { ...data, reason: 'hedge' })?.ticket ?? 0)
    expect(peer.stats().hedgesLeft).toBe(before)
  })

  test('go around the channels of the original where a route does', () => {
    const peer = ready({}, [route('a', ['c', 'd'], 483), route('b', ['e', 'f'], 483)])
    expect(send(peer, 0).route.id).toBe('a')
    expect(send(peer, 0, { ...data, reason: 'hedge', avoid: ['c', 'd'] }).route.id).toBe('b')
  })

  test('go around them by no route that was tried in vain, where one has worked', () => {
    const peer = ready({}, [route('a', ['c', 'd'], 483), route('b', ['e', 'f'], 483)])
    peer.resolve(100, send(peer, 0).ticket, settled)
    const copy = { ...data, reason: 'urgent', avoid: ['c', 'd'] } as const
    const first = send(peer, 100, copy)
    expect(first.route.id).toBe('b')
    peer.resolve(200, first.ticket, failure('temporary-channel-failure', 'route'))
    expect(send(peer, 200, copy).route.id).toBe('a')
  })

  test('take the same route where there is no other, and one is looked for', () => {
    const peer = ready()
    send(peer, 0)
    expect(send(peer, 0, { ...data, reason: 'hedge', avoid: ['c', 'd'] }).route.id).toBe('a')
    expect(peer.request(29_999)).toBeUndefined()
    expect(peer.request(30_000)).toEqual({ count: 3, avoid: ['c', 'd'] })
  })
})

describe('failures', () => {
  test('a route that is gone is dropped, and others are asked for at once', () => {
    const peer = ready()
    peer.resolve(10, send(peer, 0).ticket, failure('route-gone', 'local'))
    expect(peer.stats().routes).toBe(0)
    expect(peer.request(10)).toEqual({ count: 3, avoid: [] })
  })

  test('a route that our own node finds unfit for a payment is dropped: the same again would fail at once', () => {
    const peer = ready()
    peer.resolve(10, send(peer, 0).ticket, failure('invalid', 'local'))
    expect(peer.stats().routes).toBe(0)
    expect(peer.grant(10, data)).toBeUndefined()
    expect(peer.request(10)).toEqual({ count: 3, avoid: [] })
  })

  test('ten in a row suspend a route; it is tried again by two at a time', () => {
    const peer = ready()
    const tickets = fill(peer, 0)
    for (const ticket of tickets) peer.resolve(300, ticket, failure('temporary-channel-failure', 'route', 'd'))
    expect(peer.grant(300, data)).toBeUndefined()
    expect(peer.deadline()).toBe(1_300)
    peer.wake(1_300)
    expect(fill(peer, 1_300)).toHaveLength(2)
  })

  test('a route that goes on failing is tried seldom, once a minute in the end, and at once in full when it works', () => {
    const peer = ready()
    for (const ticket of fill(peer, 0)) peer.resolve(300, ticket, failure('blinded', 'introduction'))
    const waits: number[] = []
    let now = 300
    for (let failedAt = 300; waits.length < 8;) {
      now = peer.deadline() ?? Infinity
      peer.wake(now)
      if (peer.request(now) !== undefined) peer.routesFailed(now)
      const probes = fill(peer, now)
      if (probes.length === 0) continue
      expect(probes).toHaveLength(2)
      waits.push(now - failedAt)
      for (const ticket of probes) peer.resolve(now, ticket, failure('blinded', 'introduction'))
      failedAt = now
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
    now += 60_000
    peer.resolve(now + 500, send(peer, now).ticket, { status: 'delivered', feeMsat: 0n })
    expect(fill(peer, now + 500).length).toBeGreaterThan(30)
  })

  test('what was under way when a route was suspended does not keep it away for longer', () => {
    const peer = ready()
    const tickets = fill(peer, 0)
    for (const ticket of tickets.slice(0, 20)) peer.resolve(300, ticket, failure('blinded', 'introduction'))
    peer.wake(1_300)
    for (const ticket of tickets.slice(20)) peer.resolve(1_300, ticket, failure('blinded', 'introduction'))
    expect(peer.grant(1_300, data)).toBeDefined()
  })

  test('a refusal at the destination says nothing against the route', () => {
    const peer = ready()
    for (let index = 0; index < 50; index++) {
      peer.resolve(index * 10 + 5, send(peer, index * 10).ticket, failure('refused', 'destination'))
    }
    expect(peer.stats().suspendedRoutes).toBe(0)
  })

  test('local exhaustion halts the channel for a moment, then longer, and halves what it takes', () => {
    const peer = ready()
    const tickets = fill(peer, 0)
    for (const ticket of tickets.slice(20)) peer.resolve(5, ticket, failure('no-slot', 'local'))
    expect(peer.grant(5, data)).toBeUndefined()
    expect(peer.deadline()).toBe(205)
    for (const ticket of tickets.slice(0, 20)) peer.resolve(900, ticket, settled)
    expect(fill(peer, 900).length).toBeLessThanOrEqual(20)
  })

  test('with no balance anywhere it waits longer and longer, up to 30 s', () => {
    const peer = ready()
    let now = 0
    const waits: number[] = []
    for (let index = 0; index < 10; index++) {
      peer.resolve(now, send(peer, now).ticket, failure('no-balance', 'local'))
      expect(peer.grant(now, data)).toBeUndefined()
      peer.request(now)
      peer.routesFailed(now)
      let next = peer.deadline() ?? Number.NaN
      for (;;) {
        peer.wake(next)
        const grant = peer.grant(next, data)
        if (grant !== undefined) {
          peer.cancel(grant.ticket)
          break
        }
        if (peer.request(next) !== undefined) peer.routesFailed(next)
        next = peer.deadline() ?? Number.NaN
      }
      waits.push(next - now)
      now = next
    }
    expect(waits[0]).toBe(200)
    expect(waits.at(-1)).toBe(30_000)
  })

  test('a node that is away is one absence, however many payments tell of it', () => {
    const peer = ready()
    for (const ticket of fill(peer, 0)) peer.resolve(10, ticket, failure('node-away', 'local'))
    expect(peer.grant(10, data)).toBeUndefined()
    expect(peer.deadline()).toBe(210)
    peer.wake(210)
    expect(peer.grant(210, data)).toBeDefined()
  })

  test('remote failures leave the window as it is', () => {
    const peer = ready()
    const before = peer.stats().window
    fill(peer, 0).forEach((ticket, index) => {
      peer.resolve(300, ticket, index % 2 === 0 ? failure('temporary-channel-failure', 'route', 'd') : settled)
    })
    expect(peer.stats().window).toBeGreaterThanOrEqual(before)
  })
})

describe('routes', () => {
  test('are renewed after ten minutes of use', () => {
    const peer = ready()
    for (let now = 0; now <= 590_000; now += 10_000) peer.resolve(now + 200, send(peer, now).ticket, settled)
    expect(peer.request(599_999)).toBeUndefined()
    expect(peer.deadline()).toBe(600_000)
    expect(peer.request(600_000)).toEqual({ count: 3, avoid: [] })
  })

  test('that all break the bounds are as good as none, with back-off', () => {
    const peer = make()
    peer.request(0)
    peer.provideRoutes(0, [
      route('dear', ['c'], 483, { feeBaseMsat: 10_001n }),
      route('long', ['c'], 483, { cltvDelta: 2_017 }),
    ])
    expect(peer.request(0)).toBeUndefined()
    expect(peer.deadline()).toBe(1_000)
    expect(peer.request(1_000)).toBeDefined()
  })

  test('are forgotten together when the peer gave other paths; what is under way goes on', () => {
    const peer = ready()
    const { ticket } = send(peer, 0)
    peer.forgetRoutes(10)
    expect(peer.deadline()).toBe(1_000)
    expect(peer.request(1_000)).toBeDefined()
    peer.resolve(1_200, ticket, settled)
    expect(peer.stats()).toMatchObject({ routes: 0, delivered: 1, inFlight: 0 })
  })

  test('over a channel that another peer fills wait for a moment, not for ever', () => {
    const slots = new SlotPool()
    const greedy = {}
    const peer = ready({ slots }, [route('a', ['c'], 8)])
    while (slots.take(greedy, false, 'c', 8)) {
      /* all */
    }
    expect(peer.grant(0, data)).toBeUndefined()
    expect(peer.deadline()).toBe(200)
    slots.give(greedy, false, 'c')
    peer.wake(200)
    expect(peer.grant(200, data)).toBeDefined()
  })
})

test('turns go round between connections', () => {
  const peer = ready()
  const names = new Map<object, string>([
    [{}, 'a'],
    [{}, 'b'],
    [{}, 'c'],
  ])
  for (const token of names.keys()) peer.enqueue(token)
  const order: string[] = []
  for (let index = 0; index < 9; index++) {
    const token = peer.nextTurn()
    if (token === undefined) throw new Error('somebody waits')
    order.push(names.get(token) ?? '')
    peer.enqueue(token)
  }
  expect(order.join('')).toBe('abcabcabc')
  for (const token of names.keys()) peer.forget(token)
  expect(peer.nextTurn()).toBeUndefined()
})
