import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SlotShares } from '../../src/backends/daemon/slot-shares.ts'

const CHANNEL = 'own'
const SLOTS = 100

/** Takes until there is no more; gives how many that were. */
function fill(shares: SlotShares, client: object, slots = SLOTS): number {
  let taken = 0
  while (shares.take(client, CHANNEL, slots)) taken += 1
  return taken
}

describe('the slots of a channel', () => {
  it('are all for a program that is alone', () => {
    expect(fill(new SlotShares(), {})).toBe(SLOTS)
  })

  it('leave the second program an equal part when the first has filled three quarters', () => {
    const shares = new SlotShares()
    const [first, second] = [{}, {}]
    for (let i = 0; i < 75; i++) expect(shares.take(first, CHANNEL, SLOTS)).toBe(true)
    expect(fill(shares, second)).toBe(25)
    expect(shares.take(first, CHANNEL, SLOTS)).toBe(false)
  })

  it('go to whoever holds less as they come free', () => {
    const shares = new SlotShares()
    const [first, second] = [{}, {}]
    for (let i = 0; i < 75; i++) shares.take(first, CHANNEL, SLOTS)
    fill(shares, second)
    for (let i = 0; i < 20; i++) {
      shares.give(first, CHANNEL)
      expect(shares.take(first, CHANNEL, SLOTS)).toBe(false)
      expect(shares.take(second, CHANNEL, SLOTS)).toBe(true)
    }
  })

  it('go to a newcomer first that found none', () => {
    const shares = new SlotShares()
    const [first, second] = [{}, {}]
    expect(fill(shares, first)).toBe(SLOTS)
    expect(shares.take(second, CHANNEL, SLOTS)).toBe(false)
    for (let held = 1; held <= SLOTS / 2; held++) {
      shares.give(first, CHANNEL)
      expect(shares.take(first, CHANNEL, SLOTS)).toBe(false)
      expect(shares.take(second, CHANNEL, SLOTS)).toBe(true)
    }
    shares.give(first, CHANNEL)
    expect(shares.take(first, CHANNEL, SLOTS)).toBe(true)
  })

  it('of a program that is gone come free with its payments, and it has no part', () => {
    const shares = new SlotShares()
    const [dead, first, second] = [{}, {}, {}]
    for (let i = 0; i < 50; i++) shares.take(dead, CHANNEL, SLOTS)
    shares.leave(dead)
    expect(fill(shares, first) + fill(shares, second)).toBe(50)
    for (let i = 0; i < 50; i++) shares.give(dead, CHANNEL)
    expect(fill(shares, first) + fill(shares, second)).toBe(50)
  })

  it('never exceed the channel, and are given to nobody twice', () => {
    const act = fc.record({ who: fc.nat(3), what: fc.constantFrom('take', 'give') })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.array(act, { maxLength: 200 }), (slots, acts) => {
        const shares = new SlotShares()
        const clients = [0, 1, 2, 3].map((id) => ({ id, held: 0 }))
        for (const { who, what } of acts) {
          const client = clients[who] ?? { id: -1, held: 0 }
          if (what === 'take' && shares.take(client, CHANNEL, slots)) client.held += 1
          else if (what === 'give' && client.held > 0) {
            shares.give(client, CHANNEL)
            client.held -= 1
          }
          expect(clients.reduce((sum, { held }) => sum + held, 0)).toBeLessThanOrEqual(slots)
        }
      }),
    )
  })

  it('a newcomer finds one as long as nobody holds less than an equal part', () => {
    fc.assert(
      fc.property(fc.integer({ min: 8, max: 500 }), fc.integer({ min: 1, max: 3 }), (slots, others) => {
        const shares = new SlotShares()
        // Each takes what it gets, one after the other, and the channel is never full before a newcomer came.
        const greedy = Array.from({ length: others }, () => ({}))
        const limit = Math.ceil((slots * 3) / 4)
        let total = 0
        while (total < limit && shares.take(greedy[total % others] ?? {}, CHANNEL, slots)) total += 1
        expect(shares.take({}, CHANNEL, slots)).toBe(true)
      }),
    )
  })
})
