/** Pages of the manual in man(7), made of the command's tree. */
import { allCommands, type CommandReference, type OptionReference } from './command-tree.ts'

export interface ManualPage {
  /** `keysock-ping.1` */
  readonly file: string
  readonly text: string
}

interface ManualOptions {
  readonly version: string
  /** 2026-11-30 */
  readonly date: string
}

export function manualPages(tree: CommandReference, options: ManualOptions): readonly ManualPage[] {
  const all = allCommands(tree)
  return all.map((command) => ({ file: `${nameOf(command)}.1`, text: page(command, all, options) }))
}

function nameOf({ words }: CommandReference): string {
  return words.join('-')
}

function page(command: CommandReference, all: readonly CommandReference[], { version, date }: ManualOptions): string {
  const name = nameOf(command)
  const others = all.filter((each) => each !== command).map((each) => nameOf(each))
  const { usage, words, description, summary } = command
  return `${[
    `.TH ${name.toUpperCase()} 1 "${date}" "keysock ${version}" "keysock"`,
    '.SH NAME',
    `${escaped(name)} \\- ${escaped(summary)}`,
    '.SH SYNOPSIS',
    `.B ${escaped(words.join(' '))}`,
    escaped(usage),
    '.SH DESCRIPTION',
    paragraph(description),
    ...argumentLines(command),
    ...commandLines(command),
    ...optionLines(command),
    ...afterLines(command.after),
    '.SH SEE ALSO',
    ...others.map((other, index) => `.BR ${escaped(other)} (1)${index === others.length - 1 ? '' : ' ,'}`),
  ].join('\n')}\n`
}

function argumentLines(command: CommandReference): readonly string[] {
  if (command.arguments.length === 0) return []
  return [
    '.SH ARGUMENTS',
    ...command.arguments.flatMap(({ name, description }) => ['.TP', `.I ${escaped(name)}`, paragraph(description)]),
  ]
}

function commandLines({ commands }: CommandReference): readonly string[] {
  if (commands.length === 0) return []
  return [
    '.SH COMMANDS',
    ...commands.flatMap((command) => ['.TP', `.BR ${escaped(nameOf(command))} (1)`, paragraph(command.summary)]),
  ]
}

function optionLines({ options }: CommandReference): readonly string[] {
  const groups = Map.groupBy(options, ({ group }) => group)
  return [
    '.SH OPTIONS',
    ...[...groups].flatMap(([group, those]) => [
      ...(groups.size > 1 ? [`.SS ${escaped(group.replace(/:$/, ''))}`] : []),
      ...those.flatMap((option) => ['.TP', spelling(option), optionText(option)]),
    ]),
  ]
}

function spelling({ short, long, value }: OptionReference): string {
  const names = [short, long].filter((each) => each !== undefined).map((each) => `\\fB${escaped(each)}\\fR`)
  return `${names.join(', ')}${value === undefined ? '' : ` \\fI${escaped(value)}\\fR`}`
}

function optionText({ description, choices }: OptionReference): string {
  return paragraph(choices.length === 0 ? description : `${description} (${choices.join(', ')})`)
}

/** Blocks of a help: those under a heading, with their lines as they stand, and paragraphs. */
function afterLines(after: string): readonly string[] {
  const lines: string[] = []
  for (const block of after.split(/\n{2,}/).filter((each) => each.trim() !== '')) {
    const [first = '', ...rest] = block.split('\n')
    const heading = /^(\S.*):$/.exec(first)?.[1]
    if (heading === undefined) lines.push('.SH NOTES', paragraph(block.replaceAll(/\s*\n\s*/g, ' ')))
    else if (heading === 'Exit codes') lines.push('.SH EXIT STATUS', ...exitLines(rest))
    else lines.push(`.SH ${escaped(heading.toUpperCase())}`, '.nf', ...rest.map((line) => escaped(line)), '.fi')
  }
  // Notes in a row are one section.
  return lines.filter((line, index) => line !== '.SH NOTES' || lines[index - 2] !== '.SH NOTES').map((line) => line)
}

function exitLines(rest: readonly string[]): readonly string[] {
  return rest.flatMap((line) => {
    const [, code = '', meaning = ''] = /^\s*(\d+)\s+(.*)$/.exec(line) ?? []
    return ['.TP', `.B ${code}`, paragraph(meaning)]
  })
}

function paragraph(text: string): string {
  return escaped(text.trim())
}

/** Nothing that roff would act on. */
function escaped(text: string): string {
  const plain = text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('~', '\\(ti').replaceAll('^', '\\(ha')
  return plain.replaceAll(/^([.'])/gm, '\\&$1')
}
