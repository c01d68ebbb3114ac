import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { OverdueQueue } from '../../src/transport/connection/overdue.ts'
import { SentPacket, SentPackets } from '../../src/transport/connection/sent-packets.ts'

function sentPacket(number: number, id = number): SentPacket {
  return new SentPacket({
    id,
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
    payment: undefined,
    paymentMsat: 0n,
    notices: [],
    leastMsat: 0n,
    paysMsat: 0n,
    isTopUp: false,
    costs: false,
    holdsCost: false,
    open: false,
    answer: false,
  })
}

describe('sent packets', () => {
  test('that settled before a covered packet was sent, and are not covered, are lost', () => {
    const packets = new SentPackets()
    const [a, b, c] = [sentPacket(1), sentPacket(2), sentPacket(3)]
    for (const sent of [a, b]) packets.add(sent)
    packets.settle(a, 10)
    packets.add(c)
    packets.settle(b, 20)
    packets.finish(c)
    expect(packets.takeLost(0, 3, 0)).toEqual([a])
    expect(packets.unconfirmed).toBe(2)
    expect(packets.unconfirmedSince).toBe(20)
  })

  test('below the reach of an ACK are not lost until they are old', () => {
    const packets = new SentPackets()
    const a = sentPacket(1)
    packets.add(a)
    packets.settle(a, 10)
    expect(packets.takeLost(2, 5, 0)).toEqual([])
    expect(packets.takeLost(2, 5, 10)).toEqual([a])
  })

  test('are found by number where copies of the OPEN follow later numbers', () => {
    const packets = new SentPackets()
    const early = [1, 2, 3].map((number) => sentPacket(number, 10 + number))
    const open = [sentPacket(0, 1), sentPacket(0, 2), sentPacket(0, 3)]
    const [first, second, third] = open
    for (const sent of [first, ...early, second, third]) if (sent !== undefined) packets.add(sent)
    const within = (smallest: number, largest: number): number[] => {
      const ids: number[] = []
      packets.within(smallest, largest, ({ id }) => ids.push(id))
      return ids
    }
    expect(within(1, 3)).toEqual([11, 12, 13])
    expect(within(0, 0)).toEqual([1, 2, 3])
    expect(within(2, 2)).toEqual([12])
  })

  test('are found by number whatever was finished between them', () => {
    const packets = new SentPackets()
    const all = Array.from({ length: 500 }, (_, number) => sentPacket(number))
    for (const sent of all) packets.add(sent)
    for (const sent of all) if (sent.number % 3 !== 0) packets.finish(sent)
    const found: number[] = []
    packets.within(100, 110, (sent) => found.push(sent.number))
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
