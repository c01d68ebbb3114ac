/**
 * `./dev bench network-fit FILE`: how well mainnetLike fits the graph that `lncli describegraph` printed into FILE, and
 * with `--write` the tables that it draws from, anew.
 */
import { writeFile } from 'node:fs/promises'
import { styleText } from 'node:util'
import { Command } from 'commander'
import { readDescribedGraph } from '../src/backends/sim/describegraph.ts'
import { mainnetGraph } from '../src/backends/sim/mainnet-like.ts'
import { fitTables } from './network/fit.ts'
import { fitSection } from './network/fit-section.ts'
import { graphStatistics } from './network/graph-statistics.ts'
import { readGraphFile } from './network/graph-file.ts'
import { sectionsAsMarkdown, sectionsAsText } from './report/sections.ts'

const TABLES = new URL('../src/backends/sim/mainnet-tables.ts', import.meta.url)

interface Options {
  readonly write: boolean
  readonly markdown: boolean
}

const program: Command = new Command('network-fit')
  .description('Shows how well mainnetLike fits a graph.')
  .argument('<file>', 'what lncli describegraph printed, as JSON, packed by gzip or not')
  .option('--write', 'write src/backends/sim/mainnet-tables.ts from this graph', false)
  .option('--markdown', 'print the table as in spec/simulator.md', false)

const { args } = program.parse()
const options: Options = program.opts()
const graph = readDescribedGraph(readGraphFile(args[0] as string))
if (options.write) {
  await writeFile(TABLES, tablesText())
  console.log('Written; now ./dev format.')
} else {
  const section = fitSection(graphStatistics(graph), graphStatistics(mainnetGraph(graph.nodes.length, '1')))
  console.log(
    options.markdown
      ? sectionsAsMarkdown([section])
      : sectionsAsText([section], (title) => styleText('bold', title, { stream: process.stdout })),
  )
}

/** In no format: `./dev format` gives it the house's. */
function tablesText(): string {
  const source = `${graph.nodes.length} nodes and ${graph.channels.length} channels`
  return [
    "import type { MainnetTables } from './mainnet-like.ts'",
    '',
    `/** Written by \`./dev bench network-fit FILE --write\` from a graph of ${source}. */`,
    `export const MAINNET: MainnetTables = ${JSON.stringify(fitTables(graph))}`,
    '',
  ].join('\n')
}
