import type { NetworkDescription } from '../../src/sim.ts'
import { quantile } from '../sim/statistics.ts'
import { demo, disjointRoutes } from './networks.ts'

/** What is measured over many seeds. */
export interface Scene {
  readonly name: string
  readonly network: NetworkDescription
  readonly bytes: number
  readonly seeds: number
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
}

const HANG = 0.01
const FAILURE = 0.05
/** No silence longer than so many times what 99 of 100 payments take. */
const MAX_SILENCE_P99 = 3
const MAX_SILENT_SHARE = 0.05
const MAX_TIMES_MEDIAN = 3

/** All time of all runs that passed in silences above LONG_SILENCE_MS, as a share. */
export function silentShare(runs: readonly SceneRun[]): number {
  const sum = (value: (run: SceneRun) => number): number => runs.reduce((total, run) => total + value(run), 0)
  return sum((run) => run.silentMs) / sum((run) => run.ms)
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
  {
    name: '1 MB, one route of 30 slots',
    network: disjointRoutes(1, { hang: HANG, failure: FAILURE, slots: 30, latency: 'slow' }),
    bytes: 1_000_000,
    seeds: 16,
    judge: () => undefined,
  },
]
