import type { GossipChannel, GossipGraph, GossipPolicy } from '../../src/backends/sim/gossip-graph.ts'

/** One property of a graph, in figures that can stand beside those of another. */
export interface Statistic {
  readonly name: string
  readonly values: readonly number[]
  /** What the values are: shares of 1, or plain numbers. */
  readonly unit: 'share' | 'number'
}

/** A policy, and the node and the channel that it stands for. */
export interface Direction {
  readonly from: string
  readonly policy: GossipPolicy
  readonly channel: GossipChannel
}

/** Directions that are in use. */
export function enabledDirections(graph: GossipGraph): Direction[] {
  return graph.channels.flatMap((channel) =>
    channel.policies.flatMap((policy, i) =>
      policy === undefined || policy.disabled ? [] : [{ from: channel.ends[i] as string, policy, channel }],
    ),
  )
}

/** Directions of a channel that are in use. */
export function enabledCount({ policies }: GossipChannel): number {
  return policies.filter((policy) => policy !== undefined && !policy.disabled).length
}

/** Channels with both directions in use, by node; nodes without any are left out. */
export function liveDegrees(graph: GossipGraph): Map<string, number> {
  const degrees = new Map<string, number>()
  for (const channel of graph.channels) {
    if (enabledCount(channel) < 2) continue
    for (const name of channel.ends) degrees.set(name, (degrees.get(name) ?? 0) + 1)
  }
  return degrees
}

function quantiles(values: readonly number[], ...at: number[]): number[] {
  return at.map((share) => quantileOf(values, share))
}

function shareOf<T>(all: readonly T[], fits: (each: T) => boolean): number {
  return all.filter(fits).length / all.length
}

/** The smallest value that at least `share` of them do not exceed. NaN for none. */
function quantileOf(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? Number.NaN
}

/** How a graph is made: what mainnetLike is fitted to. */
export function graphStatistics(graph: GossipGraph): Statistic[] {
  const live = liveDegrees(graph)
  const directions = enabledDirections(graph)
  const policies = directions.map(({ policy }) => policy)
  const used = graph.channels.filter((channel) => enabledCount(channel) === 2)
  const degreeOf = (name: string): number => live.get(name) ?? 0
  const beside = (from: number, to: number): number[] =>
    used.flatMap(({ ends }) =>
      [ends, ends.toReversed()].flatMap(([a = '', b = '']) =>
        degreeOf(a) >= from && degreeOf(a) <= to ? [degreeOf(b)] : [],
      ),
    )
  return [
    statistic('channels a node', graph.channels.length / graph.nodes.length),
    statistic('directions that are disabled, of all', 1 - directions.length / (2 * graph.channels.length)),
    statistic('nodes with a channel in use both ways', live.size / graph.nodes.length),
    numbers('their channels in use: 50, 90, 99 %, most', quantiles([...live.values()], 0.5, 0.9, 0.99, 1)),
    numbers(
      'beside a node with 1 or 2: channels of the other end, 25, 50, 75 %',
      quantiles(beside(1, 2), 0.25, 0.5, 0.75),
    ),
    numbers('beside a node with 50 or more', quantiles(beside(50, Infinity), 0.25, 0.5, 0.75)),
    statistic('channels beside another one of the same two nodes', parallelShare(used)),
    statistic('nodes in the largest part that hangs together', largestPart(used) / live.size),
    numbers('capacity in 1,000 sat: 10, 50, 90 %', quantiles(capacities(used), 0.1, 0.5, 0.9)),
    shares('base fee: 0, 1 sat, above', [
      shareOf(policies, (policy) => policy.baseFeeMsat === 0),
      shareOf(policies, (policy) => policy.baseFeeMsat === 1_000),
      shareOf(policies, (policy) => policy.baseFeeMsat > 1_000),
    ]),
    numbers(
      'millionths: 10, 50, 90, 99 %',
      quantiles(
        policies.map(({ feePpm }) => feePpm),
        0.1,
        0.5,
        0.9,
        0.99,
      ),
    ),
    shares('least HTLC: up to 1 msat, 1 sat, above', [
      shareOf(policies, (policy) => policy.minHtlcMsat <= 1),
      shareOf(policies, (policy) => policy.minHtlcMsat === 1_000),
      shareOf(policies, (policy) => policy.minHtlcMsat > 1_000),
    ]),
    numbers(
      'delta: 10, 50, 90 %',
      quantiles(
        policies.map(({ cltvDelta }) => cltvDelta),
        0.1,
        0.5,
        0.9,
      ),
    ),
    shares(
      'delta: 40, 80, 144',
      [40, 80, 144].map((blocks) => shareOf(policies, ({ cltvDelta }) => cltvDelta === blocks)),
    ),
    shares('nodes whose directions share their delta, least HTLC, base fee', [
      likeMode(directions, ({ cltvDelta }) => cltvDelta),
      likeMode(directions, ({ minHtlcMsat }) => minHtlcMsat),
      likeMode(directions, ({ baseFeeMsat }) => baseFeeMsat),
    ]),
  ]
}

function statistic(name: string, value: number): Statistic {
  return { name, values: [value], unit: value <= 1 ? 'share' : 'number' }
}

function numbers(name: string, values: readonly number[]): Statistic {
  return { name, values, unit: 'number' }
}

function shares(name: string, values: readonly number[]): Statistic {
  return { name, values, unit: 'share' }
}

function capacities(channels: readonly GossipChannel[]): number[] {
  return channels.map(({ capacityMsat }) => Math.round(capacityMsat / 1e6))
}

function parallelShare(channels: readonly GossipChannel[]): number {
  const counts = new Map<string, number>()
  for (const { ends } of channels) {
    const pair = ends.toSorted().join(' ')
    counts.set(pair, (counts.get(pair) ?? 0) + 1)
  }
  const beside = [...counts.values()].filter((count) => count > 1).reduce((sum, count) => sum + count, 0)
  return beside / channels.length
}

function largestPart(channels: readonly GossipChannel[]): number {
  const neighbours = new Map<string, string[]>()
  for (const { ends } of channels) {
    for (const [a, b] of [ends, ends.toReversed() as [string, string]]) {
      const list = neighbours.get(a) ?? []
      list.push(b)
      neighbours.set(a, list)
    }
  }
  const seen = new Set<string>()
  let largest = 0
  for (const start of neighbours.keys()) {
    if (seen.has(start)) continue
    const part = [start]
    seen.add(start)
    for (let i = 0; i < part.length; i++) {
      for (const next of neighbours.get(part[i] as string) ?? []) {
        if (seen.has(next)) continue
        seen.add(next)
        part.push(next)
      }
    }
    largest = Math.max(largest, part.length)
  }
  return largest
}

/** Of the directions of nodes with three or more: how many have the value that is commonest at their node. */
function likeMode(directions: readonly Direction[], of: (policy: GossipPolicy) => number): number {
  const byNode = Map.groupBy(directions, ({ from }) => from)
  let like = 0
  let all = 0
  for (const list of byNode.values()) {
    if (list.length < 3) continue
    const counts = Map.groupBy(list, ({ policy }) => of(policy))
    like += Math.max(...[...counts.values()].map(({ length }) => length))
    all += list.length
  }
  return like / all
}
