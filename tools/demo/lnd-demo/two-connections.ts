/** Two connections side by side, field by field, as their responder has them. */
import { decodePath, type PathParts } from '../../../src/backends/paths/reply-path.ts'
import { toHex } from '../../../src/floor/bytes.ts'
import type { OpenFrame } from '../../../src/wire/frames.ts'
import { type OpenedConnection, pathsIn } from '../../regtest/opened-packets.ts'
import { grams } from '../../regtest/grams.ts'
import type { IncomingPayment } from './payments-seen.ts'

/** Whether two connections of one initiator may agree in a field. */
type Rule =
  /** The introduction node (its guard) and the published classes: the same for every initiator behind it. */
  | 'public'
  /** A constant of the protocol, or the same for everybody at this block height. */
  | 'constant'
  /** Fresh for each connection. */
  | 'fresh'
  /** Drawn at random from a few values: equal now and then by chance. */
  | 'drawn'

export interface Field {
  readonly name: string
  readonly rule: Rule
  readonly values: readonly string[]
}

export interface ComparedField {
  readonly name: string
  readonly rule: Rule
  readonly first: readonly string[]
  readonly second: readonly string[]
  readonly verdict: 'equal' | 'different' | 'some equal'
  /** Whether the rule allows this verdict. */
  readonly ok: boolean
}

/**
 * Shorter runs repeat by chance, or are lengths and counters: 8 kB beside 8 kB share six bytes once in four million
 * times.
 */
const RUN_BYTES = 6
interface Connection extends OpenedConnection {
  readonly paths: readonly PathParts[]
  readonly payments: readonly IncomingPayment[]
}

type Values = readonly (string | number)[]

/** Everything that a responder has of a connection beside the application's bytes. */
const FIELDS: readonly (readonly [name: string, rule: Rule, read: (connection: Connection) => Values])[] = [
  ['connection id', 'fresh', ({ cid }) => [cid]],
  ['ephemeral key', 'fresh', ({ ephemeral }) => [toHex(ephemeral)]],
  ['port, block height', 'constant', (connection) => opening(connection, ({ port, height }) => `${port}, ${height}`)],
  [
    'parameters',
    'constant',
    (connection) => opening(connection, ({ parameters }) => Object.values(parameters).join(' ')),
  ],
  ['introduction node', 'public', ({ paths }) => paths.map((path) => toHex(path.introduction))],
  ['path keys', 'fresh', ({ paths }) => paths.map((path) => toHex(path.pathKey))],
  ['blinded node ids', 'fresh', ({ paths }) => paths.flatMap((path) => path.blindedIds.map(toHex))],
  ['encrypted data', 'fresh', ({ paths }) => paths.flatMap((path) => path.data.map(toHex))],
  [
    'its lengths, bytes',
    'constant',
    ({ paths }) => paths.map((path) => path.data.map(({ length }) => length).join(' ')),
  ],
  ['base fee, msat', 'public', ({ paths }) => paths.map((path) => path.totals.baseFeeMsat)],
  ['fee, millionths', 'public', ({ paths }) => paths.map((path) => path.totals.feePpm)],
  ['CLTV delta, blocks', 'public', ({ paths }) => paths.map((path) => path.totals.cltvDelta)],
  ['least amount, msat', 'public', ({ paths }) => paths.map((path) => path.totals.minHtlcMsat)],
  ['path expiry, height', 'constant', expiries],
  ['payment hashes', 'fresh', ({ payments }) => payments.map(({ hash }) => hash)],
  ['paid, msat', 'constant', ({ payments }) => payments.map(({ amountMsat }) => amountMsat)],
  ['incoming channel', 'public', ({ payments }) => payments.map(({ channel }) => channel)],
  ['blocks to expiry', 'drawn', ({ payments }) => payments.map(({ blocksLeft }) => blocksLeft)],
]

/** @param invoices by packet, in hex @param names of public keys in hex */
export function fieldsOf(
  opened: OpenedConnection,
  invoices: ReadonlyMap<string, IncomingPayment>,
  names: ReadonlyMap<string, string>,
): Field[] {
  const paths = pathsIn(opened.frames).map((path) => decodePath(path))
  const payments = opened.records.flatMap((record) => invoices.get(toHex(record)) ?? [])
  const connection = { ...opened, paths, payments }
  return FIELDS.map(([name, rule, read]) => {
    return {
      name,
      rule,
      values: [...new Set(read(connection).map((value) => names.get(String(value)) ?? String(value)))].toSorted(),
    }
  })
}

function opening({ frames }: Connection, read: (frame: OpenFrame) => string): string[] {
  return frames.filter((frame) => frame.type === 'open').map(read)
}

function expiries({ frames }: Connection): number[] {
  const given = frames.filter((frame) => frame.type === 'reply-paths')
  return given.flatMap(({ paths }) => paths.map(({ expiryHeight }) => expiryHeight))
}

export function compare(first: readonly Field[], second: readonly Field[]): ComparedField[] {
  return first.map(({ name, rule, values }, i) => {
    const others = second[i]?.values ?? []
    const common = values.filter((value) => others.includes(value))
    const verdict =
      common.length === 0
        ? 'different'
        : common.length === values.length && common.length === others.length
          ? 'equal'
          : 'some equal'
    const ok = rule === 'fresh' ? verdict === 'different' : rule === 'drawn' || verdict === 'equal'
    return { name, rule, first: values, second: others, verdict, ok: ok && values.length > 0 && others.length > 0 }
  })
}

/** Runs of six bytes in the packets (as they came) and the paths of both, in hex, beside what may be equal. */
export function sharedRuns(first: OpenedConnection, second: OpenedConnection): string[] {
  const [one, other] = [first, second].map(({ records, frames }) =>
    grams([...records, ...freshParts(frames)], RUN_BYTES),
  )
  return [...(one ?? [])].filter((run) => other?.has(run))
}

/** Of the paths, all but the introduction node and the published classes. */
function freshParts(frames: OpenedConnection['frames']): Uint8Array[] {
  const paths = pathsIn(frames).map((path) => decodePath(path))
  return paths.flatMap(({ pathKey, blindedIds, data }) => [pathKey, ...blindedIds, ...data])
}
