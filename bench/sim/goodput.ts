import { FLOOD_IN_FLIGHT, MEDIAN_MS, settings, type Setting, TRANSFER_BYTES } from './settings.ts'
import { floodFor } from './flood.ts'
import { median } from './statistics.ts'
import type { TimelineStep } from './timeline.ts'
import { transfer, type Transfer } from './transfer.ts'

/** One transfer and the floods beside it: one setting, one seed. */
export interface GoodputJob {
  readonly setting: string
  readonly seed: string
  readonly timeline: boolean
}

interface FloodRate {
  readonly inFlight: number
  /** Until TRANSFER_BYTES had arrived. */
  readonly bytesPerSecond: number
}

export interface GoodputRun {
  readonly setting: string
  readonly seed: string
  readonly floods: readonly FloodRate[]
  /** Of FLOOD_IN_FLIGHT; and with as much in flight as the transfer had, where that was more. */
  readonly best: FloodRate
  readonly bestAtAll: FloodRate
  /** Median of a payment that is alone in the network. */
  readonly aloneMs: number
  readonly transfer: Transfer
  /** Goodput over the best flood's. */
  readonly ratio: number
  readonly ratioAtAll: number
  /** The worst whole window over the best flood's rate; undefined: the transfer was shorter than a window. */
  readonly leastWindow: number | undefined
  readonly realSeconds: number
  readonly timeline: readonly TimelineStep[]
}

/** The transfer goes through the product; the floods through the simulator alone, on the same network and seed. */
export async function measureGoodput(job: GoodputJob): Promise<GoodputRun> {
  const startedMs = performance.now()
  const setting = settings().find(({ name }) => name === job.setting)
  if (setting === undefined) throw new Error(`there is no setting '${job.setting}'`)
  const floods: FloodRate[] = []
  let aloneMs = Number.NaN
  for (const inFlight of FLOOD_IN_FLIGHT) {
    const flood = await floodFor(setting, job.seed, inFlight, TRANSFER_BYTES)
    if (inFlight === 1) aloneMs = median(flood.latenciesMs)
    floods.push({ inFlight, bytesPerSecond: flood.bytesPerSecond })
  }
  const best = fastest(floods)
  const { result, timeline } = await transfer(setting, job.seed)
  const bestAtAll = fastest([best, ...(await largerFlood(setting, job.seed, result.inFlightP95))])
  return {
    setting: job.setting,
    seed: job.seed,
    floods,
    best,
    bestAtAll,
    aloneMs,
    transfer: result,
    ratio: result.bytesPerSecond / best.bytesPerSecond,
    ratioAtAll: result.bytesPerSecond / bestAtAll.bytesPerSecond,
    leastWindow: result.leastWindow === undefined ? undefined : result.leastWindow / best.bytesPerSecond,
    realSeconds: (performance.now() - startedMs) / 1_000,
    timeline: job.timeline ? timeline : [],
  }
}

async function largerFlood(setting: Setting, seed: string, inFlight: number): Promise<FloodRate[]> {
  if (inFlight <= (FLOOD_IN_FLIGHT.at(-1) as number)) return []
  const { bytesPerSecond } = await floodFor(setting, seed, inFlight, TRANSFER_BYTES)
  return [{ inFlight, bytesPerSecond }]
}

function fastest(floods: readonly FloodRate[]): FloodRate {
  return floods.reduce((best, flood) => (flood.bytesPerSecond > best.bytesPerSecond ? flood : best))
}

/** What the seeds of one setting come to: medians, and the worst window of all. */
export interface GoodputRow {
  readonly setting: string
  readonly seeds: readonly string[]
  readonly aloneMs: number
  readonly floodBytesPerSecond: number
  readonly floodInFlight: number
  readonly bytesPerSecond: number
  readonly ratio: number
  /** Of each seed, in the order of `seeds`. */
  readonly ratios: readonly number[]
  readonly ratioAtAll: number
  readonly leastWindow: number | undefined
  readonly inFlightP50: number
  readonly inFlightP95: number
  readonly payments: number
  readonly failedPayments: number
  readonly hedges: number
  readonly replies: number
  readonly costMsatPerKilobyte: number
  readonly replyCostMsatPerKilobyte: number
  readonly payloadShare: number
  readonly rampSeconds: number
  readonly tailSeconds: number
  readonly simulatedSeconds: number
  readonly realSeconds: number
  readonly failures: readonly string[]
}

export const MIN_RATIO = 0.85
export const MAX_RATIO = 1.02
export const MIN_WINDOW = 0.5
/** A lone payment's median may be this far from what the setting is called. */
const MEDIAN_TOLERANCE = 0.08

export function summarise(runs: readonly GoodputRun[]): GoodputRow[] {
  return [...Map.groupBy(runs, (run) => run.setting).values()].map(row)
}

function row(runs: readonly GoodputRun[]): GoodputRow {
  const setting = (runs[0] as GoodputRun).setting
  const of = (value: (run: GoodputRun) => number): number => median(runs.map(value))
  const windows = runs.flatMap((run) => run.leastWindow ?? [])
  const bare = {
    setting,
    seeds: runs.map((run) => run.seed),
    aloneMs: of((run) => run.aloneMs),
    floodBytesPerSecond: of((run) => run.best.bytesPerSecond),
    floodInFlight: of((run) => run.best.inFlight),
    bytesPerSecond: of((run) => run.transfer.bytesPerSecond),
    ratio: of((run) => run.ratio),
    ratios: runs.map((run) => run.ratio),
    ratioAtAll: of((run) => run.ratioAtAll),
    leastWindow: windows.length === 0 ? undefined : Math.min(...windows),
    inFlightP50: of((run) => run.transfer.inFlightP50),
    inFlightP95: of((run) => run.transfer.inFlightP95),
    payments: of((run) => run.transfer.payments),
    failedPayments: of((run) => run.transfer.failedPayments),
    hedges: of((run) => run.transfer.hedges),
    replies: of((run) => run.transfer.replies),
    costMsatPerKilobyte: of((run) => run.transfer.costMsatPerKilobyte),
    replyCostMsatPerKilobyte: of((run) => run.transfer.replyCostMsatPerKilobyte),
    payloadShare: of((run) => run.transfer.payloadShare),
    rampSeconds: of((run) => run.transfer.rampSeconds),
    tailSeconds: of((run) => run.transfer.tailSeconds),
    simulatedSeconds: of((run) => run.transfer.seconds),
    realSeconds: runs.reduce((sum, run) => sum + run.realSeconds, 0),
  }
  const broken = runs.flatMap(({ seed, transfer: { error } }) =>
    error === undefined ? [] : `${setting}, seed ${seed}: ${error}`,
  )
  return { ...bare, failures: [...broken, ...failuresOf(bare)] }
}

function failuresOf(result: Omit<GoodputRow, 'failures'>): string[] {
  const { setting, ratio, ratioAtAll, leastWindow, aloneMs } = result
  const failures: string[] = []
  const nominalMs = MEDIAN_MS[(settings().find(({ name }) => name === setting) as Setting).latency]
  if (!(ratio >= MIN_RATIO)) failures.push(`${setting}: ${ratio.toFixed(3)} of the flood, below ${MIN_RATIO}`)
  if (ratioAtAll > MAX_RATIO) failures.push(`${setting}: ${ratioAtAll.toFixed(3)} of the flood: a broken baseline`)
  if (leastWindow !== undefined && leastWindow < MIN_WINDOW) {
    failures.push(`${setting}: a window of 60 s at ${leastWindow.toFixed(2)} of the flood's rate, below ${MIN_WINDOW}`)
  }
  if (Math.abs(aloneMs / nominalMs - 1) > MEDIAN_TOLERANCE) {
    failures.push(`${setting}: a lone payment takes ${aloneMs.toFixed(0)} ms, not ${nominalMs}`)
  }
  return failures
}
