import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { writeAll } from '../../tools/count-reporter.ts'
import { ROOT } from './sources.ts'

interface Run {
  readonly status: number | null
  readonly output: string
  readonly lastLine: string | undefined
}

/** Runs one of the fixtures with the reporter of this project, the two output streams in one, as a log has them. */
function run(...args: string[]): Run {
  const isOwn = (name: string): boolean => name.startsWith('VITEST') || name === 'KEYSOCK_TESTS_AGAIN'
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !isOwn(name)))
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs')
  const script = 'ulimit -c 0; exec "$0" "$@" 2>&1'
  const { status, stdout } = spawnSync(
    'bash',
    ['-c', script, process.execPath, vitest, 'run', '--root', join(ROOT, 'test/house/fixtures'), ...args],
    { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
  )
  return { status, output: stdout, lastLine: stdout.trimEnd().split('\n').at(-1) }
}

describe('the last line of a test run', () => {
  it('counts what passed', () => {
    expect(run('passing')).toMatchObject({ status: 0, lastLine: '1 passed, 0 failed, 0 skipped' })
  })

  it('counts what failed and what was skipped, after the failures themselves', () => {
    const { status, output, lastLine } = run('outcomes')
    expect({ status, lastLine }).toEqual({ status: 1, lastLine: '3 passed, 2 failed, 2 skipped' })
    expect(output).toContain(`expected 'the sky' to be 'green'`)
  })

  it('counts a file that cannot be imported as a failure', () => {
    const { status, output, lastLine } = run('broken-import')
    expect({ status, lastLine }).toEqual({ status: 1, lastLine: '0 passed, 1 failed, 0 skipped' })
    expect(output).toContain('no-such-file.ts')
  })

  it('counts a hook that throws as a failure', () => {
    expect(run('broken-hook')).toMatchObject({ status: 1, lastLine: '1 passed, 1 failed, 1 skipped' })
  })

  it('counts an error outside any test as a failure', () => {
    expect(run('stray-rejection')).toMatchObject({ status: 1, lastLine: '1 passed, 1 failed, 0 skipped' })
  })

  it('names before it what passed only when it was tried again, and why it had to be', () => {
    const { output, lastLine } = run('retried')
    expect(lastLine).toBe('2 passed, 1 failed, 0 skipped')
    expect(output.trimEnd().split('\n').slice(-3, -1)).toEqual([
      'passed only when tried again: 1',
      '  retried.fixture.ts > a group > passes at the second try: expected 1 to be 2 // Object.is equality',
    ])
  })

  it('names nothing where every test passed at once', () => {
    expect(run('passing').output).not.toContain('tried again')
  })

  it('runs a file again whose process crashed, and says so', () => {
    const { status, output, lastLine } = run('crash.fixture', 'passing')
    expect({ status, lastLine }).toEqual({ status: 0, lastLine: '2 passed, 0 failed, 0 skipped' })
    const [told] = output.trimEnd().split('\n').slice(-2)
    expect(told).toMatch(/^a process died of SIGSEGV in, and another ran: .*crash\.fixture\.ts$/)
  })

  it('runs of it again what was asked for by name', () => {
    const { status, lastLine } = run('crash-one-of-two', '-t', 'in a process that dies')
    expect({ status, lastLine }).toEqual({ status: 0, lastLine: '1 passed, 0 failed, 1 skipped' })
  })

  it('counts it as a failure where the coverage would lack it', () => {
    const { status, output, lastLine } = run('crash.fixture', '--coverage', '--coverage.reporter=text')
    expect(status).toBe(1)
    expect(lastLine).toMatch(/^0 passed, [1-9] failed, 0 skipped$/)
    expect(output).not.toContain('another ran')
  })

  it('runs it once more only', () => {
    const { status, output } = run('dying')
    expect(status).toBe(1)
    expect(output).toMatch(/^0 passed, [1-9] failed, 0 skipped\n$/m)
    expect(output).toMatch(/\n0 passed, [1-9] failed, 0 skipped\n$/)
  })

  it('counts nothing where nothing ran, and the run fails', () => {
    expect(run('no-file-of-this-name')).toMatchObject({ status: 1, lastLine: '0 passed, 0 failed, 0 skipped' })
  })

  it('stays last when coverage is reported', () => {
    const { status, output, lastLine } = run('passing', '--coverage', '--coverage.reporter=text')
    expect({ status, lastLine }).toEqual({ status: 0, lastLine: '1 passed, 0 failed, 0 skipped' })
    expect(output).toContain('% Stmts')
  })
})

it('what a reader is slow to take is written all the same', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'keysock-pipe-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  const fd = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK)
  let before = 0
  expect(() => {
    for (;;) before += writeSync(fd, 'x'.repeat(4_096))
  }).toThrow('EAGAIN')
  const log = join(folder, 'log')
  const reader = spawn('bash', ['-c', 'cat "$0" >"$1"', pipe, log], { stdio: 'inherit' })
  const ended = once(reader, 'close')
  await once(reader, 'spawn')
  const after = 'y'.repeat(1_000_000)
  writeAll(fd, after)
  closeSync(fd)
  await ended
  expect(readFileSync(log, 'utf8') === 'x'.repeat(before) + after).toBe(true)
})
