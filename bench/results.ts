/** `./dev bench results`: the page of all results, `bench/RESULTS.md`, of the files that the benches wrote. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { Command } from 'commander'
import { resultsPage } from './report/results-page.ts'

const PAGE = new URL('RESULTS.md', import.meta.url)

const { write } = new Command('results')
  .description('Makes the page of all results.')
  .option('--write', 'write bench/RESULTS.md', false)
  .parse()
  .opts<{ readonly write: boolean }>()

const page = resultsPage((name) => {
  const file = new URL(`results/${name}.md`, import.meta.url)
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined
})
if (write) writeFileSync(PAGE, page)
else console.log(page)
