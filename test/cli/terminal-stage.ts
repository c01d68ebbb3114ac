/**
 * Runs commands of alice's in the terminal of this process, one after the other, on a simulated network. Which ones a
 * socket says, as does how they go: port CONTROL of this computer, JSON objects, one a line.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import type { DaemonDependencies } from '../../src/cli/commands/daemon.ts'
import type { Dependencies } from '../../src/cli/dependencies.ts'
import { processSignals, type Signals } from '../../src/cli/ending.ts'
import { runProgram } from '../../src/cli/program.ts'
import { FINDINGS, openHeld, Stage, TRIALS } from './every-command.ts'

/** What to run. `hold`: what waits for Ctrl-C, so that it comes in the middle of it. */
export interface Order {
  readonly name: string
  readonly words: readonly string[]
  readonly hold?: 'opening' | 'closing'
}

/** How it goes. */
export type Report =
  | { readonly type: 'ready' | 'held' }
  | { readonly type: 'ended'; readonly code: number; readonly isAtOnce: boolean }

/** The screen and what was above it; no mode of the terminal. */
const CLEAR = '\u001B[H\u001B[2J\u001B[3J'

const stage = new Stage()
const control = connect(Number(process.env['CONTROL']), '127.0.0.1')
await once(control, 'connect')
const tell = (report: Report): void => void control.write(`${JSON.stringify(report)}\n`)
// Each command listens to them.
for (const stream of [process.stdin, process.stdout, process.stderr]) stream.setMaxListeners(0)
// Ctrl-C between two commands ends nothing.
process.on('SIGINT', () => undefined)

async function run({ name, words, hold }: Order): Promise<void> {
  const trial = TRIALS[name]
  if (trial === undefined) throw new Error(`no trial of ${name}`)
  await stage.prepare(trial)
  const { line, environment } = stage
  const given = Promise.withResolvers<void>()
  const signals: Signals = {
    on: (listener) =>
      processSignals.on((signal) => {
        listener(signal)
        given.resolve()
      }),
    exit: (code) => {
      tell({ type: 'ended', code, isAtOnce: true })
      // As the process would end, once that is told.
      control.end(() => process.exit(code))
    },
  }
  const held = async (): Promise<void> => {
    const again = hold === 'closing' ? Promise.withResolvers<void>() : given
    tell({ type: 'held' })
    await again.promise
  }
  const { stdin, stdout, stderr } = process
  const dependencies: Dependencies & DaemonDependencies = {
    openEndpoint: async (request) =>
      openHeld(line, request, {
        ...(hold === 'opening' && { opening: held() }),
        ...(hold === 'closing' && { closing: held }),
      }),
    openBackend: () => line.sim.backend('alice'),
    checkLnd: () => Promise.resolve(FINDINGS),
    knowsNode: () => Promise.resolve(true),
    hasDaemon: () => Promise.resolve(false),
    stdin,
    stdout,
    stderr,
    clock: line.sim.clock,
    entropy: line.sim.entropy,
    signals,
    environment: { ...environment, TERM: process.env['TERM'] },
    words: stage.words(words),
  }
  stdout.write(CLEAR)
  const code = await runProgram(dependencies)
  await stage.quiet()
  tell({ type: 'ended', code, isAtOnce: false })
  // It was the data of a connection: the next command needs another process.
  if (stdin.destroyed) control.end(() => process.exit())
}

tell({ type: 'ready' })
for await (const order of createInterface({ input: control })) await run(JSON.parse(order) as Order)
process.exit()
