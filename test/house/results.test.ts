import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { RESULT_FILES, resultsPage } from '../../bench/report/results-page.ts'

const BENCH = new URL('../../bench/', import.meta.url)

function read(name: string): string | undefined {
  const file = new URL(`results/${name}.md`, BENCH)
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined
}

test('the page of results is what `./dev bench results --write` makes of the files', () => {
  expect(readFileSync(new URL('RESULTS.md', BENCH), 'utf8')).toBe(resultsPage(read))
})

test('every file of results is on the page', () => {
  const written = readdirSync(new URL('results/', BENCH)).filter((file) => file.endsWith('.md'))
  const listed = new Set(RESULT_FILES.map(({ name }) => `${name}.md`))
  expect(written.filter((file) => !listed.has(file))).toEqual([])
})
