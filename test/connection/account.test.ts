import { describe, expect, test } from 'vitest'
import { Budget } from '../../src/transport/connection/budget.ts'
import { Income } from '../../src/transport/connection/income.ts'

describe('the account', () => {
  test('never lets spent and reserved pass the cap', () => {
    const budget = new Budget(100n, undefined)
    budget.reserve(60n, 10n)
    expect(budget.obstacle(30n + 1n)).toBeDefined()
    expect(() => budget.reserve(30n, 1n)).toThrow('cap')
    budget.spend(60n, 10n, 5n)
    expect(budget.view()).toMatchObject({ spentMsat: 65n, feesMsat: 5n, reservedMsat: 0n })
  })

  test('counts income of the phantom lane only when it is confirmed', () => {
    const income = new Income(0)
    income.expect(10n)
    expect(income.view()).toMatchObject({ receivedMsat: 0n, pendingIncomeMsat: 10n })
    income.confirm(10n)
    expect(income.view()).toMatchObject({ receivedMsat: 10n, pendingIncomeMsat: 0n })
  })

  test('expects what is not confirmed for two minutes no more, and takes it all the same', () => {
    const income = new Income(0)
    income.expect(10n)
    income.tick(59_000)
    income.expect(5n)
    income.tick(60_000)
    expect(income.view().pendingIncomeMsat).toBe(15n)
    income.expect(3n)
    income.tick(120_000)
    expect(income.view().pendingIncomeMsat).toBe(3n)
    income.confirm(10n)
    income.tick(600_000)
    expect(income.view()).toMatchObject({ receivedMsat: 10n, pendingIncomeMsat: 0n })
  })
})
