import { Random } from '../../src/backends/sim/random.ts'
import type { ChannelDescription, NetworkDescription, PolicyOptions } from '../../src/sim.ts'

const SMALL = 240
const HUBS = 8
const CAPACITY_MSAT = 5_000_000_000

/**
 * Nodes of which most have a few channels with hubs, and the hubs many, with what channels of the public graph ask:
 * some nothing, most about 1 sat, a few a great deal. Drawn by a seed.
 */
export function marketNetwork(seed: number): NetworkDescription {
  const random = new Random(String(seed), 'market')
  const pick = <T>(items: readonly T[]): T => items[random.below(items.length)] as T
  const hubs = Array.from({ length: HUBS }, (_, i) => `hub${i}`)
  const small = Array.from({ length: SMALL }, (_, i) => `n${i}`)
  const terms = (): PolicyOptions => ({
    baseFeeMsat: pick([0, 0, 0, 0, 1_000, 1_000, 1_000, 1_000, 5_000, 1_000_000]),
    cltvDelta: pick([34, 40, 80, 80, 144]),
    minHtlcMsat: pick([1, 1_000, 1_000, 1_000, 1_000, 354_000]),
  })
  const usual = new Map([...hubs, ...small].map((name) => [name, terms()]))
  // Most of a node's channels ask the same, but for the rate.
  const policy = (name: string): PolicyOptions => ({
    ...(random.below(5) > 0 ? usual.get(name) : terms()),
    feePpm: pick([0, 1, 50, 100, 499, 1_000, 3_000]),
  })
  const channel = (a: string, b: string): ChannelDescription => ({
    between: [a, b],
    capacityMsat: CAPACITY_MSAT,
    policies: { [a]: policy(a), [b]: policy(b) },
  })
  const channels = hubs.flatMap((hub, i) => hubs.slice(i + 1).map((other) => channel(hub, other)))
  for (const node of small) {
    // The first hubs are the largest.
    const peers = Array.from(
      { length: 1 + random.below(5) },
      () => hubs[random.below(1 + random.below(HUBS))] as string,
    )
    for (const hub of new Set(peers)) channels.push(channel(node, hub))
    if (random.below(10) < 3) channels.push(channel(node, pick(small.filter((other) => other !== node))))
  }
  return { nodes: [...hubs, ...small].map((name) => ({ name })), channels }
}
