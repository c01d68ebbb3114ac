/**
 * `./dev bench node-runs`: runs each file of tests on real nodes again and again, several at once so that all cores
 * stay busy, without a retry, and counts how often each passed. What several evenings counted is one table.
 */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { buildLnd } from '../tools/lnd-build/build.ts'
import { type FileRun, filesOf, runFile } from './node-runs/run-file.ts'
import { asMarkdown, type Evening, type Results, runsOf } from './node-runs/table.ts'
import { wholeNumber } from './report/flags.ts'
import { log, secondsSoFar } from './report/progress.ts'

const RESULTS = new URL('results/', import.meta.url)
const JSON_FILE = new URL('node-runs.json', RESULTS)
const DEFAULT_MINUTES = 60
/** Of each file, as long as there is time. */
const DEFAULT_TIMES = 20
/** A file waits for its nodes about half of the time. */
const FILES_A_CORE = 2

const command = new Command('node-runs')
  .description('Counts how often each file of tests on real nodes passes on a busy machine.')
  .argument('[files...]', 'parts of names of files; none: all')
  .option('--minutes <n>', 'no file begins later', wholeNumber(1, 9_999), DEFAULT_MINUTES)
  .option('--times <n>', 'runs of a file, with those of former evenings', wholeNumber(1, 9_999), DEFAULT_TIMES)
  .option('--parallel <n>', 'files at once', wholeNumber(1, 99), FILES_A_CORE * availableParallelism())
  .option('--write', 'add to bench/results/node-runs.json, and write node-runs.md', false)
  .parse()
const { minutes, times, parallel, write } = command.opts<{
  readonly minutes: number
  readonly times: number
  readonly parallel: number
  readonly write: boolean
}>()

const startedCores = cpus()

function git(...args: readonly string[]): string {
  return execFileSync('git', args, { encoding: 'utf8' }).trim()
}

/** '+' at its end: there are changes. */
function commitOf(): string {
  const changes = git('status', '--porcelain', 'src', 'test', 'tools')
  return git('rev-parse', '--short', 'HEAD') + (changes === '' ? '' : '+')
}

function busyShare(): number {
  let all = 0
  let idle = 0
  for (const [i, { times: now }] of cpus().entries()) {
    const before = startedCores[i]?.times
    for (const kind of Object.keys(now) as (keyof typeof now)[]) {
      const ms = now[kind] - (before?.[kind] ?? 0)
      all += ms
      if (kind === 'idle') idle += ms
    }
  }
  return all === 0 ? 0 : 1 - idle / all
}

await buildLnd(log)
const commit = commitOf()
const former: Results = existsSync(JSON_FILE)
  ? (JSON.parse(await readFile(JSON_FILE, 'utf8')) as Results)
  : { bench: 'node-runs', files: [], evenings: [] }
const allFiles = filesOf()
const files = allFiles.filter((file) => command.args.length === 0 || command.args.some((part) => file.includes(part)))
const runs: FileRun[] = []
const running = new Set<string>()
let begun = 0
/** Those of which all is skipped, since a program that they need is missing. */
const skipped = new Set<string>()

function evening(): Evening {
  return {
    commit,
    node: process.versions.node,
    parallel,
    cores: availableParallelism(),
    seconds: secondsSoFar(),
    busy: busyShare(),
    runs,
  }
}

/** The file that ran least often so far. */
function next(): string | undefined {
  const evenings = [...former.evenings, evening()]
  const waiting = files
    .filter((file) => !running.has(file) && !skipped.has(file))
    .map((file) => ({ file, ran: runsOf(file, evenings).ran }))
    .filter(({ ran }) => ran < times)
    .toSorted((one, other) => one.ran - other.ran)
  return waiting[0]?.file
}

let saved: Promise<void> = Promise.resolve()

/** One after the other, and each whole: several files end at once, and the machine may stop at any time. */
function save(): Promise<void> {
  if (!write) return saved
  saved = saved.then(async () => {
    const results: Results = { bench: 'node-runs', files: allFiles, evenings: [...former.evenings, evening()] }
    await mkdir(RESULTS, { recursive: true })
    const part = new URL('node-runs.json.part', RESULTS)
    await writeFile(part, `${JSON.stringify(results, undefined, 1)}\n`)
    await rename(part, JSON_FILE)
    await writeFile(new URL('node-runs.md', RESULTS), asMarkdown(results))
  })
  return saved
}

async function work(): Promise<void> {
  while (secondsSoFar() < minutes * 60) {
    const file = next()
    if (file === undefined) return
    running.add(file)
    const output = join(tmpdir(), `node-runs-${begun++}-${file.replaceAll('/', '-')}.log`)
    const run = await runFile(file, output)
    running.delete(file)
    runs.push(run)
    const isSkipped = run.passed === 0 && run.failures.length === 0
    if (isSkipped) skipped.add(file)
    log(`${file}: ${isSkipped ? 'skipped' : `${run.passed} passed`} in ${run.seconds} s`)
    for (const failure of run.failures) log(`  failed: ${failure} (output: ${output})`)
    await save()
  }
}

await Promise.all(Array.from({ length: parallel }, work))
console.log(asMarkdown({ bench: 'node-runs', files, evenings: [evening()] }))
process.exitCode = runs.some(({ failures }) => failures.length > 0) ? 1 : 0
