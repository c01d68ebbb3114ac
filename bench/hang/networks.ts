import { demoNetwork } from '../../src/backends/sim/shapes.ts'
import type { NetworkDescription } from '../../src/backends/sim/description.ts'

export const SENDER = 'sender'
export const RECEIVER = 'receiver'
/** 10 BTC a channel: what moves in one transfer is a thousandth of it. */
const CAPACITY_MSAT = 1_000_000_000_000

interface Habits {
  readonly hang: number
  readonly failure: number
  /** HTLCs that each channel admits at once, in each direction. */
  readonly slots: number
  readonly latency: 'fast' | 'slow'
  /** What each node takes; the simulator's default where it is not given. */
  readonly paymentsPerSecond?: number
}

/** `count` routes of two channels from sender to receiver, without a common channel or relay. */
export function disjointRoutes(
  count: number,
  { hang, failure, slots, latency, paymentsPerSecond }: Habits,
): NetworkDescription {
  const relays = Array.from({ length: count }, (_, i) => `relay-${i + 1}`)
  const names = [SENDER, ...relays, RECEIVER]
  return {
    nodes: names.map((name) => ({ name })),
    channels: relays.flatMap((relay) => [
      { between: [SENDER, relay] as const, capacityMsat: CAPACITY_MSAT },
      { between: [relay, RECEIVER] as const, capacityMsat: CAPACITY_MSAT },
    ]),
    policyDefaults: { maxHtlcs: slots },
    ...(paymentsPerSecond !== undefined && { nodeDefaults: { paymentsPerSecond } }),
    latency,
    failure,
    hang,
  }
}

/** That of `./dev demo`, with its ends by the names that all networks of this bench have. */
export function demo(): NetworkDescription {
  const network = demoNetwork({ failure: 0.1, hang: 0.01 })
  return {
    ...network,
    nodes: network.nodes.map((node) => ({ ...node, name: rename(node.name) })),
    channels: network.channels.map((channel) => ({
      ...channel,
      between: [rename(channel.between[0]), rename(channel.between[1])] as const,
    })),
  }
}

function rename(name: string): string {
  return { alice: SENDER, bob: RECEIVER }[name] ?? name
}
