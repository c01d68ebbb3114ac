import { Command } from 'commander'
import { type Finding, lndPermissions, ownMacaroonFile } from '../../lnd.ts'
import { type DayCap, type KeyList, type Policy, readPolicy } from '../../index.ts'
import type { Dependencies } from '../dependencies.ts'
import { createDisplay } from '../display/display.ts'
import { EXIT, exitHelp, type ExitCode } from '../ending.ts'
import type { CliEvent } from '../events.ts'
import { quoted } from './command-run.ts'
import { messageOf } from '../transfer/errors.ts'
import { satInWords } from '../words.ts'
import { addNodeOptions, nodeEnvironment, type NodeFlags, nodeLocation } from '../options.ts'

interface DoctorFlags extends NodeFlags {
  readonly json?: boolean
  readonly policy?: string
}

const EXAMPLES = `
Examples:
  keysock doctor
  keysock doctor --policy policy.json
  keysock doctor --network regtest --rpcserver localhost:10011 --lnddir ~/alice

It changes nothing and pays nothing.

${exitHelp({ 0: 'it works, perhaps not everything', 1: 'something is bad' })}`

export function doctorCommand(dependencies: Dependencies, ended: (code: ExitCode) => void): Command {
  const command = new Command('doctor')
    .summary('look at the node and say what is missing')
    .description('Look at the lnd node for what keysock needs, and say what to do where something is missing.')
  command.option('--policy <file>', 'also look at a policy, for the daemon or a program')
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
  const ofNode = (await checkLnd(nodeLocation(flags))).map((finding) => (hasDaemon ? withDaemon(finding) : finding))
  const findings = flags.policy === undefined ? ofNode : [...ofNode, await policyFinding(flags.policy)]
  for (const finding of findings) display.emit({ ...finding, event: 'finding' })
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

/** What a policy says, or what is wrong with it. */
async function policyFinding(file: string): Promise<Extract<CliEvent, { readonly event: 'finding' }>> {
  const finding = { event: 'finding', name: 'policy' } as const
  try {
    return { ...finding, verdict: 'good', message: policyInWords(await readPolicy(file)) }
  } catch (error) {
    return { ...finding, verdict: 'bad', message: messageOf(error) }
  }
}

function policyInWords({ daySat, hourSat, ports = {}, programs = {}, ...policy }: Policy): string {
  const { peerSat, processSat, connectTo = {}, callers = {}, alertPercent } = policy
  const words = [
    ...(daySat === undefined ? [] : [`${satInWords(daySat)} a day in all`]),
    ...(hourSat === undefined ? [] : [`${satInWords(hourSat)} an hour in all`]),
    ...capsInWords('port', ports),
    ...capsInWords('program', programs),
    ...(peerSat === undefined ? [] : [`${satInWords(peerSat)} to one key`]),
    ...(processSat === undefined ? [] : [`${satInWords(processSat)} for a process`]),
    ...keysInWords('connects to', connectTo),
    ...keysInWords('is called by', callers),
    ...(alertPercent === undefined ? [] : [`a warning at ${alertPercent} % of a cap`]),
  ]
  return words.length === 0 ? 'the policy says nothing' : words.join('; ')
}

function capsInWords(of: string, all: Readonly<Record<string, DayCap>>): readonly string[] {
  return Object.entries(all).map(
    ([name, cap]) => `${name === '*' ? `other ${of}s together` : `${of} ${name}`}: ${satInWords(cap.daySat)} a day`,
  )
}

function keysInWords(of: string, { only, never = [] }: KeyList): readonly string[] {
  return [
    ...(only === undefined ? [] : [`${of} ${only.length} keys only`]),
    ...(never.length === 0 ? [] : [`${of} all but ${never.length} keys`]),
  ]
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
