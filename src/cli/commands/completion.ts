import { Argument, Command } from 'commander'
import type { Dependencies } from '../dependencies.ts'
import { LineWriter } from '../display/lines.ts'
import { EXIT, EXIT_HELP, type ExitCode } from '../ending.ts'
import { AddressBook } from '../home/address-book.ts'
import { commandTree } from '../reference/command-tree.ts'
import { completionScript, type Shell, SHELLS } from '../reference/completion.ts'

/** What the scripts ask for while somebody types. */
const NAMES = 'names'

const EXAMPLES = `
Examples:
  source <(keysock completion bash)          in this shell; zsh the same
  keysock completion bash > ~/.local/share/bash-completion/completions/keysock
  keysock completion zsh > "\${fpath[1]}/_keysock"
  keysock completion fish > ~/.config/fish/completions/keysock.fish

It completes commands, options, what they can be, and the names of the address book.

${EXIT_HELP}`

export function completionCommand(
  dependencies: Pick<Dependencies, 'stdout' | 'environment'>,
  ended: (code: ExitCode) => void,
): Command {
  const command = new Command('completion')
    .summary('print a script by which a shell completes keysock')
    .description('Print a script by which a shell completes the command line of keysock.')
    .addArgument(
      new Argument('<shell>', `${SHELLS.join(', ')}; names: what the scripts ask for`).choices([...SHELLS, NAMES]),
    )
    .addHelpText('after', EXAMPLES)
  command.action((shell: Shell | typeof NAMES) => {
    const writer = new LineWriter(dependencies.stdout)
    if (shell === NAMES) for (const { name } of new AddressBook(dependencies.environment).list()) writer.line(name)
    else dependencies.stdout.write(completionScript(commandTree(rootOf(command)), shell))
    ended(EXIT.done)
  })
  return command
}

function rootOf(command: Command): Command {
  return command.parent === null ? command : rootOf(command.parent)
}
