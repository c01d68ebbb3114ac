import type { Section } from '../report/sections.ts'
import { median } from '../sim/statistics.ts'
import type { Measured, Round, Run } from './measure.ts'
import { NODE_SETTINGS, type NodeSetting } from './settings.ts'

/** One setting in all rounds that had it; `beside`: the setting with which all are compared, in the same round. */
interface Rounds {
  readonly setting: NodeSetting
  readonly measured: readonly Measured[]
  readonly beside: readonly (Measured | undefined)[]
  readonly bytes: number
}

/** All that the rounds measured, as tables. */
export function sectionsOf(rounds: readonly Round[]): Section[] {
  const had = new Set(rounds.flatMap(({ settings }) => settings.map(({ setting }) => setting.name)))
  const names = NODE_SETTINGS.map(({ name }) => name).filter((name) => had.has(name))
  const [base] = names
  const all = names.flatMap((name) => {
    const having = rounds.filter(({ settings }) => settings.some(({ setting }) => setting.name === name))
    const measured = having.flatMap(({ settings }) => settings.filter(({ setting }) => setting.name === name))
    const [first] = measured
    if (first === undefined) return []
    const beside = having.map(({ settings }) => settings.find(({ setting }) => setting.name === base))
    return [{ setting: first.setting, measured, beside, bytes: total(having.map((round) => round.bytes)) }]
  })
  return [gains(all, base ?? ''), lanes(all), ...all.map(single)]
}

function lanes(all: readonly Rounds[]): Section {
  return {
    title: 'The lanes beside a flood',
    text: [
      'Goodput over that of a flood of bare payments: keysends to carol for the node lane and the phantom lane, payments',
      'over a blinded path for the hidden answer.',
    ],
    head: ['lnd', 'flood kB/s', 'node lane', 'phantom lane', 'phantom over node', 'flood back kB/s', 'hidden answer'],
    rows: all.map(({ setting, measured }) => {
      const over = (one: Run['what'], other: Run['what']): string =>
        spread(measured.map((each) => rate(each, one) / rate(each, other)))
      return [
        setting.name,
        kilo(median(measured.map((each) => rate(each, 'flood there')))),
        over('node lane', 'flood there'),
        over('phantom lane', 'flood there'),
        over('phantom lane', 'node lane'),
        kilo(median(measured.map((each) => rate(each, 'flood back')))),
        over('hidden answer', 'flood back'),
      ]
    }),
  }
}

function gains(all: readonly Rounds[], base: string): Section {
  return {
    title: 'What a setting of lnd gains',
    text: [
      `Goodput over that under '${base}' in the same round. payments: of a lane, in all rounds; lone: a bare payment until`,
      'it has arrived, ms; database: what the files of payer, relay and payee grew for each MB of all five runs, kB.',
    ],
    head: [
      'lnd',
      'payments',
      'flood',
      'node lane',
      'phantom lane',
      'hidden answer',
      'lone',
      'database: alice',
      'bob',
      'carol',
      'what it is',
    ],
    rows: all.map(({ setting, measured, beside }) => {
      const gain = (what: Run['what']): string =>
        spread(
          measured.flatMap((each, i) => (beside[i] === undefined ? [] : [rate(each, what) / rate(beside[i], what)])),
        )
      const kilobytes = (name: 'alice' | 'bob' | 'carol'): string =>
        (median(measured.map((each) => each.databaseBytesPerMegabyte[name])) / 1e3).toFixed(0)
      return [
        setting.name,
        paymentsOf(measured.map(({ runs }) => runOf(runs, 'node lane').payments)),
        gain('flood there'),
        gain('node lane'),
        gain('phantom lane'),
        gain('hidden answer'),
        median(measured.map(({ loneMs }) => loneMs)).toFixed(0),
        kilobytes('alice'),
        kilobytes('bob'),
        kilobytes('carol'),
        setting.note,
      ]
    }),
  }
}

function single({ setting, measured, bytes }: Rounds): Section {
  const whats = measured[0]?.runs.map(({ what }) => what) ?? []
  return {
    title: `Under '${setting.name}'`,
    text: [
      setting.args.length === 0 ? "lnd's own settings." : `Flags: \`${setting.args.join(' ')}\`.`,
      `${bytes / 1e6} MB in each row, in ${measured.length} rounds: medians of them, and sums of payments. sender, reader,`,
      'nodes: processor time, ms for each kB that arrived; ms: median of a payment; replies: payments of the other end.',
    ],
    head: ['', 'kB/s', 'payments', 'replies', 'failed', 'ms', 'sender', 'reader', 'nodes'],
    rows: whats.map((what) => {
      const runs = measured.map((each) => runOf(each.runs, what))
      const middle = (of: (run: Run) => number): number => median(runs.map(of))
      return [
        what,
        kilo(middle(({ bytesPerSecond }) => bytesPerSecond)),
        paymentsOf(runs.map(({ payments }) => payments)),
        paymentsOf(runs.map(({ replies }) => replies)),
        paymentsOf(runs.map(({ failed }) => failed)),
        runs.some(({ latencyMs }) => latencyMs === undefined) ? '-' : middle((run) => run.latencyMs ?? 0).toFixed(0),
        middle(({ cpuMsPerKilobyte }) => cpuMsPerKilobyte.senderMs).toFixed(2),
        middle(({ cpuMsPerKilobyte }) => cpuMsPerKilobyte.readerMs).toFixed(2),
        middle(({ cpuMsPerKilobyte }) => cpuMsPerKilobyte.nodesMs).toFixed(2),
      ]
    }),
  }
}

function rate({ runs }: Measured, what: Run['what']): number {
  return runOf(runs, what).bytesPerSecond
}

function runOf(runs: readonly Run[], what: Run['what']): Run {
  const run = runs.find((each) => each.what === what)
  if (run === undefined) throw new Error(`no run '${what}'`)
  return run
}

/** The median; of several also the least and the greatest. */
function spread(ratios: readonly number[]): string {
  if (ratios.length < 2) return ratios[0]?.toFixed(2) ?? '-'
  return `${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`
}

function kilo(bytes: number): string {
  return (bytes / 1_000).toFixed(1)
}

/** The sum; '-': not known of any. */
function paymentsOf(values: readonly (number | undefined)[]): string {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0 ? '-' : String(total(known))
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0)
}
