import { expect, it } from 'vitest'
import { CommandRun } from '../../src/cli/command-run.ts'
import type { Dependencies } from '../../src/cli/dependencies.ts'
import { Paper } from './desk.ts'
import { ManualClock } from '../manual-clock.ts'

it('says a warning once, and remembers no more than the last hundred', () => {
  const stderr = new Paper()
  const dependencies = {
    stdout: new Paper(),
    stderr,
    environment: {},
    clock: new ManualClock(),
    signals: { on: () => () => undefined, exit: () => undefined },
  } satisfies Partial<Dependencies>
  const run = new CommandRun(dependencies as unknown as Dependencies, {})
  const count = (): number => stderr.lines.filter((line) => line === 'warning: 1 payment').length
  for (let i = 0; i < 2; i++) run.warn('A', '1 payment')
  expect(count()).toBe(1)
  for (let i = 2; i <= 101; i++) run.warn('A', `${i} payments`)
  run.warn('A', '1 payment')
  expect(count()).toBe(2)
})
