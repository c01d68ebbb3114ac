/** Names of options that somebody wrote: a name that is none of ours is a mistake that nothing else would show. */

/**
 * The names that there are; a type makes the compiler ask for all of them: `Record<keyof Options, true>`, or with a
 * check for each in place of `true`.
 */
export type OptionNames = Readonly<Record<string, unknown>>

/** What to tell of the first option that is none of `names`; undefined where all are. */
export function unknownOption(options: object, names: OptionNames): string | undefined {
  const given = Object.keys(options).find((name) => !Object.hasOwn(names, name))
  if (given === undefined) return undefined
  const meant = nearestName(given, names)
  return meant === undefined
    ? `there is no option ${given}; there are ${Object.keys(names).join(', ')}`
    : `there is no option ${given}; it is written ${meant}`
}

/**
 * What to tell of the first option that is misspelt, where options that are not ours are let pass: http.Agent and tls
 * hand on theirs.
 */
export function misspeltOption(options: object, names: OptionNames): string | undefined {
  for (const given of Object.keys(options)) {
    if (Object.hasOwn(names, given)) continue
    const meant = nearestName(given, names)
    if (meant !== undefined) return `there is no option ${given}; it is written ${meant}`
  }
  return undefined
}

/** One slip in a name of six letters or more, two from ten on: shorter names that differ by so little are others. */
const SLIPS = [
  { fromLength: 10, slips: 2 },
  { fromLength: 6, slips: 1 },
] as const
/** Longer than any name that somebody writes by hand. */
const MAX_NAME_LENGTH = 64

function nearestName(given: string, names: OptionNames): string | undefined {
  const lower = given.toLowerCase()
  if (lower.length > MAX_NAME_LENGTH) return undefined
  const candidates = Object.keys(names).map((name) => ({ name, distance: distance(lower, name.toLowerCase()) }))
  candidates.sort((a, b) => a.distance - b.distance)
  const [nearest] = candidates
  if (nearest === undefined) return undefined
  const allowed = SLIPS.find(({ fromLength }) => nearest.name.length >= fromLength)?.slips ?? 0
  return nearest.distance <= allowed ? nearest.name : undefined
}

/** Letters that were left out, added, taken for another or swapped with the next one. */
function distance(a: string, b: string): number {
  const rows: number[][] = Array.from({ length: a.length + 1 }, (_, i) => [i])
  const at = (i: number, j: number): number => rows[i]?.[j] ?? 0
  for (let j = 1; j <= b.length; j++) (rows[0] as number[])[j] = j
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      let least = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + same)
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (isSwapped) least = Math.min(least, at(i - 2, j - 2) + 1)
      ;(rows[i] as number[])[j] = least
    }
  }
  return at(a.length, b.length)
}
