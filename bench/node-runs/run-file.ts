import { execFile, execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const VITEST = join(ROOT, 'node_modules/vitest/vitest.mjs')
const MAX_OUTPUT_BYTES = 1024 * 1024 * 1024
/** Longer than any file takes, however busy the machine: a run that goes on hangs. */
const MAX_RUN_MS = 60 * 60_000
/** Of a failure, in the table. */
const MAX_TOLD_CHARACTERS = 300

/** One run of one file. */
export interface FileRun {
  readonly file: string
  /** Tests. */
  readonly passed: number
  readonly skipped: number
  readonly seconds: number
  /** What failed, by name, with the first line of why. None: it passed. */
  readonly failures: readonly string[]
}

interface TestFile {
  readonly message: string
  readonly assertionResults: readonly {
    readonly fullName: string
    readonly status: 'passed' | 'failed' | 'skipped' | 'pending' | 'todo'
    readonly failureMessages?: readonly string[] | null
  }[]
}

/** All files of tests on real nodes, from the project's folder. */
export function filesOf(): string[] {
  const list = execFileSync(process.execPath, [VITEST, 'list', '--project', 'nodes', '--filesOnly', '--json'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  const files = JSON.parse(list.slice(list.indexOf('['))) as readonly { readonly file: string }[]
  return files.map(({ file }) => relative(ROOT, file)).toSorted()
}

/** Runs a file in a process of its own, without a retry. `keepOutput`: where the whole output of a failed run goes. */
export async function runFile(file: string, keepOutput: string): Promise<FileRun> {
  const folder = await mkdtemp(join(tmpdir(), 'ks-run-'))
  const report = join(folder, 'report.json')
  const startMs = performance.now()
  try {
    const args = ['run', '--project', 'nodes', '--retry=0', '--reporter=default', '--reporter=json']
    const { status, output } = await vitest([...args, `--outputFile.json=${report}`, file])
    const seconds = Math.round((performance.now() - startMs) / 1_000)
    const tests = await read(report)
    const results = tests.flatMap(({ assertionResults }) => assertionResults)
    const failures = [
      ...results
        .filter((test) => test.status === 'failed')
        .map((test) => told(test.fullName, test.failureMessages?.[0])),
      ...tests.filter(({ message }) => message !== '').map(({ message }) => told(file, message)),
    ]
    if (status !== 0 && failures.length === 0) {
      const why = /^.*(?:Error|FAIL).*$/m.exec(stripVTControlCharacters(output))?.[0].trim() ?? ''
      failures.push(told(file, `ended with ${status}; ${why}`))
    }
    if (failures.length > 0) await writeFile(keepOutput, output)
    return {
      file,
      passed: results.filter((test) => test.status === 'passed').length,
      skipped: results.filter((test) => !['passed', 'failed'].includes(test.status)).length,
      seconds,
      failures,
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function vitest(args: readonly string[]): Promise<{ readonly status: number | string; readonly output: string }> {
  return new Promise((resolve) => {
    const options = { cwd: ROOT, maxBuffer: MAX_OUTPUT_BYTES, timeout: MAX_RUN_MS, killSignal: 'SIGKILL' } as const
    execFile(process.execPath, [VITEST, ...args], options, (error, stdout, stderr) => {
      const hangs = error?.killed === true
      const status =
        error === null ? 0 : hangs ? `a hang of ${MAX_RUN_MS} ms` : (error.code ?? error.signal ?? 'an error')
      resolve({ status, output: stdout + stderr })
    })
  })
}

/** Nothing, where it did not come so far. */
async function read(report: string): Promise<readonly TestFile[]> {
  try {
    return (JSON.parse(await readFile(report, 'utf8')) as { readonly testResults: readonly TestFile[] }).testResults
  } catch {
    return []
  }
}

// Where they stand on this machine is of no use to anybody else.
const PLACES = [ROOT, ROOT.replace(/\/$/, ''), dirname(process.execPath), tmpdir(), homedir()]

function told(name: string, why = ''): string {
  const lines = stripVTControlCharacters(why)
    .split('\n')
    .map((line) => line.trim())
  const first = lines.find((line) => line !== '' && line !== 'Error:') ?? ''
  const line = PLACES.toSorted((a, b) => b.length - a.length).reduce(
    (text, place) => text.replaceAll(place, '...'),
    first,
  )
  return `${name}: ${line}`.slice(0, MAX_TOLD_CHARACTERS)
}
