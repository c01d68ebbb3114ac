import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { accountCommand } from './commands/account.ts'
import { connectCommand } from './commands/connect.ts'
import { benchCommand } from './commands/bench.ts'
import { chatCommand } from './commands/chat.ts'
import { completionCommand } from './commands/completion.ts'
import { daemonCommand } from './commands/daemon.ts'
import { doctorCommand } from './commands/doctor.ts'
import { exposeCommand } from './commands/expose.ts'
import { forwardCommand } from './commands/forward.ts'
import { messageCommand } from './commands/message.ts'
import { messagesCommand } from './commands/messages.ts'
import { nameCommand } from './commands/name.ts'
import { pingCommand } from './commands/ping.ts'
import { plotCommand } from './commands/plot.ts'
import { proxyCommand } from './commands/proxy.ts'
import { receiveCommand } from './commands/receive.ts'
import { sendCommand } from './commands/send.ts'
import { statusCommand } from './commands/status.ts'
import type { Dependencies } from './dependencies.ts'
import { LineWriter, type Terminal, wrap } from './display/lines.ts'
import { EXIT, type ExitCode } from './ending.ts'
import type { CliEvent } from './events.ts'

const EXAMPLES = `
Examples:
  keysock doctor                     is this node ready?
  keysock receive --out downloads    waits for files, and prints what senders type
  keysock send photo.jpg 02ab...cd   sends one
  keysock expose 8080 --port 80      puts a local service on a port of this node
  keysock forward 8080 02ab...cd:80  brings it to another computer

keysock COMMAND --help says more.`

/** Runs a command line. Resolves with its exit code. */
export async function runProgram(dependencies: Dependencies): Promise<ExitCode> {
  let code: ExitCode = EXIT.done
  const ended = (given: ExitCode): void => {
    code = given
  }
  const program = buildProgram(dependencies, ended)
  try {
    checkCommand(program, dependencies.words)
    await program.parseAsync([...dependencies.words], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return EXIT.done
    return EXIT.usage
  }
  return code
}

/** Commander shows its general help for a command that is none, where --help stands behind it. */
function checkCommand(program: Command, [first, second]: readonly string[]): void {
  if (first === undefined || first.startsWith('-')) return
  const command = program.commands.find((each) => each.name() === first)
  if (command === undefined) return noCommand(program, first)
  const isAlone = command.registeredArguments.length === 0 && command.commands.length > 0
  if (!isAlone || second === undefined || second.startsWith('-')) return
  if (!command.commands.some((each) => each.name() === second) && second !== 'help') noCommand(command, second)
}

function noCommand(above: Command, name: string): void {
  const names = above.commands.map((command) => command.name()).join(', ')
  above.error(`error: there is no command '${name}'; there are ${names}`, { code: 'commander.unknownCommand' })
}

/** Behind -- there are no options. */
function wantsJson({ words }: Pick<Dependencies, 'words'>): boolean {
  const end = words.indexOf('--')
  return words.slice(0, end === -1 ? words.length : end).includes('--json')
}

/** All commands, as commander has them. */
export function buildProgram(dependencies: Dependencies, ended: (code: ExitCode) => void): Command {
  const { stdout, stderr } = dependencies
  // Whoever reads the first lines of a help may be gone before its last one.
  for (const stream of [stdout, stderr]) stream.on('error', () => undefined)
  const isJson = wantsJson(dependencies)
  const results = new LineWriter(stdout)
  const program = new Command('keysock')
    .description('Files and streams over Lightning: no IP address, no open port, no account.')
    .version(version(), '-V, --version', 'show the version')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void stdout.write(fitted(text, stdout)),
      writeErr: (text) => void (isJson || stderr.write(fitted(text, stderr))),
    })
    // What each takes stands in its own help.
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .helpCommand(false)
    .addHelpText('after', EXAMPLES)
  explainErrors(program, isJson ? results : undefined)
  for (const command of [
    sendCommand(dependencies, ended),
    receiveCommand(dependencies, ended),
    doctorCommand(dependencies, ended),
    messageCommand(dependencies, ended),
    messagesCommand(dependencies, ended),
    exposeCommand(dependencies, ended),
    forwardCommand(dependencies, ended),
    connectCommand(dependencies, ended),
    nameCommand(dependencies, ended),
    chatCommand(dependencies, ended),
    pingCommand(dependencies, ended),
    benchCommand(dependencies, ended),
    statusCommand(dependencies, ended),
    completionCommand(dependencies, ended),
    proxyCommand(dependencies, ended),
    daemonCommand(dependencies, ended),
    accountCommand(dependencies, ended),
    plotCommand(dependencies, ended),
  ]) {
    inherit(command, program, isJson ? results : undefined)
    program.addCommand(command)
  }
  return program
}

/** Has errors of a command line say how it is typed: as text, or as an object to `json`. */
function explainErrors(command: Command, json: LineWriter | undefined): void {
  const words = wordsOf(command)
  const usage = `${words} ${command.usage()}`
  // Below the error.
  if (json === undefined) command.showHelpAfterError(`(${usage}; ${words} --help explains it)`)
  else command.configureOutput({ outputError: (text) => json.line(usageError(text, usage)) })
}

/** From the program's own name on. */
function wordsOf(command: Command): string {
  return command.parent === null ? command.name() : `${wordsOf(command.parent)} ${command.name()}`
}

/** What a script reads in place of the text for a person, which begins with 'error: '. */
function usageError(text: string, usage: string): string {
  const message = text.trim().slice('error: '.length)
  const event: CliEvent = { event: 'error', code: 'ERR_CLI_USAGE', message, usage }
  return JSON.stringify(event)
}

/** Help, broken at words where a terminal is narrower than it. */
function fitted(text: string, { isTTY, columns = 0 }: Terminal): string {
  if (isTTY !== true || columns <= 0) return text
  return text
    .split('\n')
    .flatMap((line) => wrap(line, columns))
    .join('\n')
}

/** Commands, and the commands below them, write and exit as the program does. */
function inherit(command: Command, parent: Command, json: LineWriter | undefined): void {
  command.copyInheritedSettings(parent)
  command.parent = parent
  explainErrors(command, json)
  for (const below of command.commands) inherit(below, command, json)
}

/** The version of the package: its package.json is two folders above, of the source and when built. */
export function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { readonly version: string }).version
}
