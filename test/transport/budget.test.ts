import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Budget } from '../../src/transport/connection/budget.ts'
import { Ledger } from '../../src/transport/driver/ledger.ts'
import type { Reservation } from '../../src/transport/store/store.ts'

function payment(hash: string, peer: string, amountMsat: bigint, feeMsat = 0n): Reservation {
  return { hash, peer, amountMsat, feeMsat }
}

const SETTLED = { status: 'settled', feeMsat: 0n } as const
const FAILED = { status: 'failed', reason: 'no-route', place: 'local' } as const

/** Reserves where there is money, as a connection does. */
function reserve(budget: Budget, amountMsat: bigint, feeMsat = 0n): boolean {
  if (budget.obstacle(amountMsat + feeMsat) !== undefined) return false
  budget.reserve(amountMsat, feeMsat)
  return true
}

/** A connection's budget under that of `peer`, with a cap of its own that stands against nothing. */
function budgetTo(ledger: Ledger, peer: string): Budget {
  return new Budget(10n ** 30n, ledger.join(peer))
}

describe('a budget', () => {
  test('reserves up to the cap of a peer, to the last millisatoshi, fee bound included', () => {
    const ledger = new Ledger({ processCapMsat: 1_000n, peerCapMsat: 100n })
    const budget = budgetTo(ledger, 'p')
    expect(reserve(budget, 60n, 30n)).toBe(true)
    expect(reserve(budget, 10n, 1n)).toBe(false)
    expect(reserve(budget, 10n)).toBe(true)
    expect(budget.availableMsat).toBe(0n)
  })

  test('the cap of the process holds over all peers', () => {
    const ledger = new Ledger({ processCapMsat: 150n, peerCapMsat: 100n })
    expect(reserve(budgetTo(ledger, 'p'), 100n)).toBe(true)
    expect(reserve(budgetTo(ledger, 'q'), 51n)).toBe(false)
    expect(reserve(budgetTo(ledger, 'q'), 50n)).toBe(true)
  })

  test('the cap of a peer holds over all its connections, and each has its own', () => {
    const ledger = new Ledger({ processCapMsat: 1_000n, peerCapMsat: 100n })
    const ofPeer = ledger.join('p')
    const [first, second] = [new Budget(70n, ofPeer), new Budget(70n, ofPeer)]
    expect(reserve(first, 71n)).toBe(false)
    expect(reserve(first, 70n)).toBe(true)
    expect(reserve(second, 31n)).toBe(false)
    expect(reserve(second, 30n)).toBe(true)
    expect([first, second, ofPeer].map((each) => each.view().reservedMsat)).toEqual([70n, 30n, 100n])
  })

  test('names the tightest cap that stands against a payment, and the widest of equal ones', () => {
    const ledger = new Ledger({ processCapMsat: 100n, peerCapMsat: 100n })
    const ofPeer = ledger.join('p')
    const own = new Budget(99n, ofPeer)
    expect(own.obstacle(101n)?.budget).toBe(own)
    const equal = new Budget(100n, ofPeer)
    expect(equal.obstacle(101n)?.budget).not.toBe(equal)
    expect(equal.obstacle(101n)?.budget).not.toBe(ofPeer)
    own.reserve(60n, 0n)
    expect(own.obstacle(99n)?.isForGood).toBe(false)
    own.spend(60n, 0n, 0n)
    expect(own.obstacle(40n)?.isForGood).toBe(true)
  })

  test('calls who waits once, when there may be room under the cap that it waits for', () => {
    const ledger = new Ledger({ processCapMsat: 100n, peerCapMsat: 80n })
    const [first, second, other] = [budgetTo(ledger, 'p'), budgetTo(ledger, 'p'), budgetTo(ledger, 'q')]
    let calls = 0
    const waiter = { resume: (): number => calls++ }
    first.reserve(80n, 0n)
    other.reserve(10n, 0n)
    const obstacle = second.obstacle(1n)
    obstacle?.budget.wait(waiter)
    other.release(10n, 0n)
    expect([calls, obstacle?.stands]).toEqual([0, true])
    first.release(80n, 0n)
    expect([calls, obstacle?.stands]).toEqual([1, false])
    ledger.setPeerCap('p', 10n)
    expect(calls).toBe(1)
    second.obstacle(11n)?.budget.wait(waiter)
    second.forget(waiter)
    ledger.setPeerCap('p', 80n)
    expect(calls).toBe(1)
  })

  test('a settlement frees what of the fee bound was not charged', () => {
    const ledger = new Ledger({ processCapMsat: 1_000n, peerCapMsat: 100n })
    const ofPeer = ledger.join('p')
    const budget = new Budget(10n ** 30n, ofPeer)
    budget.reserve(60n, 40n)
    budget.spend(60n, 40n, 5n)
    expect(ofPeer.view()).toEqual({ capMsat: 100n, spentMsat: 65n, feesMsat: 5n, reservedMsat: 0n })
    expect(budget.availableMsat).toBe(35n)
  })

  test('the fees in what is spent are counted, whoever was paid', () => {
    const ledger = new Ledger({ processCapMsat: 1_000n, peerCapMsat: 100n })
    const [p, q] = [budgetTo(ledger, 'p'), budgetTo(ledger, 'q')]
    p.reserve(60n, 40n)
    q.reserve(10n, 10n)
    p.spend(60n, 40n, 5n)
    q.release(10n, 10n)
    expect(ledger.process().feesMsat).toBe(5n)
  })

  test('a payment is decided once', () => {
    const ledger = new Ledger({ processCapMsat: 1_000n, peerCapMsat: 100n })
    const budget = budgetTo(ledger, 'p')
    budget.reserve(60n, 0n)
    budget.release(60n, 0n)
    expect(() => budget.spend(60n, 0n, 0n)).toThrow('more was released than reserved')
    expect(() => budget.release(60n, 0n)).toThrow('more was released than reserved')
    expect(ledger.process().spentMsat).toBe(0n)
  })

  test('an amount below zero is an error', () => {
    const ledger = new Ledger({ processCapMsat: 1_000n, peerCapMsat: 100n })
    expect(() => budgetTo(ledger, 'p').reserve(-1n, 0n)).toThrow(RangeError)
    expect(() => ledger.adopt(payment('a', 'p', -1n))).toThrow(RangeError)
  })

  test('what a former process left counts, even beyond the caps, until it is decided', () => {
    const ledger = new Ledger({ processCapMsat: 100n, peerCapMsat: 95n })
    const [first, second] = [payment('a', 'p', 80n, 10n), payment('b', 'q', 70n)] as const
    ledger.adopt(first)
    ledger.adopt(second)
    const budget = budgetTo(ledger, 'p')
    expect(ledger.process().reservedMsat).toBe(160n)
    expect(reserve(budget, 1n)).toBe(false)
    ledger.decide(second, FAILED)
    expect(budget.availableMsat).toBe(5n)
    ledger.decide(first, SETTLED)
    expect(ledger.process()).toMatchObject({ spentMsat: 80n, reservedMsat: 0n })
  })

  test('a cap below what is spent stops what comes next, and a higher one lets it go on', () => {
    const ledger = new Ledger({ processCapMsat: 1_000n, peerCapMsat: 100n })
    const budget = budgetTo(ledger, 'p')
    budget.reserve(60n, 0n)
    ledger.setPeerCap('p', 10n)
    expect(budget.availableMsat).toBe(0n)
    ledger.setPeerCap('p', 70n)
    expect(budget.availableMsat).toBe(10n)
  })

  test('of a peer is one as long as it says something, or a connection uses it', () => {
    const ledger = new Ledger({ processCapMsat: 1_000n, peerCapMsat: 100n })
    const budget = ledger.join('p')
    ledger.join('p')
    ledger.leave('p')
    ledger.forgetIfUnused('p')
    expect(ledger.join('p')).toBe(budget)
    budget.reserve(10n, 0n)
    ledger.leave('p')
    ledger.leave('p')
    expect(ledger.join('p')).toBe(budget)
    ledger.leave('p')
    budget.release(10n, 0n)
    ledger.forgetIfUnused('p')
    expect(ledger.join('p')).not.toBe(budget)
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
      const ledger = new Ledger(caps)
      ledger.setPeerCap('', caps.peerCapMsat)
      const peers = new Map(['', 'p', 'q'].map((name) => [name, ledger.join(name)]))
      const open: (Reservation & { readonly budget: Budget })[] = []
      const spent = new Map<string, bigint>()
      steps.forEach(({ kind, peer, amount, fee, paid, pick }, index) => {
        const chosen = open[pick % Math.max(1, open.length)]
        if (kind === 'reserve') {
          const budget = budgetTo(ledger, peer)
          if (reserve(budget, amount, fee)) open.push({ ...payment(String(index), peer, amount, fee), budget })
          ledger.leave(peer)
        } else if (chosen !== undefined && kind !== 'unknown') {
          open.splice(open.indexOf(chosen), 1)
          const { budget, amountMsat, feeMsat } = chosen
          const really = paid < feeMsat ? paid : feeMsat
          if (kind === 'settle') {
            budget.spend(amountMsat, feeMsat, really)
            spent.set(chosen.peer, (spent.get(chosen.peer) ?? 0n) + amountMsat + really)
          } else budget.release(amountMsat, feeMsat)
        }
        let total = 0n
        for (const [name, budget] of peers) {
          const account = budget.view()
          const reserved = open
            .filter((entry) => entry.peer === name)
            .reduce((sum, entry) => sum + entry.amountMsat + entry.feeMsat, 0n)
          expect(account.reservedMsat).toBe(reserved)
          expect(account.spentMsat).toBe(spent.get(name) ?? 0n)
          expect(account.spentMsat + account.reservedMsat <= caps.peerCapMsat).toBe(true)
          total += account.spentMsat + account.reservedMsat
        }
        const all = ledger.process()
        expect(all.spentMsat + all.reservedMsat).toBe(total)
        expect(total <= caps.processCapMsat).toBe(true)
      })
      // A process that starts with what is open now reserves the same.
      const next = new Ledger(caps)
      for (const reservation of open) next.adopt(reservation)
      expect(next.process().reservedMsat).toBe(ledger.process().reservedMsat)
    }),
  )
})
