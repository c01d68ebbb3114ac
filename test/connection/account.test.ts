import { describe, expect, test } from 'vitest'
import { Account } from '../../src/transport/connection/account.ts'

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
