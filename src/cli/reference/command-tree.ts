/** The command line as plain data, read from commander's own tree: completion and manual cannot forget a command. */
import type { Argument, Command, Option } from 'commander'

export interface OptionReference {
  /** `-q`, where there is one. */
  readonly short: string | undefined
  readonly long: string
  /** `<sat>`, as the help has it; undefined: a flag. */
  readonly value: string | undefined
  readonly isValueOptional: boolean
  readonly description: string
  readonly choices: readonly string[]
  /** The heading under which the help has it. */
  readonly group: string
}

interface ArgumentReference {
  readonly name: string
  readonly description: string
  readonly isRequired: boolean
  readonly isVariadic: boolean
  readonly choices: readonly string[]
}

export interface CommandReference {
  /** From the program's own on: `keysock daemon status`. */
  readonly words: readonly string[]
  readonly summary: string
  readonly description: string
  readonly usage: string
  readonly arguments: readonly ArgumentReference[]
  readonly options: readonly OptionReference[]
  readonly commands: readonly CommandReference[]
  /** What the help says behind the options: examples, remarks, exit codes. */
  readonly after: string
}

const PLAIN_GROUP = 'Options:'

export function commandTree(command: Command, above: readonly string[] = []): CommandReference {
  const words = [...above, command.name()]
  const help = command.createHelp()
  return {
    words,
    summary: command.summary() || firstSentence(command.description()),
    description: command.description(),
    usage: command.usage(),
    arguments: command.registeredArguments.map((argument) => argumentReference(argument)),
    options: help.visibleOptions(command).map((option) => optionReference(option)),
    // Commander's own, which --help does as well.
    commands: command.commands.filter((below) => below.name() !== 'help').map((below) => commandTree(below, words)),
    after: helpAfter(command),
  }
}

function firstSentence(text: string): string {
  const [first = ''] = text.split('. ')
  return first.replace(/\.$/, '').replace(/^./, (letter) => letter.toLowerCase())
}

function argumentReference(argument: Argument): ArgumentReference {
  return {
    name: argument.name(),
    description: argument.description,
    isRequired: argument.required,
    isVariadic: argument.variadic,
    choices: argument.argChoices ?? [],
  }
}

function optionReference(option: Option): OptionReference {
  const [, value] = /([<[][^\]>]+[\]>])/.exec(option.flags) ?? []
  const { argChoices: choices = [] } = option
  return {
    short: option.short,
    long: option.long ?? option.flags,
    value,
    isValueOptional: option.optional,
    description: `${option.description}${defaultInWords(option)}`,
    choices,
    group: option.helpGroupHeading ?? PLAIN_GROUP,
  }
}

/** As commander's help has it. */
function defaultInWords(option: Option): string {
  const given: unknown = option.defaultValue
  if (option.defaultValueDescription !== undefined) return ` (default: ${option.defaultValueDescription})`
  return option.isBoolean() || given === undefined ? '' : ` (default: ${JSON.stringify(given)})`
}

/** Commander adds it when it prints, so what it prints is looked at. */
function helpAfter(command: Command): string {
  const before = command.configureOutput()
  let text = ''
  command.configureOutput({ ...before, writeOut: (part) => (text += part) })
  command.outputHelp()
  command.configureOutput(before)
  return text.slice(command.helpInformation().length).trim()
}

/** A command and all below it. */
export function allCommands(tree: CommandReference): readonly CommandReference[] {
  return [tree, ...tree.commands.flatMap((below) => allCommands(below))]
}
