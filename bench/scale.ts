/**
 * `./dev bench scale`: how time and memory of a simulation grow with nodes, channels, connections and payments, and
 * 2,000 connections over a simulated day of 1,000,000 payments. Exits with 1 where that takes more than a twentieth of
 * the day. Times are those of the processor.
 */
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { styleText } from 'node:util'
import { Command, InvalidArgumentError } from 'commander'
import type { NetworkSetting } from './network/settings.ts'
import { wholeNumber } from './report/flags.ts'
import { asMarkdown, asText, plotsOf, type Results } from './scale/report.ts'
import type { ScaleRun } from './scale/run.ts'
import { HOUR_MS, LEAST_TIMES_REAL_TIME, type Load, type ScaleSetting } from './scale/settings.ts'
import { runInWorkers } from './sim/worker-pool.ts'

const RESULTS = new URL('results/', import.meta.url)
const WORKER = new URL('scale/worker.ts', import.meta.url)
const PARTS = ['a', 'b', 'c', 'd'] as const
type Part = (typeof PARTS)[number]
const SIZES = [300, 1_000, 3_000, 10_000] as const
const CONNECTIONS = [10, 50, 200, 800, 2_000] as const
const PAYMENTS_A_CONNECTION = 10
/** Of the runs that are compared: long enough for all connections to be opened and used. */
const COMPARED_HOURS = 0.2
const LONG_CONNECTIONS = 100
const LONG_PAYMENTS = 12_000

interface Options {
  readonly graph: string | undefined
  readonly nodes: number
  readonly only: readonly Part[]
  readonly programs: number
  readonly connections: number
  readonly compared: number
  readonly hours: number
  readonly payments: number
  readonly seed: string
  readonly json: boolean
  readonly write: boolean
}

const program: Command = new Command('scale')
  .description('Measures how a simulation grows. Exits with 1 where the whole load is slower than it may be.')
  .option('--graph <file>', 'what lncli describegraph printed, packed by gzip or not (default: mainnetLike)')
  .option('--nodes <count>', 'nodes of mainnetLike', wholeNumber(100, 50_000), 3_000)
  .option('--only <parts>', `some of ${PARTS.join(',')}: nodes, connections, payments, the whole load`, parts, PARTS)
  .option('--programs <count>', 'programs of the whole load', wholeNumber(2, 9_999), 200)
  .option('--connections <count>', 'its connections', wholeNumber(10, 99_999), 2_000)
  .option('--hours <count>', 'its simulated hours', wholeNumber(1, 999), 24)
  .option('--payments <count>', 'its payments', wholeNumber(1, 99_999_999), 1_000_000)
  .option('--compared <count>', 'connections of part b, at most', wholeNumber(10, 99_999), 2_000)
  .option('--seed <text>', 'draws the networks and the loads', '1')
  .option('--json', 'print one JSON object on the last line', false)
  .option('--write', 'write bench/results/scale.md, scale.json and the pictures', false)

function parts(list: string): readonly Part[] {
  return list.split(',').map((name) => {
    const part = PARTS.find((known) => known === name)
    if (part === undefined) throw new InvalidArgumentError(`There are ${PARTS.join(', ')}.`)
    return part
  })
}

function networkOf({ graph, seed }: Options, nodes: number): NetworkSetting {
  return { graph: graph === undefined ? undefined : resolve(graph), nodes, seed, leastChannels: 3, drawn: {} }
}

/** Each in a process of its own, one after the other. */
async function run(title: string, setting: ScaleSetting): Promise<ScaleRun> {
  process.stderr.write(`${title}\n`)
  const [result] = await runInWorkers<ScaleRun>([setting], 1, () => undefined, WORKER)
  return result as ScaleRun
}

function comparedLoad({ seed }: Options, connections: number): Load {
  const payments = connections * PAYMENTS_A_CONNECTION
  return { seed, programs: Math.min(200, connections), connections, hours: COMPARED_HOURS, payments }
}

async function measure(options: Options): Promise<Results> {
  const asked = (part: Part): boolean => options.only.includes(part)
  const { seed, programs, connections, hours, payments } = options
  const nodes: ScaleRun[] = []
  if (asked('a')) {
    const networks = SIZES.map((size) => networkOf({ ...options, graph: undefined }, size))
    if (options.graph !== undefined) networks.push(networkOf(options, options.nodes))
    for (const network of networks) {
      const name = network.graph ?? `${network.nodes} nodes`
      nodes.push(await run(name, { network, load: comparedLoad(options, LONG_CONNECTIONS) }))
    }
  }
  const network = networkOf(options, options.nodes)
  const byConnections: ScaleRun[] = []
  if (asked('b')) {
    for (const count of CONNECTIONS.filter((each) => each <= options.compared)) {
      byConnections.push(await run(`${count} connections`, { network, load: comparedLoad(options, count) }))
    }
  }
  const long = { seed, programs: LONG_CONNECTIONS, connections: LONG_CONNECTIONS, hours: 1, payments: LONG_PAYMENTS }
  const byPayments = asked('c') ? await run('payments', { network, load: long }) : undefined
  const load = { seed, programs, connections, hours, payments }
  const whole = asked('d') ? await run('the whole load', { network, load }) : undefined
  return {
    bench: 'scale',
    node: process.versions.node,
    ...(asked('a') && { nodes }),
    ...(asked('b') && { connections: byConnections }),
    ...(byPayments && { payments: byPayments }),
    ...(whole && { whole }),
    failures: whole === undefined ? [] : failuresOf(whole),
  }
}

function failuresOf({ setting, cpuMs, payments }: ScaleRun): string[] {
  const failures: string[] = []
  const times = (setting.load.hours * HOUR_MS) / cpuMs
  if (times < LEAST_TIMES_REAL_TIME)
    failures.push(`${times.toFixed(1)} times real time, below ${LEAST_TIMES_REAL_TIME}`)
  if (payments < setting.load.payments) failures.push(`${payments} payments of ${setting.load.payments}`)
  return failures
}

/** What was not asked for stays as it was measured. */
async function write(measured: Results): Promise<void> {
  await mkdir(RESULTS, { recursive: true })
  const json = new URL('scale.json', RESULTS)
  const former = existsSync(json) ? (JSON.parse(await readFile(json, 'utf8')) as Results) : {}
  const all: Results = { ...former, ...measured }
  const results = { ...all, failures: all.whole === undefined ? [] : failuresOf(all.whole) }
  const plots = await plotsOf(results)
  for (const { file, svg } of plots) await writeFile(new URL(file, RESULTS), svg)
  await writeFile(new URL('scale.md', RESULTS), asMarkdown(results, plots))
  await writeFile(json, `${JSON.stringify(withoutPaths(results), undefined, 1)}\n`)
}

/** Where the graph stood is of no use to anybody else. */
function withoutPaths(results: Results): unknown {
  return JSON.parse(JSON.stringify(results, (key, value: unknown) => (key === 'graph' ? 'given' : value)))
}

const options: Options = program.parse().opts()
const results: Results = await measure(options)
console.log(asText(results, (title) => styleText('bold', title, { stream: process.stdout })))
if (options.write) await write(results)
if (options.json) console.log(JSON.stringify(withoutPaths(results)))
process.exitCode = results.failures.length === 0 ? 0 : 1
