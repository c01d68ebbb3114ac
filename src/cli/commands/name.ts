import { Command } from 'commander'
import { fromHostName, toHostName } from '../../index.ts'
import type { Dependencies } from '../dependencies.ts'
import { createDisplay } from '../display/display.ts'
import { EXIT, EXIT_HELP, type ExitCode } from '../ending.ts'
import type { CliEvent } from '../events.ts'
import { AddressBook, type BookEntry } from '../home/address-book.ts'
import { addOutputOptions, addressArgument, type OutputFlags } from '../options.ts'
import { codeOf, messageOf } from '../transfer/errors.ts'

type NameDependencies = Pick<Dependencies, 'stdout' | 'stderr' | 'environment' | 'clock'>

type NameEvent = Extract<CliEvent, { event: 'name' }>

interface AddFlags extends OutputFlags {
  readonly replace?: boolean
}

const EXAMPLES = `
Examples:
  keysock name add shop 02ab...cd      from now on, shop or shop.keysock is that address
  keysock send photo.jpg shop          wherever a command takes an address
  keysock name show 02ab...cd          its host name: KEY.keysock, which needs no address book
  keysock name list

The book is names.json in ~/.keysock, or in the folder KEYSOCK_HOME. It is this computer's: others
see the address only.`

export function nameCommand(dependencies: NameDependencies, ended: (code: ExitCode) => void): Command {
  const book = new AddressBook(dependencies.environment)
  const command = new Command('name')
    .summary('give addresses names of your own')
    .description('The address book: names of your own, that stand for addresses in every command.')
    .addHelpText('after', EXAMPLES)
  const below = (name: string, description: string): Command => {
    const made = new Command(name).description(description).addHelpText('after', `\n${EXIT_HELP}`)
    command.addCommand(made)
    return made
  }
  /** Runs an action, and shows what it tells. */
  const run = async (flags: OutputFlags, action: () => Promise<readonly NameEvent[]>): Promise<void> => {
    const { stdout, stderr, environment, clock: time } = dependencies
    const { json = false, quiet = false } = flags
    const display = createDisplay({ stdout, stderr, environment, time, json, quiet })
    try {
      for (const event of await action()) display.emit(event)
      ended(EXIT.done)
    } catch (error) {
      display.emit({ event: 'error', code: codeOf(error), message: messageOf(error) })
      ended(EXIT.failed)
    } finally {
      display.close()
    }
  }
  addOutputOptions(
    below('add', 'Give an address a name.')
      .argument('<name>', 'letters, digits and hyphens')
      .argument(
        '<address>',
        "a node's public key or address, or its KEY.keysock",
        addressArgument(dependencies.environment),
      )
      .option('--replace', 'also where the name has another address'),
  ).action((name: string, address: string, flags: AddFlags) =>
    run(flags, async () => {
      const entry = { name: name.toLowerCase(), address }
      await book.add(entry, { isReplaced: flags.replace === true })
      return [eventOf(entry, 'added')]
    }),
  )
  addOutputOptions(below('list', 'Show all names.')).action((flags: OutputFlags) =>
    run(flags, () => Promise.resolve(book.list().map((entry) => eventOf(entry, 'none')))),
  )
  addOutputOptions(below('remove', 'Forget a name.').argument('<name>', 'of the address book')).action(
    (name: string, flags: OutputFlags) => run(flags, async () => [eventOf(await book.remove(name), 'removed')]),
  )
  addOutputOptions(
    below('show', 'Show the address and the host name behind a name, or of an address.').argument(
      '<name>',
      'of the address book, or an address',
    ),
  ).action((name: string, flags: OutputFlags) =>
    run(flags, () => Promise.resolve([eventOf({ name, address: book.resolve(name) }, 'shown')])),
  )
  return command
}

function eventOf({ name, address }: BookEntry, change: NameEvent['change']): NameEvent {
  const host = toHostName(address)
  return { event: 'name', change, name, address, publicKey: fromHostName(host), host }
}
