/**
 * `./dev bench ssh --lnd`: a session of ssh over three real nodes: bash, a key each few seconds, and a file by scp each
 * way meanwhile. Exits with 1 where anything of it was lost or wrong.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { availableParallelism, loadavg } from 'node:os'
import { styleText } from 'node:util'
import { Command } from 'commander'
import { missing } from '../tools/programs/installed.ts'
import { startNetwork } from '../tools/regtest/network.ts'
import { wholeNumber } from './report/flags.ts'
import { type Section, sectionsAsMarkdown, sectionsAsText } from './report/sections.ts'
import { quantile } from './sim/statistics.ts'
import { type SessionResult, sessionOnNodes } from './ssh/on-nodes.ts'

const RESULTS = new URL('results/', import.meta.url)
const DEFAULT_MINUTES = 15
const KEY_EVERY_MS = 3_000
const COPY_BYTES = 200_000

const options = new Command('ssh')
  .description('Measures a session of ssh over keysock. Exits with 1 where something of it was lost or wrong.')
  .requiredOption('--lnd', 'on three real lnd nodes')
  .option('--minutes <n>', 'how long it lasts', wholeNumber(1, 1_440), DEFAULT_MINUTES)
  .option('--json', 'print one JSON object on the last line', false)
  .option('--write', 'write bench/results/ssh-lnd.md and ssh-lnd.json', false)
  .parse()
  .opts<{ readonly minutes: number; readonly json: boolean; readonly write: boolean }>()

function spread(name: string, values: readonly number[]): readonly string[] {
  const of = (share: number): string => (values.length === 0 ? '-' : quantile(values, share).toFixed(0))
  return [name, String(values.length), of(0.5), of(0.9), of(1)]
}

function sat(msat: number, digits = 1): string {
  return (msat / 1_000).toFixed(digits)
}

function sections(result: SessionResult, load: readonly [number, number]): readonly Section[] {
  const { keysMs, keysBesideCopyMs, commandsMs, copies, sessionMsat, sessionPayments } = result
  const keys = keysMs.length + keysBesideCopyMs.length + commandsMs.length
  const typed = sessionMsat - result.loginMsat
  return [
    {
      title: 'Until the other side answers',
      text: [
        `Milliseconds in a session of ${(result.seconds / 60).toFixed(1)} minutes, which ended with exit code ${String(result.exitCode)} (3 is right);`,
        `${result.wrong.length} of ${commandsMs.length} commands printed something wrong. A key is a payment there, and its echo one back.`,
        `The login took ${(result.loginMs / 1_000).toFixed(1)} s, the start of ssh and of keysock connect included. The machine's`,
        `${availableParallelism()} cores had other work, too: a load of ${load[0].toFixed(1)} at the start, ${load[1].toFixed(1)} at the end.`,
      ],
      head: ['what', 'times', 'median', 'p90', 'max'],
      rows: [
        spread('a key until its echo', keysMs),
        spread('a key until its echo, beside scp', keysBesideCopyMs),
        spread('Enter until the next prompt', commandsMs),
      ],
    },
    {
      title: 'What it cost alice',
      text: [
        `Amounts and fees of all her payments, by the daemon's account, what carol's answers cost included;`,
        `${result.failedPayments} payments failed, and were paid back.`,
      ],
      head: ['what', 'sat', 'payments', 's'],
      rows: [
        ['the login', sat(result.loginMsat), String(result.loginPayments), (result.loginMs / 1_000).toFixed(1)],
        [
          'each key and its echo',
          sat(typed / keys, 2),
          ((sessionPayments - result.loginPayments) / keys).toFixed(2),
          '',
        ],
        ['the whole session', sat(sessionMsat), String(sessionPayments), result.seconds.toFixed(0)],
        ...copies.map(({ isThere, costMsat, payments, ms }) => [
          `scp of ${COPY_BYTES} bytes ${isThere ? 'there' : 'back'}`,
          sat(costMsat),
          String(payments),
          (ms / 1_000).toFixed(1),
        ]),
      ],
    },
  ]
}

const absent = missing('ssh', 'scp', 'sshd', 'ssh-keygen', 'script')
if (absent !== undefined) {
  console.error(absent)
  process.exit(2)
}
const before = loadavg()[0] ?? 0
const half = { capacitySat: 5_000_000, pushSat: 2_500_000 }
const network = await startNetwork({
  nodes: ['alice', 'bob', 'carol'],
  channels: [
    { between: ['alice', 'bob'], ...half },
    { between: ['bob', 'carol'], ...half },
  ],
})
let result: SessionResult
try {
  result = await sessionOnNodes(network, {
    seconds: options.minutes * 60,
    keyEveryMs: KEY_EVERY_MS,
    copyBytes: COPY_BYTES,
  })
} finally {
  await network.close()
}
const report = sections(result, [before, loadavg()[0] ?? 0])
console.log(sectionsAsText(report, (title) => styleText('bold', title)))
if (options.write) {
  await mkdir(RESULTS, { recursive: true })
  const head = [
    '# ssh over real nodes',
    '',
    `\`./dev bench ssh --lnd --minutes ${options.minutes} --write\`: alice - bob - carol, three lnd nodes on one machine; sshd at carol behind`,
    '`keysock expose`, ssh and scp at alice with `ProxyCommand keysock connect %h %p` and a daemon. A key each 3 s.',
  ].join('\n')
  await writeFile(new URL('ssh-lnd.md', RESULTS), `${head}\n\n${sectionsAsMarkdown(report)}\n`)
  await writeFile(
    new URL('ssh-lnd.json', RESULTS),
    `${JSON.stringify({ bench: 'ssh', lnd: true, minutes: options.minutes, ...result }, undefined, 2)}\n`,
  )
}
if (options.json) console.log(JSON.stringify({ bench: 'ssh', lnd: true, minutes: options.minutes, ...result }))
const isGood = result.exitCode === 3 && result.wrong.length === 0 && result.copies.every(({ isWhole }) => isWhole)
if (!isGood) process.exitCode = 1
