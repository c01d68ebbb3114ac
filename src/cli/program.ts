import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { daemonCommand } from './commands/daemon.ts'
import { doctorCommand } from './commands/doctor.ts'
import { receiveCommand } from './commands/receive.ts'
import { sendCommand } from './commands/send.ts'
import type { Dependencies } from './dependencies.ts'
import { type Terminal, wrap } from './display/lines.ts'
import { EXIT, type ExitCode } from './ending.ts'

const EXAMPLES = `
Examples:
  keysock doctor                     is this node ready?
  keysock receive --out downloads    waits for files, and prints what senders type
  keysock send photo.jpg 02ab...cd   sends one

keysock COMMAND --help says more.`

/** Runs a command line. Resolves with its exit code. */
export async function runProgram(dependencies: Dependencies): Promise<ExitCode> {
  let code: ExitCode = EXIT.done
  const ended = (given: ExitCode): void => {
    code = given
  }
  const program = buildProgram(dependencies, ended)
  try {
    await program.parseAsync([...dependencies.words], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    return error.exitCode === 0 ? EXIT.done : EXIT.usage
  }
  return code
}

function buildProgram(dependencies: Dependencies, ended: (code: ExitCode) => void): Command {
  const { stdout, stderr } = dependencies
  const program = new Command('keysock')
    .description('Files and streams over Lightning: no IP address, no open port, no account.')
    .version(version(), '-V, --version', 'show the version')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void stdout.write(fitted(text, stdout)),
      writeErr: (text) => void stderr.write(fitted(text, stderr)),
    })
    .showHelpAfterError('(keysock COMMAND --help explains it)')
    .helpCommand(false)
    .addHelpText('after', EXAMPLES)
  for (const command of [
    sendCommand(dependencies, ended),
    receiveCommand(dependencies, ended),
    doctorCommand(dependencies, ended),
    daemonCommand(dependencies, ended),
  ]) {
    inherit(command, program)
    program.addCommand(command)
  }
  return program
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
function inherit(command: Command, parent: Command): void {
  command.copyInheritedSettings(parent)
  for (const below of command.commands) inherit(below, command)
}

/** The version of the package: its package.json is two folders above, of the source and when built. */
function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { readonly version: string }).version
}
