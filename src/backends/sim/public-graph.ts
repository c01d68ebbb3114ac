import type { FeePolicy } from './fees.ts'
import type { Network } from './network.ts'
import type { Policy } from './resolve.ts'

/** What gossip tells everybody, as plain data. Public keys are hex, amounts millisatoshi. */
export interface PublicGraph {
  readonly height: number
  readonly nodes: readonly { readonly publicKey: string; readonly alias: string; readonly routeBlinding: boolean }[]
  readonly channels: readonly PublicChannel[]
}

export interface PublicChannel {
  readonly id: string
  readonly capacityMsat: number
  /** Public keys; `policies` are in the same order: what the first asks, what the second asks. */
  readonly ends: readonly [string, string]
  readonly policies: readonly [Policy, Policy]
  /** What the first asks for what comes in over the channel, what the second asks. */
  readonly inbound: readonly [FeePolicy, FeePolicy]
}

/** The graph as everybody sees it now. */
export function publicGraph(network: Network): PublicGraph {
  return {
    height: network.height,
    nodes: network.nodes
      .filter((node) => node.plan.public)
      .map((node) => ({ publicKey: node.publicHex, alias: node.name, routeBlinding: node.plan.routeBlinding })),
    channels: network.channels
      .filter((channel) => !channel.private && !channel.closed)
      .map((channel) => {
        const [link] = channel.links
        return {
          id: channel.id,
          capacityMsat: channel.capacityMsat,
          ends: [link.from.publicHex, link.to.publicHex],
          policies: [{ ...link.policy }, { ...link.reverse.policy }],
          inbound: [link.reverse.inbound, link.inbound],
        }
      }),
  }
}
