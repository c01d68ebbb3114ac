/** The parts of the machine, each by itself. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Account } from '../../src/transport/connection/account.ts'
import { Acknowledgement } from '../../src/transport/connection/acknowledgement.ts'
import { Attempts, type Sent } from '../../src/transport/connection/attempts.ts'
import { Control, Controls } from '../../src/transport/connection/controls.ts'
import { Buyer, packetPrice, Seller } from '../../src/transport/connection/credit.ts'
import { MAX_MESSAGE_IDS, PREPAID_PACKETS } from '../../src/transport/connection/limits.ts'
import { Messages } from '../../src/transport/connection/messages.ts'
import { OverdueQueue } from '../../src/transport/connection/overdue.ts'
import { OwnPaths, PeerPaths } from '../../src/transport/connection/paths.ts'
import { ReceiveWindow } from '../../src/transport/connection/receive-window.ts'
import { SendBuffer } from '../../src/transport/connection/send-buffer.ts'

function sentPacket(number: number): Sent {
  return {
    id: number,
    number,
    reason: 'data',
    lane: 'node',
    sentAt: 0,
    hedgeAfterMs: 5_000,
    channels: [],
    amountMsat: 1n,
    feeMsat: 0n,
    eliciting: true,
    hedgeable: true,
    ranges: [],
    again: false,
    controls: 0,
    messages: [],
    ackNews: 0,
    creditMsat: 0n,
    priceMsat: 0n,
    open: false,
    answer: false,
    phase: 'flying',
    delivered: false,
    settledBefore: 0,
    settledAt: 0,
    hedges: 0,
    stuckRounds: 0,
    priceHeld: false,
    prepaidHeld: false,
    creditHeld: false,
    watch: undefined,
    overdue: false,
    copies: undefined,
  }
}

describe('the send buffer', () => {
  const step = fc.oneof(
    fc.record({ type: fc.constant('write' as const), size: fc.nat(3_000) }),
    fc.record({ type: fc.constant('take' as const), size: fc.integer({ min: 1, max: 1_200 }) }),
    fc.record({ type: fc.constant('lose' as const), index: fc.nat(50) }),
    fc.record({ type: fc.constant('deliver' as const), index: fc.nat(50) }),
  )

  test('delivers every byte once it is taken, lost and taken again in any order, and never sends what arrived', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const buffer = new SendBuffer()
        const arrived = new Set<number>()
        const taken: { start: number; end: number }[] = []
        let written = 0
        for (const each of steps) {
          if (each.type === 'write') {
            buffer.write(Uint8Array.from({ length: each.size }, (_, i) => (written + i) % 251))
            written += each.size
          } else if (each.type === 'take') {
            const piece = buffer.take(each.size, Infinity)
            if (piece === undefined) continue
            const bytes = buffer.bytes(piece)
            for (let at = piece.start; at < piece.end; at++) {
              expect(bytes[at - piece.start]).toBe(at % 251)
              expect(arrived.has(at)).toBe(false)
            }
            taken.push(piece)
          } else {
            const piece = taken[each.index % Math.max(1, taken.length)]
            if (piece === undefined) continue
            if (each.type === 'lose') {
              buffer.markLost(piece.start, piece.end)
            } else {
              buffer.markDelivered(piece.start, piece.end)
              for (let at = piece.start; at < piece.end; at++) arrived.add(at)
            }
          }
        }
        let floor = 0
        while (arrived.has(floor)) floor++
        expect(buffer.delivered).toBe(floor)
        expect(buffer.buffered).toBe(written - floor)
      }),
      { numRuns: 500 },
    )
  })

  test('joins small writes, so that a million of them stay small', () => {
    const buffer = new SendBuffer()
    for (let i = 0; i < 10_000; i++) buffer.write(Uint8Array.of(i & 0xff))
    const piece = buffer.take(10_000, Infinity)
    expect(piece === undefined ? 0 : buffer.bytes(piece)[9_999]).toBe(9_999 & 0xff)
  })

  test('takes nothing at or beyond the limit', () => {
    const buffer = new SendBuffer()
    buffer.write(new Uint8Array(100))
    expect(buffer.take(1_000, 40)).toEqual({ start: 0, end: 40 })
    expect(buffer.take(1_000, 40)).toBeUndefined()
  })
})

describe('the receive window', () => {
  const make = (grow: (bytes: number) => boolean = () => true): ReceiveWindow =>
    new ReceiveWindow({ now: 0, initial: 1_000, most: 8_000, grow })

  test('goes up when half of it was read, doubling while reading is fast', () => {
    const window = make()
    expect(window.raise(100, 499)).toBe(false)
    expect(window.raise(100, 500)).toBe(true)
    expect([window.window, window.limit]).toEqual([2_000, 2_500])
    expect(window.raise(20_000, 1_500)).toBe(true)
    expect([window.window, window.limit]).toEqual([2_000, 3_500])
  })

  test('does not double beyond its most, nor when the endpoint has no room', () => {
    const refused = make(() => false)
    refused.raise(1, 600)
    expect(refused.window).toBe(1_000)
    const window = make()
    for (let read = 0; read < 100_000; read += 500) window.raise(1, read)
    expect([window.window, window.grown]).toEqual([8_000, 7_000])
  })

  test('is widened by disorder, not by a reader that is slow', () => {
    expect(make().widen(1, 700, 0, 700)).toBe(false)
    const window = make()
    expect(window.widen(1, 700, 0, 0)).toBe(true)
    expect(window.limit).toBe(4_000)
  })

  test('never shrinks', () => {
    const window = make()
    let limit = 0
    for (let read = 0; read < 5_000; read += 100) {
      window.raise(read * 50, read)
      window.unblock(read * 50, read, 900)
      expect(window.limit).toBeGreaterThanOrEqual(limit)
      limit = window.limit
    }
  })
})

describe('acknowledgement', () => {
  test('is due when 64 packets wait, or the delay has passed since the first', () => {
    const ack = new Acknowledgement()
    ack.note(1_000, 0, true, 30_000)
    ack.note(2_000, 1, true, 30_000)
    expect(ack.dueAt).toBe(31_000)
    for (let number = 2; number < 64; number++) ack.note(3_000, number, true, 30_000)
    expect(ack.dueAt).toBe(3_000)
  })

  test('says again what failed only while it is news', () => {
    const ack = new Acknowledgement()
    ack.note(0, 0, true, 30_000)
    const first = ack.sent()
    ack.note(0, 1, true, 30_000)
    const second = ack.sent()
    ack.fail(10, first)
    expect(ack.dueAt).toBeUndefined()
    ack.fail(10, second)
    expect(ack.dueAt).toBe(10)
    ack.confirm(ack.sent())
    ack.fail(20, second)
    expect(ack.dueAt).toBeUndefined()
  })

  test('tells the highest 64 ranges, and none of what was forgotten', () => {
    const ack = new Acknowledgement()
    for (let number = 0; number < 2_000; number += 2) ack.note(0, number, true, 0)
    const frame = ack.frame(7)
    expect(frame?.ranges).toHaveLength(64)
    expect(frame?.ranges[0]).toEqual({ smallest: 1_998, largest: 1_998 })
    expect(ack.has(0)).toBe(false)
    expect(ack.has(1_998)).toBe(true)
  })
})

describe('attempts', () => {
  test('that settled before a covered packet was sent, and are not covered, are lost', () => {
    const attempts = new Attempts()
    const [a, b, c] = [sentPacket(1), sentPacket(2), sentPacket(3)]
    for (const sent of [a, b, c]) attempts.add(sent)
    attempts.settle(a, 10, 3)
    attempts.settle(b, 20, 4)
    attempts.finish(c)
    expect(attempts.takeLost(0, 3, 0)).toEqual([a])
    expect(attempts.unconfirmed).toBe(2)
    expect(attempts.unconfirmedSince).toBe(20)
  })

  test('below the reach of an ACK are not lost until they are old', () => {
    const attempts = new Attempts()
    const a = sentPacket(1)
    attempts.add(a)
    attempts.settle(a, 10, 2)
    expect(attempts.takeLost(2, 5, 0)).toEqual([])
    expect(attempts.takeLost(2, 5, 10)).toEqual([a])
  })

  test('are found by number whatever was finished between them', () => {
    const attempts = new Attempts()
    const all = Array.from({ length: 500 }, (_, number) => sentPacket(number))
    for (const sent of all) attempts.add(sent)
    for (const sent of all) if (sent.number % 3 !== 0) attempts.finish(sent)
    const found: number[] = []
    attempts.within(100, 110, (sent) => found.push(sent.number))
    expect(found).toEqual([102, 105, 108])
  })
})

describe('the overdue queue', () => {
  test('gives what is due in order, whatever was taken out between', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(1_000), fc.boolean()), { maxLength: 300 }), (entries) => {
        const queue = new OverdueQueue()
        const sents = entries.map(([dueAt, stays], number) => ({ sent: sentPacket(number), dueAt, stays }))
        for (const { sent, dueAt } of sents) queue.watch(sent, dueAt)
        for (const { sent, stays } of sents) if (!stays) queue.unwatch(sent)
        const expected = sents.filter((each) => each.stays).map((each) => each.dueAt)
        const taken: number[] = []
        for (let at = queue.dueAt; at !== undefined; at = queue.dueAt) {
          expect(queue.take(at - 1)).toBeUndefined()
          expect(queue.take(at)).toBeDefined()
          taken.push(at)
        }
        expect(taken).toEqual(expected.toSorted((a, b) => a - b))
      }),
    )
  })
})

describe('control frames', () => {
  test('that a later packet carries, too, are not repeated for an earlier one', () => {
    const controls = new Controls()
    controls.want(Control.MAX_DATA)
    controls.sent(Control.MAX_DATA, 5)
    controls.sent(Control.MAX_DATA, 6)
    controls.lost(Control.MAX_DATA, 5)
    expect(controls.due).toBe(0)
    controls.lost(Control.MAX_DATA, 6)
    expect(controls.due).toBe(Control.MAX_DATA)
  })

  test('that arrived are not wanted again by a late failure', () => {
    const controls = new Controls()
    controls.sent(Control.PING, 1)
    controls.delivered(Control.PING, 1)
    controls.lost(Control.PING, 1)
    expect(controls.isOpen(Control.PING)).toBe(false)
  })
})

describe('the account', () => {
  test('never lets spent and reserved pass the cap', () => {
    const account = new Account(100n)
    account.reserve(60n, 10n)
    expect(account.allows(30n, 1n)).toBe(false)
    expect(() => account.reserve(30n, 1n)).toThrow('cap')
    account.spend(60n, 10n, 5n)
    expect(account.view()).toMatchObject({ spentMsat: 65n, feesMsat: 5n, reservedMsat: 0n })
  })

  test('counts income of the phantom lane only when it is confirmed', () => {
    const account = new Account(0n)
    account.expect(10n)
    expect(account.view()).toMatchObject({ receivedMsat: 0n, pendingIncomeMsat: 10n })
    account.confirm(10n)
    expect(account.view()).toMatchObject({ receivedMsat: 10n, pendingIncomeMsat: 0n })
  })
})

describe('credit', () => {
  const price = { packetMsat: 10n, kilobyteMsat: 100n }

  test('is counted once per id, and refills the prepaid packets', () => {
    const seller = new Seller(price)
    for (let i = 0; i < PREPAID_PACKETS; i++) expect(seller.takePrepaid()).toBe(true)
    expect(seller.allowsControl()).toBe(false)
    expect(seller.count(1, 1_000n)).toBe(true)
    expect(seller.count(1, 1_000n)).toBe(false)
    expect([seller.availableMsat, seller.allowsControl(), seller.allowsStream()]).toEqual([1_000n, true, true])
  })

  test('is set aside while a packet is under way, and charged when it arrived', () => {
    const seller = new Seller(price)
    seller.count(1, 1_000n)
    const held = seller.setAside(1_001)
    expect(held).toBe(10n + 101n)
    expect(seller.availableMsat).toBe(889n)
    seller.putBack(held)
    expect(seller.availableMsat).toBe(1_000n)
    seller.charge(seller.setAside(1_000), true)
    expect(seller.availableMsat).toBe(890n)
  })

  test('of the buyer never exceeds what the seller has, whatever fails', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(1_100), fc.boolean()), { maxLength: 200 }), (packets) => {
        const seller = new Seller(price)
        const buyer = new Buyer()
        buyer.learn(1, price)
        let paid = 0n
        let used = 0n
        for (const [bytes, arrives] of packets) {
          const due = buyer.dueMsat
          if (due > 0n) {
            seller.count(buyer.pay(due), due)
            buyer.arrived(0n)
            paid += due
          }
          if (!seller.allowsStream() || seller.affordableBytes() < bytes) continue
          const held = seller.setAside(bytes)
          if (arrives) {
            seller.charge(held, held > 0n)
            buyer.consumed(bytes)
            used += packetPrice(price, bytes)
          } else {
            seller.putBack(held)
          }
          expect(seller.availableMsat).toBeGreaterThanOrEqual(paid - used)
        }
      }),
    )
  })
})

describe('messages', () => {
  test('are delivered once per id, and the oldest ids go', () => {
    const messages = new Messages()
    const id = (n: number): Uint8Array => Uint8Array.from({ length: 16 }, (_, i) => (n >> (8 * (i % 4))) & 0xff)
    expect(messages.receive(id(0))).toBe(true)
    expect(messages.receive(id(0))).toBe(false)
    for (let n = 1; n <= MAX_MESSAGE_IDS; n++) messages.receive(id(n))
    expect(messages.receive(id(0))).toBe(true)
  })
})

describe('paths', () => {
  const path = { bytes: new Uint8Array(3), expiryHeight: 100 }

  test('of a lower generation are ignored; the newest that has life left is the target', () => {
    const paths = new PeerPaths()
    expect(paths.learn({ type: 'reply-paths', generation: 2, paths: [path] })).toBe(true)
    expect(paths.learn({ type: 'reply-paths', generation: 1, paths: [path] })).toBe(false)
    paths.learn({ type: 'reply-paths', generation: 3, paths: [{ ...path, expiryHeight: 50 }] })
    expect(paths.target(40)).toMatchObject({ generation: 3 })
    paths.refresh()
    expect(paths.target(60)).toMatchObject({ generation: 2 })
    paths.refresh()
    expect(paths.target(100)).toBeUndefined()
  })

  test('of ours are kept for two generations, and until nothing can come over them', () => {
    const own = new OwnPaths()
    for (let n = 0; n < 4; n++) own.provide([{ ...path, pathId: `p${n}` }], 0)
    expect(own.drain(1_000_000, 0)).toEqual([])
    own.used(0, 'p3')
    expect(own.drain(59_999, 0)).toEqual([])
    expect(own.drain(60_000, 0)).toEqual(['p0'])
    expect(own.owns('p1')).toBe(true)
    expect(own.close()).toEqual(['p3', 'p2', 'p1'])
  })

  test('of ours are of four generations at most: the oldest goes, but for the newest that was used', () => {
    const own = new OwnPaths()
    for (let n = 0; n < 5; n++) own.provide([{ ...path, pathId: `p${n}` }], 0)
    expect(own.drain(0, 0)).toEqual(['p0'])
    own.used(0, 'p2')
    own.used(0, 'p1')
    for (let n = 5; n < 9; n++) own.provide([{ ...path, pathId: `p${n}` }], 0)
    expect(own.drain(0, 0).toSorted()).toEqual(['p1', 'p3', 'p4', 'p5'])
    expect(own.owns('p2')).toBe(true)
  })

  test('are due for renewal at half of their life', () => {
    const own = new OwnPaths()
    own.provide([{ ...path, pathId: 'p' }], 20)
    expect(own.newest?.renewAt).toBe(60)
  })
})
