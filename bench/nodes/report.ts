import type { Section } from '../report/sections.ts'
import type { Measured, Run } from './measure.ts'

/** All that one run of the bench measured, as tables. */
export function sectionsOf(all: readonly Measured[], bytes: number): Section[] {
  return [lanes(all, bytes), settings(all), ...all.map(single)]
}

function lanes(all: readonly Measured[], bytes: number): Section {
  return {
    title: 'The lanes beside a flood',
    text: [
      `Goodput of ${bytes / 1e6} MB each, over that of a flood of bare payments under the same setting: keysends to`,
      'carol for the node lane and the phantom lane, payments over a blinded path for the hidden answer.',
    ],
    head: ['lnd', 'flood kB/s', 'node lane', 'phantom lane', 'phantom over node', 'flood back kB/s', 'hidden answer'],
    rows: all.map((each) => [
      each.setting.name,
      kilo(rate(each, 'flood there')),
      ratio(rate(each, 'node lane'), rate(each, 'flood there')),
      ratio(rate(each, 'phantom lane'), rate(each, 'flood there')),
      ratio(rate(each, 'phantom lane'), rate(each, 'node lane')),
      kilo(rate(each, 'flood back')),
      ratio(rate(each, 'hidden answer'), rate(each, 'flood back')),
    ]),
  }
}

function settings(all: readonly Measured[]): Section {
  const first = all[0]
  const gain = (each: Measured, what: Run['what']): string =>
    ratio(runOf(each.runs, what).bytesPerSecond, runOf(first?.runs ?? [], what).bytesPerSecond)
  return {
    title: 'What a setting of lnd gains',
    text: [
      `Goodput over that under '${first?.setting.name ?? ''}', of the same run; lone: a bare payment until it has arrived,`,
      'ms, median; database: what the files of payer, relay and payee grew for each MB of all five runs, kB.',
    ],
    head: [
      'lnd',
      'node lane',
      'phantom lane',
      'hidden answer',
      'lone',
      'database: alice',
      'bob',
      'carol',
      'what it is',
    ],
    rows: all.map((each) => {
      const { alice, bob, carol } = each.databaseBytesPerMegabyte
      return [
        each.setting.name,
        gain(each, 'node lane'),
        gain(each, 'phantom lane'),
        gain(each, 'hidden answer'),
        each.loneMs.toFixed(0),
        ...[alice, bob, carol].map((bytes) => (bytes / 1e3).toFixed(0)),
        each.setting.note,
      ]
    }),
  }
}

function single({ setting, runs }: Measured): Section {
  return {
    title: `Under '${setting.name}'`,
    text: [
      setting.args.length === 0 ? "lnd's own settings." : `Flags: \`${setting.args.join(' ')}\`.`,
      'sender, reader, nodes: processor time, ms for each kB that arrived; ms: median of a payment; replies: payments',
      'of the other end.',
    ],
    head: ['', 'kB/s', 'payments', 'replies', 'failed', 'ms', 'sender', 'reader', 'nodes'],
    rows: runs.map(({ what, bytesPerSecond, payments, replies, failed, latencyMs, cpuMsPerKilobyte: cpu }) => [
      what,
      kilo(bytesPerSecond),
      count(payments),
      count(replies),
      count(failed),
      count(latencyMs === undefined ? undefined : Math.round(latencyMs)),
      ...[cpu.senderMs, cpu.readerMs, cpu.nodesMs].map((ms) => ms.toFixed(2)),
    ]),
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

function ratio(one: number, other: number): string {
  return (one / other).toFixed(3)
}

function kilo(bytes: number): string {
  return (bytes / 1_000).toFixed(1)
}

function count(value: number | undefined): string {
  return value === undefined ? '-' : String(value)
}
