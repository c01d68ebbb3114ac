/**
 * `./dev bench hang`: transfers on networks where one payment in a hundred hangs, over many seeds, in virtual time:
 * how long they take, how long the receiver hears nothing, and how many copies that costs. Exits with 1 where a
 * threshold is missed.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { styleText } from 'node:util'
import { Command } from 'commander'
import { floodShare, type Scene, type SceneRun, SCENES, silentShare } from './hang/rows.ts'
import { type Section, sectionsAsMarkdown, sectionsAsText } from './report/sections.ts'
import { quantile } from './sim/statistics.ts'
import { runInWorkers } from './sim/worker-pool.ts'
import type { HangJob } from './hang/worker.ts'
import { wholeNumber } from './report/flags.ts'

const RESULTS = new URL('results/', import.meta.url)
const WORKER = new URL('hang/worker.ts', import.meta.url)
const SHARES: readonly number[] = [0.5, 0.9, 0.99, 1]

interface Options {
  readonly seeds: number | undefined
  readonly only: string
  readonly jobs: number
  readonly json: boolean
  readonly write: boolean
}

interface Row {
  readonly name: string
  readonly seeds: number
  readonly seconds: readonly number[]
  readonly silences: readonly number[]
  readonly silentShare: number
  readonly copyShare: number
  readonly p99Seconds: number
  readonly floodShare: number | undefined
  readonly failures: readonly string[]
}

const program: Command = new Command('hang')
  .description('Transfers where payments hang, over many seeds. Exits with 1 where a threshold is missed.')
  .option('--seeds <count>', 'seeds of each row (default: 16 to 1,000)', wholeNumber(1, 999_999))
  .option('--only <words>', 'rows whose names hold this', '')
  .option('--jobs <count>', 'processes at once', wholeNumber(1, 999_999), availableParallelism())
  .option('--json', 'print one JSON object on the last line', false)
  .option('--write', 'write bench/results/hang.md and hang.json', false)

async function measure(scene: Scene, { jobs, seeds }: Options): Promise<Row> {
  const count = Math.min(seeds ?? scene.seeds, scene.seeds)
  process.stderr.write(`${scene.name}: ${count} seeds\n`)
  const all: HangJob[] = Array.from({ length: count }, (_, i) => ({ scene: scene.name, seed: String(i + 1) }))
  const runs = await runInWorkers<SceneRun>(all, jobs, () => {}, WORKER)
  const of = (value: (run: SceneRun) => number): readonly number[] =>
    SHARES.map((share) => quantile(runs.map(value), share) / 1_000)
  const sum = (value: (run: SceneRun) => number): number => runs.reduce((total, run) => total + value(run), 0)
  const broken = runs.flatMap(({ error, seed }) => (error === undefined ? [] : `${scene.name}, seed ${seed}: ${error}`))
  const missed = scene.judge(runs)
  return {
    name: scene.name,
    seeds: count,
    seconds: of(({ ms }) => ms),
    silences: of(({ longestSilenceMs }) => longestSilenceMs),
    silentShare: silentShare(runs),
    copyShare: sum(({ copies }) => copies) / sum(({ payments }) => payments),
    p99Seconds: of(({ p99Ms }) => p99Ms)[0] ?? Number.NaN,
    floodShare: scene.flood && floodShare(runs, scene.bytes),
    failures: [...broken, ...(missed === undefined ? [] : [`${scene.name}: ${missed}`])],
  }
}

function seconds(values: readonly number[]): string {
  return values.map((value) => value.toFixed(1)).join(' ')
}

function section(rows: readonly Row[]): Section {
  return {
    title: 'Transfers where 1 % of the payments hang, and where slots are few',
    text: [
      'Routes are of two channels each, without a common one. Two routes: 483 slots, 1 % hanging, 5 % failing, 2 s a',
      'payment. Of few slots: quick nodes, so that slots are what limits; 2 s a payment, fast: 0.2 s; nothing hangs or',
      'fails but where it is said, then 1 % and 5 %. time, silence: s, of 50, 90, 99 and 100 of 100 seeds; silence: the',
      'longest between two reads of a transfer, or before the first; long: share of the time in silences above 5 s;',
      'copies: of all payments of the sender; p99: what 99 of 100 payments take, s, at the median of the seeds.',
      'flood: bytes a second that the reader gets, connecting and ramp included, over those of bare payments over one',
      'route times the number of routes, which keep all slots busy and send anew what has not come back after 20 s.',
      "A program leaves a sixteenth of its own channels' slots to others, and headers take 3 % of a packet: 0.91 is the",
      'most that can come of own slots. Connecting, ramp and the last packets are lost once, whatever the size, so short',
      'transfers reach less (decision 0017). Held to: p99 of the demo at most 3 times its median; 200 kB: in 99 of 100 no',
      'silence above 3 times the p99 of its own payments; 3 MB over two routes: long at most 5 %; flood: of 30 MB 0.88;',
      'the short ones 0.84, hanging 0.75.',
    ],
    head: ['what', 'seeds', 'time', 'silence', 'long', 'copies', 'p99', 'flood'],
    rows: rows.map((row) => [
      row.name,
      String(row.seeds),
      seconds(row.seconds),
      seconds(row.silences),
      `${(row.silentShare * 100).toFixed(1)} %`,
      `${(row.copyShare * 100).toFixed(1)} %`,
      row.p99Seconds.toFixed(1),
      row.floodShare?.toFixed(2) ?? '-',
    ]),
  }
}

const options: Options = program.parse().opts()
const rows: Row[] = []
for (const scene of SCENES) if (scene.name.includes(options.only)) rows.push(await measure(scene, options))
const failures = rows.flatMap((row) => row.failures)
const verdict = failures.length === 0 ? 'All thresholds hold.' : failures.map((failure) => `- ${failure}`).join('\n')
const bold = (title: string): string => styleText('bold', title, { stream: process.stdout })
console.log(`${sectionsAsText([section(rows)], bold)}\n\n${verdict}`)
if (options.write) {
  await mkdir(RESULTS, { recursive: true })
  const markdown = `# Bench: hang\n\nWhat \`./dev bench hang --write\` measured.\n\n${sectionsAsMarkdown([section(rows)])}`
  await writeFile(new URL('hang.md', RESULTS), `${markdown}\n\n${verdict}\n`)
  await writeFile(new URL('hang.json', RESULTS), `${JSON.stringify({ bench: 'hang', rows, failures }, undefined, 1)}\n`)
}
if (options.json) console.log(JSON.stringify({ bench: 'hang', rows, failures }))
process.exitCode = failures.length === 0 ? 0 : 1
