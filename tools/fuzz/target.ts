/** What a fuzzer throws bytes at. */
export interface Target {
  readonly name: string
  /** Inputs that show what good ones look like; the committed corpus adds what was found. */
  readonly seeds: () => readonly Uint8Array[]
  /** Throws, or rejects, for a finding: an error that is not of a declared type, an invariant that is broken. */
  readonly run: (input: Uint8Array) => void | Promise<void>
  readonly maxBytes: number
  /** Where the fields of an input begin, as far as they can be told: changes keep to them now and then. */
  readonly fields?: (input: Uint8Array) => readonly number[]
  /** Executions of new inputs that CI makes, by what one costs. */
  readonly runsInCi: number
}

/** Passes for errors of these types, which are what a decoder says of bad input; everything else is a finding. */
export function onlyThrows<Result>(
  types: readonly (abstract new (...args: never[]) => Error)[],
  decode: () => Result,
): Result | undefined {
  try {
    return decode()
  } catch (error) {
    if (types.some((type) => error instanceof type)) return undefined
    throw error
  }
}

export function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(`finding: ${what}`)
}
