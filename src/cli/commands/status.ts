import { Command } from 'commander'
import { daemonSocket, daemonStatus, type DaemonStatus } from '../../daemon.ts'
import type { Dependencies } from '../dependencies.ts'
import { createDisplay } from '../display/display.ts'
import { EXIT, exitHelp, type ExitCode, StopSignal } from '../ending.ts'
import { addNodeOptions, durationArgument, nodeEnvironment, type NodeFlags, nodeLocation } from '../options.ts'
import { statusObject, statusTable } from '../status/status-table.ts'
import { codeOf, messageOf } from '../transfer/errors.ts'
import { sleep } from '../transfer/waiting.ts'

/** What `keysock status` uses of the outside. */
export type StatusDependencies = Pick<
  Dependencies,
  'stdout' | 'stderr' | 'signals' | 'environment' | 'clock' | 'checkLnd'
>

interface StatusFlags extends NodeFlags {
  readonly socket?: string
  readonly json?: boolean
  /** True: every so often as usual. */
  readonly watch?: number | true
}

const WATCH_MS = 2_000
/** What a look at a node asks it for costs it a little. */
const MIN_WATCH_MS = 500
const HOME_AND_CLEAR = '\u001b[H\u001b[J'

const EXAMPLES = `
Examples:
  keysock status            the daemon: its programs, money, caps, and how its answers are hidden
  keysock status --watch    the same, again and again, until Ctrl-C
  keysock status --json

Where no daemon runs it says so, and what the node lacks: keysock doctor says all of that.

${exitHelp({ 0: 'a daemon answered', 1: 'no daemon answers' })}`

export function statusCommand(dependencies: StatusDependencies, ended: (code: ExitCode) => void): Command {
  const command = new Command('status')
    .summary('show the daemon: programs, money, caps, guard')
    .description("Show what the node's daemon does: its programs, money and caps, and how answers are hidden.")
    .option('--socket <path>', "the daemon's Unix socket")
    .option('--watch [time]', 'show it again and again (default: every 2s)', durationArgument)
  addNodeOptions(command)
  command.optionsGroup('Output:').option('--json', 'one JSON object; with --watch one a line')
  command.addHelpText('after', EXAMPLES)
  command.action(async (flags: StatusFlags) => {
    ended(await show(dependencies, flags))
  })
  return command
}

async function show(dependencies: StatusDependencies, flags: StatusFlags): Promise<ExitCode> {
  const { stdout, stderr, environment, signals, clock } = dependencies
  const socket = flags.socket ?? daemonSocket(nodeEnvironment(environment, flags))
  const stop = new StopSignal(signals)
  const { watch } = flags
  const everyMs = watch === undefined ? undefined : Math.max(MIN_WATCH_MS, watch === true ? WATCH_MS : watch)
  const isScreen =
    everyMs !== undefined && stdout.isTTY === true && environment['TERM'] !== 'dumb' && flags.json !== true
  try {
    for (;;) {
      const status = await stop.orStop(daemonStatus({ socket }))
      stdout.write((isScreen ? HOME_AND_CLEAR : '') + shown(status, socket, flags))
      if (everyMs === undefined) return EXIT.done
      await sleep(clock, everyMs, stop.signal)
      stop.signal.throwIfAborted()
      if (!isScreen && flags.json !== true) stdout.write('\n')
    }
  } catch (error) {
    if (stop.isGiven) return stop.exitCode
    const [code, message] = [codeOf(error), messageOf(error)]
    if (flags.json === true) stdout.write(`${JSON.stringify({ event: 'error', code, message })}\n`)
    else stderr.write(`${message} (${code})\n`)
    await showNode(dependencies, flags)
    return EXIT.failed
  } finally {
    stop.release()
  }
}

function shown(status: DaemonStatus, socket: string, { json }: StatusFlags): string {
  if (json === true) return `${JSON.stringify({ event: 'status', ...statusObject(status, socket) })}\n`
  return `${statusTable(status, socket).join('\n')}\n`
}

/** Without a daemon: what the node lacks, in the doctor's words, and how much is well. */
async function showNode(dependencies: StatusDependencies, flags: StatusFlags): Promise<void> {
  const { stdout, stderr, environment, clock, checkLnd } = dependencies
  const { json = false } = flags
  const findings = await checkLnd(nodeLocation(flags)).catch(() => [])
  const display = createDisplay({ stdout, stderr, environment, time: clock, json, quiet: false })
  for (const finding of findings.filter(({ verdict }) => json || verdict !== 'good'))
    display.emit({ ...finding, event: 'finding' })
  display.close()
  const good = findings.filter(({ verdict }) => verdict === 'good').length
  if (!json && findings.length > 0)
    stdout.write(`of the node itself ${good} of ${findings.length} things are well; keysock doctor names them\n`)
}
