/** What programs of a daemon, and those who pay to its node, can make grow in it: docs/bounds.md names all of it. */
import { beforeEach, expect, it } from 'vitest'
import { MessageError } from '../../src/backends/daemon/protocol/codecs.ts'
import {
  HOLD_MS,
  MAX_FREED_PORTS,
  MAX_NAMED_CONNECTIONS,
  MAX_OFFERS_PER_PROGRAM,
  MAX_PAYMENTS_PER_PROGRAM,
  MAX_PORTS_PER_PROGRAM,
  MAX_REMEMBERED,
  MAX_ROUTES_PER_PROGRAM,
  MAX_SECRETS,
} from '../../src/backends/daemon/protocol/limits.ts'
import { readCall, type SentEvent } from '../../src/backends/daemon/protocol/messages.ts'
import { KeyAgreements } from '../../src/backends/daemon/server/key-agreements.ts'
import { OfferDispatcher } from '../../src/backends/daemon/server/offer-dispatcher.ts'
import { ConnectionOwners, PortOwners } from '../../src/backends/daemon/server/ownership.ts'
import { ProgramPayments } from '../../src/backends/daemon/server/payments.ts'
import { ProgramSession, ProgramSessions } from '../../src/backends/daemon/server/program-session.ts'
import { turn } from '../../src/floor/clock.ts'
import { KEY_AGREEMENT_BURST } from '../../src/medium/limits.ts'
import type { Payment, PaymentOutcome } from '../../src/medium/payment.ts'
import type { Route } from '../../src/medium/route.ts'
import type { Verdict } from '../../src/medium/verdict.ts'
import { MAX_PURSE_CONNECTIONS, MAX_SPENT_GROUPS } from '../../src/transport/limits.ts'
import { ProgramsPurse } from '../../src/transport/driver/programs-purse.ts'
import { MemoryStore } from '../../src/transport/store/memory.ts'
import { SpentByDay } from '../../src/transport/store/spent.ts'
import { Code } from '../../src/wire/errors.ts'
import { ManualClock } from '../manual-clock.ts'

let clock: ManualClock
let told: SentEvent[]
let one: ProgramSession
let two: ProgramSession

beforeEach(() => {
  clock = new ManualClock()
  told = []
  one = program('one')
  two = program('two')
})

function program(processId: string): ProgramSession {
  const send = (event: SentEvent): void => void told.push(event)
  return new ProgramSession({ program: '', id: 1, processId, phantomLane: true, keysends: false, now: 0, send })
}

/** 32 bytes that tell `i`. */
function hashOf(i: number): Uint8Array {
  const hash = new Uint8Array(32)
  new DataView(hash.buffer).setUint32(0, i)
  return hash
}

const toAnybody = { lane: 'node', publicKey: new Uint8Array(33) } as const

function routeOf(id: string): Route {
  const room = { firstChannelSlots: 1_000_000, feeBaseMsat: 0n, feePpm: 0 }
  return { id, channels: ['a'], ...room } as unknown as Route
}

const paymentOf = (i: number, routeId = 'r'): Payment => ({
  routeId,
  hash: hashOf(i),
  record: new Uint8Array(1),
  amountMsat: 1n,
})

/** @param outcome of every payment that the node is told of */
function paymentsWith(outcome: Promise<PaymentOutcome>): ProgramPayments {
  for (const session of [one, two]) session.addRoute(routeOf('r'), toAnybody)
  return new ProgramPayments({
    backend: { pay: async () => await outcome },
    connections: new ConnectionOwners(),
    sessions: new ProgramSessions([one, two]),
    purse: undefined,
    clock,
  })
}

it('a program has 4,096 payments under way, and one more has no slot; another program pays', async () => {
  const payments = paymentsWith(new Promise(() => {}))
  for (let i = 0; i < MAX_PAYMENTS_PER_PROGRAM; i++) void payments.pay(one, paymentOf(i))
  expect(payments.size).toBe(MAX_PAYMENTS_PER_PROGRAM)
  const late = await payments.pay(one, paymentOf(MAX_PAYMENTS_PER_PROGRAM))
  expect(late).toMatchObject({ status: 'failed', reason: 'no-slot', place: 'local' })
  void payments.pay(two, paymentOf(MAX_PAYMENTS_PER_PROGRAM + 1))
  expect(payments.size).toBe(MAX_PAYMENTS_PER_PROGRAM + 1)
})

it('of payments that the node lost sight of 16,384 are kept: the oldest is given up', async () => {
  const payments = paymentsWith(Promise.resolve({ status: 'unknown' }))
  for (let i = 0; i <= MAX_REMEMBERED; i++) {
    // None of them has more than its share.
    if (i % MAX_PAYMENTS_PER_PROGRAM === 0) one = program(String(i))
    one.addRoute(routeOf('r'), toAnybody)
    await payments.pay(one, paymentOf(i))
  }
  expect(payments.size).toBe(MAX_REMEMBERED)
})

it('a program pays over the 4,096 routes that it asked for last', async () => {
  const payments = paymentsWith(Promise.resolve({ status: 'settled', feeMsat: 0n }))
  for (let i = 0; i < MAX_ROUTES_PER_PROGRAM; i++) one.addRoute(routeOf(String(i)), toAnybody)
  expect(await payments.pay(one, paymentOf(1, 'r'))).toMatchObject({ status: 'failed', reason: 'route-gone' })
  expect(await payments.pay(one, paymentOf(2, '0'))).toMatchObject({ status: 'settled' })
})

/** Offers at paths, each of which `one` made. */
class Offers {
  readonly answers: [string, Verdict][] = []
  readonly dispatcher = new OfferDispatcher({
    clock,
    backend: { answer: async (offerId, verdict) => void this.answers.push([offerId, verdict]) },
    agreements: { portOf: async () => undefined, portOfNote: async () => undefined },
    connections: new ConnectionOwners(),
    ports: new PortOwners(0),
    paths: { ownerOf: () => one },
    sessions: new ProgramSessions([one, two]),
  })

  offer(i: number): string {
    const offerId = `o${i}`
    this.dispatcher.handle({
      type: 'offer',
      offerId,
      pathId: 'p',
      record: new Uint8Array(1),
      amountMsat: 1n,
      hash: hashOf(i),
      deadlineMs: 3_000,
    })
    return offerId
  }
}

it('483 offers wait for the verdict of a program, and one more is refused as busy', () => {
  const offers = new Offers()
  for (let i = 0; i < MAX_OFFERS_PER_PROGRAM; i++) offers.offer(i)
  expect(offers.answers).toEqual([])
  const late = offers.offer(MAX_OFFERS_PER_PROGRAM)
  expect(offers.answers).toEqual([[late, { action: 'refuse', code: Code.BUSY }]])
  expect(told).toHaveLength(MAX_OFFERS_PER_PROGRAM)
})

it('of 16,384 settled offers it is known whose they are, until their money is there', async () => {
  const offers = new Offers()
  for (let i = 0; i <= MAX_REMEMBERED; i++)
    await offers.dispatcher.answer(one, offers.offer(i), { action: 'settle', preimage: new Uint8Array(32) })
  const confirmed = (i: number): ProgramSession | undefined =>
    offers.dispatcher.confirmed({ type: 'offer-confirmed', hash: hashOf(i), amountMsat: 1n })
  expect([confirmed(0), confirmed(1), confirmed(MAX_REMEMBERED)]).toEqual([undefined, one, one])
})

it('a program that attaches names 4,096 connections of each role', () => {
  const attachWith = (initiators: number, responders: number): unknown => {
    const id = Buffer.alloc(8).toString('base64')
    return readCall({
      id: 1,
      call: 'attach',
      with: {
        session: Buffer.alloc(16).toString('base64'),
        isBack: true,
        ports: [],
        initiators: Array.from({ length: initiators }, () => id),
        responders: Array.from({ length: responders }, () => id),
      },
    })
  }
  expect(attachWith(MAX_NAMED_CONNECTIONS, MAX_NAMED_CONNECTIONS)).toMatchObject({ call: 'attach' })
  expect(() => attachWith(MAX_NAMED_CONNECTIONS + 1, 0)).toThrow(MessageError)
  expect(() => attachWith(0, MAX_NAMED_CONNECTIONS + 1)).toThrow(MessageError)
})

it('OPENs wait for the 4,096 ports whose programs died last', () => {
  const ports = new PortOwners(0)
  const diedMs = 60_000
  for (let port = 1; port <= MAX_FREED_PORTS + 1;) {
    const dying = program(String(port))
    for (let i = 0; i < MAX_PORTS_PER_PROGRAM && port <= MAX_FREED_PORTS + 1; i++) ports.claim(port++, dying)
    ports.vacate(dying, diedMs)
  }
  expect([1, 2, MAX_FREED_PORTS + 1].map((port) => ports.holdUntil(port))).toEqual([
    HOLD_MS,
    diedMs + HOLD_MS,
    diedMs + HOLD_MS,
  ])
})

it('1,024 shared secrets are kept: for the oldest the node is asked again', async () => {
  let asked = 0
  const sharedSecret = async (): Promise<Uint8Array> => {
    asked++
    return await Promise.resolve(new Uint8Array(32))
  }
  const agreements = new KeyAgreements({ clock, backend: { sharedSecret }, publicKey: new Uint8Array(33) })
  for (let i = 0; i <= MAX_SECRETS; i++) await agreements.sharedSecret(hashOf(i))
  await agreements.sharedSecret(hashOf(1))
  expect(asked).toBe(MAX_SECRETS + 1)
  await agreements.sharedSecret(hashOf(0))
  expect(asked).toBe(MAX_SECRETS + 2)
})

it('256 key agreements are under way, 128 of them for OPENs that cost nothing; what comes beyond is refused', async () => {
  const never = new Promise<Uint8Array>(() => {})
  const agreements = new KeyAgreements({ clock, backend: { sharedSecret: () => never }, publicKey: new Uint8Array(33) })
  let asked = 0
  /** How many of so many OPENs of a lane, of keys that are all new, are refused as busy. */
  const refused = async (lane: 'node' | 'phantom', count: number): Promise<number> => {
    let busy = 0
    for (let i = 0; i < count; i++) {
      const header = {
        kind: 'open',
        cid: new Uint8Array(8),
        number: 0,
        attempt: 0,
        ephemeral: hashOf(++asked),
      } as const
      void agreements.portOf(new Uint8Array(100), { header, sealedOffset: 43 }, lane).then((port) => {
        if (port === 'busy') busy++
      })
    }
    await turn()
    return busy
  }
  expect(await refused('phantom', KEY_AGREEMENT_BURST)).toBe(0)
  // The rate lets a burst pass again.
  clock.pass(60_000)
  expect(await refused('phantom', KEY_AGREEMENT_BURST)).toBe(2 * KEY_AGREEMENT_BURST - 128)
  expect(await refused('node', 200)).toBe(200 - 128)
})

it('what was spent on a day is told apart by 4,096 ports and programs; of others the day keeps the sum', () => {
  const spent = new SpentByDay()
  for (let i = 1; i <= 2 * MAX_SPENT_GROUPS; i++)
    spent.add({ day: '2026-12-01', port: 0, program: String(i), msat: 1n })
  expect(spent.size).toBe(MAX_SPENT_GROUPS + 1)
  expect(spent.all().reduce((sum, { msat }) => sum + msat, 0n)).toBe(BigInt(2 * MAX_SPENT_GROUPS))
})

it('whom a connection is about is known of the 65,536 that were used last', async () => {
  const purse = await ProgramsPurse.open({ store: new MemoryStore(), clock, rules: undefined, log: () => undefined })
  const peer = 'aa'
  const begin = async (connection: string): Promise<unknown> => {
    const purpose = { connection, port: 7, role: 'initiator', reason: 'data' } as const
    const payment = { ...paymentOf(0), purpose }
    return await purse.begin({ program: 'shop', payment, peer, feeMsat: 0n, channels: [] })
  }
  for (const connection of ['old', 'new']) await begin(connection)
  const receive = (connection: string): void => purse.received({ amountMsat: 1n, program: 'shop', connection })
  for (let i = 0; i < MAX_PURSE_CONNECTIONS - 1; i++) receive(String(i))
  receive('new')
  receive('old')
  const totals = await purse.account.totals({ by: 'peer' })
  expect(totals.find(({ key }) => key === peer)?.receivedMsat).toBe(1n)
  await purse.close()
})
