/**
 * `./dev bench network`: random pairs of a network like the public one, or of what `lncli describegraph` printed:
 * whether they reach each other, how soon, at what cost, how many could have been the caller, and what 1 MB takes.
 * Exits with 1 where a threshold is missed.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { styleText } from 'node:util'
import cliProgress from 'cli-progress'
import { Command, InvalidArgumentError } from 'commander'
import type { RelayWish } from '../src/medium/reply-path.ts'
import type { NetworkCost } from './network/network-cost.ts'
import { plotsOf } from './network/plots.ts'
import { asMarkdown, asText } from './network/report.ts'
import { PAIRS_AT_ONCE, type NetworkSetting } from './network/settings.ts'
import { type Results, summarise } from './network/summary.ts'
import type { NetworkJob, NetworkResult } from './network/worker.ts'
import { runInWorkers } from './sim/worker-pool.ts'
import { wholeNumber } from './report/flags.ts'

const RESULTS = new URL('results/', import.meta.url)
const WORKER = new URL('network/worker.ts', import.meta.url)
const GRAPH_PAIRS = 300
const DRAWN_PAIRS = 100
/** One transfer for so many pairs. */
const PAIRS_A_TRANSFER = 5
/** Of the reply paths: what the product does by default, then one and two. */
const RELAY_WISHES: readonly RelayWish[] = ['auto', 1, 2]

interface Options {
  readonly graph: string | undefined
  readonly nodes: number
  readonly pairs: number | undefined
  readonly transfers: number | undefined
  readonly leastChannels: number
  readonly relays: readonly RelayWish[]
  readonly slots: number | undefined
  readonly pairLimits: number
  readonly circuitBreakers: number
  readonly seed: string
  readonly jobs: number
  readonly json: boolean
  readonly write: boolean
}

const program: Command = new Command('network')
  .description('Measures keysock on a network like the public one. Exits with 1 where a threshold is missed.')
  .option('--graph <file>', 'what lncli describegraph printed, packed by gzip or not (default: mainnetLike)')
  .option('--nodes <count>', 'nodes of mainnetLike', wholeNumber(2, 50_000), 3_000)
  .option(
    '--pairs <count>',
    `random pairs (default: ${GRAPH_PAIRS} with a graph, else ${DRAWN_PAIRS})`,
    wholeNumber(0, 999_999),
  )
  .option('--transfers <count>', 'pairs between which 1 MB goes (default: one for five pairs)', wholeNumber(0, 999_999))
  .option('--least-channels <count>', 'channels in use that both ends have at least', wholeNumber(1, 999_999), 3)
  .option('--relays <list>', "relays of the callers' reply paths; the first counts", relayWishes, RELAY_WISHES)
  .option('--slots <count>', "slots of all channels (default: by each node's software)", wholeNumber(1, 999_999))
  .option('--pair-limits <share>', 'relays that let a pair of channels have 5 % of their slots: 0..1', share, 0)
  .option('--circuit-breakers <share>', 'relays that let a peer have 5 payments under way: 0..1', share, 0)
  .option('--seed <text>', 'draws the network and the pairs', '1')
  .option('--jobs <count>', 'processes at once', wholeNumber(1, 999_999), availableParallelism())
  .option('--json', 'print one JSON object on the last line', false)
  .option('--write', 'write bench/results/network.md, network.json and the pictures', false)

function share(text: string): number {
  if (/^(?:0|1|0?\.\d+)$/.test(text)) return Number(text)
  throw new InvalidArgumentError('A share of 0..1.')
}

function relayWishes(text: string): RelayWish[] {
  return text.split(',').map((word) => {
    const wish = RELAY_WISHES.find((each) => String(each) === word)
    if (wish === undefined) throw new InvalidArgumentError(`A list of ${RELAY_WISHES.join(', ')}.`)
    return wish
  })
}

function note(text: string): void {
  process.stderr.write(`${text}\n`)
}

async function measure(options: Options): Promise<Results> {
  const startedMs = performance.now()
  const setting: NetworkSetting = {
    graph: options.graph === undefined ? undefined : resolve(options.graph),
    nodes: options.nodes,
    seed: options.seed,
    leastChannels: options.leastChannels,
    drawn: {
      ...(options.slots !== undefined && { slots: options.slots }),
      pairLimits: options.pairLimits,
      circuitBreakers: options.circuitBreakers,
    },
  }
  const pairs = options.pairs ?? (options.graph === undefined ? DRAWN_PAIRS : GRAPH_PAIRS)
  const transfers = options.transfers ?? Math.ceil(pairs / PAIRS_A_TRANSFER)
  // In a process that has done nothing else.
  const [cost] = await inWorkers([{ kind: 'network', setting }], 1)
  const jobs: NetworkJob[] = []
  for (const wish of options.relays) {
    for (let first = 0; first < pairs; first += PAIRS_AT_ONCE) {
      jobs.push({ kind: 'pairs', setting, pairs: { first, count: Math.min(PAIRS_AT_ONCE, pairs - first), wish } })
    }
  }
  for (let index = 0; index < transfers; index++) jobs.push({ kind: 'transfer', setting, index })
  note(`network: ${pairs} pairs, relays ${options.relays.join(', ')}; ${transfers} transfers with their floods`)
  const results = await inWorkers(jobs, options.jobs)
  return summarise({
    setting,
    wishes: options.relays,
    network: cost?.network as NetworkCost,
    pairs: results.flatMap((result) => result.pairs),
    transfers: results.flatMap((result) => result.transfers),
    realSeconds: (performance.now() - startedMs) / 1_000,
  })
}

async function inWorkers(jobs: readonly NetworkJob[], size: number): Promise<readonly NetworkResult[]> {
  const bar = new cliProgress.SingleBar({ stream: process.stderr, format: '[{bar}] {value}/{total}' })
  const showsBar = process.stderr.isTTY
  if (showsBar) bar.start(jobs.length, 0)
  let done = 0
  const results = await runInWorkers<NetworkResult>(
    jobs,
    size,
    () => {
      done++
      if (showsBar) bar.increment(1)
      else note(`  ${done} of ${jobs.length}`)
    },
    WORKER,
  )
  if (showsBar) bar.stop()
  return results
}

async function write(results: Results): Promise<void> {
  await mkdir(RESULTS, { recursive: true })
  const plots = results.pairs.length === 0 ? [] : await plotsOf(results)
  for (const { file, svg } of plots) await writeFile(new URL(file, RESULTS), svg)
  await writeFile(new URL('network.md', RESULTS), asMarkdown(results, plots))
  // What was measured of each pair is for --json: a file of the groups shows what changed.
  const { pairs, otherPairs, transferRuns, ...groups } = results
  await writeFile(new URL('network.json', RESULTS), `${JSON.stringify(groups, undefined, 1)}\n`)
  note(`written: ${pairs.length + otherPairs.length} pairs, ${transferRuns.length} transfers`)
}

const options: Options = program.parse().opts()
const results: Results = await measure(options)
console.log(asText(results, (title) => styleText('bold', title, { stream: process.stdout })))
if (options.write) await write(results)
if (options.json) console.log(JSON.stringify(results))
process.exitCode = results.failures.length === 0 ? 0 : 1
