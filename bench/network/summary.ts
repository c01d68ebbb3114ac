import type { RelayWish } from '../../src/medium/reply-path.ts'
import { quantile } from '../sim/statistics.ts'
import type { NetworkCost } from './network-cost.ts'
import type { PairRun } from './pair-run.ts'
import { DEGREES, MAX_PACKET_MSAT, type NetworkSetting } from './settings.ts'
import type { TransferRun } from './transfer-run.ts'

/** Everything that one run of the bench measured. Times in ms of the simulated network, amounts in msat. */
export interface Results {
  readonly bench: 'network'
  readonly setting: Omit<NetworkSetting, 'graph'> & { readonly hasGraph: boolean }
  readonly node: string
  readonly network: NetworkCost
  /** Of all pairs, then of callers by their channels in use. */
  readonly groups: readonly Group[]
  readonly errors: readonly ErrorRow[]
  /** The same pairs, one row for each number of relays that was asked for. */
  readonly byRelays: readonly RelayRow[]
  readonly transfers: readonly TransferGroup[]
  /** With the first number of relays that was asked for; the others. */
  readonly pairs: readonly PairRun[]
  readonly otherPairs: readonly PairRun[]
  readonly transferRuns: readonly TransferRun[]
  readonly realSeconds: number
  readonly failures: readonly string[]
}

/** 50th, 90th and 99th percentile. */
export type Percentiles = readonly [number, number, number]

export interface Group {
  readonly name: string
  readonly pairs: number
  /** Pairs that have a way there and back at what a packet may cost, and how many of these were answered. */
  readonly reachable: number
  readonly answered: number
  readonly answerMs: Percentiles
  /** Shares of those that made a path: with exactly one candidate, below 4, 16 or more; and over two relays. */
  readonly one: number
  readonly belowFour: number
  readonly sixteen: number
  readonly twoRelays: number
  readonly candidates: Percentiles
  readonly pathMsat: Percentiles
  readonly packetMsat: Percentiles
  readonly cheapestMsat: Percentiles
  readonly replyMsat: Percentiles
  readonly cheapestBackMsat: Percentiles
  /** What a packet cost over what it would have at least. */
  readonly dearer: Percentiles
}

interface RelayRow {
  readonly wish: RelayWish
  readonly group: Group
  readonly errors: readonly ErrorRow[]
}

interface ErrorRow {
  readonly code: string
  readonly count: number
  /** Until the caller heard of it. */
  readonly ms: Percentiles
}

interface TransferGroup {
  readonly name: string
  readonly transfers: number
  readonly done: number
  readonly bytesPerSecond: Percentiles
  readonly floodBytesPerSecond: Percentiles
  /** Goodput over the best flood's, the lowest first: 10th, 50th and 90th percentile. */
  readonly ratio: Percentiles
  readonly longestSilenceMs: Percentiles
  readonly silentShare: Percentiles
  readonly costMsatPerKilobyte: Percentiles
}

/** What is asked of 100 pairs on the public graph. */
const LEAST_ANSWERED = 0.99
const MOST_BELOW_FOUR = 0.02
const LEAST_SIXTEEN = 0.9
const TOLD_WITHIN_MS = 5_000

const ALL = { name: 'all', least: 0, most: Infinity }

export function summarise(measured: {
  readonly setting: NetworkSetting
  readonly wishes: readonly RelayWish[]
  readonly network: NetworkCost
  readonly pairs: readonly PairRun[]
  readonly transfers: readonly TransferRun[]
  readonly realSeconds: number
}): Results {
  const { setting, wishes, network, transfers, realSeconds } = measured
  const byRelays = wishes.map((wish) => relayRow(wish, measured.pairs))
  const isFirst = ({ wish }: PairRun): boolean => wish === wishes[0]
  const pairs = measured.pairs.filter(isFirst)
  const { graph, ...rest } = setting
  const groups = [ALL, ...DEGREES].map(({ name, least, most }) => groupOf(name, inClass(pairs, least, most)))
  return {
    bench: 'network',
    setting: { ...rest, hasGraph: graph !== undefined },
    node: process.versions.node,
    network,
    groups: groups.filter((group) => group.pairs > 0),
    errors: errorRows(pairs),
    byRelays,
    transfers: [ALL, ...DEGREES]
      .map(({ name, least, most }) => transferGroup(name, inClass(transfers, least, most)))
      .filter((group) => group.transfers > 0),
    pairs,
    otherPairs: measured.pairs.filter((pair) => !isFirst(pair)),
    transferRuns: transfers,
    realSeconds,
    failures: pairs.length === 0 ? [] : failuresOf(groups[0] as Group, byRelays),
  }
}

function inClass<Run extends { readonly channels: readonly [number, number] }>(
  runs: readonly Run[],
  least: number,
  most: number,
): Run[] {
  return runs.filter(({ channels: [own] }) => own >= least && own <= most)
}

function relayRow(wish: RelayWish, all: readonly PairRun[]): RelayRow {
  const pairs = all.filter((pair) => pair.wish === wish)
  return { wish, group: groupOf(String(wish), pairs), errors: errorRows(pairs) }
}

/** Whether by policy a packet costs what both ends pay by default, there and back. */
export function isReachable({ cheapestMsat, cheapestBackMsat }: PairRun): boolean {
  return Math.max(cheapestMsat ?? Infinity, cheapestBackMsat ?? Infinity) <= MAX_PACKET_MSAT
}

function groupOf(name: string, pairs: readonly PairRun[]): Group {
  const reachable = pairs.filter(isReachable)
  const answered = pairs.filter(({ error }) => error === undefined)
  const candidates = defined(pairs.map((pair) => pair.candidates))
  const share = (fits: (count: number) => boolean): number => candidates.filter(fits).length / candidates.length
  const relays = defined(pairs.map((pair) => pair.relays))
  const dearer = defined(
    answered.map(({ packetMsat, cheapestMsat }) =>
      packetMsat === undefined || cheapestMsat === undefined ? undefined : packetMsat / cheapestMsat,
    ),
  )
  return {
    name,
    pairs: pairs.length,
    reachable: reachable.length,
    answered: reachable.filter(({ error }) => error === undefined).length,
    answerMs: percentiles(answered.map(({ ms }) => ms)),
    one: share((count) => count === 1),
    belowFour: share((count) => count < 4),
    sixteen: share((count) => count >= 16),
    twoRelays: relays.filter((count) => count === 2).length / relays.length,
    candidates: percentiles(candidates),
    pathMsat: percentiles(defined(pairs.map((pair) => pair.pathMsat))),
    packetMsat: percentiles(defined(answered.map((pair) => pair.packetMsat))),
    cheapestMsat: percentiles(defined(answered.map((pair) => pair.cheapestMsat))),
    replyMsat: percentiles(defined(answered.map((pair) => pair.replyMsat))),
    cheapestBackMsat: percentiles(defined(answered.map((pair) => pair.cheapestBackMsat))),
    dearer: percentiles(dearer),
  }
}

function errorRows(pairs: readonly PairRun[]): ErrorRow[] {
  const byCode = Map.groupBy(
    pairs.filter(({ error }) => error !== undefined),
    ({ error = '' }) => error,
  )
  return [...byCode]
    .map(([code, list]) => ({ code, count: list.length, ms: percentiles(list.map(({ ms }) => ms)) }))
    .toSorted((a, b) => b.count - a.count)
}

function transferGroup(name: string, runs: readonly TransferRun[]): TransferGroup {
  const ratios = runs
    .filter(({ floodBytesPerSecond }) => floodBytesPerSecond > 0)
    .map(({ bytesPerSecond, floodBytesPerSecond }) => bytesPerSecond / floodBytesPerSecond)
  return {
    name,
    transfers: runs.length,
    done: runs.filter(({ error }) => error === undefined).length,
    bytesPerSecond: percentiles(runs.map((run) => run.bytesPerSecond)),
    floodBytesPerSecond: percentiles(runs.map((run) => run.floodBytesPerSecond)),
    ratio: [quantile(ratios, 0.1), quantile(ratios, 0.5), quantile(ratios, 0.9)],
    longestSilenceMs: percentiles(runs.map((run) => run.longestSilenceMs)),
    silentShare: percentiles(runs.map((run) => run.silentShare)),
    costMsatPerKilobyte: percentiles(runs.map((run) => run.costMsatPerKilobyte)),
  }
}

/** All are answered, however many relays hide the caller; the crowd is what the first number is to bring. */
function failuresOf(all: Group, byRelays: readonly RelayRow[]): string[] {
  const failures: string[] = []
  for (const { wish, group, errors } of byRelays) {
    const answered = group.answered / group.reachable
    if (answered < LEAST_ANSWERED)
      failures.push(`relays ${wish}: ${percent(answered)} answered where a way exists, below 99 %`)
    for (const { code, ms } of errors) {
      if (ms[2] > TOLD_WITHIN_MS)
        failures.push(`relays ${wish}: ${code} is told after ${(ms[2] / 1_000).toFixed(0)} s, not 5`)
    }
  }
  if (all.belowFour > MOST_BELOW_FOUR)
    failures.push(`${percent(all.belowFour)} have fewer than 4 candidates, above 2 %`)
  if (all.sixteen < LEAST_SIXTEEN) failures.push(`${percent(all.sixteen)} have 16 candidates or more, below 90 %`)
  return failures
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}

function percentiles(values: readonly number[]): Percentiles {
  return [quantile(values, 0.5), quantile(values, 0.9), quantile(values, 0.99)]
}

function defined(values: readonly (number | undefined)[]): number[] {
  return values.filter((value) => value !== undefined)
}
