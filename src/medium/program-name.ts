/** What programs may call themselves (spec/daemon.md §4.6), in words. */
export const PROGRAM_WORDS = 'a program has a name of 1 to 64 letters, digits, spaces, dots, hyphens and underscores'

/** What programs may call themselves (spec/daemon.md §4.6). */
export function isProgram(name: string): boolean {
  return /^[\p{L}\p{N}._ -]{1,64}$/u.test(name)
}
