import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { ROOT } from './sources.ts'

const COUNT = '5 passed, 0 failed, 0 skipped'

/** What `.ci/run` of this project prints, with a `dev` that only counts, and no program that could be installed. */
function runCi(parts: { readonly before?: string; readonly tests?: string }): {
  status: number | null
  output: string
} {
  const folder = mkdtempSync(join(tmpdir(), 'keysock-ci-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  for (const name of ['.ci', 'bin']) mkdirSync(join(folder, name))
  for (const name of ['bash', 'cat', 'dirname', 'id', 'mktemp', 'rm', 'tail', 'tee']) {
    const { stdout } = spawnSync('bash', ['-c', 'type -P "$0"', name], { encoding: 'utf8' })
    symlinkSync(stdout.trim(), join(folder, 'bin', name))
  }
  copyFileSync(join(ROOT, '.ci/run'), join(folder, '.ci/run'))
  const tests = `${parts.tests ?? ':'}; echo '${COUNT}'`
  writeFileSync(join(folder, 'dev'), `#!/usr/bin/env bash\nif [ "$1" = test ]; then ${tests}; fi\n`, { mode: 0o755 })
  const script = `${parts.before ?? ':'}; exec bash "$0"`
  const { status, stdout } = spawnSync('bash', ['-c', script, join(folder, '.ci/run')], {
    env: { PATH: join(folder, 'bin') },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return { status, output: stdout }
}

it('the last line of CI counts the tests, also where nothing can show a core file', () => {
  for (const tests of [':', ': >core', ': >core.123']) {
    const { status, output } = runCi({ tests })
    expect({ status, lastLine: output.trimEnd().split('\n').at(-1) }).toEqual({ status: 0, lastLine: COUNT })
  }
})

it('CI runs the tests also where no core file may be written', () => {
  const { status, output } = runCi({ before: 'ulimit -Hc 0' })
  expect({ status, lastLine: output.trimEnd().split('\n').at(-1) }).toEqual({ status: 0, lastLine: COUNT })
})
