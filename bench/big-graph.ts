/**
 * `./dev bench big-graph --graph FILE`: what a program takes on a real lnd that knows a large graph, beside the same
 * program on an lnd that knows a few nodes: time of the first connect, memory, and the longest stall of its event
 * loop. The graph is put into one lnd by its developers' ImportGraph. Exits with 1 where a threshold is missed.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { promisify } from 'node:util'
import { Command } from 'commander'
import { createEndpoint } from '../src/index.ts'
import { createLndBackend } from '../src/lnd.ts'
import { buildDevLnd } from '../tools/lnd-build/build.ts'
import { type Network, startNetwork } from '../tools/regtest/network.ts'
import type { CallerReport, CallerTask } from './big-graph/caller.ts'
import { bestConnected, type DescribedGraph, fitted, readGraph } from './big-graph/described-graph.ts'
import { importGraph } from './big-graph/import.ts'
import { median } from './sim/statistics.ts'
import { wholeNumber } from './report/flags.ts'
import { log } from './report/progress.ts'

const RESULTS = new URL('results/', import.meta.url)
const CALLER = new URL('big-graph/caller.ts', import.meta.url).pathname
/** Where Linux keeps files in memory. */
const MEMORY_FOLDER = '/dev/shm'
const PORT = 7
const DEFAULT_ROUNDS = 5
const CAPACITY_SAT = 5_000_000
const MAX_TIMES_AS_LONG = 1.3
const MAX_GROWTH_BYTES = 40e6
const MAX_STALL_MS = 50

/** Both callers run the same lnd, and call carol over bob. */
const CALLERS = { few: 'dave', large: 'alice' } as const
type Graph = keyof typeof CALLERS
type Name = 'alice' | 'bob' | 'carol' | 'dave'
type Round = Readonly<Record<Graph, CallerReport>>

const options = new Command('big-graph')
  .description('Measures a first connect on an lnd with a large graph. Exits with 1 where a threshold is missed.')
  .requiredOption('--graph <file>', 'what lncli describegraph prints, as JSON or JSON in .gz')
  .option('--json', 'print one JSON object on the last line', false)
  .option('--write', 'write bench/results/big-graph.md and big-graph.json', false)
  .option('--rounds <n>', 'how often both are measured, in turn', wholeNumber(1, 9_999), DEFAULT_ROUNDS)
  .parse()
  .opts<{ readonly graph: string; readonly json: boolean; readonly write: boolean; readonly rounds: number }>()

// lnd commits each node, channel and policy of the import for itself: on a disk that takes many minutes.
if (existsSync(MEMORY_FOLDER)) process.env['TMPDIR'] = MEMORY_FOLDER
const graph = await readGraph(options.graph)
const program = await buildDevLnd(log)
log('starting four nodes')
const network = await startNetwork<Name>({
  nodes: ['bob', 'carol', ...Object.values(CALLERS).map((name) => ({ name, program }))],
  channels: (['alice', 'carol', 'dave'] as const).map((name) => ({
    between: [name, 'bob'] as const,
    capacitySat: CAPACITY_SAT,
    pushSat: CAPACITY_SAT / 2,
  })),
})
const rounds: Round[] = []
const hub = bestConnected(graph)
let importSeconds: number
try {
  importSeconds = await fill(network, graph)
  const carol = network.node('carol')
  const { socket, certPath: cert, macaroonPath: macaroon } = carol
  const endpoint = await createEndpoint({ backend: createLndBackend({ socket, cert, macaroon }) })
  await endpoint.createServer((connection) => connection.on('error', () => undefined).pipe(connection)).listen(PORT)
  // Not counted: caches fill, and channels become active.
  for (const name of Object.values(CALLERS)) await call(network, name)
  for (let i = 0; i < options.rounds; i++) {
    log(`round ${i + 1} of ${options.rounds}`)
    const few = await call(network, CALLERS.few)
    rounds.push({ few, large: await call(network, CALLERS.large) })
  }
  await endpoint.close()
} finally {
  await network.close()
}

/** Alice's lnd takes the graph in, with bob in the place of its best connected node. Returns seconds. */
async function fill({ nodes: running }: Network<Name>, described: DescribedGraph): Promise<number> {
  const [alice, bob] = [running.get('alice'), running.get('bob')]
  if (alice === undefined || bob === undefined) throw new Error('alice and bob do not run')
  log(`importing ${described.nodes.length} nodes and ${described.edges.length} channels`)
  const beganMs = performance.now()
  await importGraph(alice, fitted(described, hub.key, bob.publicKey, Math.floor(Date.now() / 1_000)))
  return (performance.now() - beganMs) / 1_000
}

async function call(net: Network<Name>, name: Name): Promise<CallerReport> {
  const { socket, certPath: cert, macaroonPath: macaroon } = net.node(name)
  const task: CallerTask = { socket, cert, macaroon, publicKey: net.node('carol').publicKey, port: PORT }
  // gRPC to an IP address warns once a process; the address is ours.
  const words = ['--disable-warning=DEP0123', CALLER, JSON.stringify(task)]
  const { stdout } = await promisify(execFile)(process.execPath, words)
  return JSON.parse(stdout) as CallerReport
}

const of = (name: Graph, value: (report: CallerReport) => number): number =>
  median(rounds.map((round) => value(round[name])))
const ratio = median(rounds.map(({ few, large }) => large.connectMs / few.connectMs))
const growth = median(rounds.map(({ few, large }) => large.mostResidentBytes - few.mostResidentBytes))
const stall = of('large', ({ stallMs }) => stallMs)
const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0)
const rows: readonly (readonly [string, (name: Graph) => string, string])[] = [
  [
    'first connect, ms',
    (name) => of(name, ({ connectMs }) => connectMs).toFixed(0),
    `${ratio.toFixed(2)} times; at most ${MAX_TIMES_AS_LONG}`,
  ],
  ['first byte of an answer, ms', (name) => of(name, ({ answerMs }) => answerMs).toFixed(0), ''],
  [
    'most memory, MB',
    (name) => megabytes(of(name, ({ mostResidentBytes }) => mostResidentBytes)),
    `${megabytes(growth)} more; at most ${megabytes(MAX_GROWTH_BYTES)}`,
  ],
  [
    'of it since the call, MB',
    (name) => megabytes(of(name, ({ mostResidentBytes, residentBytes }) => mostResidentBytes - residentBytes)),
    '',
  ],
  [
    'longest stall, ms of the processor',
    (name) => of(name, ({ stallMs }) => stallMs).toFixed(0),
    `at most ${MAX_STALL_MS}`,
  ],
  ['by the clock, ms', (name) => of(name, ({ stallByClockMs }) => stallByClockMs).toFixed(0), ''],
  ['candidates', (name) => of(name, ({ candidates = Number.NaN }) => candidates).toFixed(0), ''],
  ['known after, ms', (name) => of(name, ({ candidatesMs = Number.NaN }) => candidatesMs).toFixed(0), ''],
]
const failures = [
  ...(ratio <= MAX_TIMES_AS_LONG ? [] : [`the first connect takes ${ratio.toFixed(2)} times as long`]),
  ...(growth <= MAX_GROWTH_BYTES ? [] : [`${megabytes(growth)} MB more memory`]),
  ...(stall <= MAX_STALL_MS ? [] : [`a stall of ${stall.toFixed(0)} ms`]),
]
const table = [
  '| | four nodes | the graph | asked |',
  '|-|-|-|-|',
  ...rows.map(([what, value, asked]) => `| ${what} | ${value('few')} | ${value('large')} | ${asked} |`),
].join('\n')
console.log(`${table}\n\n${failures.length === 0 ? 'within the thresholds' : failures.join('; ')}`)
const results = {
  bench: 'big-graph',
  node: process.versions.node,
  cores: availableParallelism(),
  nodes: graph.nodes.length,
  channels: graph.edges.length,
  guardChannels: hub.channels,
  importSeconds: Math.round(importSeconds),
  connectRatio: Number(ratio.toFixed(3)),
  growthBytes: Math.round(growth),
  stallMs: Number(stall.toFixed(1)),
  rounds,
  failures,
}
if (options.write) await write()
if (options.json) console.log(JSON.stringify(results))
process.exitCode = failures.length === 0 ? 0 : 1

async function write(): Promise<void> {
  await mkdir(RESULTS, { recursive: true })
  const what = `\`./dev bench big-graph --graph FILE --write\`: a program that connects for the first time, on an lnd that knows ${results.nodes} nodes and ${results.channels} channels, and on one that knows four nodes. Its one peer, which is its guard, stands in the place of the graph's best connected node, with ${results.guardChannels} channels. Medians of ${rounds.length} rounds in turn, each in a fresh process, on ${results.cores} cores; lnd took ${results.importSeconds} s to import the graph.`
  await writeFile(new URL('big-graph.md', RESULTS), `# A large graph\n\n${what}\n\n${table}\n`)
  await writeFile(new URL('big-graph.json', RESULTS), `${JSON.stringify(results, undefined, 1)}\n`)
}
