/**
 * What must not become worse unseen: simulated time, payments, money, events and allocations of some transfers, which
 * the same code repeats exactly (allocations: within a percent). Nothing here is measured with a clock of the machine,
 * so it holds on a busy one. Fails where a number is worse by more than 5 % than the committed one.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { Command } from 'commander'
import { ALLOCATION_FLAGS, measure, type Measured } from './steady/measure.ts'
import { compare, MAX_WORSE, tableOf } from './steady/compare.ts'

const FILE = new URL('results/steady.json', import.meta.url)

interface Flags {
  readonly write?: boolean
  readonly json?: boolean
  readonly child?: boolean
}

/** In a process that never collects garbage, so that what its heap grows by is what was allocated. */
function measureInChild(): Measured {
  const words = [...ALLOCATION_FLAGS, import.meta.filename, '--child']
  const { status, stdout } = spawnSync(process.execPath, words, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (status !== 0) throw new Error(`measuring ended with ${status}`)
  return JSON.parse(stdout) as Measured
}

const command = new Command('steady')
  .description('Compare simulated time, payments, money, events and allocations with the committed numbers.')
  .option('--write', 'write the numbers as those to compare with')
  .option('--json', 'the numbers as JSON')
  .option('--child', 'only measure (what the program calls itself with)')
command.action(async ({ write = false, json = false, child = false }: Flags) => {
  if (child) {
    process.stdout.write(JSON.stringify(await measure()))
    return
  }
  const measured = measureInChild()
  if (write) writeFileSync(FILE, `${JSON.stringify(measured, undefined, 2)}\n`)
  const rows = compare(measured, JSON.parse(readFileSync(FILE, 'utf8')) as Measured)
  process.stdout.write(json ? `${JSON.stringify(rows)}\n` : `${tableOf(rows)}\n`)
  const worse = rows.filter(({ isWorse }) => isWorse)
  if (worse.length === 0) return
  process.exitCode = 1
  const percent = Math.round(MAX_WORSE * 100)
  process.stdout.write(
    `worse by more than ${percent} %: ${worse.map(({ name }) => name).join(', ')}. If that is meant, write the numbers anew (--write) and say why.\n`,
  )
})
await command.parseAsync()
