import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ROOT } from './sources.ts'

function dev(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(join(ROOT, 'dev'), args, {
    cwd: tmpdir(),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return { status, stdout, stderr }
}

describe('./dev, called from another folder with no terminal', () => {
  it('names its commands', () => {
    const { status, stdout } = dev('help')
    expect(status).toBe(0)
    const commands = [
      'demo',
      'test',
      'coverage',
      'check',
      'format',
      'build',
      'bench',
      'keysock',
      'network',
      'lnd-build',
      'node',
    ]
    for (const command of [...commands, 'npm', 'help']) {
      expect(stdout).toMatch(new RegExp(`^  ${command}\\b`, 'm'))
    }
  })

  it('runs a Node that strips types, in the caller’s folder, and adds nothing to its output', () => {
    expect(dev('node', '--eval', 'const folder: string = process.cwd(); console.log(folder)')).toMatchObject({
      status: 0,
      stdout: `${tmpdir()}\n`,
    })
  })

  it('passes on how a program ended', () => {
    expect(dev('node', '-e', 'process.exit(7)').status).toBe(7)
  })

  it('turns down a command that it does not know', () => {
    expect(dev('fly')).toMatchObject({
      status: 2,
      stdout: '',
      stderr: expect.stringMatching(/^dev: no such command: fly\n/),
    })
  })
})
