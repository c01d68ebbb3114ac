import { expect, it } from 'vitest'
import type { Route } from '../../src/backends/backend.ts'
import type { Attempt, Target } from '../../src/transport/connection/interface.ts'
import { Deadlines } from '../../src/transport/deadlines.ts'
import type { DriverLink } from '../../src/transport/driver-link.ts'
import { MAX_IDLE_SENDERS } from '../../src/transport/limits.ts'
import { SlotPool } from '../../src/transport/peer/slots.ts'
import { type Sender, type SenderOwner, Senders } from '../../src/transport/senders.ts'
import { ManualClock, ScriptedBackend, settle } from './scripted-backend.ts'

const MINUTE = 60_000

/** A driver of nothing but senders: links that want a number of packets, payments whose outcomes a test gives. */
class Stage implements SenderOwner {
  readonly clock: ManualClock = new ManualClock()
  readonly backend: ScriptedBackend = new ScriptedBackend()
  readonly deadlines: Deadlines = new Deadlines(this.clock)
  readonly slots: SlotPool = new SlotPool()
  readonly maxFeeMsat = 10_000n
  readonly isOnline = true
  readonly payer = { affords: (): boolean => true }
  readonly senders: Senders = new Senders(this)
  readonly paid: { readonly sender: Sender; readonly ticket: number; readonly routeId: string }[] = []
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

  send(...[sender, , grant]: Parameters<SenderOwner['send']>): void {
    sender.peer.sent(this.now(), grant.ticket)
    sender.users += 1
    this.paid.push({ sender, ticket: grant.ticket, routeId: grant.routeId })
  }

  touch(): void {}

  ready(sender: Sender): void {
    sender.serve()
  }

  debug(): void {}

  stopped(): boolean {
    return false
  }

  /** A connection that wants `packets` packets sent. */
  link(target: Target, packets: number): DriverLink {
    let left = packets
    const want = (): object | undefined =>
      left > 0 ? { reason: 'data', target, avoid: [], waitingBytes: 1_000 } : undefined
    const transmit = (): Partial<Attempt> => {
      left -= 1
      return {}
    }
    const link = { isClosed: false, isPaused: false, hints: [], hintsKey: '', connection: { want, transmit } }
    return link as unknown as DriverLink
  }

  /** Has `link` stand in its row. */
  enqueue(link: DriverLink, target: Target): Sender {
    const sender = this.senders.for(link, target)
    sender.peer.enqueue(link)
    sender.serve()
    return sender
  }

  /** The payment's route is of no use any more. */
  failForGood(payment: (typeof this.paid)[number]): void {
    payment.sender.peer.resolve(this.now(), payment.ticket, {
      status: 'failed',
      reason: 'no-route',
      place: 'local',
    })
    payment.sender.users -= 1
    payment.sender.serve()
  }
}

function key(i: number): Target {
  return { lane: 'node', publicKey: Uint8Array.of(2, i >>> 8, i & 0xff) }
}

function paths(generation: number): Target {
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
  if (first !== undefined) stage.failForGood(first)
  await stage.clock.advance(30 * MINUTE)
  expect(stage.asked).toBe(1)
})

it('has routes looked for as soon as somebody needs one', async () => {
  const stage = new Stage()
  stage.enqueue(stage.link(key(1), 1), key(1))
  await settle()
  stage.backend.routes = []
  const [first] = stage.paid
  if (first !== undefined) stage.failForGood(first)
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
