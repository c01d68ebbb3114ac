/**
 * `./dev bench foreign`: how long other people's payments take through a node on which a program of ours holds the
 * interceptor, beside the same node with a bare flood of the same rate and no interceptor. Delays are by the clock
 * of the lnd that pays. Exits with 1 where they grow by more than the threshold.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { sha256 } from '@noble/hashes/sha2.js'
import { Command } from 'commander'
import type { Destination } from '../src/medium/route.ts'
import { createLndBackend } from '../src/lnd.ts'
import { fromHex } from '../src/floor/bytes.ts'
import { readAttempts } from '../tools/regtest/ledger.ts'
import { BackendReceiver } from '../tools/regtest/backend-receiver.ts'
import type { LndNode } from '../tools/regtest/lnd-node.ts'
import { type Network, startNetwork } from '../tools/regtest/network.ts'
import { until } from '../tools/regtest/until.ts'
import { median } from './sim/statistics.ts'
import { wholeNumber } from './report/flags.ts'

const RESULTS = new URL('results/', import.meta.url)
// Where three nodes, two programs and their payments fill two cores (20 a second each), queues for the processor are
// all that shows: a payment over a hidden path costs lnd itself nearly twice what a keysend does.
const FOREIGN_PER_SECOND = 10
const OWN_PER_SECOND = 10
const SECONDS = 20
const DEFAULT_ROUNDS = 6
const MAX_GROWTH = 1.05
const AMOUNT_MSAT = 5_000n

/** What goes on at the node meanwhile. Our own payments end there: by keysend, or over a hidden path. */
const SETTINGS = {
  bare: 'no interceptor, keysends to the node',
  idle: 'an interceptor, keysends to the node',
  busy: 'an interceptor, payments over hidden paths to it',
} as const
type Setting = keyof typeof SETTINGS

const options = new Command('foreign')
  .description('Measures the delay of what a node relays. Exits with 1 where a threshold is missed.')
  .option('--json', 'print one JSON object on the last line', false)
  .option('--write', 'write bench/results/foreign.md and foreign.json', false)
  .option('--rounds <n>', 'how often every setting is measured, in turn', wholeNumber(1, 9_999), DEFAULT_ROUNDS)
  .parse()
  .opts<{ readonly json: boolean; readonly write: boolean; readonly rounds: number }>()

/** Pays to one place over a pinned route. */
class Stream {
  readonly #backend: ReturnType<typeof createLndBackend>
  #routeId = ''
  failed = 0

  private constructor(backend: ReturnType<typeof createLndBackend>) {
    this.#backend = backend
  }

  static async open(node: LndNode): Promise<Stream> {
    const stream = new Stream(
      createLndBackend({ socket: node.socket, cert: node.certPath, macaroon: node.macaroonPath }),
    )
    await stream.#backend.start({ sink: () => undefined })
    return stream
  }

  async aim(destination: Destination): Promise<void> {
    const request = { destination, amountMsat: AMOUNT_MSAT, maxFeeMsat: 100_000n, count: 1 }
    const route = await until('there is a route', async () => (await this.#backend.findRoutes(request))[0])
    this.#routeId = route.id
  }

  /** At an even rate; resolves when all are decided. */
  async run(lane: Destination['lane'], perSecond: number): Promise<void> {
    const startMs = performance.now()
    const paid: Promise<void>[] = []
    for (let i = 0; i < perSecond * SECONDS; i++) {
      await sleep(Math.max(0, startMs + (i * 1_000) / perSecond - performance.now()))
      paid.push(this.#pay(lane))
    }
    await Promise.all(paid)
  }

  async close(): Promise<void> {
    await this.#backend.stop()
  }

  async #pay(lane: Destination['lane']): Promise<void> {
    const preimage = this.#backend.entropy.bytes(32)
    const { status } = await this.#backend.pay({
      routeId: this.#routeId,
      hash: sha256(preimage),
      record: preimage,
      amountMsat: AMOUNT_MSAT,
      ...(lane === 'node' && { preimage }),
    })
    if (status === 'failed' || status === 'unknown') this.failed += 1
  }
}

const names = Object.keys(SETTINGS) as Setting[]

type Line = Network<'carol' | 'bob' | 'alice' | 'dave'>

/** Delays of each round, and the payments that failed. */
async function measureRounds(network: Line): Promise<{
  readonly rounds: readonly Readonly<Record<Setting, number>>[]
  readonly failed: { readonly foreign: number; readonly own: number }
}> {
  const foreign = await Stream.open(network.node('bob'))
  await foreign.aim({ lane: 'node', publicKey: fromHex(network.node('dave').publicKey) })
  const own = await Stream.open(network.node('carol'))
  const measure = (setting: Setting): Promise<number> => measureDelay(network, { setting, foreign, own })
  const rounds: Record<Setting, number>[] = []
  // Not counted: caches fill, and channels become active.
  for (const name of names) await measure(name)
  for (let i = 0; i < options.rounds; i++) {
    const round: Record<Setting, number> = { bare: NaN, idle: NaN, busy: NaN }
    for (const name of i % 2 === 0 ? names : names.toReversed()) round[name] = await measure(name)
    rounds.push(round)
  }
  await Promise.all([foreign.close(), own.close()])
  return { rounds, failed: { foreign: foreign.failed, own: own.failed } }
}

/** Median delay of what alice relayed meanwhile, ms. */
async function measureDelay(
  network: Line,
  { setting, foreign, own }: { readonly setting: Setting; readonly foreign: Stream; readonly own: Stream },
): Promise<number> {
  const [alice, bob, carol] = [network.node('alice'), network.node('bob'), network.node('carol')]
  const receiver = setting === 'bare' ? undefined : await BackendReceiver.attach(alice)
  const path = await receiver?.path(fromHex(carol.publicKey))
  const destination: Destination =
    setting === 'busy' && path !== undefined
      ? { lane: 'phantom', path }
      : { lane: 'node', publicKey: fromHex(alice.publicKey) }
  await own.aim(destination)
  const { lastIndex } = await readAttempts(bob)
  await Promise.all([foreign.run('node', FOREIGN_PER_SECOND), own.run(destination.lane, OWN_PER_SECOND)])
  const { delaysMs } = await readAttempts(bob, lastIndex)
  await receiver?.backend.stop()
  return median(delaysMs)
}

const network = await startNetwork({
  nodes: ['carol', 'bob', 'alice', 'dave'],
  channels: (['carol bob', 'bob alice', 'alice dave'] as const).map((pair) => ({
    between: pair.split(' ') as ['carol' | 'bob' | 'alice', 'bob' | 'alice' | 'dave'],
    capacitySat: 10_000_000,
    pushSat: 5_000_000,
  })),
})
let measured: Awaited<ReturnType<typeof measureRounds>>
try {
  measured = await measureRounds(network)
} finally {
  await network.close()
}
const { rounds, failed } = measured

const delayMs = (name: Setting): number => median(rounds.map((round) => round[name]))
/** Each round beside its own bare flood, so that what slows the machine for a while counts on both sides. */
const growth = (name: Setting): number => median(rounds.map((round) => round[name] / round.bare))
const rows = names.map((name) => ({ name, ms: Math.round(delayMs(name)), growth: Number(growth(name).toFixed(3)) }))
const failures = rows
  .filter((row) => !(row.growth <= MAX_GROWTH))
  .map(({ name, growth: by }) => `${name} grew by ${by}`)
if (failed.foreign > 0) failures.push(`${failed.foreign} foreign payments failed`)

const table = [
  '| at the node | median delay of what it relays, ms | beside bare |',
  '|-|-|-|',
  ...rows.map((row) => `| ${SETTINGS[row.name]} | ${row.ms} | ${row.growth.toFixed(3)} |`),
].join('\n')
console.log(`${table}\n\n${failures.length === 0 ? 'within the threshold' : failures.join('; ')}`)
const results = { bench: 'foreign', rows, rounds, failed, failures }
if (options.write) {
  await mkdir(RESULTS, { recursive: true })
  const what = `${FOREIGN_PER_SECOND} payments of others a second through a node, and ${OWN_PER_SECOND} a second to it, for ${SECONDS} s; medians of ${options.rounds} rounds, in turn. At most ${MAX_GROWTH} is allowed.`
  await writeFile(
    new URL('foreign.md', RESULTS),
    `# Payments of others\n\n\`./dev bench foreign --write\`. ${what}\n\n${table}\n`,
  )
  await writeFile(new URL('foreign.json', RESULTS), `${JSON.stringify(results, undefined, 2)}\n`)
}
if (options.json) console.log(JSON.stringify(results))
process.exitCode = failures.length === 0 ? 0 : 1
