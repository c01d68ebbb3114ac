/** How far a bench of minutes is: told on stderr, each line with the seconds since the program began. */
const startedMs = performance.now()

/** Since the program began, whole ones. */
export function secondsSoFar(): number {
  return Math.round((performance.now() - startedMs) / 1_000)
}

export function log(text: string): void {
  process.stderr.write(`${String(secondsSoFar()).padStart(5)} s  ${text}\n`)
}
