/**
 * `./dev bench attacks`: what it costs somebody to do harm to an endpoint that serves strangers, beside what it costs
 * that one; on the simulated network, in virtual time. Asked: ten to one at least, but for what an endpoint advances
 * once.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { Command } from 'commander'
import { ALLOWANCE_MSAT } from '../src/transport/limits.ts'
import { ATTACKS, lossMsat, run, type Toll } from './attacks/attack.ts'
import { wholeNumber } from './report/flags.ts'
import { type Section, sectionsAsMarkdown, sectionsAsText } from './report/sections.ts'

const RESULTS: URL = new URL('results/', import.meta.url)
const DEFAULT_STRIKES = 50

interface Flags {
  readonly strikes: number
  readonly write?: boolean
  readonly json?: boolean
}

function sat(msat: bigint): string {
  return (Number(msat) / 1_000).toFixed(1)
}

/** How much the attacker sends for each satoshi that the victim is poorer by. */
function ratioOf(toll: Toll): string {
  const loss = lossMsat(toll)
  if (loss === 0n) return toll.victimGotMsat > toll.victimPaidMsat ? 'it gains' : 'nothing lost'
  return `${(Number(toll.attackerPaidMsat) / Number(loss)).toFixed(1)} to 1`
}

/** With how much that is for each satoshi that the attacker sends. */
function withRate(value: number, { attackerPaidMsat }: Toll): string {
  if (attackerPaidMsat === 0n) return `${value} (free)`
  return `${value} (${((1_000 * value) / Number(attackerPaidMsat)).toFixed(2)})`
}

function cellsOf(toll: Toll): readonly string[] {
  return [
    toll.attack,
    sat(toll.attackerPaidMsat),
    sat(toll.attackerGotMsat),
    sat(toll.victimPaidMsat),
    sat(toll.victimGotMsat),
    sat(lossMsat(toll)),
    ratioOf(toll),
    String(toll.connections),
    String(toll.agreements),
    String(toll.slots),
    String(toll.held),
    withRate(toll.processorMs, toll),
    withRate(Math.round(toll.memoryBytes / 1_000), toll),
  ]
}

function sectionOf(title: string, text: readonly string[], tolls: readonly Toll[]): Section {
  const head = ['attack', 'attacker pays', 'and gets', 'victim pays', 'and gets', 'loss', 'paid : lost']
  return {
    title,
    text,
    head: [...head, 'connections', 'agreements', 'slots', 'held', 'CPU ms (a sat)', 'kB (a sat)'],
    rows: tolls.map(cellsOf),
  }
}

async function measure(strikes: number, advanceMsat: bigint): Promise<readonly Toll[]> {
  const tolls: Toll[] = []
  // What is compiled and loaded first is nobody's cost.
  for (const attack of ATTACKS) await run(attack, Math.min(strikes, 5), advanceMsat)
  for (const attack of ATTACKS) {
    const toll = await run(attack, strikes, advanceMsat)
    process.stderr.write(`${cellsOf(toll).join(', ')}\n`)
    tolls.push(toll)
  }
  return tolls
}

const command = new Command('attacks')
  .description('What attacks cost those who make them, and those on whom they are made.')
  .option('--strikes <n>', 'calls or messages of each attack', wholeNumber(1, 100_000), DEFAULT_STRIKES)
  .option('--write', 'put the numbers into bench/results')
  .option('--json', 'the numbers as JSON')
command.action(async ({ strikes, write = false, json = false }: Flags) => {
  const fresh = await measure(strikes, ALLOWANCE_MSAT)
  const used = await measure(strikes, 0n)
  const sections = [
    sectionOf(
      'The advance is used up',
      [
        `\`./dev bench attacks --write\`: ${strikes} calls or messages, one each half second, over \`demoNetwork\`, then three quarters of an hour.`,
        'Amounts in satoshi, fees included. The endpoint has nothing to advance but a tenth of what comes in (spec §12.11).',
        'Asked: who attacks sends ten times what the victim is poorer by.',
        'Beside that the most at one time: connections, key agreements of the node, payments of the victim without an outcome, and payments to it that wait for its word.',
        'Processor time is that of both ends and of the simulated network between them; memory, what is there three quarters of an hour later without the attacker, and was not before. In brackets: for each satoshi that the attacker sends.',
      ],
      used,
    ),
    sectionOf(
      'A new endpoint',
      [
        `The same, before an endpoint that may advance ${ALLOWANCE_MSAT / 1_000n} sat. That much, once, can be lost at a lower`,
        'ratio: an answer goes before anybody can know whether it is paid.',
      ],
      fresh,
    ),
  ]
  process.stdout.write(json ? '' : `${sectionsAsText(sections, (text) => text)}\n`)
  const plain = [...used, ...fresh].map((toll) =>
    Object.fromEntries(
      Object.entries(toll).map(([name, value]) => [name, typeof value === 'bigint' ? Number(value) : value]),
    ),
  )
  if (json) process.stdout.write(`${JSON.stringify(plain)}\n`)
  if (write) {
    await mkdir(RESULTS, { recursive: true })
    await writeFile(new URL('attacks.md', RESULTS), `# Bench: attacks\n\n${sectionsAsMarkdown(sections)}\n`)
    await writeFile(new URL('attacks.json', RESULTS), `${JSON.stringify({ strikes, tolls: plain }, undefined, 2)}\n`)
  }
  const isKept =
    used.every((toll) => 10n * lossMsat(toll) <= toll.attackerPaidMsat) &&
    fresh.every((toll) => lossMsat(toll) <= ALLOWANCE_MSAT + toll.victimGotMsat / 10n)
  process.stdout.write(isKept ? '' : 'An attack costs less than is asked.\n')
  process.exitCode = isKept ? 0 : 1
})
await command.parseAsync()
