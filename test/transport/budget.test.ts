import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Budget } from '../../src/transport/driver/budget.ts'
import type { Reservation } from '../../src/transport/store/store.ts'

function payment(hash: string, peer: string, amountMsat: bigint, feeMsat = 0n): Reservation {
  return { hash, peer, amountMsat, feeMsat }
}

describe('a budget', () => {
  test('reserves up to the cap of a peer, to the last millisatoshi, fee bound included', () => {
    const budget = new Budget({ processCapMsat: 1_000n, peerCapMsat: 100n })
    expect(budget.reserve(payment('a', 'p', 60n, 30n))).toBe(true)
    expect(budget.reserve(payment('b', 'p', 10n, 1n))).toBe(false)
    expect(budget.reserve(payment('b', 'p', 10n))).toBe(true)
    expect(budget.availableMsat('p')).toBe(0n)
  })

  test('the cap of the process holds over all peers', () => {
    const budget = new Budget({ processCapMsat: 150n, peerCapMsat: 100n })
    expect(budget.reserve(payment('a', 'p', 100n))).toBe(true)
    expect(budget.reserve(payment('b', 'q', 51n))).toBe(false)
    expect(budget.reserve(payment('b', 'q', 50n))).toBe(true)
  })

  test('a settlement frees what of the fee bound was not charged', () => {
    const budget = new Budget({ processCapMsat: 1_000n, peerCapMsat: 100n })
    budget.reserve(payment('a', 'p', 60n, 40n))
    expect(budget.settle('a', 5n)).toBe(true)
    expect(budget.peer('p')).toEqual({ capMsat: 100n, spentMsat: 65n, reservedMsat: 0n })
    expect(budget.availableMsat('p')).toBe(35n)
  })

  test('the fees in what is spent are counted, whoever was paid', () => {
    const budget = new Budget({ processCapMsat: 1_000n, peerCapMsat: 100n })
    budget.reserve(payment('a', 'p', 60n, 40n))
    budget.reserve(payment('b', 'q', 10n, 10n))
    budget.settle('a', 5n)
    budget.release('b')
    expect(budget.feesMsat).toBe(5n)
  })

  test('a payment is decided once', () => {
    const budget = new Budget({ processCapMsat: 1_000n, peerCapMsat: 100n })
    budget.reserve(payment('a', 'p', 60n))
    expect(budget.release('a')).toBe(true)
    expect(budget.settle('a', 0n)).toBe(false)
    expect(budget.release('a')).toBe(false)
    expect(budget.process().spentMsat).toBe(0n)
  })

  test('a hash that is reserved already is not reserved again', () => {
    const budget = new Budget({ processCapMsat: 1_000n, peerCapMsat: 100n })
    budget.reserve(payment('a', 'p', 1n))
    expect(() => budget.reserve(payment('a', 'p', 1n))).toThrow('already')
  })

  test('an amount below zero is an error', () => {
    const budget = new Budget({ processCapMsat: 1_000n, peerCapMsat: 100n })
    expect(() => budget.reserve(payment('a', 'p', -1n))).toThrow(RangeError)
  })

  test('what a former process left counts, even beyond the caps, until it is decided', () => {
    const left = [payment('a', 'p', 80n, 10n), payment('b', 'q', 70n)]
    const budget = new Budget({ processCapMsat: 100n, peerCapMsat: 95n, reservations: left })
    expect(budget.process().reservedMsat).toBe(160n)
    expect(budget.reserve(payment('c', 'p', 1n))).toBe(false)
    budget.release('b')
    expect(budget.availableMsat('p')).toBe(5n)
    expect([...budget.reservations()]).toEqual([left[0]])
  })

  test('a cap below what is spent stops what comes next, and a higher one lets it go on', () => {
    const budget = new Budget({ processCapMsat: 1_000n, peerCapMsat: 100n })
    budget.reserve(payment('a', 'p', 60n))
    budget.setPeerCap('p', 10n)
    expect(budget.availableMsat('p')).toBe(0n)
    budget.setPeerCap('p', 70n)
    expect(budget.availableMsat('p')).toBe(10n)
  })
})

const step = fc.record({
  kind: fc.constantFrom('reserve', 'reserve', 'reserve', 'settle', 'release', 'unknown'),
  peer: fc.constantFrom('', 'p', 'q'),
  amount: fc.bigInt({ min: 0n, max: 2_000n }),
  fee: fc.bigInt({ min: 0n, max: 500n }),
  paid: fc.bigInt({ min: 0n, max: 500n }),
  pick: fc.nat(),
})

test('never more than a cap is spent and reserved, whatever happens, and the sums are exact', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const caps = { processCapMsat: 10_000n, peerCapMsat: 5_000n }
      const budget = new Budget(caps)
      const open: Reservation[] = []
      const spent = new Map<string, bigint>()
      steps.forEach(({ kind, peer, amount, fee, paid, pick }, index) => {
        const chosen = open[pick % Math.max(1, open.length)]
        if (kind === 'reserve') {
          const next = payment(String(index), peer, amount, fee)
          if (budget.reserve(next)) open.push(next)
        } else if (chosen !== undefined && kind !== 'unknown') {
          open.splice(open.indexOf(chosen), 1)
          const really = paid < chosen.feeMsat ? paid : chosen.feeMsat
          if (kind === 'settle') {
            budget.settle(chosen.hash, really)
            spent.set(chosen.peer, (spent.get(chosen.peer) ?? 0n) + chosen.amountMsat + really)
          } else budget.release(chosen.hash)
        }
        let total = 0n
        for (const name of ['', 'p', 'q']) {
          const account = budget.peer(name)
          const reserved = open
            .filter((entry) => entry.peer === name)
            .reduce((sum, entry) => sum + entry.amountMsat + entry.feeMsat, 0n)
          expect(account.reservedMsat).toBe(reserved)
          expect(account.spentMsat).toBe(spent.get(name) ?? 0n)
          expect(account.spentMsat + account.reservedMsat <= caps.peerCapMsat).toBe(true)
          total += account.spentMsat + account.reservedMsat
        }
        const all = budget.process()
        expect(all.spentMsat + all.reservedMsat).toBe(total)
        expect(total <= caps.processCapMsat).toBe(true)
      })
      // A process that starts with what is open now reserves the same.
      const next = new Budget({ ...caps, reservations: budget.reservations() })
      expect(next.process().reservedMsat).toBe(budget.process().reservedMsat)
    }),
  )
})
