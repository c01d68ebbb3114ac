import { Command } from 'commander'
import { type Finding, lndPermissions, ownMacaroonFile } from '../../lnd.ts'
import type { Dependencies } from '../dependencies.ts'
import { createDisplay } from '../display/display.ts'
import { EXIT, type ExitCode } from '../ending.ts'
import { quoted } from './command-run.ts'
import { addNodeOptions, nodeEnvironment, type NodeFlags, nodeLocation } from '../options.ts'

interface DoctorFlags extends NodeFlags {
  readonly json?: boolean
}

const EXAMPLES = `
Examples:
  keysock doctor
  keysock doctor --network regtest --rpcserver localhost:10011 --lnddir ~/alice

It changes nothing and pays nothing.
Exit code 0: it works, perhaps not everything; 1: something is bad; 2: the command line is wrong.`

export function doctorCommand(dependencies: Dependencies, ended: (code: ExitCode) => void): Command {
  const command = new Command('doctor')
    .summary('look at the node and say what is missing')
    .description('Look at the lnd node for what keysock needs, and say what to do where something is missing.')
  addNodeOptions(command)
  command.optionsGroup('Output:').option('--json', 'one JSON object a line')
  command.addHelpText('after', EXAMPLES)
  command.action(async (flags: DoctorFlags) => {
    ended(await doctor(dependencies, flags))
  })
  return command
}

async function doctor(dependencies: Dependencies, flags: DoctorFlags): Promise<ExitCode> {
  const { stdout, stderr, environment, clock, checkLnd } = dependencies
  const display = createDisplay({ stdout, stderr, environment, time: clock, json: flags.json === true, quiet: false })
  const hasDaemon = await dependencies.hasDaemon(nodeEnvironment(environment, flags))
  const findings = (await checkLnd(nodeLocation(flags))).map((finding) => (hasDaemon ? withDaemon(finding) : finding))
  for (const finding of findings) display.emit({ event: 'finding', ...finding })
  if (findings.some(({ name, verdict }) => name === 'permissions' && verdict === 'bad')) {
    display.emit({
      event: 'hint',
      message: 'a macaroon with all that is needed, and no more, comes from:',
      command: bakeCommand(flags, nodeEnvironment(environment, flags)),
    })
  }
  display.close()
  return findings.some(({ verdict }) => verdict === 'bad') ? EXIT.failed : EXIT.done
}

/** Of lncli, for the node that the flags name: its macaroon is found then without being named. */
function bakeCommand(flags: NodeFlags, environment: NodeJS.ProcessEnv): string {
  const node = (['lnddir', 'network', 'rpcserver', 'tlscertpath'] as const).flatMap((name) => {
    const value = flags[name]
    return value === undefined ? [] : [quoted(`--${name}=${value}`)]
  })
  const file = quoted(ownMacaroonFile({}, environment))
  return ['lncli', ...node, 'bakemacaroon', '--save_to', file, ...lndPermissions].join(' ')
}

/** The program that holds the interceptor is ours, then, and lets others use it. */
function withDaemon(finding: Finding): Finding {
  if (finding.name !== 'interceptor' || finding.verdict !== 'poor') return finding
  return {
    ...finding,
    verdict: 'good',
    message: 'the keysock daemon of this node holds the HTLC interceptor, for all programs',
  }
}
