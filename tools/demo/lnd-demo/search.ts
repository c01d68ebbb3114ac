/** Searches all that was seen for a public key, and tells what is public anyway from what is not. */
import { appearances } from '../../../src/sim.ts'
import { KeySearch } from './key-search.ts'
import { PUBLIC_CLASSES } from './public-classes.ts'
import { type Seen, type Source, SOURCES } from './seen.ts'

export interface SearchResult {
  readonly key: string
  readonly patterns: number
  readonly forms: readonly string[]
  readonly searched: readonly Searched[]
  /** Every class, also where nothing was found in it. */
  readonly publicGraph: readonly { readonly name: string; readonly why: string; readonly found: number }[]
  readonly beyond: readonly Beyond[]
}

interface Searched {
  readonly source: Source
  readonly pieces: number
  readonly bytes: number
  readonly found: number
  readonly beyond: number
}

/** Places of one kind. */
interface Beyond {
  readonly source: Source
  readonly where: string
  /** Which field of a message, or how a line of the log begins. */
  readonly at: string
  readonly form: string
  readonly found: number
}

const AT_CHARACTERS = 48

export function searchFor(key: string, all: readonly Seen[]): SearchResult {
  const search = new KeySearch(key)
  const counts = new Map<string, number>()
  const beyond = new Map<string, Beyond>()
  const searched = (Object.keys(SOURCES) as Source[]).map((source) => {
    const pieces = all.filter((seen) => seen.source === source)
    const sum = { source, pieces: pieces.length, bytes: 0, found: 0, beyond: 0 }
    for (const seen of pieces) {
      sum.bytes += seen.bytes.length
      const form = search.in(seen.bytes)
      if (form === undefined) continue
      sum.found += 1
      const publicly = PUBLIC_CLASSES.find(({ covers }) => covers(seen, search.key))
      if (publicly !== undefined) {
        counts.set(publicly.name, (counts.get(publicly.name) ?? 0) + 1)
        continue
      }
      sum.beyond += 1
      const place = { source, where: seen.where, at: placeIn(seen, search.key), form }
      const name = JSON.stringify(place)
      beyond.set(name, { ...place, found: (beyond.get(name)?.found ?? 0) + 1 })
    }
    return sum
  })
  return {
    key: search.key,
    patterns: search.patterns,
    forms: search.forms,
    searched,
    publicGraph: PUBLIC_CLASSES.map(({ name, why }) => ({ name, why, found: counts.get(name) ?? 0 })),
    beyond: [...beyond.values()],
  }
}

export function beyondCount({ beyond }: SearchResult): number {
  return beyond.reduce((sum, { found }) => sum + found, 0)
}

/** In how many pieces a key stands, public or not. */
export function foundCount({ searched }: SearchResult): number {
  return searched.reduce((sum, { found }) => sum + found, 0)
}

function placeIn({ value, entry }: Seen, key: string): string {
  if (entry !== undefined) {
    // The same words for each line of a kind: no numbers, no keys.
    const words = entry.text
      .split('\n', 1)[0]
      ?.replaceAll(/[0-9a-f]{16,}/g, '..')
      .replaceAll(/\d+/g, '#')
    return words?.slice(0, AT_CHARACTERS) ?? ''
  }
  const [first] = appearances([value?.()], Buffer.from(key, 'hex'))
  return first?.path.replace(/^[0.]+/, '').replaceAll(/\b\d+\b/g, '#') ?? ''
}
