import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { isRunning } from '../../tools/lnd-build/lock-file.ts'
import { sweepNests } from '../../tools/regtest/nest.ts'
import { until } from '../../tools/regtest/until.ts'

const REGTEST = join(import.meta.dirname, '../../tools/regtest')

interface Orphan {
  readonly folder: string
  readonly pid: number
}

/** Runs a process that makes a nest with another process in it, and then ends in the way that `end` says. */
function orphan(end: string): Orphan {
  const source = `
    import { Daemon } from '${join(REGTEST, 'daemon.ts')}'
    import { Nest } from '${join(REGTEST, 'nest.ts')}'
    const nest = new Nest()
    const args = ['-f', nest.folder + '/owner']
    const { pid } = new Daemon({ nest, name: 'tail', program: 'tail', args })
    process.getBuiltinModule('node:fs').writeSync(1, JSON.stringify({ folder: nest.folder, pid }))
    ${end}`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', source], { encoding: 'utf8' })
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout) as Orphan
}

describe('what lives in a nest', () => {
  it.each([
    ['exits', 'process.exit()'],
    ['throws', 'throw new Error()'],
    ['is interrupted', `process.kill(process.pid, 'SIGINT')`],
    ['is killed', `process.kill(process.pid, 'SIGKILL')`],
  ])('ends when the process that made it %s', async (_, end) => {
    const { folder, pid } = orphan(end)
    await until('the guard has cleaned up', () => (isRunning(pid) || existsSync(folder) ? undefined : true))
  })

  it('is ended by the next one when its guard was killed too', async () => {
    const { folder, pid } = orphan(`process.kill(nest.guard, 'SIGKILL'); process.kill(process.pid, 'SIGKILL')`)
    expect(existsSync(folder)).toBe(true)
    sweepNests()
    expect(existsSync(folder)).toBe(false)
    await until('it has ended', () => (isRunning(pid) ? undefined : true))
  })
})
