/** Gossip has capacities in satoshi. */
export const MSAT_PER_SAT = 1_000

/** What gossip tells of a network, as plain data: read from a file, or drawn. Amounts are millisatoshi. */
export interface GossipGraph {
  readonly nodes: readonly GossipNode[]
  readonly channels: readonly GossipChannel[]
}

export interface GossipNode {
  readonly name: string
  readonly routeBlinding: boolean
}

export interface GossipChannel {
  /** Like `700000x1x0`; undefined: the next free one. */
  readonly id: string | undefined
  /** Names of its nodes. */
  readonly ends: readonly [string, string]
  readonly capacityMsat: number
  /** In the order of `ends`; undefined where a node has said nothing. */
  readonly policies: readonly [GossipPolicy | undefined, GossipPolicy | undefined]
}

export interface GossipPolicy {
  readonly baseFeeMsat: number
  readonly feePpm: number
  readonly inboundBaseFeeMsat: number
  readonly inboundFeePpm: number
  readonly cltvDelta: number
  readonly minHtlcMsat: number
  /** 0: no bound but the capacity. */
  readonly maxHtlcMsat: number
  readonly disabled: boolean
}
