import { Command, InvalidArgumentError } from 'commander'
import { type Daemon, daemonSocket, daemonState, type DaemonStatus, daemonStatus, startDaemon } from '../../daemon.ts'
import { type Backend, type MetricsServer, readPolicy, serveMetrics } from '../../index.ts'
import { isLoopback } from '../../floor/loopback.ts'
import { createBackend as createLndBackend } from '../../lnd.ts'
import type { Dependencies } from '../dependencies.ts'
import { LineWriter } from '../display/lines.ts'
import { EXIT, exitHelp, type ExitCode, StopSignal } from '../ending.ts'
import { metricsWarning, whyUnusable } from '../endpoint.ts'
import {
  addNodeOptions,
  type ListenAddress,
  listenArgument,
  METRICS_WORDS,
  nodeEnvironment,
  type NodeFlags,
} from '../options.ts'
import { statusObject } from '../status/status-table.ts'
import { codeOf, messageOf } from '../transfer/errors.ts'
import { durationInWords } from '../words.ts'

/** What `keysock daemon` uses of the outside. */
export type DaemonDependencies = Pick<Dependencies, 'stdout' | 'stderr' | 'signals' | 'environment'> & {
  /** The node's own backend; default lnd's. */
  readonly openBackend?: (environment: NodeJS.ProcessEnv) => Backend
}

interface DaemonFlags extends NodeFlags {
  readonly socket?: string
  readonly json?: boolean
}

interface StartFlags extends DaemonFlags {
  readonly mode: number
  readonly state?: string
  readonly policy?: string
  readonly metrics?: ListenAddress
  /** False with --no-phantom-lane. */
  readonly phantomLane: boolean
}

const OWNER_ONLY = 0o600

const EXAMPLES = `
Examples:
  keysock daemon                       owns the node; send, receive and others attach by themselves
  keysock daemon --socket /run/keysock/node.sock --mode 0660
                                       the file's group may attach, too: it can spend the node's money
  keysock daemon --policy policy.json  within these caps; keysock doctor --policy policy.json looks at the file
  keysock daemon status

Programs look for the socket in ~/.keysock, in a folder for each node; KEYSOCK_DAEMON=PATH names another,
KEYSOCK_DAEMON=off has them use the node themselves. Ctrl-C ends it: programs wait for the next daemon.

${exitHelp({ 0: 'ended, by Ctrl-C too' })}`

export function daemonCommand(dependencies: DaemonDependencies, ended: (code: ExitCode) => void): Command {
  const command = new Command('daemon')
    .summary('own the node, for any number of programs at once')
    .description('Own the lnd node, so that any number of programs use it at once, each as if it had the node alone.')
    .option('--socket <path>', 'the Unix socket on which programs attach', undefined)
    .option('--mode <octal>', "the socket's file mode: who may attach", modeArgument, OWNER_ONLY)
    .option('--state <dir>', 'what outlives it (default: a folder of the node in ~/.keysock)')
    .option('--policy <file>', 'caps of a day for all programs, by port and by program, and whom they may pay')
    .option('--metrics <host:port>', METRICS_WORDS, listenArgument)
    .option('--no-phantom-lane', "leave the node's forwards alone until a program needs hidden replies")
    .option('--json', 'one JSON object when it is ready')
  command.options.find(({ long }) => long === '--mode')?.default(OWNER_ONLY, '0600: this user')
  addNodeOptions(command)
  command.addHelpText('after', EXAMPLES)
  command.action(async (flags: StartFlags) => {
    ended(await run(dependencies, flags))
  })
  command.addCommand(statusCommand(dependencies, ended))
  return command
}

function statusCommand(dependencies: DaemonDependencies, ended: (code: ExitCode) => void): Command {
  const command = new Command('status')
    .description('Show the node, the programs that are attached, and what they have.')
    .option('--socket <path>', "the daemon's Unix socket")
    .option('--json', 'one JSON object')
  addNodeOptions(command)
  command.addHelpText('after', `\n${exitHelp({ 1: 'no daemon answers' })}`)
  command.action(async () => {
    // The command above knows the same options, and takes them wherever they stand.
    const flags = command.optsWithGlobals<DaemonFlags>()
    const { stdout, stderr, environment } = dependencies
    try {
      const socket = flags.socket ?? daemonSocket(nodeEnvironment(environment, flags))
      const status = await daemonStatus({ socket })
      const object = { event: 'status', ...statusObject(status, socket) }
      const lines = new LineWriter(stdout)
      if (flags.json === true) lines.line(JSON.stringify(object))
      else for (const text of statusLines(status)) lines.sentence({ text })
      ended(EXIT.done)
    } catch (error) {
      report({ stdout, stderr }, codeOf(error), messageOf(error), flags)
      ended(EXIT.failed)
    }
  })
  return command
}

async function run(dependencies: DaemonDependencies, flags: StartFlags): Promise<ExitCode> {
  const { stdout, stderr, signals, openBackend = createLndBackend } = dependencies
  const environment = nodeEnvironment(dependencies.environment, flags)
  const stop = new StopSignal(signals)
  const log = (message: string): void => void stderr.write(`${message}\n`)
  try {
    const policy = flags.policy === undefined ? {} : { policy: await readPolicy(flags.policy) }
    const backend = openBackend(environment)
    const starting = startDaemon({
      backend,
      socket: flags.socket ?? daemonSocket(environment),
      mode: flags.mode,
      ...(flags.state === undefined ? { stateHome: daemonState(environment) } : { state: flags.state }),
      phantomLane: flags.phantomLane,
      ...policy,
      log,
    })
    const daemon = await stop.orStop(starting).catch((error: unknown) => {
      if (!stop.isGiven) throw error
    })
    if (daemon === undefined) {
      await giveUp(starting, backend)
      return stop.exitCode
    }
    const server = await serve(daemon, flags.metrics, log)
    const { publicKey, network } = daemon.info
    const key = Buffer.from(publicKey).toString('hex')
    const { socket } = daemon
    stdout.write(
      flags.json === true
        ? `${JSON.stringify({ event: 'ready', publicKey: key, network, socket })}\n`
        : `ready: node ${key} (${network}), socket ${socket}\n`,
    )
    await until(stop.signal)
    log('ending')
    await server?.close()
    await daemon.stop()
    return EXIT.done
  } catch (error) {
    report({ stdout, stderr }, codeOf(error), whyUnusable(error), flags)
    return EXIT.failed
  } finally {
    stop.release()
  }
}

/** Why it ends. */
function report(
  { stdout, stderr }: Pick<Dependencies, 'stdout' | 'stderr'>,
  code: string,
  message: string,
  { json }: DaemonFlags,
): void {
  if (json === true) stdout.write(`${JSON.stringify({ event: 'error', code, message })}\n`)
  else stderr.write(`${message} (${code})\n`)
}

/** The server of metrics, where one is asked for. @throws what it throws; then the daemon is stopped */
async function serve(
  daemon: Daemon,
  address: ListenAddress | undefined,
  log: (line: string) => void,
): Promise<MetricsServer | undefined> {
  if (address === undefined) return undefined
  if (!isLoopback(address.host)) log(metricsWarning(address))
  try {
    return await serveMetrics(() => daemon.metrics(), address)
  } catch (error) {
    await daemon.stop()
    throw error
  }
}

/** Ends a start that is under way: what waits for the node ends with its backend. */
async function giveUp(starting: Promise<Daemon>, backend: Backend): Promise<void> {
  await backend.stop()
  try {
    const daemon = await starting
    await daemon.stop()
  } catch {
    // It did not start, which is what the signal asked for.
  }
}

async function until(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function modeArgument(text: string): number {
  if (/^0?[0-7]{3}$/.test(text)) return Number.parseInt(text, 8)
  throw new InvalidArgumentError('It is a file mode in octal, such as 0600 or 0660.')
}

function statusLines(status: DaemonStatus): readonly string[] {
  const { node, isOnline, clients } = status
  const lines = [
    `node     ${Buffer.from(node.publicKey).toString('hex')} (${node.network}), block ${node.blockHeight}, ${isOnline ? 'there' : 'away'}`,
    `running  ${durationInWords(status.runningMs / 1_000)}, ${status.payments} payments under way`,
    `packets  ${status.recentArrivals} kept for programs that come back, ${status.heldOpens} connections wait for a port, ${status.strays} were for nobody`,
    clients.length === 0 ? 'no program is attached' : `${clients.length} attached:`,
  ]
  for (const client of clients) {
    const ports = client.ports.length === 0 ? 'no port' : `port ${client.ports.join(', ')}`
    lines.push(
      `  ${client.id}${client.program === '' ? '' : ` ${client.program}`}: ${ports}; ${client.connections} connections, ${client.paths} paths, ${client.payments} payments, ${client.offers} offers; for ${durationInWords(client.attachedMs / 1_000)}`,
    )
  }
  return lines
}
