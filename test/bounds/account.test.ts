/** What peers can make the account and its files grow by, pushed against its bound (docs/bounds.md). */
import { expect, it } from 'vitest'
import type { AccountEntry, AccountParty } from '../../src/transport/account/entry.ts'
import { MemoryKeeper } from '../../src/transport/account/keeper.ts'
import { LineWriterOfAccount } from '../../src/transport/account/lines.ts'
import { AccountSums } from '../../src/transport/account/totals.ts'
import { MAX_ACCOUNT_DEFINITIONS, MAX_ACCOUNT_GROUPS, MAX_ACCOUNT_RECENT } from '../../src/transport/limits.ts'

const partyOf = (i: number): AccountParty => {
  return { connection: `c${i}`, peer: `p${i}`, port: 7, role: 'responder', program: '' }
}
const received = (i: number): AccountEntry => {
  return { type: 'received', timeMs: i, ...partyOf(i), amountMsat: 1n, purpose: 'packet' }
}

it('an endpoint without a folder keeps the latest 4,096 entries of its account, and sums of those before', async () => {
  const keeper = new MemoryKeeper()
  for (let i = 0; i < MAX_ACCOUNT_RECENT + 10; i++) keeper.add(received(i))
  const kept: AccountEntry[] = []
  for await (const entry of keeper.read(0)) kept.push(entry)
  expect([kept.length, kept[0]?.timeMs]).toEqual([MAX_ACCOUNT_RECENT, 10])
  expect(await keeper.folded('all')).toMatchObject([{ receivedMsat: 10n }])
})

it('a sum tells 65,536 peers apart; the oldest become one, and nothing is lost', () => {
  const sums = new AccountSums('peer')
  for (let i = 0; i < MAX_ACCOUNT_GROUPS + 10; i++) sums.add(received(i))
  const totals = sums.totals()
  expect(totals.length).toBe(MAX_ACCOUNT_GROUPS + 1)
  expect(totals.find(({ key }) => key === 'others')?.receivedMsat).toBe(10n)
  expect(totals.reduce((sum, { receivedMsat }) => sum + receivedMsat, 0n)).toBe(BigInt(MAX_ACCOUNT_GROUPS + 10))
})

it('1,024 connections have a number in a file of the account: the oldest number is given anew', () => {
  const writer = new LineWriterOfAccount()
  const parties = Array.from({ length: MAX_ACCOUNT_DEFINITIONS + 1 }, (_, i) => partyOf(i))
  const lines = parties.map((party, i) => writer.encode(received(i), party))
  expect(JSON.parse(lines.at(-2)?.split('\n')[0] ?? '')).toMatchObject({ c: MAX_ACCOUNT_DEFINITIONS - 1 })
  expect(JSON.parse(lines.at(-1)?.split('\n')[0] ?? '')).toMatchObject({ c: 0 })
  // The second has its number still, the first is defined again.
  expect(writer.encode(received(1), parties[1] as AccountParty).split('\n')).toHaveLength(2)
  expect(writer.encode(received(0), parties[0] as AccountParty).split('\n')).toHaveLength(3)
})
