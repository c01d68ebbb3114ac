/**
 * `./dev bench sim`: goodput beside a flood of bare payments, packets per second, memory of idle connections and
 * round trips to the first byte, all against the simulator. Exits with 1 where a threshold is missed.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { styleText } from 'node:util'
import cliProgress from 'cli-progress'
import { Command, InvalidArgumentError } from 'commander'
import { runInWorkers } from './sim/worker-pool.ts'
import { measureFirstByte } from './sim/first-byte.ts'
import { type GoodputJob, type GoodputRow, type GoodputRun, summarise } from './sim/goodput.ts'
import { measureMemory } from './sim/memory.ts'
import { measurePackets } from './sim/packets.ts'
import { asMarkdown, asText, type Results } from './sim/report.ts'
import { QUICK_SETTINGS, SEEDS, settings } from './sim/settings.ts'
import { timelineText } from './sim/timeline.ts'
import { wholeNumber } from './report/flags.ts'

const RESULTS = new URL('results/', import.meta.url)
const PARTS = ['a', 'b', 'c', 'd'] as const
type Part = (typeof PARTS)[number]
const IDLE_CONNECTIONS = 10_000
const QUICK_IDLE_CONNECTIONS = 1_000

interface Options {
  readonly json: boolean
  readonly quick: boolean
  readonly connections: number | undefined
  readonly only: readonly Part[]
  readonly settings: string
  readonly seeds: readonly string[] | undefined
  readonly jobs: number
  readonly timeline: boolean
  readonly write: boolean
}

const program: Command = new Command('sim')
  .description('Measures keysock against the simulator. Exits with 1 where a threshold is missed.')
  .option('--json', 'print one JSON object on the last line', false)
  .option('--quick', 'one seed, four settings, fewer idle connections', false)
  .option('--connections <count>', 'idle connections', wholeNumber(1, 60_000))
  .option('--only <parts>', `some of ${PARTS.join(',')}: goodput, packets, memory, first byte`, parts, PARTS)
  .option('--settings <words>', 'goodput settings whose names hold all these words: "3h 2s", "30%"', checkSettings, '')
  .option('--seeds <list>', 'seeds, separated by commas', (list: string) => list.split(','))
  .option('--jobs <count>', 'processes at once', wholeNumber(1, 999), availableParallelism())
  .option('--timeline', 'print each transfer in steps of five seconds', false)
  .option('--write', 'write bench/results/sim.md and sim.json; those of packets or memory with --only b or c', false)

function parts(list: string): readonly Part[] {
  return list.split(',').map((name) => {
    const part = PARTS.find((known) => known === name)
    if (part === undefined) throw new InvalidArgumentError(`There are ${PARTS.join(', ')}.`)
    return part
  })
}

function checkSettings(words: string): string {
  if (settings(words).length > 0) return words
  throw new InvalidArgumentError(
    `There are ${settings()
      .map(({ name }) => name)
      .join('; ')}.`,
  )
}

function seedsOf({ seeds, quick }: Options): readonly string[] {
  return seeds ?? (quick ? SEEDS.slice(0, 1) : SEEDS)
}

function note(text: string): void {
  process.stderr.write(`${text}\n`)
}

function noted<Result>(text: string, run: () => Promise<Result>): Promise<Result> {
  note(text)
  return run()
}

async function goodput(options: Options): Promise<GoodputRow[]> {
  const chosen = settings(options.settings).filter(({ name }) => !options.quick || QUICK_SETTINGS.includes(name))
  const jobs: GoodputJob[] = chosen.flatMap(({ name }) =>
    seedsOf(options).map((seed) => ({ setting: name, seed, timeline: options.timeline })),
  )
  note(`goodput: ${jobs.length} transfers and their floods`)
  const bar = new cliProgress.SingleBar({ stream: process.stderr, format: '[{bar}] {value}/{total} {setting}' })
  const showsBar = process.stderr.isTTY
  if (showsBar) bar.start(jobs.length, 0, { setting: '' })
  const runs = await runInWorkers<GoodputRun>(jobs, options.jobs, (run) => {
    if (showsBar) bar.increment(1, { setting: run.setting })
    else note(`  ${run.setting}, seed ${run.seed}: ${run.ratio.toFixed(3)} of the flood`)
  })
  if (showsBar) bar.stop()
  for (const { setting, seed, timeline } of runs) {
    if (timeline.length > 0) console.log(`${setting}, seed ${seed}\n${timelineText(timeline)}\n`)
  }
  return summarise(runs)
}

async function measure(options: Options): Promise<Results> {
  const startedMs = performance.now()
  const asked = (part: Part): boolean => options.only.includes(part)
  // One after the other: packets per second and memory want the processor for themselves.
  const packets = asked('b') ? await noted('packets per second', measurePackets) : undefined
  const connections = options.connections ?? (options.quick ? QUICK_IDLE_CONNECTIONS : IDLE_CONNECTIONS)
  const memory = asked('c') ? await noted('memory of idle connections', () => measureMemory(connections)) : undefined
  const firstByte = asked('d') ? await noted('round trips to the first byte', measureFirstByte) : undefined
  const rates = asked('a') ? await goodput(options) : undefined
  const rows: { readonly failures: readonly string[] }[] = [rates, packets, memory, firstByte].flatMap((part) => [
    ...(part ?? []),
  ])
  return {
    bench: 'sim',
    quick: options.quick,
    seeds: seedsOf(options),
    node: process.versions.node,
    ...(rates && { goodput: rates }),
    ...(packets && { packets }),
    ...(memory && { memory }),
    ...(firstByte && { firstByte }),
    realSeconds: (performance.now() - startedMs) / 1_000,
    failures: rows.flatMap(({ failures }) => failures),
  }
}

/** What is measured more often, and alone, has a file of its own. */
const FILES: Partial<Record<Part, string>> = { b: 'packets', c: 'memory' }

async function write(results: Results, { only }: Options): Promise<void> {
  const [part] = only
  const alone = only.length === 1 && part !== undefined ? FILES[part] : undefined
  const [name, flags] = alone === undefined ? ['sim', '--write'] : [alone, `--only ${part} --write`]
  await mkdir(RESULTS, { recursive: true })
  await writeFile(new URL(`${name}.md`, RESULTS), asMarkdown(results, flags))
  await writeFile(new URL(`${name}.json`, RESULTS), `${JSON.stringify(results, undefined, 1)}\n`)
}

const options: Options = program.parse().opts()
const results: Results = await measure(options)
console.log(asText(results, (title) => styleText('bold', title, { stream: process.stdout })))
if (options.write) await write(results, options)
if (options.json) console.log(JSON.stringify(results))
process.exitCode = results.failures.length === 0 ? 0 : 1
