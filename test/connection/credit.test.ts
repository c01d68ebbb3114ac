import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Buyer, CreditIds, packetPrice, Seller } from '../../src/transport/connection/credit.ts'
import { PREPAID_PACKETS } from '../../src/transport/connection/limits.ts'

describe('credit', () => {
  const price = { packetMsat: 10n, kilobyteMsat: 100n }

  test('is counted once per id', () => {
    const ids = new CreditIds()
    expect([ids.add(1), ids.add(1), ids.has(1), ids.has(2)]).toEqual([true, false, true, false])
  })

  test('refills the prepaid packets', () => {
    const seller = new Seller(price)
    for (let i = 0; i < PREPAID_PACKETS; i++) expect(seller.takePrepaid()).toBe(true)
    expect(seller.allowsControl()).toBe(false)
    seller.credit(1_000n)
    expect([seller.availableMsat, seller.allowsControl(), seller.allowsStream()]).toEqual([1_000n, true, true])
  })

  test('is set aside while a packet is under way, and charged when it arrived', () => {
    const seller = new Seller(price)
    seller.credit(1_000n)
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
            buyer.pay(due)
            seller.credit(due)
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
