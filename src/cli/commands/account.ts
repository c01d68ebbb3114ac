import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { daemonAccounts } from '../../daemon.ts'
import { type AccountGrouping, type AccountTotal, KeysockError, readAccount } from '../../index.ts'
import { dayMs, processClock } from '../../floor/clock.ts'
import type { Dependencies } from '../dependencies.ts'
import { EXIT, EXIT_HELP, type ExitCode } from '../ending.ts'
import { addNodeOptions, durationArgument, nodeEnvironment, type NodeFlags } from '../options.ts'
import { codeOf, messageOf } from '../transfer/errors.ts'
import { satOf } from '../words.ts'

/** What `keysock account` uses of the outside. */
export type AccountDependencies = Pick<Dependencies, 'stdout' | 'stderr' | 'environment'> & {
  /** Milliseconds since 1970; default the clock on the wall. */
  readonly wall?: () => number
}

interface AccountFlags extends NodeFlags {
  readonly state?: string
  readonly since?: Since
  readonly by?: Exclude<AccountGrouping, 'all'>
  readonly csv?: boolean
  readonly json?: boolean
}

/** Since a day, or for so long. */
type Since = { readonly ms: number } | { readonly agoMs: number }

const GROUPINGS = ['peer', 'port', 'day', 'program', 'connection'] as const

const EXAMPLES = `
Examples:
  keysock account                        what the daemon's programs paid and were paid, day by day
  keysock account --since 7d --by peer   the last seven days, by the other side's key
  keysock account --state ~/keysock      of a program, send or receive with that --state
  keysock account --since 2026-11-01 --csv > november.csv

Without --by, --csv and --json write every payment; with it, the sums. Days are UTC. It only reads,
and may run beside the programs that write.

${EXIT_HELP}`

export function accountCommand(dependencies: AccountDependencies, ended: (code: ExitCode) => void): Command {
  const command = new Command('account')
    .summary('what was paid, and what came in')
    .description('Show what was paid and what came in, as it was kept: by a daemon, or in the folder of --state.')
    .option('--state <dir>', "the folder of --state (default: that of the node's daemon)")
    .option('--since <when>', 'a day (2026-11-30), or how long ago: 24h, 7d', sinceArgument)
    .addOption(new Option('--by <what>', 'sums by what payments have in common').choices(GROUPINGS))
    .addOption(new Option('--csv', 'CSV, amounts in msat').conflicts('json'))
    .option('--json', 'one JSON object a line, amounts in msat')
  addNodeOptions(command)
  command.addHelpText('after', EXAMPLES)
  command.action(async (flags: AccountFlags) => {
    ended(await show(dependencies, flags))
  })
  return command
}

async function show(dependencies: AccountDependencies, flags: AccountFlags): Promise<ExitCode> {
  const { stdout, stderr, environment, wall = processClock.wall } = dependencies
  try {
    const account = readAccount(await folderOf(nodeEnvironment(environment, flags), flags))
    const query = { since: sinceMs(flags.since, wall()) }
    const format = formatOf(flags)
    if (format !== undefined && flags.by === undefined) {
      for await (const line of account.lines(format, query)) await write(stdout, named('payment', format, line))
      return EXIT.done
    }
    const totals = await account.totals({ by: flags.by ?? 'day', ...query })
    if (format !== undefined) {
      for (const line of account.totalLines(format, totals)) await write(stdout, named('sum', format, line))
      return EXIT.done
    }
    const [all] = await account.totals(query)
    for (const line of table(flags.by ?? 'day', totals, all)) await write(stdout, line)
    return EXIT.done
  } catch (error) {
    const event = { event: 'error', code: codeOf(error), message: messageOf(error) }
    if (flags.json === true) await write(stdout, JSON.stringify(event))
    else stderr.write(`${event.message} (${event.code})\n`)
    return EXIT.failed
  }
}

/** Objects have the name of what they are, as those of all commands; lines of CSV stay. */
function named(event: 'payment' | 'sum', format: 'csv' | 'json', line: string): string {
  return format === 'csv' ? line : JSON.stringify({ event, ...(JSON.parse(line) as object) })
}

function formatOf({ csv, json }: AccountFlags): 'csv' | 'json' | undefined {
  if (csv === true) return 'csv'
  return json === true ? 'json' : undefined
}

/** @throws KeysockError where there is no account, or more than one that may be meant */
async function folderOf(environment: NodeJS.ProcessEnv, { state }: AccountFlags): Promise<string> {
  const folders = state === undefined ? await daemonAccounts(environment) : await existing(join(state, 'account'))
  const [first, second] = folders
  if (first === undefined) {
    const where =
      state === undefined
        ? 'no daemon of this node has kept an account yet; --state names the folder of a program'
        : `there is no account in ${state}: nothing was paid or came in there yet`
    throw new KeysockError('ERR_CLI_ACCOUNT', where)
  }
  if (second !== undefined)
    throw new KeysockError(
      'ERR_CLI_ACCOUNT',
      `the daemon at this address had more than one node; name one of their folders with --state: ${folders.map((folder) => join(folder, '..')).join(', ')}`,
    )
  return first
}

async function existing(folder: string): Promise<readonly string[]> {
  return await stat(folder).then(
    () => [folder],
    () => [],
  )
}

/** Waits where the reader is slower; one that went away is not written to any more. */
async function write(stdout: AccountDependencies['stdout'], line: string): Promise<void> {
  if (stdout.destroyed || stdout.write(`${line}\n`)) return
  await new Promise<void>((resolve) => {
    stdout.once('drain', resolve).once('close', resolve)
  })
}

const COLUMNS = ['paid, sat', 'of it fees', 'payments', 'failed', 'received, sat', 'packets'] as const
/** A key is shown so far; --json and --csv have all of it. */
const KEY_CHARACTERS = 20

function table(
  by: Exclude<AccountGrouping, 'all'>,
  totals: readonly AccountTotal[],
  all?: AccountTotal,
): readonly string[] {
  if (all === undefined) return ['nothing was paid, and nothing came in']
  const isOfTime = by === 'day'
  const sorted = totals.toSorted((a, b) =>
    isOfTime ? a.key.localeCompare(b.key) : Number(b.paidMsat + b.receivedMsat - a.paidMsat - a.receivedMsat),
  )
  const rows = [
    [by, ...COLUMNS],
    ...sorted.map((total) => row(shown(total.key), total)),
    ...(sorted.length > 1 ? [row('in all', all)] : []),
  ]
  const widths = [by, ...COLUMNS].map((_, column) => Math.max(...rows.map((each) => (each[column] ?? '').length)))
  const lines = rows.map((each) =>
    each
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  '),
  )
  if (all.strayMsat === 0n) return lines
  return [...lines, `${sat(all.strayMsat)} sat of what was received came with packets that no connection took`]
}

function row(name: string, total: AccountTotal): readonly string[] {
  const { paidMsat, feesMsat, payments, failed, receivedMsat, received } = total
  return [name, sat(paidMsat), sat(feesMsat), String(payments), String(failed), sat(receivedMsat), String(received)]
}

function shown(key: string): string {
  if (key === '') return '(not known)'
  return key.length > KEY_CHARACTERS ? `${key.slice(0, KEY_CHARACTERS)}…` : key
}

function sat(msat: bigint): string {
  return satOf(msat).toLocaleString('en', { maximumFractionDigits: 3 })
}

function sinceMs(since: Since | undefined, nowMs: number): number {
  if (since === undefined) return 0
  return 'ms' in since ? since.ms : Math.max(0, nowMs - since.agoMs)
}

function sinceArgument(text: string): Since {
  const ms = dayMs(text)
  if (ms !== undefined) return { ms }
  if (/^\d+(\.\d+)?[a-z]+$/.test(text)) return { agoMs: durationArgument(text) }
  throw new InvalidArgumentError('It is a day, such as 2026-11-30, or how long ago, such as 24h or 7d.')
}
