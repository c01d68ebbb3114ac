/**
 * `./dev bench nodes`: keysock's lanes on real lnd nodes beside floods of bare payments, under settings of lnd that an
 * operator can choose: goodput, latency, processor time, growth of the databases. A network is made anew for each.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { availableParallelism, totalmem } from 'node:os'
import { styleText } from 'node:util'
import { Command } from 'commander'
import { getWalletInfo } from 'lightning'
import { buildLnd } from '../tools/lnd-build/build.ts'
import { startNetwork } from '../tools/regtest/network.ts'
import { CAPACITY_SAT, type Name, NAMES } from './lnd/settings.ts'
import { type Measured, measureSetting } from './nodes/measure.ts'
import { sectionsOf } from './nodes/report.ts'
import { DEFAULT_BYTES, NODE_SETTINGS, type NodeSetting } from './nodes/settings.ts'
import { wholeNumber } from './report/flags.ts'
import { sectionsAsMarkdown, sectionsAsText } from './report/sections.ts'

const RESULTS = new URL('results/', import.meta.url)

interface Options {
  readonly json: boolean
  readonly write: boolean
  readonly bytes: number
  readonly only?: string
}

const options = new Command('nodes')
  .description('Measures the lanes of keysock under settings of lnd.')
  .option('--json', 'print one JSON object on the last line', false)
  .option('--write', 'write bench/results/nodes.md and nodes.json', false)
  .option('--bytes <n>', 'bytes of each transfer', wholeNumber(10_000, 9_999_999_999), DEFAULT_BYTES)
  .option('--only <names>', `of ${NODE_SETTINGS.map(({ name }) => name).join(', ')}: with commas between`)
  .parse()
  .opts<Options>()

const startedMs = performance.now()
function log(text: string): void {
  process.stderr.write(`${((performance.now() - startedMs) / 1_000).toFixed(0).padStart(4)} s  ${text}\n`)
}

function chosen(): readonly NodeSetting[] {
  const names = options.only?.split(',')
  if (names === undefined) return NODE_SETTINGS
  return names.map((name) => {
    const setting = NODE_SETTINGS.find((each) => each.name === name)
    if (setting === undefined) throw new Error(`no setting '${name}'`)
    return setting
  })
}

async function measure(setting: NodeSetting): Promise<{ readonly measured: Measured; readonly version: string }> {
  log(`starting nodes: ${setting.name}`)
  const network = await startNetwork<Name>({
    nodes: NAMES,
    channels: [
      { between: ['alice', 'bob'], capacitySat: CAPACITY_SAT, pushSat: CAPACITY_SAT / 2 },
      { between: ['bob', 'carol'], capacitySat: CAPACITY_SAT, pushSat: CAPACITY_SAT / 2 },
    ],
    every: { args: setting.args },
  })
  try {
    const measured = await measureSetting(network, setting, { bytes: options.bytes, log })
    const { version } = await getWalletInfo({ lnd: network.node('bob').lnd })
    return { measured, version: version.split(' ')[0] ?? version }
  } finally {
    await network.close()
  }
}

await buildLnd(log)
const all: Measured[] = []
let lndVersion = ''
for (const setting of chosen()) {
  const { measured, version } = await measure(setting)
  all.push(measured)
  lndVersion = version
}
const sections = sectionsOf(all, options.bytes)
const realSeconds = Math.round((performance.now() - startedMs) / 1_000)
const results = {
  bench: 'nodes',
  node: process.versions.node,
  lnd: lndVersion,
  cores: availableParallelism(),
  memoryGigabytes: Math.round(totalmem() / 1e9),
  bytes: options.bytes,
  realSeconds,
  settings: all,
}
console.log(sectionsAsText(sections, (title) => styleText('bold', title, { stream: process.stdout })))
if (options.write) {
  await mkdir(RESULTS, { recursive: true })
  const intro = [
    `What \`./dev bench nodes --write\` measured in ${realSeconds} s: alice - bob - carol, lnd ${lndVersion} on regtest, btcd, and`,
    `both ends' programs (Node ${results.node}), all on one machine with ${results.cores} cores and ${results.memoryGigabytes} GB.`,
    'One run of each: neighbours differ by a few hundredths for no reason.',
  ].join('\n')
  await writeFile(
    new URL('nodes.md', RESULTS),
    `# Bench: lanes, and settings of lnd\n\n${intro}\n\n${sectionsAsMarkdown(sections)}\n`,
  )
  await writeFile(new URL('nodes.json', RESULTS), `${JSON.stringify(results, undefined, 2)}\n`)
}
if (options.json) console.log(JSON.stringify(results))
