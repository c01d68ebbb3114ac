import type { GossipGraph, GossipPolicy } from '../../src/backends/sim/gossip-graph.ts'
import type { MainnetTables, PolicyTable } from '../../src/backends/sim/mainnet-like.ts'
import { DEGREE_CLASSES, degreeClass } from '../../src/backends/sim/mainnet-like.ts'
import { enabledCount, enabledDirections, liveDegrees } from './graph-statistics.ts'

/** Values of a table that stands for a distribution: each is as likely as the others. */
const VALUES = 50
/** From one rank in a table to the next: few nodes have most of the channels, so the first ranks are the closest. */
const RANK_STEP = 1.12
const COMMON_POLICIES = 20

/** What mainnetLike draws from, as a graph has it. */
export function fitTables(graph: GossipGraph): MainnetTables {
  const live = liveDegrees(graph)
  const degreeOf = (name: string): number => live.get(name) ?? 0
  const used = graph.channels.filter((channel) => enabledCount(channel) === 2)
  const idle = graph.channels.filter((channel) => enabledCount(channel) < 2)
  const ends = idle.map(({ ends: [a, b] }) => [degreeOf(a), degreeOf(b)].filter((degree) => degree > 0).length)
  const idleDegrees = new Map<string, number>()
  for (const channel of idle) {
    for (const name of channel.ends) if (degreeOf(name) === 0) idleDegrees.set(name, (idleDegrees.get(name) ?? 0) + 1)
  }
  const oneWay = (kind: number): number => {
    const those = idle.filter((_, i) => ends[i] === kind)
    return rounded(those.filter((channel) => enabledCount(channel) === 1).length / Math.max(1, those.length))
  }
  const kinds = [0, 1, 2].map((kind) => ends.filter((each) => each === kind).length)
  const directions = enabledDirections(graph)
  const classes = DEGREE_CLASSES.map((_, i) => i)
  const stubs = classes.map((i) =>
    [...live.values()].filter((degree) => degreeClass(degree) === i).reduce((sum, degree) => sum + degree, 0),
  )
  const idleStubs = classes.map(() => 0)
  for (const [i, channel] of idle.entries()) {
    if (ends[i] !== 1) continue
    const name = channel.ends.find((end) => degreeOf(end) > 0) as string
    const at = degreeClass(degreeOf(name))
    idleStubs[at] = (idleStubs[at] as number) + 1
  }
  return {
    idleNodes: rounded(1 - live.size / graph.nodes.length),
    degrees: ranks([...live.values()]),
    largestShare: rounded(Math.max(...live.values()) / live.size),
    idleDegrees: ranks([...idleDegrees.values()]),
    idleToUsed: rounded((kinds[1] as number) / ((kinds[1] as number) + 2 * (kinds[0] as number))),
    idleByClass: classes.map((i) => rounded((idleStubs[i] as number) / Math.max(1, stubs[i] as number))),
    idleBetweenUsed: rounded((kinds[2] as number) / used.length),
    oneWay: [oneWay(0), oneWay(1), oneWay(2)],
    capacitiesSat: classes.map((i) =>
      spread(
        used
          .filter(({ ends: [a, b] }) => degreeClass(Math.min(degreeOf(a), degreeOf(b))) === i)
          .map(({ capacityMsat }) => capacityMsat / 1_000),
        VALUES,
      ),
    ),
    idleCapacitiesSat: spread(
      idle.map(({ capacityMsat }) => capacityMsat / 1_000),
      VALUES,
    ),
    mostShares: spread(
      directions.map(({ policy, channel }) => Math.round((policy.maxHtlcMsat / channel.capacityMsat) * 1e4) / 1e4),
      VALUES,
    ),
    policies: classes.map((i) =>
      policyTable(directions.filter(({ from }) => degreeClass(degreeOf(from)) === i).map(({ policy }) => policy)),
    ),
  }
}

function policyTable(policies: readonly GossipPolicy[]): PolicyTable {
  const byKind = Map.groupBy(policies, ({ baseFeeMsat, minHtlcMsat, cltvDelta }) =>
    [baseFeeMsat, minHtlcMsat, cltvDelta].join(' '),
  )
  const sorted = [...byKind].toSorted(([a, listA], [b, listB]) => listB.length - listA.length || a.localeCompare(b))
  const rest = sorted.slice(COMMON_POLICIES).flatMap(([, list]) => list)
  return {
    common: sorted.slice(0, COMMON_POLICIES).map(([kind, list]) => {
      const [base = 0, min = 0, delta = 0] = kind.split(' ').map(Number)
      return [rounded(list.length / policies.length), base, min, delta] as const
    }),
    baseFeesMsat: spread(
      rest.map(({ baseFeeMsat }) => baseFeeMsat),
      VALUES,
    ),
    leastMsat: spread(
      rest.map(({ minHtlcMsat }) => minHtlcMsat),
      VALUES,
    ),
    deltas: spread(
      rest.map(({ cltvDelta }) => cltvDelta),
      VALUES,
    ),
    ppm: spread(
      policies.map(({ feePpm }) => feePpm),
      2 * VALUES,
    ),
  }
}

/** Shares of all nodes, and how many channels the last of so many has, those with most of them first. */
function ranks(values: readonly number[]): (readonly [number, number])[] {
  const sorted = values.toSorted((a, b) => b - a)
  const table: (readonly [number, number])[] = []
  for (let rank = 1; rank < sorted.length; rank = Math.max(rank + 1, Math.round(rank * RANK_STEP))) {
    table.push([Number((rank / sorted.length).toPrecision(4)), sorted[rank - 1] as number])
  }
  return [...table, [1, sorted.at(-1) ?? 1]]
}

/** `count` values, each in the middle of as many of the sorted ones. */
function spread(values: readonly number[], count: number): number[] {
  const sorted = values.toSorted((a, b) => a - b)
  return Array.from({ length: count }, (_, i) => sorted[Math.floor(((i + 0.5) / count) * sorted.length)] ?? 0)
}

function rounded(share: number): number {
  return Math.round(share * 1e4) / 1e4
}
