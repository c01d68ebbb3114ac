/**
 * `./dev bench nodes`: keysock's lanes on real lnd nodes beside floods of bare payments, under settings of lnd that an
 * operator can choose: goodput, latency, processor time, growth of the databases. A network is made anew for each.
 */
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { availableParallelism, totalmem } from 'node:os'
import { styleText } from 'node:util'
import { Command } from 'commander'
import { getWalletInfo } from 'lightning'
import { buildLnd } from '../tools/lnd-build/build.ts'
import { startNetwork } from '../tools/regtest/network.ts'
import { CAPACITY_SAT, type Name, NAMES } from './lnd/settings.ts'
import { type Measured, measureSetting, type Round } from './nodes/measure.ts'
import { sectionsOf } from './nodes/report.ts'
import { DEFAULT_BYTES, DEFAULT_ROUNDS, NODE_SETTINGS, type NodeSetting } from './nodes/settings.ts'
import { wholeNumber } from './report/flags.ts'
import { sectionsAsMarkdown, sectionsAsText } from './report/sections.ts'
import { log, secondsSoFar } from './report/progress.ts'

const RESULTS = new URL('results/', import.meta.url)
const JSON_FILE = new URL('nodes.json', RESULTS)

interface Results {
  readonly bench: 'nodes'
  readonly node: string
  readonly lnd: string
  readonly cores: number
  readonly memoryGigabytes: number
  /** Of all rounds. */
  readonly realSeconds: number
  readonly rounds: readonly Round[]
}

interface Options {
  readonly json: boolean
  readonly write: boolean
  readonly add: boolean
  readonly rounds: number
  readonly bytes: number
  readonly only?: string
}

const options = new Command('nodes')
  .description('Measures the lanes of keysock under settings of lnd.')
  .option('--json', 'print one JSON object on the last line', false)
  .option('--write', 'write bench/results/nodes.md and nodes.json', false)
  .option('--add', 'keep the rounds that nodes.json has, and add to them', false)
  .option('--rounds <n>', 'of all settings, one after the other', wholeNumber(1, 999), DEFAULT_ROUNDS)
  .option('--bytes <n>', 'bytes of each transfer', wholeNumber(10_000, 9_999_999_999), DEFAULT_BYTES)
  .option('--only <names>', `of ${NODE_SETTINGS.map(({ name }) => name).join(', ')}: with commas between`)
  .parse()
  .opts<Options>()

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

type Setup = Pick<Results, 'node' | 'lnd' | 'cores'>

/** Rounds of other versions and machines are not for one table. */
function mustFit(before: Setup | undefined, here: Partial<Setup>): void {
  for (const [what, value] of Object.entries(here)) {
    const known = before?.[what as keyof Setup]
    if (known !== undefined && known !== value)
      throw new Error(`nodes.json is of ${what} ${known}, this is ${value}: without --add it begins anew`)
  }
}

/** Each round begins with another setting: what the machine does in the meantime falls on all alike. */
async function measureRound(number: number): Promise<{ readonly round: Round; readonly version: string }> {
  const settings = chosen()
  const first = number % settings.length
  const measured: Measured[] = []
  let lndVersion = ''
  for (const setting of [...settings.slice(first), ...settings.slice(0, first)]) {
    const one = await measure(setting)
    measured.push(one.measured)
    lndVersion = one.version
    mustFit(before, { lnd: lndVersion })
  }
  const inOrder = settings.flatMap(({ name }) => measured.filter((each) => each.setting.name === name))
  return { round: { bytes: options.bytes, settings: inOrder }, version: lndVersion }
}

async function former(): Promise<Results | undefined> {
  if (!options.add || !existsSync(JSON_FILE)) return undefined
  return JSON.parse(await readFile(JSON_FILE, 'utf8')) as Results
}

async function write(results: Results): Promise<void> {
  await mkdir(RESULTS, { recursive: true })
  const { realSeconds, rounds } = results
  const intro = [
    `What \`./dev bench nodes --write\` measured in ${realSeconds} s: alice - bob - carol, lnd ${results.lnd} on regtest, btcd,`,
    `and both ends' programs (Node ${results.node}), all on one machine with ${results.cores} cores and ${results.memoryGigabytes} GB. A network is`,
    `made anew for each setting in each of ${rounds.length} rounds. Ratios are of neighbours in a round: their median, and in`,
    'brackets the least and the greatest. The slow start of a transfer, which no flood has, is in them.',
  ].join('\n')
  const sections = sectionsAsMarkdown(sectionsOf(rounds))
  await writeFile(new URL('nodes.md', RESULTS), `# Bench: lanes, and settings of lnd\n\n${intro}\n\n${sections}\n`)
  await writeFile(JSON_FILE, `${JSON.stringify(results, undefined, 1)}\n`)
}

await buildLnd(log)
const before = await former()
// Not after the first round: that takes half an hour.
mustFit(before, { node: process.versions.node, cores: availableParallelism() })
const rounds: Round[] = [...(before?.rounds ?? [])]
let results: Results | undefined
for (let i = 0; i < options.rounds; i++) {
  const { round, version } = await measureRound(rounds.length)
  rounds.push(round)
  results = {
    bench: 'nodes',
    node: process.versions.node,
    lnd: version,
    cores: availableParallelism(),
    memoryGigabytes: Math.round(totalmem() / 1e9),
    realSeconds: (before?.realSeconds ?? 0) + secondsSoFar(),
    rounds,
  }
  // After each round: what is cut off keeps those before.
  if (options.write) await write(results)
}
if (results !== undefined) {
  console.log(sectionsAsText(sectionsOf(rounds), (title) => styleText('bold', title, { stream: process.stdout })))
  if (options.json) console.log(JSON.stringify(results))
}
