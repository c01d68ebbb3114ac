/** The command line that goes on, as a shell takes it. */
export function resumeCommand(
  words: readonly string[],
  environment: NodeJS.ProcessEnv,
  options: { readonly maxCostSat?: number } = {},
): string {
  const program = environment['KEYSOCK_PROGRAM'] ?? 'keysock'
  const { maxCostSat } = options
  const kept = maxCostSat === undefined ? words : withOption(words, '--max-cost', String(maxCostSat))
  return [program, ...kept.map(quoted)].join(' ')
}

/** Nothing behind `--` is an option. */
function withOption(words: readonly string[], name: string, value: string): readonly string[] {
  const end = words.includes('--') ? words.indexOf('--') : words.length
  return [...withoutOption(words.slice(0, end), name), name, value, ...words.slice(end)]
}

function withoutOption(words: readonly string[], name: string): readonly string[] {
  return words.filter((word, index) => word !== name && words[index - 1] !== name && !word.startsWith(`${name}=`))
}

/** For POSIX shells. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
