/** Scripts by which shells complete the command line: made of its tree, so that nothing in it can be forgotten. */
import { allCommands, type CommandReference, type OptionReference } from './command-tree.ts'

export const SHELLS = ['bash', 'zsh', 'fish'] as const

export type Shell = (typeof SHELLS)[number]

/** Prints the names of the address book, one a line; nothing where there is none. */
const NAMES_COMMAND = 'keysock completion names 2>/dev/null'

export function completionScript(tree: CommandReference, shell: Shell): string {
  switch (shell) {
    case 'bash':
      return bashScript(tree)
    case 'zsh':
      return zshScript(tree)
    case 'fish':
      return fishScript(tree)
  }
}

/** Its words behind the program's name: `daemon status`. */
function pathOf({ words }: CommandReference): string {
  return words.slice(1).join(' ')
}

function spellings({ short, long }: OptionReference): readonly string[] {
  return short === undefined ? [long] : [short, long]
}

/** Whether its value is the name of a file or folder. */
function isFile({ value = '' }: OptionReference): boolean {
  return /file|dir|path/.test(value)
}

/** Whether it takes the address of a node, for which a name may stand. */
function takesAddress(command: CommandReference): boolean {
  return command.arguments.some(({ name }) => /^(address|key|to|target|receiver|node)/.test(name))
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

/** The loop by which bash and zsh find the command: each of its words leads on from the words before. */
function findingCases(tree: CommandReference): readonly string[] {
  return allCommands(tree)
    .filter(({ words }) => words.length > 1)
    .map((command) => {
      const above = command.words.slice(1, -1).join(' ')
      return `      ${quoted(`${above} ${command.words.at(-1)}`)}) command=${quoted(pathOf(command))} ;;`
    })
}

/** Options that take a value, by command, and what it can be. */
function valueCases(tree: CommandReference, show: (option: OptionReference) => string): readonly string[] {
  return allCommands(tree).flatMap((command) =>
    command.options
      .filter(({ value, isValueOptional }) => value !== undefined && !isValueOptional)
      .map((option) => {
        const patterns = spellings(option).map((spelling) => quoted(`${pathOf(command)} ${spelling}`))
        return `    ${patterns.join('|')}) ${show(option)} ;;`
      }),
  )
}

function bashScript(tree: CommandReference): string {
  const all = allCommands(tree)
  const cases = (show: (command: CommandReference) => string): readonly string[] =>
    all.map((command) => `    ${quoted(pathOf(command))}) ${show(command)} ;;`)
  return `# bash completion of keysock, by keysock completion bash.
# Try it: source <(keysock completion bash)
# Keep it: keysock completion bash > ~/.local/share/bash-completion/completions/keysock
_keysock() {
  local current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} command='' i
  local options='' commands='' names=''
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$command \${COMP_WORDS[i]}" in
${findingCases(tree).join('\n')}
    esac
  done
  case "$command $before" in
${valueCases(tree, (option) => {
  if (option.choices.length > 0)
    return `COMPREPLY=($(compgen -W ${quoted(option.choices.join(' '))} -- "$current")); return`
  return isFile(option) ? 'compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")); return' : 'return'
}).join('\n')}
  esac
  case "$command" in
${cases((command) => {
  const options = command.options.flatMap((option) => spellings(option))
  const words = [...command.commands.map(({ words: path }) => path.at(-1) ?? ''), ...choicesOf(command)]
  const names = takesAddress(command) ? `; names=$(${NAMES_COMMAND})` : ''
  return `options=${quoted(options.join(' '))}; commands=${quoted(words.join(' '))}${names}`
}).join('\n')}
  esac
  if [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
  else
    COMPREPLY=($(compgen -W "$commands $names" -- "$current"))
    # A file, where the command has one.
    [[ \${#COMPREPLY[@]} -gt 0 || -z $command ]] || { compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")); }
  fi
}
complete -F _keysock keysock
`
}

function choicesOf(command: CommandReference): readonly string[] {
  return command.arguments.flatMap(({ choices }) => choices)
}

/** A candidate of _describe. */
function described(name: string, text: string): string {
  return quoted(`${name.replaceAll(':', '\\:')}:${text}`)
}

function zshScript(tree: CommandReference): string {
  return `#compdef keysock
# zsh completion of keysock, by keysock completion zsh.
# Try it: source <(keysock completion zsh)
# Keep it: keysock completion zsh > "\${fpath[1]}/_keysock"
_keysock() {
  local command='' before=\${words[CURRENT-1]} i
  local -a options commands names
  for ((i = 2; i < CURRENT; i++)); do
    case "$command \${words[i]}" in
${findingCases(tree).join('\n')}
    esac
  done
  case "$command $before" in
${valueCases(tree, (option) => {
  if (option.choices.length > 0) return `compadd -- ${option.choices.map((choice) => quoted(choice)).join(' ')}; return`
  return isFile(option) ? '_files; return' : `_message ${quoted(option.value ?? '')}; return`
}).join('\n')}
  esac
  case "$command" in
${allCommands(tree)
  .map((command) => {
    const options = command.options.flatMap((option) =>
      spellings(option).map((spelling) => described(spelling, option.description)),
    )
    const commands = [
      ...command.commands.map(({ words, summary }) => described(words.at(-1) ?? '', summary)),
      ...choicesOf(command).map((choice) => described(choice, '')),
    ]
    const names = takesAddress(command) ? `; names=(\${(f)"$(${NAMES_COMMAND})"})` : ''
    return `    ${quoted(pathOf(command))}) options=(${options.join(' ')}); commands=(${commands.join(' ')})${names} ;;`
  })
  .join('\n')}
  esac
  if [[ \${words[CURRENT]} == -* ]]; then
    _describe -o 'option' options
    return
  fi
  (( \${#commands} )) && _describe 'command' commands
  (( \${#names} )) && compadd -- "\${names[@]}"
  [[ -n $command ]] && _files
}
if [[ \${funcstack[1]} == _keysock ]]; then _keysock "$@"; else compdef _keysock keysock; fi
`
}

function fishQuoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}

/** The condition under which a candidate is one. */
function at(command: CommandReference): string {
  return `-n ${fishQuoted(`test (__keysock_command) = "${pathOf(command)}"`)}`
}

function fishScript(tree: CommandReference): string {
  const all = allCommands(tree)
  const lines = all.flatMap((command) => [
    ...command.commands.map(
      ({ words, summary }) =>
        `complete -c keysock ${at(command)} -f -a ${fishQuoted(words.at(-1) ?? '')} -d ${fishQuoted(summary)}`,
    ),
    ...choicesOf(command).map((choice) => `complete -c keysock ${at(command)} -f -a ${fishQuoted(choice)}`),
    ...(takesAddress(command) ? [`complete -c keysock ${at(command)} -a ${fishQuoted(`(${NAMES_COMMAND})`)}`] : []),
    ...command.options.map((option) => {
      const short = option.short === undefined ? '' : ` -s ${option.short.slice(1)}`
      const long = ` -l ${option.long.replace(/^--/, '')}`
      const value =
        option.value === undefined || option.isValueOptional
          ? ''
          : option.choices.length > 0
            ? ` -x -a ${fishQuoted(option.choices.join(' '))}`
            : isFile(option)
              ? ' -r -F'
              : ' -x'
      return `complete -c keysock ${at(command)}${short}${long}${value} -d ${fishQuoted(option.description)}`
    }),
  ])
  return `# fish completion of keysock, by keysock completion fish.
# Try it: keysock completion fish | source
# Keep it: keysock completion fish > ~/.config/fish/completions/keysock.fish
function __keysock_command
    set -l command ''
    for word in (commandline -opc)[2..]
        switch "$command $word"
${all
  .filter(({ words }) => words.length > 1)
  .map((command) => {
    const above = command.words.slice(1, -1).join(' ')
    return `            case ${fishQuoted(`${above} ${command.words.at(-1)}`)}\n                set command ${fishQuoted(pathOf(command))}`
  })
  .join('\n')}
        end
    end
    echo "$command"
end
${lines.join('\n')}
`
}
