import { dayText, timeText } from '../../floor/clock.ts'
import { toJson } from '../../floor/json.ts'
import type { AccountEntry } from './entry.ts'
import type { AccountTotal } from './totals.ts'

/** An entry as one object of JSON, amounts as decimal strings: one line of an export. */
export function entryAsJson(entry: AccountEntry): string {
  const { timeMs, ...rest } = entry
  return toJson({ time: timeText(timeMs), ...rest })
}

/** Totals as one object of JSON. */
export function totalAsJson(total: AccountTotal): string {
  return toJson(total)
}

const ENTRY_COLUMNS = [
  'time',
  'day',
  'type',
  'amountMsat',
  'feeMsat',
  'outcome',
  'purpose',
  'connection',
  'role',
  'port',
  'peer',
  'program',
  'hash',
  'channels',
] as const

/** The first line of entries as CSV (RFC 4180), without its end. */
export const ENTRY_HEADLINE: string = ENTRY_COLUMNS.join(',')

/** An entry as a line of CSV, without its end. */
export function entryAsCsv(entry: AccountEntry): string {
  const { type, timeMs, amountMsat, purpose, connection, role, port, peer, program } = entry
  const paid = type === 'paid' ? entry : undefined
  return [
    timeText(timeMs),
    dayText(timeMs),
    type,
    amountMsat.toString(),
    paid?.feeMsat.toString() ?? '',
    paid?.outcome ?? '',
    purpose,
    connection,
    role,
    port === 0 ? '' : String(port),
    peer,
    program,
    paid?.hash ?? '',
    paid?.channels.join(' ') ?? '',
  ]
    .map(csvField)
    .join(',')
}

const TOTAL_COLUMNS = [
  'key',
  'paidMsat',
  'feesMsat',
  'payments',
  'failed',
  'receivedMsat',
  'received',
  'strayMsat',
] as const satisfies readonly (keyof AccountTotal)[]

/** The first line of totals as CSV. */
export const TOTAL_HEADLINE: string = TOTAL_COLUMNS.join(',')

export function totalAsCsv(total: AccountTotal): string {
  return TOTAL_COLUMNS.map((column) => csvField(String(total[column]))).join(',')
}

/** Quoted where it has to be; a text that a spreadsheet would take for a formula is given an apostrophe. */
function csvField(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
