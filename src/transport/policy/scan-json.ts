/** Where the names of a JSON text stand: JSON.parse says nothing of lines, and takes the last of two equal names. */

export interface ScannedJson {
  /** The line of each name, by its path: the names on the way to it, joined by line feeds. */
  readonly lines: ReadonlyMap<string, number>
  /** The first name that stands twice in one object. */
  readonly twice: { readonly path: readonly string[]; readonly line: number } | undefined
}

interface Level {
  readonly path: readonly string[]
  readonly names: Set<string> | undefined
  key: string | undefined
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]:,]|\n/g

/** @param text that JSON.parse has taken */
export function scanJson(text: string): ScannedJson {
  const lines = new Map<string, number>()
  const levels: Level[] = []
  let twice: ScannedJson['twice']
  let line = 1
  let last: string | undefined
  for (const [token] of text.matchAll(TOKEN)) {
    const level = levels.at(-1)
    if (token === '\n') line += 1
    else if (token === '{' || token === '[') {
      const path = level === undefined ? [] : [...level.path, ...(level.key === undefined ? [] : [level.key])]
      levels.push({ path, names: token === '{' ? new Set() : undefined, key: undefined })
    } else if (token === '}' || token === ']') levels.pop()
    else if (token === ':' && level?.names !== undefined && last !== undefined) {
      const key = JSON.parse(last) as string
      const path = [...level.path, key]
      if (level.names.has(key)) twice ??= { path, line }
      level.names.add(key)
      level.key = key
      if (!lines.has(path.join('\n'))) lines.set(path.join('\n'), line)
    }
    if (token !== '\n') last = token
  }
  return { lines, twice }
}
