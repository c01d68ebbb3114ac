import { createReadStream } from 'node:fs'
import { open, readdir, readFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { dayText } from '../../floor/clock.ts'
import { toJson } from '../../floor/json.ts'
import { syncFolder } from '../../floor/sync-folder.ts'
import { KeysockError } from '../errors.ts'
import { MAX_ACCOUNT_LINE_CHARACTERS, MAX_ACCOUNT_PARTS } from '../limits.ts'
import type { AccountEntry } from './entry.ts'
import { LineReaderOfAccount } from './lines.ts'
import { type AccountGrouping, AccountSums, type AccountTotal, GROUPINGS } from './totals.ts'

/** account-2026-11-000.jsonl: a month, and the part of it. In the order of time, by name. */
const PART = /^account-(\d{4}-\d{2})-(\d{3,})\.jsonl$/
/** What was in parts that are no more, summed up. */
const FOLDED = 'account-folded.json'

/** A file of entries. */
export interface AccountPart {
  readonly name: string
  readonly month: string
  readonly number: number
}

/** The name of a part. */
export function partName(month: string, number: number): string {
  return `account-${month}-${String(number).padStart(3, '0')}.jsonl`
}

/** All parts of a folder, the oldest first; none where there is no folder. */
export async function partsOf(folder: string): Promise<readonly AccountPart[]> {
  let names: string[]
  try {
    names = await readdir(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  const { parts: gone = [] } = await readFolded(folder)
  return names
    .flatMap((name) => {
      const [, month = '', number = ''] = PART.exec(name) ?? []
      // One that is summed up already was not deleted, since the process ended there.
      return month === '' || gone.includes(name) ? [] : [{ name, month, number: Number(number) }]
    })
    .toSorted((a, b) => a.month.localeCompare(b.month) || a.number - b.number)
}

/** The entries of a folder since a time, the oldest first. It can be read while another process writes. */
export async function* readEntries(folder: string, sinceMs: number): AsyncGenerator<AccountEntry> {
  const month = sinceMs > 0 ? dayText(sinceMs).slice(0, 7) : ''
  for (const part of await partsOf(folder)) {
    if (part.month < month) continue
    for await (const entry of readPart(join(folder, part.name))) if (entry.timeMs >= sinceMs) yield entry
  }
}

/** The entries of one part. What a crash tore is passed over. */
export async function* readPart(file: string): AsyncGenerator<AccountEntry> {
  const reader = new LineReaderOfAccount()
  let rest = ''
  const stream = createReadStream(file, 'utf8')
  try {
    for await (const chunk of stream as AsyncIterable<string>) {
      const lines = (rest + chunk).split('\n')
      rest = (lines.pop() ?? '').slice(0, MAX_ACCOUNT_LINE_CHARACTERS)
      for (const line of lines) {
        const entry = reader.decode(line)
        if (entry !== undefined) yield entry
      }
    }
  } catch (error) {
    // It was summed up and deleted just now.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

/** Groupings that are kept of parts that are summed up: connections are too many. */
const KEPT: readonly AccountGrouping[] = GROUPINGS.filter((by) => by !== 'connection')

interface Folded {
  /** Names of the parts in it, the last ones. */
  readonly parts?: readonly string[]
  readonly sums?: Readonly<Partial<Record<AccountGrouping, readonly AccountTotal[]>>>
}

/** Sums of what was in parts that are no more. */
export async function foldedTotals(folder: string, by: AccountGrouping): Promise<readonly AccountTotal[]> {
  const { sums = {} } = await readFolded(folder)
  return sums[by] ?? []
}

/**
 * Sums the oldest parts up and deletes them, until there are few enough. The sums are put in place by one rename, with
 * the names of the parts in them: a process that ends in between counts nothing twice.
 */
export async function foldOldest(folder: string): Promise<void> {
  for (let parts = await partsOf(folder); parts.length > MAX_ACCOUNT_PARTS; parts = await partsOf(folder)) {
    const [oldest] = parts
    if (oldest === undefined) return
    const folded = await readFolded(folder)
    const sums = KEPT.map((by) => ({ by, sum: new AccountSums(by) }))
    for (const { by, sum } of sums) for (const total of folded.sums?.[by] ?? []) sum.merge(total)
    for await (const entry of readPart(join(folder, oldest.name))) for (const { sum } of sums) sum.add(entry)
    await writeFolded(folder, {
      parts: [...(folded.parts ?? []), oldest.name].slice(-MAX_ACCOUNT_PARTS),
      sums: Object.fromEntries(sums.map(({ by, sum }) => [by, sum.totals()])),
    })
    await unlink(join(folder, oldest.name))
  }
}

async function readFolded(folder: string): Promise<Folded> {
  const file = join(folder, FOLDED)
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw error
  }
  const folded = parsedFolded(text)
  if (folded !== undefined) return folded
  const what = `${file} is not what this library writes; move it away, and what was summed up in it is not told any more`
  throw new KeysockError('ERR_KEYSOCK_STORE_CORRUPT', what)
}

/** Undefined where it is not what `writeFolded` writes. */
function parsedFolded(text: string): Folded | undefined {
  let value: unknown
  try {
    value = JSON.parse(text, (key, each: unknown) =>
      key.endsWith('Msat') && typeof each === 'string' ? BigInt(each) : each,
    )
  } catch {
    return undefined
  }
  if (!isObject(value)) return undefined
  const { parts = [], sums = {} } = value
  const areParts = Array.isArray(parts) && parts.every((part) => typeof part === 'string')
  const areSums =
    isObject(sums) && Object.values(sums).every((totals) => Array.isArray(totals) && totals.every(isTotal))
  return areParts && areSums ? value : undefined
}

/** The fields of a total, by what they hold. */
const TOTAL_FIELDS: { readonly [Key in keyof AccountTotal]: 'string' | 'bigint' | 'number' } = {
  key: 'string',
  paidMsat: 'bigint',
  feesMsat: 'bigint',
  payments: 'number',
  failed: 'number',
  receivedMsat: 'bigint',
  received: 'number',
  strayMsat: 'bigint',
}

function isTotal(value: unknown): boolean {
  return isObject(value) && Object.entries(TOTAL_FIELDS).every(([name, type]) => typeof value[name] === type)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

async function writeFolded(folder: string, folded: Folded): Promise<void> {
  const file = join(folder, FOLDED)
  const next = await open(`${file}.next`, 'w', 0o600)
  try {
    await next.writeFile(toJson(folded))
    await next.sync()
  } finally {
    await next.close()
  }
  await rename(`${file}.next`, file)
  // What is in them is deleted next.
  await syncFolder(folder)
}
