import { linePlot } from '../plots/lines.ts'
import { svgOf } from '../plots/render.ts'
import { type Section, sectionsAsMarkdown, sectionsAsText } from '../report/sections.ts'
import type { Sample, ScaleRun } from './run.ts'
import { HOUR_MS, LEAST_TIMES_REAL_TIME } from './settings.ts'

/** What one run of the bench measured; what was left out is undefined. */
export interface Results {
  readonly bench: 'scale'
  readonly node: string
  readonly nodes?: readonly ScaleRun[]
  readonly connections?: readonly ScaleRun[]
  readonly payments?: ScaleRun
  readonly whole?: ScaleRun
  readonly failures: readonly string[]
}

/** A picture that goes beside the report. */
export interface Plot {
  readonly file: string
  readonly title: string
  readonly svg: string
}

/** The exponent with which y grows with x, by least squares of the logarithms: 1 is linear. */
function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const logs = points.filter(([x, y]) => x > 0 && y > 0).map(([x, y]) => [Math.log(x), Math.log(y)] as const)
  const mean = (i: 0 | 1): number => logs.reduce((sum, log) => sum + log[i], 0) / logs.length
  const [x, y] = [mean(0), mean(1)]
  const above = logs.reduce((sum, log) => sum + (log[0] - x) * (log[1] - y), 0)
  return above / logs.reduce((sum, log) => sum + (log[0] - x) ** 2, 0)
}

const HEAD = ['', 'connections', 'payments', 'ms each', 'us an event', 'failed', 'lost', 'kB a connection', 'MB']

function row(name: string, run: ScaleRun): string[] {
  const ownBytes = run.heldBytes - run.networkBytes
  return [
    name,
    String(run.setting.load.connections),
    String(run.payments),
    (run.cpuMs / run.payments).toFixed(2),
    ((run.cpuMs * 1_000) / run.events).toFixed(0),
    `${((run.failed / run.payments) * 100).toFixed(1)} %`,
    String(run.lost.reduce((sum, [, count]) => sum + count, 0)),
    // The description of the network goes once that runs: a few connections take less.
    ownBytes > 0 ? (ownBytes / run.setting.load.connections / 1e3).toFixed(0) : '-',
    (run.heldBytes / 1e6).toFixed(0),
  ]
}

function nodesSection(runs: readonly ScaleRun[]): Section {
  const of = (y: (run: ScaleRun) => number): string => slope(runs.map((run) => [run.channels, y(run)])).toFixed(2)
  return {
    title: '(a) Nodes and channels',
    text: [
      `Slopes over channels: build ${of(({ buildMs }) => buildMs)}, memory of the network`,
      `${of(({ networkBytes }) => networkBytes)}, time a payment ${of(({ cpuMs, payments }) => cpuMs / payments)}.`,
    ],
    head: ['nodes', 'channels', 'build ms', 'bytes a channel', ...HEAD.slice(1)],
    rows: runs.map((run) => [
      run.setting.network.graph === undefined ? String(run.nodes) : `the graph, ${run.nodes}`,
      String(run.channels),
      run.buildMs.toFixed(0),
      (run.networkBytes / run.channels).toFixed(0),
      ...row('', run).slice(1),
    ]),
  }
}

function connectionsSection(runs: readonly ScaleRun[]): Section {
  const all = slope(runs.map((run) => [run.setting.load.connections, run.cpuMs])).toFixed(2)
  const memory = slope(runs.map((run) => [run.setting.load.connections, run.heldBytes - run.networkBytes])).toFixed(2)
  return {
    title: '(b) Connections',
    text: [`As many payments for each. Slopes over connections: all time ${all}, memory beside the network ${memory}.`],
    head: HEAD,
    rows: runs.map((run) => row(networkName(run), run)),
  }
}

function samplesSection(title: string, run: ScaleRun): Section {
  const { samples, setting } = run
  const times = (setting.load.hours * HOUR_MS) / run.cpuMs
  const lost = run.lost.map(([code, count]) => `${code} ${count}`).join(', ')
  return {
    title,
    text: [
      `${networkName(run)}; ${setting.load.programs} programs, ${setting.load.connections} connections,`,
      `${setting.load.hours} simulated hours: ${(run.cpuMs / 1_000).toFixed(0)} s of one core, ${times.toFixed(1)} times`,
      `real time, ${(run.cpuMs / run.payments).toFixed(2)} ms a payment; the process had ${(run.mostResidentBytes / 1e6).toFixed(0)} MB at most.`,
      `${run.opened} connections opened, ${run.answers} answers, ${(run.bulkBytes / 1e6).toFixed(1)} MB moved; lost and`,
      `opened again: ${lost === '' ? 'none' : lost}. Slope of the time over the payments: ${timeSlope(samples).toFixed(2)}.`,
    ],
    head: ['hours', 'payments', 'ms each', 'MB held', 'bytes a payment'],
    rows: samples.map((sample, i) => {
      const before = samples[i - 1] ?? { payments: 0, cpuMs: 0, heldBytes: run.networkBytes, hours: 0 }
      const payments = sample.payments - before.payments
      return [
        sample.hours.toFixed(2),
        String(sample.payments),
        ((sample.cpuMs - before.cpuMs) / payments).toFixed(2),
        (sample.heldBytes / 1e6).toFixed(0),
        ((sample.heldBytes - before.heldBytes) / payments).toFixed(0),
      ]
    }),
  }
}

function timeSlope(samples: readonly Sample[]): number {
  return slope(samples.map(({ payments, cpuMs }) => [payments, cpuMs]))
}

function networkName({ setting, nodes, channels }: ScaleRun): string {
  const { graph } = setting.network
  return `${graph === undefined ? 'mainnetLike' : 'the public graph'}, ${nodes} nodes, ${channels} channels`
}

function sections({ nodes, connections, payments, whole }: Results): Section[] {
  return [
    ...(nodes === undefined ? [] : [nodesSection(nodes)]),
    ...(connections === undefined ? [] : [connectionsSection(connections)]),
    ...(payments === undefined ? [] : [samplesSection('(c) Payments', payments)]),
    ...(whole === undefined ? [] : [samplesSection('(d) The whole load', whole)]),
  ]
}

/** For a terminal. */
export function asText(results: Results, bold: (text: string) => string): string {
  return `${sectionsAsText(sections(results), bold)}\n\n${verdict(results)}`
}

export function asMarkdown(results: Results, plots: readonly Plot[]): string {
  const intro = [
    `What \`./dev bench scale --write\` measured on Node ${results.node}: programs on random nodes, with connections`,
    'between random pairs of them; of ten, six ask and are answered now and then, three say nothing but a keepalive,',
    'and one moves bytes. Payments take seconds, 5 % fail and 0.5 % hang. ms are those of the processor.',
  ].join('\n')
  const pictures = plots.map(({ file, title }) => `![${title}](${file})`).join('\n\n')
  return `# Bench: scale\n\n${intro}\n\n${sectionsAsMarkdown(sections(results))}\n\n${verdict(results)}\n\n${pictures}\n`
}

function verdict({ failures, whole }: Results): string {
  if (failures.length > 0) return failures.map((failure) => `- ${failure}`).join('\n')
  if (whole === undefined) return 'The whole load was not asked for.'
  return `The whole load runs at ${LEAST_TIMES_REAL_TIME} times real time or more.`
}

/** A point of a picture: what was reached, and what it took. */
interface Point {
  readonly x: number
  readonly ms: number
  readonly megabytes: number
}

async function plot(file: string, title: string, x: string, points: readonly Point[]): Promise<Plot> {
  const panel = (name: string, y: (point: Point) => number) => ({
    title: name,
    lines: [{ name: 'measured', points: points.map((point) => ({ x: point.x, y: y(point) })), dots: true }],
  })
  const panels = [
    panel('processor time, seconds', ({ ms }) => ms / 1_000),
    panel('memory, MB', ({ megabytes }) => megabytes),
  ]
  const subtitle = 'a straight line is linear growth; scale.md has the loads'
  const svg = await svgOf(linePlot({ title, subtitle, x: { title: x }, y: { title: '' }, panels }))
  return { file, title: `${title}: processor time and memory`, svg }
}

function bySamples({ samples }: ScaleRun): Point[] {
  return samples.map(({ payments, cpuMs, heldBytes }) => ({ x: payments, ms: cpuMs, megabytes: heldBytes / 1e6 }))
}

export async function plotsOf({ nodes, connections, payments, whole }: Results): Promise<Plot[]> {
  const plots: Plot[] = []
  if (nodes !== undefined) {
    const points = nodes
      .map((run) => ({ x: run.channels, ms: run.buildMs, megabytes: run.networkBytes / 1e6 }))
      .toSorted((a, b) => a.x - b.x)
    plots.push(await plot('scale-channels.svg', 'Building a network', 'channels', points))
  }
  if (connections !== undefined) {
    const points = connections.map((run) => ({
      x: run.setting.load.connections,
      ms: run.cpuMs,
      megabytes: (run.heldBytes - run.networkBytes) / 1e6,
    }))
    plots.push(await plot('scale-connections.svg', 'As many payments for each connection', 'connections', points))
  }
  if (payments !== undefined) {
    plots.push(await plot('scale-payments.svg', 'Payments', 'payments', bySamples(payments)))
  }
  if (whole !== undefined) plots.push(await plot('scale-whole.svg', 'The whole load', 'payments', bySamples(whole)))
  return plots
}
