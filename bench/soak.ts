/** `./dev soak`: hours of mixed traffic with restarts; memory, handles, tables and folders have to stay flat. */
import { Command } from 'commander'
import { wholeNumber } from './report/flags.ts'
import { LndSoak } from './soak/lnd.ts'
import { growthShare, lndFit, MAX_GROWTH, simulatedFit, writeSoak } from './soak/report.ts'
import type { HeapFit, Sample } from './soak/sample.ts'
import { MINUTE_MS, Soak } from './soak/simulated.ts'

const MAX_HOURS = 1_000
const MAX_SEED = 999_999_999

interface Flags {
  readonly hours: number
  readonly minutes: number
  readonly seed: number
  readonly lnd: boolean
  readonly write: boolean
}

function tell({ atMs, ...of }: Sample): void {
  const numbers = Object.entries(of).map(([name, number]) => `${name} ${number}`)
  process.stdout.write(`${(atMs / MINUTE_MS).toFixed(1)} min  ${numbers.join('  ')}\n`)
}

function judge(left: readonly string[], fit: HeapFit): void {
  const growth = growthShare(fit)
  process.stdout.write(
    `${JSON.stringify(fit)}\nthe heap grew by ${(growth * 100).toFixed(1)} % beyond what is remembered\n`,
  )
  for (const each of left) process.stdout.write(`left over: ${each}\n`)
  if (left.length > 0 || growth > MAX_GROWTH) process.exitCode = 1
}

async function simulated({ hours, seed, write }: Flags): Promise<void> {
  const soaked = await new Soak(seed).run(hours, tell)
  const { counts, kept, left, payments } = soaked
  process.stdout.write(`${JSON.stringify({ payments, counts, kept })}\n`)
  if (write) await writeSoak({ simulated: soaked })
  judge(left, simulatedFit(soaked))
}

async function onLnd({ minutes, seed, write }: Flags): Promise<void> {
  const soaked = await new LndSoak(seed).run(minutes, tell)
  const { counts, grown, left, megabytes } = soaked
  process.stdout.write(`${JSON.stringify({ megabytes, counts, grown })}\n`)
  if (write) await writeSoak({ lnd: soaked })
  judge(left, lndFit(soaked, 'carol'))
}

const command = new Command('soak')
  .description(
    'Hours of mixed traffic with restarts and faults; memory, handles, tables and folders have to stay flat.',
  )
  .option('--hours <n>', 'simulated hours', wholeNumber(1, MAX_HOURS), 4)
  .option('--seed <n>', 'of all that is drawn', wholeNumber(0, MAX_SEED), 1)
  .option('--lnd', 'on three real lnds', false)
  .option('--minutes <n>', 'how long with --lnd', wholeNumber(1, MAX_HOURS), 30)
  .option('--write', 'write bench/results/soak.md, soak.json and its picture', false)
command.action(async (flags: Flags) => {
  if (flags.lnd) await onLnd(flags)
  else await simulated(flags)
})
await command.parseAsync()
