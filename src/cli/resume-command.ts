/** The command line that goes on, as a shell takes it. */
export function resumeCommand(
  words: readonly string[],
  environment: NodeJS.ProcessEnv,
  options: { readonly maxCostSat?: number } = {},
): string {
  const program = environment['KEYSOCK_PROGRAM'] ?? 'keysock'
  const kept =
    options.maxCostSat === undefined
      ? words
      : [...withoutOption(words, '--max-cost'), '--max-cost', String(options.maxCostSat)]
  return [program, ...kept.map(quoted)].join(' ')
}

function withoutOption(words: readonly string[], name: string): readonly string[] {
  return words.filter((word, index) => word !== name && words[index - 1] !== name && !word.startsWith(`${name}=`))
}

/** For POSIX shells. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
