import { closeSync, openSync } from 'node:fs'
import { devNull } from 'node:os'
import { Command } from 'commander'
import { KeysockError } from '../../index.ts'
import type { Dependencies } from '../dependencies.ts'
import { EXIT, EXIT_HELP, type ExitCode } from '../ending.ts'
import type { CliEvent } from '../events.ts'
import { portArgument, type Target, targetArgument } from '../options.ts'
import { codeOf } from '../transfer/errors.ts'
import type { End, LocalStreams } from '../tunnel/bridge.ts'
import { NODE_WAIT_MS } from '../tunnel/limits.ts'
import { addBuyerOptions, type Buyer, type BuyerFlags, openBuyer } from './buyer-options.ts'
import { CommandRun } from './command-run.ts'

interface ConnectFlags extends BuyerFlags {
  readonly verbose?: boolean
}

const EXAMPLES = `
Examples:
  keysock connect shop 80                                   type to it, and read what it says
  echo hello | keysock connect 02ab...cd:7
  ssh -o ProxyCommand='keysock connect %h %p' me@shop       ssh, and scp, rsync and git over it

Standard output has the bytes of the other side and nothing else. Standard input carries data, so
nobody is asked about a price here: --accept-price says what may be paid, or what was accepted once
in keysock forward is remembered.

${EXIT_HELP}`

export function connectCommand(dependencies: Dependencies, ended: (code: ExitCode) => void): Command {
  const command = new Command('connect')
    .summary('join standard input and output to a port of a node')
    .description('Connect to a port of a node, and join standard input and output to it, as nc does.')
    .argument(
      '<address[:port]>',
      "a node's public key, address, KEY.keysock or name",
      targetArgument(dependencies.environment),
    )
    .argument('[port]', 'where to connect to', portArgument)
    .option('-v, --verbose', 'say on standard error what happens')
  addBuyerOptions(command)
  command.addHelpText('after', EXAMPLES)
  command.action(async (target: Target, port: number | undefined, flags: ConnectFlags) => {
    const where = port ?? target.port
    if (where === undefined) return command.error('error: the port is missing: keysock connect ADDRESS PORT')
    ended(await connect(dependencies, { address: target.address, port: where }, flags))
  })
  return command
}

async function connect(
  dependencies: Dependencies,
  target: { readonly address: string; readonly port: number },
  flags: ConnectFlags,
): Promise<ExitCode> {
  const isVerbose = flags.verbose === true
  const quiet = !isVerbose && dependencies.stderr.isTTY !== true
  // Its standard input is the data: nobody is asked.
  // ssh says goodbye by SIGHUP: the connection has to end all the same, or the other side waits for hours.
  const run = new CommandRun(dependencies, { quiet }, { isOutputTaken: true, isInputTaken: true, endsAtHangup: true })
  const local = standardStreams(dependencies)
  let buyer: Buyer | undefined
  try {
    buyer = await openBuyer(dependencies, run, flags, {
      show: (event) => {
        if (isVerbose || isForAnybody(event)) run.display.emit(event)
      },
      // scp right after ssh: the one before still ends.
      waitMs: NODE_WAIT_MS,
    })
    const { dialer, tunnel } = buyer
    const about = dialer.about(target)
    const end = await run.stop.orStop(tunnel.join(local, dialer.dial(target), about))
    return report(run, end, about.explain)
  } catch (error) {
    if (run.stop.isGiven) {
      await buyer?.tunnel.end()
      return run.stop.exitCode
    }
    run.failed(error)
    return codeOf(error) === 'ERR_KEYSOCK_COST' ? EXIT.stopped : EXIT.failed
  } finally {
    // An input that nobody reads would hold the process.
    local.input.destroy()
    await buyer?.tunnel.end()
    await run.close()
    buyer?.tunnel.sumUp()
  }
}

function report(
  run: CommandRun,
  end: End,
  explain: ((error: Error, by: 'local' | 'remote') => string | undefined) | undefined,
): ExitCode {
  if (end.type === 'ended') return EXIT.done
  const error = end.error ?? new KeysockError('ECONNRESET', 'the connection was broken off')
  const why =
    end.by === 'local' && codeOf(error) === 'EPIPE'
      ? 'whoever read what the other side says has gone'
      : explain?.(error, end.by)
  run.failed(error, { why })
  return codeOf(error) === 'ERR_KEYSOCK_COST' ? EXIT.stopped : EXIT.failed
}

/** Under ssh, the terminal is that of its session. */
function isForAnybody({ event }: CliEvent): boolean {
  return event === 'price' || event === 'paused' || event === 'warning'
}

function standardStreams({ stdin, stdout }: Dependencies): LocalStreams {
  stdout.once('finish', () => {
    // Node keeps it open until the process ends, and whoever reads would wait for that. Its number is taken again at
    // once: what is opened next must not become the standard output.
    if (!('fd' in stdout) || stdout.fd !== 1 || stdout.isTTY === true) return
    closeSync(1)
    openSync(devNull, 'w')
  })
  return { input: stdin, output: stdout, closes: false, reset: () => void stdin.destroy() }
}
