/**
 * `./dev bench foreign-stall`: how long the event loop of an application does one thing while thousands of other
 * people's forwards a second go through its interceptor, which reads them in a thread of its own, as `ThreadHost` runs
 * it; and beside that in the application's thread, as where an `lnd` object was given (`LocalHost`). The forwards are
 * made up; reading them from gRPC is not in it. Exits with 1 where a threshold is missed.
 */
import { Worker } from 'node:worker_threads'
import { Command } from 'commander'
import { ThreadHost } from '../src/backends/lnd/phantom/interceptor-host.ts'
import { processClock } from '../src/floor/clock.ts'
import { StallWatch } from './big-graph/stall-watch.ts'
import { flood, type Flooded } from './foreign/flood.ts'
import { wholeNumber } from './report/flags.ts'

/** No turn may take longer, ms of processor. */
const MAX_TURN_MS = 20

const options = new Command('foreign-stall')
  .description('Measures the longest turn of an application while others pay through its node.')
  .option('--json', 'print one JSON object on the last line', false)
  .option('--per-second <n>', 'forwards of others', wholeNumber(1, 100_000), 5_000)
  .option('--seconds <n>', 'for how long', wholeNumber(1, 600), 10)
  .parse()
  .opts<{ readonly json: boolean; readonly perSecond: number; readonly seconds: number }>()

interface Row {
  readonly where: 'thread' | 'local'
  readonly offered: number
  readonly resumed: number
  readonly longestWaitMs: number
  /** Longest turns: of the application's thread, and of that which reads the forwards. */
  readonly applicationMs: number
  readonly readerMs: number
}

async function inThread(): Promise<Row> {
  const { perSecond, seconds } = options
  const done = Promise.withResolvers<Flooded>()
  const watch = new StallWatch()
  const start = (): Worker => {
    const worker = new Worker(new URL('foreign/flood-thread.ts', import.meta.url), {
      workerData: { perSecond, seconds },
    })
    worker.on('message', (message: { readonly type: string } & Flooded) => {
      if (message.type === 'flooded') done.resolve(message)
    })
    return worker
  }
  const needs = { clock: processClock, report: () => undefined }
  const host = new ThreadHost({ socket: '', cert: undefined, macaroon: undefined }, needs, start)
  const { offered, resumed, longestWaitMs, longestTurnMs: readerMs } = await done.promise
  watch.stop()
  await host.stop()
  return { where: 'thread', offered, resumed, longestWaitMs, applicationMs: watch.longestMs, readerMs }
}

async function inPlace(): Promise<Row> {
  const { offered, resumed, longestWaitMs, longestTurnMs } = await flood(options, () => undefined)
  return { where: 'local', offered, resumed, longestWaitMs, applicationMs: longestTurnMs, readerMs: longestTurnMs }
}

const rows = [await inThread(), await inPlace()]
const failures = rows.flatMap(({ where, offered, resumed, applicationMs }) => [
  ...(applicationMs > MAX_TURN_MS ? [`${where}: a turn of ${applicationMs.toFixed(1)} ms`] : []),
  ...(resumed < offered ? [`${where}: ${offered - resumed} forwards were not resumed`] : []),
])
for (const { where, resumed, longestWaitMs, applicationMs, readerMs } of rows) {
  const turns = `turns of at most ${applicationMs.toFixed(1)} ms, ${readerMs.toFixed(1)} ms where they are read`
  console.log(`${where}: ${resumed} forwards resumed, each within ${longestWaitMs.toFixed(1)} ms; ${turns}`)
}
console.log(failures.length === 0 ? 'within the threshold' : failures.join('; '))
if (options.json) console.log(JSON.stringify({ bench: 'foreign-stall', rows, failures }))
process.exitCode = failures.length === 0 ? 0 : 1
