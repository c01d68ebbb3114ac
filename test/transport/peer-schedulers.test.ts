import { describe, expect, it } from 'vitest'
import type { PaymentFailure } from '../../src/medium/payment.ts'
import type { Route } from '../../src/medium/route.ts'
import type { Attempt, PacketTarget, Want } from '../../src/transport/connection/interface.ts'
import type { DrivenConnection } from '../../src/transport/driver/driven-connection.ts'
import { type PeerScheduler, PeerSchedulers, type SchedulerParts } from '../../src/transport/driver/peer-schedulers.ts'
import { MAX_IDLE_SCHEDULERS } from '../../src/transport/limits.ts'
import { SlotPool } from '../../src/transport/peer/slots.ts'
import { ManualClock } from '../manual-clock.ts'
import { ScriptedBackend, settle } from './scripted-backend.ts'
import { testRuntime } from './test-runtime.ts'

const MINUTE = 60_000
const GONE = { reason: 'no-route', place: 'local' } as const
const REFUSED = { reason: 'blinded', place: 'introduction' } as const

interface PaidAttempt {
  readonly scheduler: PeerScheduler
  readonly ticket: number
  readonly routeId: string
}

/** Schedulers without a driver: connections that want a number of packets, payments whose outcomes a test gives. */
class SchedulerBench {
  readonly clock: ManualClock = new ManualClock(settle)
  readonly backend: ScriptedBackend = new ScriptedBackend()
  readonly paid: PaidAttempt[] = []
  readonly schedulers: PeerSchedulers
  asked = 0

  constructor() {
    const { backend, clock } = this
    backend.findRoutes = async (): Promise<readonly Route[]> => {
      this.asked += 1
      return backend.routes
    }
    const parts = {
      runtime: testRuntime(clock),
      node: { backend, isOnline: true },
      queue: { ready: (scheduler) => scheduler.serve() },
      payer: {
        send: (scheduler, _connection, grant) => {
          scheduler.sent(grant, '')
          this.paid.push({ scheduler, ticket: grant.ticket, routeId: grant.route.id })
        },
      },
      slots: new SlotPool(),
      maxFeeMsat: 10_000n,
      prefer: 'balanced',
    } satisfies SchedulerParts
    this.schedulers = new PeerSchedulers(parts, MAX_IDLE_SCHEDULERS)
  }

  /** A connection that wants `packets` packets sent. */
  connection(target: PacketTarget, packets: number): DrivenConnection {
    let left = packets
    let own: PeerScheduler | undefined
    const want = (): Want | undefined => (left > 0 ? { reason: 'data', target, avoid: [], isAlone: false } : undefined)
    const transmit = (): Partial<Attempt> => {
      left -= 1
      return {}
    }
    const schedulerOfPaths = (make: () => PeerScheduler): PeerScheduler => (own ??= make())
    return {
      hints: [],
      hintsKey: '',
      want,
      transmit,
      schedulerOfPaths,
      heldBack: () => undefined,
    } as unknown as DrivenConnection
  }

  /** Has a connection wait for its turn. */
  enqueue(connection: DrivenConnection, target: PacketTarget): PeerScheduler {
    const scheduler = this.schedulers.for(connection, target)
    scheduler.enqueue(connection)
    return scheduler
  }

  /** The payment failed. */
  fail({ scheduler, ticket }: PaidAttempt, failure: Omit<PaymentFailure, 'status'>): void {
    scheduler.resolve(ticket, { status: 'failed', ...failure })
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
  const bench = new SchedulerBench()
  const connection = bench.connection(target, 2)
  const scheduler = bench.enqueue(connection, target)
  await settle()
  expect([bench.asked, bench.paid.length]).toEqual([1, 2])
  if (closes) scheduler.stop()
  bench.backend.routes = []
  const [first] = bench.paid
  if (first !== undefined) bench.fail(first, GONE)
  await bench.clock.advance(30 * MINUTE)
  expect(bench.asked).toBe(1)
})

it('has routes looked for as soon as somebody needs one', async () => {
  const bench = new SchedulerBench()
  bench.enqueue(bench.connection(key(1), 1), key(1))
  await settle()
  bench.backend.routes = []
  const [first] = bench.paid
  if (first !== undefined) bench.fail(first, GONE)
  await bench.clock.advance(MINUTE)
  bench.backend.routes = await new ScriptedBackend().findRoutes()
  bench.enqueue(bench.connection(key(1), 1), key(1))
  await settle()
  expect([bench.asked, bench.paid.length]).toEqual([2, 2])
})

it('keeps a way that a connection waits for, however many others are used meanwhile', () => {
  const bench = new SchedulerBench()
  bench.backend.routes = []
  const waiting = bench.enqueue(bench.connection(key(0), 1), key(0))
  const idle = bench.connection(key(1), 0)
  for (let i = 1; i <= MAX_IDLE_SCHEDULERS; i++) bench.schedulers.for(idle, key(i))
  expect(bench.schedulers.for(idle, key(0))).toBe(waiting)
})

it('forgets the way whose last use is the longest ago', () => {
  const bench = new SchedulerBench()
  const connection = bench.connection(key(0), 0)
  const made = Array.from({ length: MAX_IDLE_SCHEDULERS }, (_, i) => bench.schedulers.for(connection, key(i)))
  bench.schedulers.for(connection, key(0))
  bench.schedulers.for(connection, key(MAX_IDLE_SCHEDULERS))
  expect(bench.schedulers.size).toBe(MAX_IDLE_SCHEDULERS)
  expect(bench.schedulers.for(connection, key(0))).toBe(made[0])
  expect(bench.schedulers.for(connection, key(1))).not.toBe(made[1])
})

it('keeps the idle ones, as many as it may, however many others are busy', async () => {
  const bench = new SchedulerBench()
  const idle = bench.connection(key(0), 0)
  const made = Array.from({ length: MAX_IDLE_SCHEDULERS - 1 }, (_, i) => bench.schedulers.for(idle, key(i)))
  const most = 2 * MAX_IDLE_SCHEDULERS
  for (let i = MAX_IDLE_SCHEDULERS; i < most; i++) bench.enqueue(bench.connection(key(i), 1), key(i))
  await settle()
  expect(bench.paid.length).toBe(MAX_IDLE_SCHEDULERS)
  bench.schedulers.for(idle, key(most))
  expect(made.map((way, i) => bench.schedulers.for(idle, key(i)) === way)).not.toContain(false)
  bench.schedulers.for(idle, key(most + 1))
  expect(bench.schedulers.for(idle, key(1))).toBe(made[1])
  expect(bench.schedulers.size).toBe(2 * MAX_IDLE_SCHEDULERS)
})

it('forgets all that are too many once their payments are decided and a new one is made', async () => {
  const bench = new SchedulerBench()
  const most = MAX_IDLE_SCHEDULERS + 100
  for (let i = 0; i < most; i++) bench.enqueue(bench.connection(key(i), 1), key(i))
  await settle()
  expect([bench.paid.length, bench.schedulers.size]).toEqual([most, most])
  for (const paid of bench.paid) bench.fail(paid, GONE)
  bench.schedulers.for(bench.connection(key(most), 0), key(most))
  expect(bench.schedulers.size).toBe(MAX_IDLE_SCHEDULERS)
})

describe('fresh paths', () => {
  const fresh = { id: 'fresh', channels: ['a', 'b'] }

  it('are paid over at once, though the ones before are refused', async () => {
    const bench = new SchedulerBench()
    const connection = bench.connection(paths(1), 1_000)
    bench.enqueue(connection, paths(1))
    await bench.clock.advance(1_000)
    for (let next = bench.paid[0], i = 1; next !== undefined; next = bench.paid[i++]) bench.fail(next, REFUSED)
    const [route] = bench.backend.routes
    if (route === undefined) throw new Error('no route')
    bench.backend.routes = [{ ...route, ...fresh }]
    const refused = bench.paid.length
    bench.enqueue(connection, paths(2))
    await settle()
    expect(bench.asked).toBe(2)
    expect(bench.paid.length).toBeGreaterThan(refused)
    expect(bench.paid.slice(refused).every(({ routeId }) => routeId === 'fresh')).toBe(true)
  })

  it('are paid over at once, though nothing was found over the ones before for long', async () => {
    const bench = new SchedulerBench()
    const found = bench.backend.routes
    bench.backend.routes = []
    const connection = bench.connection(paths(1), 1)
    bench.enqueue(connection, paths(1))
    await bench.clock.advance(5 * MINUTE + 10_000)
    const { asked } = bench
    bench.backend.routes = found
    bench.enqueue(connection, paths(2))
    await settle()
    expect([bench.asked, bench.paid.length]).toEqual([asked + 1, 1])
  })

  it('are paid over at once, though routes to the ones before are still being looked for', async () => {
    const bench = new SchedulerBench()
    const connection = bench.connection(paths(1), 1)
    const looking: ((routes: readonly Route[]) => void)[] = []
    bench.backend.findRoutes = () =>
      new Promise((resolve) => {
        looking.push(resolve)
      })
    bench.enqueue(connection, paths(1))
    bench.enqueue(connection, paths(2))
    await bench.clock.advance(1_000)
    const [route] = bench.backend.routes
    if (route === undefined) throw new Error('no route')
    looking[0]?.([route])
    await settle()
    expect(bench.paid).toEqual([])
    looking[1]?.([{ ...route, ...fresh }])
    await settle()
    expect(bench.paid.map(({ routeId }) => routeId)).toEqual(['fresh'])
  })

  it('have routes looked for once a second, however often they change', async () => {
    const bench = new SchedulerBench()
    const connection = bench.connection(paths(1), 1_000_000)
    for (let generation = 1; generation <= 100; generation++) {
      bench.enqueue(connection, paths(generation))
      await bench.clock.advance(100)
    }
    expect(bench.asked).toBeLessThanOrEqual(11)
  })
})
