import { Command, CommanderError } from 'commander'
import { daemonCommand } from './commands/daemon.ts'
import { doctorCommand } from './commands/doctor.ts'
import { receiveCommand } from './commands/receive.ts'
import { sendCommand } from './commands/send.ts'
import type { Dependencies } from './dependencies.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'

const EXAMPLES = `
Examples:
  keysock doctor                     is this node ready?
  keysock receive --out downloads    waits for files, and prints what senders type
  keysock send photo.jpg 02ab...cd   sends one

keysock COMMAND --help says more.`

/** Runs a command line. Undefined: the command speaks of its end itself. */
export async function runProgram(dependencies: Dependencies): Promise<ExitCode | undefined> {
  let code: ExitCode | undefined
  const ended = (given: ExitCode): void => {
    code = given
  }
  const program = buildProgram(dependencies, ended)
  try {
    await program.parseAsync([...dependencies.words], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    code = error.exitCode === 0 ? EXIT.done : EXIT.usage
  }
  return code
}

function buildProgram(dependencies: Dependencies, ended: (code: ExitCode) => void): Command {
  const { stdout, stderr } = dependencies
  const program = new Command('keysock')
    .description('Files and streams over Lightning: no IP address, no open port, no account.')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
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
    command.copyInheritedSettings(program)
    program.addCommand(command)
  }
  return program
}
