import { PassThrough } from 'node:stream'
import { processClock } from '../../src/floor/clock.ts'
import { processEntropy } from '../../src/floor/entropy.ts'
import { processSignals } from '../../src/cli/ending.ts'
import { buildProgram, version } from '../../src/cli/program.ts'
import { type CommandReference, commandTree } from '../../src/cli/reference/command-tree.ts'
import { type ManualPage, manualPages } from '../../src/cli/reference/manual.ts'

const never = (): Promise<never> => Promise.reject(new Error('no command runs here'))

/** The command line of this source: nothing of it is run. */
export function readCommands(): CommandReference {
  const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() }
  const program = buildProgram(
    {
      ...streams,
      openEndpoint: never,
      checkLnd: never,
      knowsNode: never,
      hasDaemon: never,
      clock: processClock,
      entropy: processEntropy,
      signals: processSignals,
      environment: {},
      words: [],
    },
    () => undefined,
  )
  return commandTree(program)
}

/** `date`: of the pages, 2026-11-30. */
export function readManual(date: string): readonly ManualPage[] {
  return manualPages(readCommands(), { version: version(), date })
}
