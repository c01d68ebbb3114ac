import { describe, expect, it } from 'vitest'
import type { PaymentFailure } from '../../src/medium/payment.ts'
import type { Route } from '../../src/medium/route.ts'
import type { Attempt, PacketTarget } from '../../src/transport/connection/interface.ts'
import { Deadlines } from '../../src/transport/driver/deadlines.ts'
import type { DrivenConnection } from '../../src/transport/driver/driven-connection.ts'
import { MAX_IDLE_SENDERS } from '../../src/transport/limits.ts'
import { SlotPool } from '../../src/transport/peer/slots.ts'
import {
  type PeerScheduler,
  type PeerSchedulerOwner,
  PeerSchedulers,
} from '../../src/transport/driver/peer-schedulers.ts'
import { ManualClock } from '../manual-clock.ts'
import { ScriptedBackend, settle } from './scripted-backend.ts'

const MINUTE = 60_000
const GONE = { reason: 'no-route', place: 'local' } as const
const REFUSED = { reason: 'blinded', place: 'introduction' } as const

/** A driver of nothing but senders: links that want a number of packets, payments whose outcomes a test gives. */
class Stage implements PeerSchedulerOwner {
  readonly clock: ManualClock = new ManualClock(settle)
  readonly backend: ScriptedBackend = new ScriptedBackend()
  readonly deadlines: Deadlines = new Deadlines(this.clock)
  readonly slots: SlotPool = new SlotPool()
  readonly maxFeeMsat = 10_000n
  readonly isOnline = true
  readonly payer = { affords: (): boolean => true }
  readonly senders: PeerSchedulers = new PeerSchedulers(this)
  readonly paid: { readonly sender: PeerScheduler; readonly ticket: number; readonly routeId: string }[] = []
  asked = 0

  constructor() {
    const { backend } = this
    backend.findRoutes = async (): Promise<readonly Route[]> => {
      this.asked += 1
      return backend.routes
    }
  }

  now(): number {
    return this.clock.now()
  }

  random(length: number): Uint8Array {
    return new Uint8Array(length)
  }

  send(...[sender, , grant]: Parameters<PeerSchedulerOwner['send']>): void {
    sender.peer.sent(this.now(), grant.ticket)
    sender.users += 1
    this.paid.push({ sender, ticket: grant.ticket, routeId: grant.route.id })
  }

  touch(): void {}

  ready(sender: PeerScheduler): void {
    sender.serve()
  }

  debug(): void {}

  stopped(): boolean {
    return false
  }

  /** A connection that wants `packets` packets sent. */
  link(target: PacketTarget, packets: number): DrivenConnection {
    let left = packets
    const want = (): object | undefined => (left > 0 ? { reason: 'data', target, avoid: [] } : undefined)
    const transmit = (): Partial<Attempt> => {
      left -= 1
      return {}
    }
    const link = { isClosed: false, isPaused: false, hints: [], hintsKey: '', connection: { want, transmit } }
    return link as unknown as DrivenConnection
  }

  /** Has `link` stand in its row. */
  enqueue(link: DrivenConnection, target: PacketTarget): PeerScheduler {
    const sender = this.senders.for(link, target)
    sender.peer.enqueue(link)
    sender.serve()
    return sender
  }

  /** The payment failed. */
  fail({ sender, ticket }: (typeof this.paid)[number], failure: Omit<PaymentFailure, 'status'>): void {
    sender.peer.resolve(this.now(), ticket, { status: 'failed', ...failure })
    sender.users -= 1
    sender.serve()
  }
}

function key(i: number): PacketTarget {
  return { lane: 'node', publicKey: Uint8Array.of(2, i >>> 8, i & 0xff) }
}

function paths(generation: number): PacketTarget {
  return { lane: 'phantom', generation, paths: [{ bytes: Uint8Array.of(generation), expiryHeight: 1_144 }] }
}

it.each([
  ['a connection that has closed', paths(1), true],
  ['a node key that nobody waits for', key(1), false],
])('%s has no routes looked for, though a payment hangs', async (_name, target, closes) => {
  const stage = new Stage()
  const link = stage.link(target, 2)
  const sender = stage.enqueue(link, target)
  await settle()
  expect([stage.asked, stage.paid.length]).toEqual([1, 2])
  if (closes) sender.stop()
  stage.backend.routes = []
  const [first] = stage.paid
  if (first !== undefined) stage.fail(first, GONE)
  await stage.clock.advance(30 * MINUTE)
  expect(stage.asked).toBe(1)
})

it('has routes looked for as soon as somebody needs one', async () => {
  const stage = new Stage()
  stage.enqueue(stage.link(key(1), 1), key(1))
  await settle()
  stage.backend.routes = []
  const [first] = stage.paid
  if (first !== undefined) stage.fail(first, GONE)
  await stage.clock.advance(MINUTE)
  stage.backend.routes = await new ScriptedBackend().findRoutes()
  stage.enqueue(stage.link(key(1), 1), key(1))
  await settle()
  expect([stage.asked, stage.paid.length]).toEqual([2, 2])
})

it('keeps a way that a connection waits for, however many others are used meanwhile', () => {
  const stage = new Stage()
  stage.backend.routes = []
  const waiting = stage.enqueue(stage.link(key(0), 1), key(0))
  const idle = stage.link(key(1), 0)
  for (let i = 1; i <= MAX_IDLE_SENDERS; i++) stage.senders.for(idle, key(i))
  expect(stage.senders.for(idle, key(0))).toBe(waiting)
})

it('forgets the way whose last use is the longest ago', () => {
  const stage = new Stage()
  const link = stage.link(key(0), 0)
  const made = Array.from({ length: MAX_IDLE_SENDERS }, (_, i) => stage.senders.for(link, key(i)))
  stage.senders.for(link, key(0))
  stage.senders.for(link, key(MAX_IDLE_SENDERS))
  expect(stage.senders.size).toBe(MAX_IDLE_SENDERS)
  expect(stage.senders.for(link, key(0))).toBe(made[0])
  expect(stage.senders.for(link, key(1))).not.toBe(made[1])
})

describe('fresh paths', () => {
  const fresh = { id: 'fresh', channels: ['a', 'b'] }

  it('are paid over at once, though the ones before are refused', async () => {
    const stage = new Stage()
    const link = stage.link(paths(1), 1_000)
    stage.enqueue(link, paths(1))
    await stage.clock.advance(1_000)
    for (let next = stage.paid[0], i = 1; next !== undefined; next = stage.paid[i++]) stage.fail(next, REFUSED)
    const [route] = stage.backend.routes
    if (route === undefined) throw new Error('no route')
    stage.backend.routes = [{ ...route, ...fresh }]
    const refused = stage.paid.length
    stage.enqueue(link, paths(2))
    await settle()
    expect(stage.asked).toBe(2)
    expect(stage.paid.length).toBeGreaterThan(refused)
    expect(stage.paid.slice(refused).every(({ routeId }) => routeId === 'fresh')).toBe(true)
  })

  it('are paid over at once, though nothing was found over the ones before for long', async () => {
    const stage = new Stage()
    const found = stage.backend.routes
    stage.backend.routes = []
    const link = stage.link(paths(1), 1)
    stage.enqueue(link, paths(1))
    await stage.clock.advance(5 * MINUTE + 10_000)
    const { asked } = stage
    stage.backend.routes = found
    stage.enqueue(link, paths(2))
    await settle()
    expect([stage.asked, stage.paid.length]).toEqual([asked + 1, 1])
  })

  it('are paid over at once, though routes to the ones before are still being looked for', async () => {
    const stage = new Stage()
    const link = stage.link(paths(1), 1)
    const looking: ((routes: readonly Route[]) => void)[] = []
    stage.backend.findRoutes = () =>
      new Promise((resolve) => {
        looking.push(resolve)
      })
    stage.enqueue(link, paths(1))
    stage.enqueue(link, paths(2))
    await stage.clock.advance(1_000)
    const [route] = stage.backend.routes
    if (route === undefined) throw new Error('no route')
    looking[0]?.([route])
    await settle()
    expect(stage.paid).toEqual([])
    looking[1]?.([{ ...route, ...fresh }])
    await settle()
    expect(stage.paid.map(({ routeId }) => routeId)).toEqual(['fresh'])
  })

  it('have routes looked for once a second, however often they change', async () => {
    const stage = new Stage()
    const link = stage.link(paths(1), 1_000_000)
    for (let generation = 1; generation <= 100; generation++) {
      stage.enqueue(link, paths(generation))
      await stage.clock.advance(100)
    }
    expect(stage.asked).toBeLessThanOrEqual(11)
  })
})
