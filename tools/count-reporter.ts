import { spawnSync } from 'node:child_process'
import { writeSync } from 'node:fs'
import { stripVTControlCharacters } from 'node:util'
import type { Reporter, SerializedError, TestCase, TestModule, TestSuite, Vitest } from 'vitest/node'

export interface Counts {
  passed: number
  failed: number
  skipped: number
}

/**
 * Counts what ran. A file that cannot be imported, a hook that throws and an
 * error outside any test are failures of their own: each counts as one.
 */
export function countTests(modules: readonly TestModule[], strayErrors: readonly SerializedError[]): Counts {
  const counts: Counts = { passed: 0, failed: strayErrors.length, skipped: 0 }
  for (const module of modules) {
    const groups: (TestModule | TestSuite)[] = [module, ...module.children.allSuites()]
    counts.failed += groups.filter((group) => group.errors().length > 0).length
    for (const test of module.children.allTests()) {
      const { state } = test.result()
      if (state === 'passed') counts.passed++
      else if (state === 'skipped') counts.skipped++
      else counts.failed++ // 'pending' at the end of a run: it was cut off
    }
  }
  return counts
}

/** Each test that passed only when it was tried again: its file, its name and why it had failed, a line each. */
function retriedTests(modules: readonly TestModule[]): string[] {
  const tests = modules.flatMap((module) => [...module.children.allTests()])
  return tests.filter((test) => test.diagnostic()?.flaky === true).map(describeRetried)
}

function describeRetried(test: TestCase): string {
  const [reason = ''] = (test.result().errors?.[0]?.message ?? '').split('\n')
  return `${test.module.relativeModuleId} > ${test.fullName}: ${stripVTControlCharacters(reason)}`
}

/** Signals that no JavaScript causes: a process that dies of them met a fault of Node or of the machine. */
const CRASH = /signal (SIGSEGV|SIGBUS|SIGILL) during .* while running test files? (.+)$/
/** Set in a run of what crashed in another one, which is not to be run a third time. */
const AGAIN = 'KEYSOCK_TESTS_AGAIN'
/** Between two looks at a pipe that was full. */
const FULL_PIPE_MS = 10

interface Crash {
  readonly signal: string
  /** Whole names of the files that the process ran. */
  readonly files: readonly string[]
}

/** The crash of a test process that this error tells of. */
function crashIn({ cause }: SerializedError): Crash | undefined {
  const match = CRASH.exec(String((cause as { message?: unknown } | undefined)?.message))
  if (match === null) return undefined
  const [, signal = '', files = ''] = match
  return { signal, files: files.split(', ') }
}

/** What a run has told in its last line. */
function countsIn(output: string): Counts {
  const lines = [...output.matchAll(/^(\d+) passed, (\d+) failed, (\d+) skipped$/gm)]
  const [passed = 0, failed = 1, skipped = 0] = lines.at(-1)?.slice(1).map(Number) ?? []
  return { passed, failed, skipped }
}

/** Writes all of it to a pipe that may be full: then its reader is waited for. */
export function writeAll(fd: number, text: string): void {
  for (let rest = Buffer.from(text); rest.length > 0;) {
    try {
      rest = rest.subarray(writeSync(fd, rest))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_PIPE_MS)
    }
  }
}

/**
 * Ends the output of a test run with the line `N passed, N failed, N skipped`. Before it stands by name what
 * needed a retry: a count of passed tests alone would hide it. So does a file whose process crashed, which is
 * run once more, in another run; it counts as a failure where somebody watches, and where the coverage would lack it.
 */
export default class CountReporter implements Reporter {
  #counts: Counts = { passed: 0, failed: 0, skipped: 0 }
  #retried: readonly string[] = []
  #crashes: readonly Crash[] = []
  #vitest: Vitest | undefined

  onInit(vitest: Vitest): void {
    this.#vitest = vitest
    // The coverage report is printed after the last reporter hook, so the line waits for the exit.
    process.once('exit', () => {
      this.#runCrashed()
      const { passed, failed, skipped } = this.#counts
      if (this.#retried.length > 0) {
        const lines = this.#retried.map((line) => `  ${line}\n`)
        writeAll(1, `passed only when tried again: ${this.#retried.length}\n${lines.join('')}`)
      }
      for (const { signal, files } of this.#crashes) {
        writeAll(1, `a process died of ${signal} in, and another ran: ${files.join(', ')}\n`)
      }
      writeAll(1, `${passed} passed, ${failed} failed, ${skipped} skipped\n`)
    })
  }

  onTestRunEnd(modules: readonly TestModule[], strayErrors: readonly SerializedError[]): void {
    this.#crashes = this.#runsAgain ? strayErrors.flatMap((error) => crashIn(error) ?? []) : []
    const crashed = new Set(this.#crashes.flatMap(({ files }) => files))
    this.#counts = countTests(
      modules.filter(({ moduleId }) => !crashed.has(moduleId)),
      strayErrors.filter((error) => this.#crashes.length === 0 || crashIn(error) === undefined),
    )
    this.#retried = retriedTests(modules)
  }

  get #runsAgain(): boolean {
    const config = this.#vitest?.config
    return process.env[AGAIN] === undefined && config?.watch === false && !config.coverage.enabled
  }

  /** Counts in what another run makes of the files whose processes crashed. */
  #runCrashed(): void {
    if (this.#crashes.length === 0 || this.#vitest === undefined) return
    const { config, vite } = this.#vitest
    const files = this.#crashes.flatMap((crash) => crash.files)
    const own = [
      'run',
      '--root',
      config.root,
      ...(vite.config.configFile === undefined ? [] : ['--config', vite.config.configFile]),
      ...(config.testNamePattern === undefined ? [] : ['--testNamePattern', config.testNamePattern.source]),
    ]
    const { status, stdout } = spawnSync(process.execPath, [process.argv[1] ?? '', ...own, ...files], {
      env: { ...process.env, [AGAIN]: '1' },
      encoding: 'utf8',
      maxBuffer: Infinity,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    // There is no output where it did not even start.
    const output = (stdout as string | null) ?? ''
    writeAll(1, output)
    const again = countsIn(output)
    // It found none of the files, say.
    if (status !== 0 && again.failed === 0) again.failed = 1
    for (const key of ['passed', 'failed', 'skipped'] as const) this.#counts[key] += again[key]
    process.exitCode = this.#counts.failed === 0 ? 0 : 1
  }
}
