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
import { openEndpointOn } from '../../src/cli/endpoint.ts'
import { runProgram } from '../../src/cli/program.ts'
import type { Endpoint } from '../../src/index.ts'
import { FINDINGS, Stage, TRIALS } from './every-command.ts'

/** What to run. `hold`: what waits for Ctrl-C, so that it comes in the middle of it. */
export interface Order {
  /** Tells its reports from those of other orders. */
  readonly run: number
  readonly name: string
  readonly words: readonly string[]
  readonly hold?: 'opening' | 'closing'
  /**
   * Titles of the terminal. They take the same way as what the command writes: with `begun` nothing of former commands
   * is on the screen any more, with `ended` everything of this one is.
   */
  readonly titles: { readonly begun: string; readonly ended: string }
}

/** How it goes. */
export type Report =
  | { readonly type: 'ready' }
  | { readonly type: 'held'; readonly run: number }
  | { readonly type: 'ended'; readonly run: number; readonly code: number; readonly isAtOnce: boolean }

/** The screen and what was above it; no mode of the terminal. */
const CLEAR = '\u001B[H\u001B[2J\u001B[3J'

const { stdin, stdout, stderr } = process
const stage = new Stage()
process.on('exit', () => {
  stage.line.close()
})
const control = connect(Number(process.env['CONTROL']), '127.0.0.1')
await once(control, 'connect')
const tell = (report: Report): void => void control.write(`${JSON.stringify(report)}\n`)
// Standard output may have ended with the data of a connection.
const setTitle = (title: string): void => void stderr.write(`\u001B]2;${title}\u0007`)
// Each command listens to them.
for (const stream of [stdin, stdout, stderr]) stream.setMaxListeners(0)
// Ctrl-C between two commands ends nothing.
process.on('SIGINT', () => undefined)
process.on('SIGHUP', () => process.exit())

/** An endpoint of alice's whose opening, or closing, waits for a promise. */
async function openHeld(
  request: Parameters<Dependencies['openEndpoint']>[0],
  hold: Order['hold'],
  held: () => Promise<void>,
): Promise<Endpoint> {
  if (hold === 'opening') await held()
  const endpoint = await openEndpointOn(stage.line.sim.backend('alice'), request)
  if (hold !== 'closing') return endpoint
  const close = endpoint.close.bind(endpoint)
  endpoint.close = async () => {
    await held()
    await close()
  }
  return endpoint
}

async function perform({ run, name, words, hold, titles }: Order): Promise<void> {
  const trial = TRIALS[name]
  if (trial === undefined) throw new Error(`no trial of ${name}`)
  await stage.prepare(trial)
  const { line, environment } = stage
  const interrupted = Promise.withResolvers<void>()
  const signals: Signals = {
    on: (listener, options) =>
      processSignals.on((signal) => {
        listener(signal)
        interrupted.resolve()
      }, options),
    exit: (code) => {
      setTitle(titles.ended)
      tell({ type: 'ended', run, code, isAtOnce: true })
      // As the process would end, once that is told.
      control.end(() => process.exit(code))
    },
  }
  const held = async (): Promise<void> => {
    tell({ type: 'held', run })
    // The closing comes of the first Ctrl-C, and lasts until the second one ends the process.
    await (hold === 'closing' ? Promise.withResolvers<void>() : interrupted).promise
  }
  const dependencies: Dependencies & DaemonDependencies = {
    openEndpoint: async (request) => openHeld(request, hold, held),
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
  setTitle(titles.begun)
  const code = await runProgram(dependencies)
  setTitle(titles.ended)
  await stage.quiet()
  tell({ type: 'ended', run, code, isAtOnce: false })
  if (!stdin.destroyed) return
  // It was the data of a connection: the next command needs another process.
  control.end(() => process.exit())
}

tell({ type: 'ready' })
for await (const order of createInterface({ input: control })) await perform(JSON.parse(order) as Order)
process.exit()
