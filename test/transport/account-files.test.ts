import { appendFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { readAccount } from '../../src/index.ts'
import type { AccountEntry, AccountParty } from '../../src/transport/account/entry.ts'
import { foldOldest, partName } from '../../src/transport/account/files.ts'
import { FolderKeeper } from '../../src/transport/account/folder-keeper.ts'
import { LineReaderOfAccount, LineWriterOfAccount } from '../../src/transport/account/lines.ts'
import { AccountSums } from '../../src/transport/account/totals.ts'
import { MAX_ACCOUNT_PARTS, MAX_ACCOUNT_WAITING } from '../../src/transport/limits.ts'
import { ManualClock } from '../manual-clock.ts'
import { settle } from './scripted-backend.ts'

const NOVEMBER = Date.UTC(2026, 10, 30, 12)
const DECEMBER = Date.UTC(2026, 11, 1, 12)

let folder: string
let clock: ManualClock
let warnings: string[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keysock-account-'))
  clock = new ManualClock(settle)
  warnings = []
})

afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

function keeperIn(path: string = folder): FolderKeeper {
  return new FolderKeeper({ folder: path, clock, warn: (message) => warnings.push(message) })
}

function party(i: number): AccountParty {
  const peer = `02${i.toString(16).padStart(64, '0')}`
  return { connection: i.toString(16).padStart(16, '0'), peer, port: 7_000 + i, role: 'initiator', program: '' }
}

function paid(timeMs: number, i: number, of: AccountParty): AccountEntry {
  const hash = i.toString(16).padStart(64, '0')
  const amounts = { amountMsat: BigInt(1_000 + i), feeMsat: 7n }
  return { type: 'paid', timeMs, ...of, hash, ...amounts, channels: ['1x2x3'], outcome: 'settled', purpose: 'data' }
}

async function collected<Each>(each: AsyncIterable<Each>): Promise<Each[]> {
  const list: Each[] = []
  for await (const one of each) list.push(one)
  return list
}

/** Lets what waits for the disk go on until something is so. */
async function untilSo(so: () => boolean): Promise<void> {
  while (!so()) {
    await clock.advance(1_000)
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
}

async function all(path: string = folder, since = 0): Promise<AccountEntry[]> {
  return await collected(readAccount(path).entries({ since }))
}

const text = fc.string({ maxLength: 20, unit: 'binary' })
const anyParty: fc.Arbitrary<AccountParty> = fc.record({
  connection: text,
  peer: text,
  port: fc.integer({ min: 0, max: 65_535 }),
  role: fc.constantFrom('initiator', 'responder', ''),
  program: text,
})
const anyEntry = fc.oneof(
  fc.record({
    type: fc.constant('paid' as const),
    timeMs: fc.integer({ min: 0, max: 4e12 }),
    hash: fc.string({ minLength: 64, maxLength: 64, unit: fc.constantFrom('0', '7', 'a', 'f') }),
    amountMsat: fc.bigInt({ min: 0n, max: 10n ** 20n }),
    feeMsat: fc.bigInt({ min: 0n, max: 10n ** 20n }),
    channels: fc.array(text, { maxLength: 5 }),
    outcome: fc.constantFrom('delivered' as const, 'settled' as const, 'failed' as const),
    purpose: fc.constantFrom('data' as const, 'control' as const, 'copy' as const, '' as const),
  }),
  fc.record({
    type: fc.constant('received' as const),
    timeMs: fc.integer({ min: 0, max: 4e12 }),
    amountMsat: fc.bigInt({ min: 0n, max: 10n ** 20n }),
    purpose: fc.constantFrom('packet' as const, 'stray' as const),
  }),
)

it('what is read from lines is what was written, however many connections and ways there are', () => {
  const parties = fc.array(anyParty, { minLength: 1, maxLength: 5 })
  fc.assert(
    fc.property(parties, fc.array(fc.tuple(anyEntry, fc.nat(4))), (known, chosen) => {
      const writer = new LineWriterOfAccount()
      const entries = chosen.map(([entry, which]) => {
        const of = known[which % known.length] as AccountParty
        return { entry: { ...entry, ...of }, of }
      })
      const lines = entries.map(({ entry, of }) => writer.encode(entry, of)).join('')
      const reader = new LineReaderOfAccount()
      const read = lines.split('\n').flatMap((line) => reader.decode(line) ?? [])
      expect(read).toEqual(entries.map(({ entry }) => entry))
    }),
  )
})

it('a number that is given to another connection means the new one from there on', () => {
  const writer = new LineWriterOfAccount()
  const parties = Array.from({ length: 3_000 }, (_, i) => party(i))
  const lines = parties.map((of, i) => writer.encode(paid(NOVEMBER, i, of), of)).join('')
  const reader = new LineReaderOfAccount()
  const ports = lines.split('\n').flatMap((line) => reader.decode(line)?.port ?? [])
  expect(ports).toEqual(parties.map(({ port }) => port))
})

it('entries are on disk a second later, in one file for each month', async () => {
  const keeper = keeperIn()
  const kept = keeper.add(paid(NOVEMBER, 1, party(1)), party(1))
  expect(await readdir(folder)).toEqual([])
  let isKept: boolean | undefined
  void kept.then((is) => (isKept = is))
  await clock.advance(999)
  expect(isKept).toBe(undefined)
  await untilSo(() => isKept !== undefined)
  expect(isKept).toBe(true)
  await keeper.close()
  const next = keeperIn()
  void next.add(paid(DECEMBER, 2, party(1)), party(1))
  await next.close()
  expect(await readdir(folder)).toEqual([partName('2026-11', 0), partName('2026-12', 0)])
  expect(await all()).toEqual([paid(NOVEMBER, 1, party(1)), paid(DECEMBER, 2, party(1))])
  expect(await all(folder, DECEMBER)).toEqual([paid(DECEMBER, 2, party(1))])
})

it('a line that a crash tore is passed over, and nothing behind it', async () => {
  const first = keeperIn()
  for (let i = 0; i < 3; i++) void first.add(paid(NOVEMBER, i, party(i)), party(i))
  await first.close()
  const file = join(folder, partName('2026-11', 0))
  const whole = await readFile(file, 'utf8')
  // Wherever it tore.
  for (let length = whole.lastIndexOf('[') + 1; length < whole.length - 1; length += 7) {
    await writeFile(file, whole.slice(0, length))
    expect(await all()).toHaveLength(2)
    const second = keeperIn()
    void second.add(paid(NOVEMBER, 9, party(9)), party(9))
    await second.close()
    expect((await all()).map(({ port }) => port)).toEqual([7_000, 7_001, 7_009])
  }
})

it('a disk that takes nothing is told of once; what could not be written comes later, and once', async () => {
  // A file stands where the folder should be.
  const path = join(folder, 'account')
  await writeFile(path, '')
  const keeper = keeperIn(path)
  const kept = keeper.add(paid(NOVEMBER, 1, party(1)), party(1))
  await untilSo(() => warnings.length > 0)
  await clock.advance(5_000)
  expect(warnings).toEqual([expect.stringMatching(/cannot be written.*payments go on/)])
  await rm(path)
  void keeper.add(paid(NOVEMBER, 2, party(1)), party(1))
  let isKept = false
  void kept.then(() => (isKept = true))
  await untilSo(() => isKept)
  expect(await kept).toBe(true)
  await keeper.close()
  expect(await all(path)).toEqual([paid(NOVEMBER, 1, party(1)), paid(NOVEMBER, 2, party(1))])
})

it('what waits for a full disk is bounded, and what is missing is counted', async () => {
  const path = join(folder, 'account')
  await writeFile(path, '')
  const keeper = keeperIn(path)
  const kept = keeper.add(paid(NOVEMBER, 0, party(0)), party(0))
  const of = party(1)
  for (let i = 1; i <= MAX_ACCOUNT_WAITING; i++) void keeper.add(paid(NOVEMBER, i, of), of)
  expect(await kept).toBe(true)
  expect(warnings).toContainEqual(expect.stringMatching(/not complete: \d+ entries/))
  const left = keeper.add(paid(NOVEMBER, 0, party(0)), party(0))
  await keeper.close()
  // Its payment stays under way in the store: the next process hears of it once more.
  expect(await left).toBe(false)
})

it('the oldest files become sums, and no sum changes by that', async () => {
  const sums = { all: new AccountSums('all'), peer: new AccountSums('peer'), day: new AccountSums('day') }
  for (let part = 0; part < MAX_ACCOUNT_PARTS + 3; part++) {
    const month = Date.UTC(2020, part)
    const entries = [paid(month, part, party(part % 5)), paid(month + 86_400_000, part + 1_000, party(part % 3))]
    for (const sum of Object.values(sums)) for (const entry of entries) sum.add(entry)
    const lines = entries.map((entry) => new LineWriterOfAccount().encode(entry, entry)).join('')
    await appendFile(join(folder, partName(new Date(month).toISOString().slice(0, 7), 0)), lines)
  }
  await foldOldest(folder)
  expect((await readdir(folder)).filter((name) => name.endsWith('.jsonl'))).toHaveLength(MAX_ACCOUNT_PARTS)
  for (const by of ['all', 'peer', 'day'] as const) {
    const sorted = (totals: readonly { readonly key: string }[]): unknown =>
      totals.toSorted((a, b) => a.key.localeCompare(b.key))
    expect(sorted(await readAccount(folder).totals({ by }))).toEqual(sorted(sums[by].totals()))
  }
})

it('the files are for their owner alone', async () => {
  const keeper = keeperIn(join(folder, 'account'))
  void keeper.add(paid(NOVEMBER, 1, party(1)), party(1))
  await keeper.close()
  const modes = await Promise.all(
    ['account', join('account', partName('2026-11', 0))].map(async (name) => (await stat(join(folder, name))).mode),
  )
  expect(modes.map((mode) => mode & 0o077)).toEqual([0, 0])
})

it('is exported as JSON lines and as CSV that no spreadsheet takes for a formula', async () => {
  const keeper = keeperIn()
  const shop = { ...party(1), program: '=shop, "the" one' }
  void keeper.add(paid(NOVEMBER, 1, shop), shop)
  void keeper.add({ type: 'received', timeMs: NOVEMBER, ...shop, amountMsat: 5n, purpose: 'packet' }, shop)
  await keeper.close()
  const account = readAccount(folder)
  const json = (await collected(account.lines('json'))).map((line) => JSON.parse(line) as unknown)
  expect(json).toMatchObject([
    { time: '2026-11-30T12:00:00.000Z', type: 'paid', amountMsat: '1001', feeMsat: '7', channels: ['1x2x3'] },
    { type: 'received', amountMsat: '5', program: '=shop, "the" one' },
  ])
  const csv = await collected(account.lines('csv'))
  expect(csv[0]).toMatch(/^time,day,type,amountMsat/)
  expect(csv[1]).toContain(`"'=shop, ""the"" one"`)
})

it('is empty where there is no folder', async () => {
  expect(await all(join(folder, 'none'))).toEqual([])
  expect(await readAccount(join(folder, 'none')).totals()).toEqual([])
})

it('a line with a time that no date has is passed over', async () => {
  const lines = [
    '{"c":1,"connection":"a","peer":"b","port":7,"role":""}',
    '["r",9007199254740991,1,"5","packet"]',
    '["r",1700000000000,1,"7","packet"]',
  ]
  await writeFile(join(folder, partName('2026-11', 0)), `${lines.join('\n')}\n`)
  const account = readAccount(folder)
  expect(await account.totals({ by: 'day' })).toMatchObject([{ key: '2023-11-14', receivedMsat: 7n }])
  expect(await collected(account.lines('csv'))).toHaveLength(2)
})

it.each(['', '{"parts":5}', '{"sums":{"all":[{"key":"","paidMsat":5}]}}', '[]', 'null', '{"parts":["a"]'])(
  'sums that are not what was written are an error that names their file: %s',
  async (written) => {
    await writeFile(join(folder, 'account-folded.json'), written)
    await expect(readAccount(folder).totals()).rejects.toMatchObject({
      code: 'ERR_KEYSOCK_STORE_CORRUPT',
      message: expect.stringContaining('account-folded.json'),
    })
  },
)
