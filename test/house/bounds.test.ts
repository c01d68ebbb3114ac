/** docs/bounds.md names constants that exist with these values, and tests that exist with these titles. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readSources, ROOT } from './sources.ts'

interface Row {
  readonly constant: string
  readonly file: string
  readonly value: string
  readonly title: string
  readonly test: string
}

const page = readFileSync(join(ROOT, 'docs/bounds.md'), 'utf8')
const rows: readonly Row[] = [
  ...page.matchAll(
    /^\| [^|]+ \| \[`(?<constant>\w+)`\]\(\.\.\/(?<file>[^)]+)\) \| (?<value>[\d,]+) \| [^|]+ \| \[(?<title>[^|]+)\]\(\.\.\/(?<test>[^)]+)\) \|$/gm,
  ),
].map(({ groups }) => groups as unknown as Row)

/** Of literals, of other constants of the same file, and of products of them. */
function valueOf(file: string, constant: string): number | undefined {
  const text = readFileSync(join(ROOT, file), 'utf8')
  const [, written = ''] =
    new RegExp(`^(?:export )?const ${constant}(?:: \\w+)? = ([\\w *]+?)n?$`, 'm').exec(text) ?? []
  const numberOf = (each: string): number =>
    /^[A-Z]/.test(each) ? (valueOf(file, each) ?? Number.NaN) : Number(each.replaceAll('_', ''))
  const powerOf = (factor: string): number =>
    factor
      .split('**')
      .map((each) => numberOf(each.trim()))
      .reduceRight((power, base) => base ** power)
  const factors = written.split(/(?<!\*)\*(?!\*)/)
  return written === '' ? undefined : factors.reduce((value, factor) => value * powerOf(factor), 1)
}

describe('the page of bounds', () => {
  it('is a table in which every row has all its parts', () => {
    const lines = page.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| what |'))
    expect(rows.length).toBe(lines.length)
    expect(rows.length).toBeGreaterThan(50)
  })

  it.each(rows)('has the value of $constant', ({ constant, file, value }) => {
    expect(valueOf(file, constant)).toBe(Number(value.replaceAll(',', '')))
  })

  it.each(rows)('names a test that there is, of $constant', ({ test, title }) => {
    expect(readFileSync(join(ROOT, test), 'utf8').replaceAll("\\'", "'")).toContain(title)
  })

  it('has every bound of a table that forgets what is too much, where somebody else fills it', () => {
    // The simulator's tables are of whoever simulates.
    const sources = readSources('src').filter(({ path }) => !path.includes('/sim/'))
    const names = sources.flatMap(({ text }) =>
      [...text.matchAll(/new Bounded(?:Map|Set)(?:<[^(]*>)?\((MAX_\w+)[,)]/g)].map(([, name = '']) => name),
    )
    expect(names.length).toBeGreaterThan(30)
    expect(names.filter((name) => !OWN.includes(name) && !rows.some(({ constant }) => constant === name))).toEqual([])
    expect(OWN.filter((name) => !names.includes(name) || rows.some(({ constant }) => constant === name))).toEqual([])
  })
})

/** What this side alone fills: by what it sends, what it has asked its node for, and by the days that pass. */
const OWN = ['MAX_NOTES_SENT', 'MAX_LINKED', 'MAX_SPENT_DAYS', 'MAX_USED_HASHES', 'MAX_FEATURES']
