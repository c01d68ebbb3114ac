/** Files of this user: journals and accounts that a crash tore, traces, graphs, policies. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { networkFromGraph } from '../../../src/backends/sim/network-from-graph.ts'
import { SimulationError } from '../../../src/backends/sim/errors.ts'
import { charts } from '../../../src/cli/plot/charts.ts'
import { remarks, summaryRows } from '../../../src/cli/plot/page.ts'
import { PlotError, readTrace } from '../../../src/cli/plot/read-trace.ts'
import { Summary } from '../../../src/cli/plot/summary.ts'
import { AddressBook } from '../../../src/cli/home/address-book.ts'
import { LineReaderOfAccount } from '../../../src/transport/account/lines.ts'
import { readAccount } from '../../../src/transport/account/account.ts'
import { entryAsCsv, entryAsJson } from '../../../src/transport/account/export.ts'
import { AccountSums, GROUPINGS } from '../../../src/transport/account/totals.ts'
import { KeysockError } from '../../../src/transport/errors.ts'
import { readPolicy } from '../../../src/transport/policy/policy.ts'
import { FolderStore } from '../../../src/transport/store/folder.ts'
import { decodeLine, encodeLine } from '../../../src/transport/store/line.ts'
import { State } from '../../../src/transport/store/state.ts'
import type { StoreChange } from '../../../src/transport/store/store.ts'
import { must, onlyThrows, type Target } from '../../../tools/fuzz/target.ts'

const KEY = '02'.repeat(33)
const HASH = 'ab'.repeat(32)
const ACCOUNT = [
  `{"c":3,"connection":"c1","peer":"${KEY}","port":7000,"role":"initiator"}`,
  '{"w":5,"channels":["1x1x1","2x2x2"]}',
  `["p",1700000000000,3,"${HASH}","5000","1000",5,"settled","data"]`,
  '["r",1700000000001,3,"1000","packet"]',
].join('\n')

/** Of every kind of change one. */
const CHANGES: readonly StoreChange[] = [
  { type: 'node', publicKey: KEY, network: 'regtest' },
  { type: 'settle-index', index: 7n },
  { type: 'settle-index-forgotten' },
  { type: 'open-seen', ephemeral: KEY, height: 800_000 },
  { type: 'floor', height: 799_000 },
  { type: 'tombstone', connectionId: '0102', ephemeral: KEY, ending: 'closed', height: 800_000 },
  { type: 'tombstones-forgotten', belowHeight: 700_000 },
  { type: 'reserve', hash: HASH, peer: KEY, amountMsat: 5n, feeMsat: 6n, port: 7, connection: 'c', program: 'p' },
  { type: 'release', hash: HASH, spent: { day: '2026-11-01', port: 7, program: '', msat: 11n } },
  { type: 'spent', day: '2026-11-01', port: 7, program: '', msat: 11n },
  { type: 'allowance', leftMsat: 5n },
  { type: 'message', id: 'm' },
  { type: 'note-seen', id: '7/aa', height: 800_000, settledAttempt: 1, preimage: HASH },
  { type: 'note-floor', height: 700_000 },
  { type: 'letter', port: 7, serial: 1, text: '{}' },
  { type: 'letter-read', port: 7, serial: 1 },
  { type: 'letter-withdrawn', port: 7, serial: 1 },
  { type: 'note-sent', id: 'aa', attempt: 1, hash: HASH },
  { type: 'note-failed', id: 'aa', attempt: 1 },
  {
    type: 'note-paid',
    id: 'aa',
    attempt: 1,
    lane: 'node',
    hash: HASH,
    amountMsat: 5n,
    feeMsat: 6n,
    route: ['1x1x1'],
  },
]

function checkAccount(text: string): void {
  const reader = new LineReaderOfAccount()
  const sums = GROUPINGS.map((by) => new AccountSums(by))
  for (const line of text.split('\n')) {
    const entry = reader.decode(line)
    if (entry === undefined) continue
    for (const sum of sums) sum.add(entry)
    entryAsJson(entry)
    must(!entryAsCsv(entry).includes('\n') || line.includes('\\n'), 'an entry of several lines')
  }
}

/** What has a right checksum, and is not what we wrote: of a later version, or of one with a fault. */
function checkJournalLine(text: string): void {
  onlyThrows([KeysockError], () => decodeLine(text))
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return
  }
  if (typeof value !== 'object' || value === null) return
  const change = onlyThrows([KeysockError], () => decodeLine(encodeLine(value as StoreChange).slice(0, -1)))
  if (change === undefined) return
  const state = new State()
  state.apply(change)
  state.apply(change)
  const again = new State()
  for (const each of state.changes()) again.apply(each)
  must(again.size === state.size, 'a state that does not come back')
}

/** The first line alone is one of the journal, the whole an account's. */
const stored: Target = {
  name: 'stored',
  maxBytes: 2_000,
  runsInCi: 4_000,
  fields: (input) => [
    0,
    ...[
      ...Buffer.from(input)
        .toString('latin1')
        .matchAll(/[\n,[{]/g),
    ].map(({ index }) => index + 1),
  ],
  seeds: () => [
    Buffer.from(ACCOUNT),
    ...CHANGES.map((change) =>
      Buffer.from(JSON.stringify(change, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))),
    ),
  ],
  run(input) {
    const text = Buffer.from(input).toString('utf8')
    checkAccount(text)
    checkJournalLine(text.split('\n')[0] ?? '')
  },
}

/** A folder for one execution. */
async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'keysock-fuzz-'))
  try {
    await use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function onlyRejects(
  types: readonly (abstract new (...args: never[]) => Error)[],
  what: Promise<unknown>,
): Promise<boolean> {
  try {
    await what
    return true
  } catch (error) {
    if (types.some((type) => error instanceof type)) return false
    throw error
  }
}

/** Each file of a folder as these bytes: a journal, an account, names, a policy. */
const journal: Target = {
  name: 'journal',
  maxBytes: 4_000,
  runsInCi: 60,
  fields: (input) => [0, ...[...Buffer.from(input).toString('latin1').matchAll(/\n/g)].map(({ index }) => index + 1)],
  seeds: () => [
    Buffer.from(`keysock journal 1\n${CHANGES.map((change) => encodeLine(change)).join('')}`),
    Buffer.from(ACCOUNT),
    Buffer.from(`{"shop":"${KEY}"}`),
    Buffer.from('{"daySat":5,"ports":{"7":{"daySat":1.5}},"connectTo":{"only":[]},"alertPercent":80}'),
  ],
  run: (input) =>
    inFolder(async (folder) => {
      const store = join(folder, 'store')
      mkdirSync(join(store, 'account'), { recursive: true })
      writeFileSync(join(store, 'journal'), input)
      writeFileSync(join(store, 'account', 'account-2026-11-000.jsonl'), input)
      writeFileSync(join(store, 'account', 'account-folded.json'), input)
      writeFileSync(join(folder, 'names.json'), input)
      const opened = new FolderStore(store)
      if (await onlyRejects([KeysockError], opened.open())) {
        await opened.write([{ type: 'floor', height: 1 }])
        await opened.close()
        // What it wrote in the place of that, it reads.
        await opened.open()
        await opened.close()
      }
      await onlyRejects([KeysockError], readPolicy(join(folder, 'names.json')))
      onlyThrows([KeysockError], () => new AddressBook({ KEYSOCK_HOME: folder }).list())
      await onlyRejects(
        [KeysockError],
        (async () => {
          for (const by of GROUPINGS) await readAccount(join(store, 'account')).totals({ by })
        })(),
      )
    }),
}

const EVENTS = [
  { file_schema: 'urn:ietf:params:qlog:file:sequential', trace: { event_schemas: ['urn:keysock:qlog:events:1'] } },
  { time: 1, name: 'keysock:connection_started', group_id: 'c', data: {} },
  { time: 2, name: 'keysock:packet_sent', group_id: 'c', data: { stream_bytes: 900, copy_of: 1 } },
  { time: 3, name: 'keysock:payment_started', group_id: 'c', data: { payment: 1, route: ['1x1x1'], attempt: 1 } },
  { time: 4, name: 'keysock:payment_hung', group_id: 'c', data: { payment: 1 } },
  { time: 5, name: 'keysock:packet_acked', group_id: 'c', data: { delivered_bytes: 900 } },
  { time: 6, name: 'keysock:packet_received', group_id: 'c', data: { received_bytes: 900 } },
  { time: 900, name: 'keysock:payment_settled', group_id: 'c', data: { payment: 1, latency_ms: 897 } },
  { time: 901, name: 'keysock:window_updated', group_id: 'c', data: { window: 9 } },
  {
    time: 902,
    name: 'keysock:money_spent',
    group_id: 'c',
    data: { fee_msat: '10', spent_msat: '20', reserved_msat: 0 },
  },
  { time: 903, name: 'keysock:money_received', group_id: 'c', data: { received_msat: '10' } },
  { time: 904, name: 'keysock:events_dropped', data: { count: 3 } },
  { time: 905, name: 'keysock:trace_ended', data: {} },
]

const trace: Target = {
  name: 'trace',
  maxBytes: 4_000,
  runsInCi: 150,
  fields: (input) => [0, ...[...Buffer.from(input).toString('latin1').matchAll(/[,{]/g)].map(({ index }) => index)],
  seeds: () => [Buffer.from(EVENTS.map((event) => `\u001e${JSON.stringify(event)}\n`).join(''))],
  run: (input) =>
    inFolder(async (folder) => {
      const file = join(folder, 'trace')
      writeFileSync(file, input)
      const summary = new Summary()
      const reading = readTrace(file, (event) => summary.add(event))
      if (!(await onlyRejects([PlotError], reading))) return
      summaryRows(summary)
      remarks(summary, await reading)
      charts(summary)
    }),
}

const POLICY = { time_lock_delta: 80, min_htlc: '1000', fee_base_msat: '1000', fee_rate_milli_msat: '1' }

const graph: Target = {
  name: 'graph',
  maxBytes: 2_000,
  runsInCi: 300,
  fields: (input) => [
    0,
    ...[
      ...Buffer.from(input)
        .toString('latin1')
        .matchAll(/[,:[{]/g),
    ].map(({ index }) => index + 1),
  ],
  seeds: () => [
    Buffer.from(
      JSON.stringify({
        nodes: [{ pub_key: 'a', features: { 25: {} } }, { pub_key: 'b' }],
        edges: [
          {
            channel_id: '770495967390531585',
            node1_pub: 'a',
            node2_pub: 'b',
            capacity: '5000000',
            node1_policy: POLICY,
            node2_policy: { ...POLICY, disabled: true },
          },
          {
            channel_id: '700000x1x0',
            node1_pub: 'a',
            node2_pub: 'c',
            capacity: 0,
            node1_policy: POLICY,
            node2_policy: null,
          },
        ],
      }),
    ),
  ],
  run(input) {
    let parsed: unknown
    try {
      parsed = JSON.parse(Buffer.from(input).toString('utf8'))
    } catch {
      return
    }
    onlyThrows([SimulationError], () => networkFromGraph(parsed as Parameters<typeof networkFromGraph>[0]))
  },
}

export const targets: readonly Target[] = [stored, journal, trace, graph]
