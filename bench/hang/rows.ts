import type { NetworkDescription } from '../../src/sim.ts'
import { quantile } from '../sim/statistics.ts'
import { demo, disjointRoutes } from './networks.ts'

/** What is measured over many seeds. */
export interface Scene {
  readonly name: string
  readonly network: NetworkDescription
  readonly bytes: number
  readonly seeds: number
  /** What it is held beside: the flood of one of so many equal routes, times their number. */
  readonly flood?: { readonly network: NetworkDescription; readonly inFlight: number; readonly routes: number }
  /** Of these runs the share of misses; undefined: there is nothing to hold it to. */
  readonly judge: (runs: readonly SceneRun[]) => string | undefined
}

/** One run. Times are virtual. */
export interface SceneRun {
  readonly scene: string
  readonly seed: string
  readonly error: string | undefined
  readonly ms: number
  readonly longestSilenceMs: number
  readonly silentMs: number
  readonly payments: number
  readonly copies: number
  readonly p99Ms: number
  /** Of the flood; undefined: there is none. */
  readonly floodBytesPerSecond: number | undefined
}

const HANG = 0.01
const FAILURE = 0.05
/** No silence longer than so many times what 99 of 100 payments take. */
const MAX_SILENCE_P99 = 3
const MAX_SILENT_SHARE = 0.05
const MAX_TIMES_MEDIAN = 3
const FLOODED_SEEDS = 8
/** Nodes are quick, so that slots are what limits. */
const EIGHT = {
  routes: 8,
  slots: 10,
  hang: 0,
  failure: 0,
  latency: 'slow',
  least: 0.88,
  paymentsPerSecond: 5_000,
} as const
/** Connecting, ramp and the last packets are lost once, whatever the size (decision 0017): a tenth of two minutes. */
const SHORT = { least: 0.84 } as const
const SHORT_ILL = { hang: HANG, failure: FAILURE, least: 0.75 } as const

/** All time of all runs that passed in silences above LONG_SILENCE_MS, as a share. */
export function silentShare(runs: readonly SceneRun[]): number {
  const sum = (value: (run: SceneRun) => number): number => runs.reduce((total, run) => total + value(run), 0)
  return sum((run) => run.silentMs) / sum((run) => run.ms)
}

/** Goodput of all runs over that of their floods. NaN where there are none. */
export function floodShare(runs: readonly SceneRun[], bytes: number): number {
  const sum = (value: (run: SceneRun) => number): number => runs.reduce((total, run) => total + value(run), 0)
  return sum(({ ms }) => (bytes * 1_000) / ms) / sum((run) => run.floodBytesPerSecond ?? Number.NaN)
}

/** So many routes of `slots` each, beside the flood of one that keeps all of its slots busy. */
function besideFlood({ name, routes, slots, least, ...habits }: FloodedScene): Scene {
  const { bytes, ...medium } = habits
  const network = (count: number): NetworkDescription => disjointRoutes(count, { ...medium, slots })
  return {
    name,
    network: network(routes),
    bytes,
    seeds: FLOODED_SEEDS,
    flood: { network: network(1), inFlight: slots, routes },
    judge: (runs) => {
      const share = floodShare(runs, bytes)
      return share >= least ? undefined : `${share.toFixed(2)} of the flood, below ${least}`
    },
  }
}

interface FloodedScene {
  readonly name: string
  readonly routes: number
  readonly slots: number
  readonly bytes: number
  readonly hang: number
  readonly failure: number
  readonly latency: 'fast' | 'slow'
  readonly paymentsPerSecond: number
  /** Share of the flood's goodput that is asked. */
  readonly least: number
}

const twoRoutes = disjointRoutes(2, { hang: HANG, failure: FAILURE, slots: 483, latency: 'slow' })

export const SCENES: readonly Scene[] = [
  {
    name: 'demo',
    network: demo(),
    bytes: 184_302,
    seeds: 1_000,
    judge: (runs) => {
      const times = runs.map(({ ms }) => ms)
      const ratio = quantile(times, 0.99) / quantile(times, 0.5)
      return ratio <= MAX_TIMES_MEDIAN ? undefined : `p99 is ${ratio.toFixed(1)} times the median`
    },
  },
  {
    name: '200 kB, two routes',
    network: twoRoutes,
    bytes: 200_000,
    seeds: 1_000,
    judge: (runs) => {
      const missed = runs.filter((run) => run.longestSilenceMs > MAX_SILENCE_P99 * run.p99Ms).length
      return missed <= runs.length / 100 ? undefined : `${missed} of ${runs.length} had a longer silence`
    },
  },
  {
    name: '3 MB, two routes',
    network: twoRoutes,
    bytes: 3_000_000,
    seeds: 32,
    judge: (runs) => {
      const share = silentShare(runs)
      return share <= MAX_SILENT_SHARE ? undefined : `${(share * 100).toFixed(1)} % of the time in long silences`
    },
  },
  besideFlood({ ...EIGHT, ...SHORT, name: '3 MB, 8 routes of 10 slots, fast', bytes: 3_000_000, latency: 'fast' }),
  besideFlood({ ...EIGHT, ...SHORT, name: '3 MB, 8 routes of 10 slots', bytes: 3_000_000 }),
  besideFlood({ ...EIGHT, name: '30 MB, 8 routes of 10 slots', bytes: 30_000_000 }),
  besideFlood({ ...EIGHT, ...SHORT_ILL, name: '3 MB, 8 routes of 10 slots, hanging', bytes: 3_000_000 }),
  besideFlood({
    ...EIGHT,
    ...SHORT_ILL,
    name: '1 MB, one route of 30 slots, hanging',
    routes: 1,
    slots: 30,
    bytes: 1_000_000,
  }),
]
