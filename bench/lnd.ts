/**
 * `./dev bench lnd`: keysock on real lnd nodes beside floods of bare payments, one payment at a time, and single
 * payments, on the same nodes in turn. Exits with 1 where a threshold is missed.
 */
import { Command, InvalidArgumentError } from 'commander'
import { startNetwork } from '../test/nodes/network.ts'
import { buildLnd } from '../tools/lnd-build/build.ts'
import { measureRound, type Round } from './lnd/round.ts'
import { CAPACITY_SAT, DEFAULT_BYTES, DEFAULT_ROUNDS, NAMES } from './lnd/settings.ts'
import { setStage } from './lnd/stage.ts'

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
  .option('--rounds <n>', 'how often everything is measured, in turn', wholeNumber, DEFAULT_ROUNDS)
  .option('--bytes <n>', 'bytes a direction', wholeNumber, DEFAULT_BYTES)
  .parse()
  .opts<Options>()

function wholeNumber(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('A whole number from 1 on.')
}

const startedMs = performance.now()
function note(text: string): void {
  process.stderr.write(`${((performance.now() - startedMs) / 1_000).toFixed(0).padStart(4)} s  ${text}\n`)
}

await buildLnd(note)
note(`starting ${NAMES.join(' - ')}`)
await using network = await startNetwork({
  nodes: NAMES,
  channels: [
    { between: ['alice', 'bob'], capacitySat: CAPACITY_SAT, pushSat: CAPACITY_SAT / 2 },
    { between: ['bob', 'carol'], capacitySat: CAPACITY_SAT, pushSat: CAPACITY_SAT / 2 },
  ],
})
const stage = setStage(network)
const rounds: Round[] = []
for (let i = 0; i < options.rounds; i++) {
  note(`round ${i + 1} of ${options.rounds}`)
  rounds.push(await measureRound(stage, { bytes: options.bytes, oursFirst: i % 2 === 1, note }))
}
stage.close()
console.log(JSON.stringify(rounds, (_key, value: unknown) => (typeof value === 'bigint' ? Number(value) : value)))
