import { writeSync } from 'node:fs'
import { stripVTControlCharacters } from 'node:util'
import type { Reporter, SerializedError, TestCase, TestModule, TestSuite } from 'vitest/node'

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

/**
 * Ends the output of a test run with the line `N passed, N failed, N skipped`. Before it stands by name what
 * needed a retry: a count of passed tests alone would hide it.
 */
export default class CountReporter implements Reporter {
  #counts: Counts = { passed: 0, failed: 0, skipped: 0 }
  #retried: readonly string[] = []

  onInit(): void {
    // The coverage report is printed after the last reporter hook, so the line waits for the exit.
    process.once('exit', () => {
      const { passed, failed, skipped } = this.#counts
      if (this.#retried.length > 0) {
        const lines = this.#retried.map((line) => `  ${line}\n`)
        writeSync(1, `passed only when tried again: ${this.#retried.length}\n${lines.join('')}`)
      }
      writeSync(1, `${passed} passed, ${failed} failed, ${skipped} skipped\n`)
    })
  }

  onTestRunEnd(modules: readonly TestModule[], strayErrors: readonly SerializedError[]): void {
    this.#counts = countTests(modules, strayErrors)
    this.#retried = retriedTests(modules)
  }
}
