/**
 * `./dev bench lnd`: keysock on real lnd nodes beside floods of bare payments, one payment at a time, and single
 * payments, on the same nodes in turn. Exits with 1 where a threshold is missed.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { availableParallelism, totalmem } from 'node:os'
import { styleText } from 'node:util'
import { Command } from 'commander'
import { getWalletInfo } from 'lightning'
import { startNetwork } from '../tools/regtest/network.ts'
import { buildLnd } from '../tools/lnd-build/build.ts'
import { plotsOf } from './lnd/plots.ts'
import { asMarkdown, asText } from './lnd/report.ts'
import { measureRound, type Round, warmUp } from './lnd/round.ts'
import { CAPACITY_SAT, DEFAULT_BYTES, DEFAULT_ROUNDS, NAMES } from './lnd/settings.ts'
import { openTestbed } from './lnd/testbed.ts'
import { failuresOf, type Results, thresholdsOf } from './lnd/summary.ts'
import { wholeNumber } from './report/flags.ts'
import { log, secondsSoFar } from './report/progress.ts'

const RESULTS = new URL('results/', import.meta.url)

interface Options {
  readonly json: boolean
  readonly write: boolean
  readonly rounds: number
  readonly bytes: number
}

const options = new Command('lnd')
  .description('Measures keysock on real lnd nodes. Exits with 1 where a threshold is missed.')
  .option('--json', 'print one JSON object on the last line', false)
  .option('--write', 'write bench/results/lnd.md, lnd.json and the plots', false)
  .option('--rounds <n>', 'how often everything is measured, in turn', wholeNumber(1, 9_999), DEFAULT_ROUNDS)
  .option('--bytes <n>', 'bytes a direction', wholeNumber(1, 999_999_999), DEFAULT_BYTES)
  .parse()
  .opts<Options>()

await buildLnd(log)
log(`starting ${NAMES.join(' - ')}`)
const network = await startNetwork({
  nodes: NAMES,
  channels: [
    { between: ['alice', 'bob'], capacitySat: CAPACITY_SAT, pushSat: CAPACITY_SAT / 2 },
    { between: ['bob', 'carol'], capacitySat: CAPACITY_SAT, pushSat: CAPACITY_SAT / 2 },
  ],
})
const rounds: Round[] = []
let lndVersion: string
try {
  const testbed = openTestbed(network)
  log('warming up')
  await warmUp(testbed)
  for (let i = 0; i < options.rounds; i++) {
    log(`round ${i + 1} of ${options.rounds}`)
    rounds.push(await measureRound(testbed, { bytes: options.bytes, oursFirst: i % 2 === 1, log }))
  }
  testbed.close()
  lndVersion = (await getWalletInfo({ lnd: network.node('bob').lnd })).version
} finally {
  await network.close()
}
const thresholds = thresholdsOf(rounds)
const results: Results = {
  bench: 'lnd',
  node: process.versions.node,
  lnd: lndVersion.split(' ')[0] ?? lndVersion,
  cores: availableParallelism(),
  memoryGigabytes: Math.round(totalmem() / 1e9),
  bytes: options.bytes,
  thresholds,
  rounds,
  realSeconds: secondsSoFar(),
  failures: failuresOf(thresholds),
}
console.log(asText(results, (title) => styleText('bold', title, { stream: process.stdout })))
if (options.write) await write(results)
if (options.json) console.log(asJson(results))
process.exitCode = results.failures.length === 0 ? 0 : 1

async function write(all: Results): Promise<void> {
  await mkdir(RESULTS, { recursive: true })
  const plots = await plotsOf(all)
  for (const { file, svg } of plots) await writeFile(new URL(file, RESULTS), svg)
  await writeFile(new URL('lnd.md', RESULTS), asMarkdown(all, plots))
  await writeFile(new URL('lnd.json', RESULTS), `${asJson(all, 1)}\n`)
}

/** Amounts are small here: numbers. Times and rates to a thousandth. */
function asJson(all: Results, indent?: number): string {
  return JSON.stringify(all, (_key, value: unknown) => plain(value), indent)
}

function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  return typeof value === 'number' ? Math.round(value * 1_000) / 1_000 : value
}
