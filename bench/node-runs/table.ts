import type { FileRun } from './run-file.ts'

/** What one call of the bench counted. */
export interface Evening {
  readonly commit: string
  readonly node: string
  /** Files at once. */
  readonly parallel: number
  readonly cores: number
  readonly seconds: number
  /** Share of the cores that was busy, 0..1. */
  readonly busy: number
  readonly runs: readonly FileRun[]
}

export interface Results {
  readonly bench: 'node-runs'
  /** All that there are, from the project's folder. */
  readonly files: readonly string[]
  readonly evenings: readonly Evening[]
}

/** How often a file ran, and passed. One of which all is skipped did not run: its programs are not here. */
export function runsOf(file: string, evenings: readonly Evening[]): { readonly ran: number; readonly passed: number } {
  const runs = evenings.flatMap((evening) => evening.runs.filter((run) => run.file === file && hasRun(run)))
  return { ran: runs.length, passed: runs.filter(hasPassed).length }
}

function hasRun({ passed, failures }: FileRun): boolean {
  return passed > 0 || failures.length > 0
}

function hasPassed({ failures }: FileRun): boolean {
  return failures.length === 0
}

export function asMarkdown({ files, evenings }: Results): string {
  const all = files.map((file) => ({ file, ...runsOf(file, evenings) }))
  const sum = (of: (evening: Evening) => number): number => evenings.reduce((total, each) => total + of(each), 0)
  const ran = all.reduce((total, file) => total + file.ran, 0)
  const passed = all.reduce((total, file) => total + file.passed, 0)
  const least = Math.min(...all.map((file) => file.ran))
  const failures = evenings.flatMap(({ commit, runs }) =>
    runs.flatMap((run) =>
      run.failures.map((failure) => `- ${commit}, \`${run.file}\`: ${failure.replaceAll('|', '\\|')}`),
    ),
  )
  return `${[
    '# Bench: node-runs',
    '',
    'What `./dev bench node-runs --write` counted: each file of tests on real nodes (lnd, LDK, a browser) again and again,',
    'several at once so that all cores stay busy, without a retry. A file is run in a process of its own, and counts as',
    `passed when all of its tests did. ${files.length} files, ${ran} runs, ${passed} passed; each ran ${least} times or more;`,
    `${(sum(({ seconds }) => seconds) / 3_600).toFixed(1)} hours.`,
    '',
    'By evening: `+` is a tree with changes that were committed later.',
    '',
    '| commit | files at once | minutes | cores busy | runs | failed |',
    '|-|-:|-:|-:|-:|-:|',
    ...evenings.map(({ commit, parallel, seconds, busy, runs }) => {
      const done = runs.filter(hasRun)
      const failed = done.filter((run) => !hasPassed(run)).length
      return `| ${commit} | ${parallel} | ${(seconds / 60).toFixed(0)} | ${(busy * 100).toFixed(0)} % | ${done.length} | ${failed} |`
    }),
    '',
    '## What failed',
    ...(failures.length === 0 ? ['Nothing.'] : failures),
    '',
    '## By file',
    'Seconds are of the slowest run. Those with 0 runs wait for another evening, or for a program that is not here.',
    '',
    '| file | runs | passed | tests | seconds |',
    '|-|-:|-:|-:|-:|',
    ...all.map((file) => {
      const runs = evenings.flatMap((evening) => evening.runs.filter((run) => run.file === file.file))
      const tests = Math.max(0, ...runs.map((run) => run.passed))
      const seconds = Math.max(0, ...runs.map((run) => run.seconds))
      return `| ${file.file} | ${file.ran} | ${file.passed} | ${tests} | ${seconds} |`
    }),
  ].join('\n')}\n`
}
