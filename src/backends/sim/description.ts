/**
 * A network as plain data, fit for JSON. Amounts are millisatoshi, as whole
 * numbers or decimal strings; times are milliseconds; heights and deltas are
 * blocks; probabilities are 0..1.
 */

/** Millisatoshi: a whole number, or the same in decimal digits. At most 10^15. */
export type Amount = number | string

export interface NetworkDescription {
  readonly nodes: readonly NodeDescription[]
  readonly channels: readonly ChannelDescription[]
  /** What holds for every node that doesn't say otherwise. */
  readonly nodeDefaults?: NodeOptions
  /** What holds for every channel direction whose node and channel don't say otherwise. */
  readonly policyDefaults?: PolicyOptions
  readonly latency?: LatencyName | LatencyOptions
  /** Probability that a payment fails at a random channel of its route. Default 0. */
  readonly failure?: number
  /** Payments that hang at a random hop. A number is the probability, with the other options' defaults. */
  readonly hang?: number | HangOptions
  readonly traffic?: TrafficOptions
  readonly blocks?: BlockOptions
  readonly rpc?: RpcOptions
  /** Faults that happen by themselves; see `FAULTS`. */
  readonly faults?: readonly RandomFault[]
}

export interface NodeDescription extends NodeOptions {
  readonly name: string
}

export interface NodeOptions {
  /**
   * HTLCs a second that the node's disk takes; forwards and interceptions cost more (spec/simulator.md). Default 168.
   */
  readonly paymentsPerSecond?: number
  /** Added to every message to or from this node. Default 0. */
  readonly latencyMs?: number
  /** Whether the node takes keysend payments. Default true. */
  readonly keysend?: boolean
  /** Whether the node relays over blinded paths. Default true. */
  readonly routeBlinding?: boolean
  /** Whether the node and its channels are in the public graph. Default true. */
  readonly public?: boolean
  /** Keep held offers when the interceptor's stream is lost, and fail foreign forwards meanwhile. Default false. */
  readonly requireInterceptor?: boolean
  /**
   * Share of the slots that are open to everybody which one pair of channels may have at this relay (BOLTs #1280):
   * with 0.05, 10 of a channel of 483, 6 of 114, at least 5. Default 0: no such limit.
   */
  readonly pairShare?: number
  /** What the operator lets each peer send through this relay (a circuit breaker). Default: no limits. */
  readonly peerLimits?: PeerLimitOptions
  /**
   * Share of the payments reaching this node that hang at it, for as long and with an end as `hang` of the network has
   * them. Default 0.
   */
  readonly hang?: number
  /** What the node charges and asks on all its channels. */
  readonly policy?: PolicyOptions
}

/** Forwards that are above a limit fail at once, as with circuitbreaker's mode 'fail'. */
export interface PeerLimitOptions {
  /** HTLCs of one peer under way at once. 1..483. */
  readonly maxPending?: number
  /** HTLCs of one peer an hour; 10 of them at once after a rest. */
  readonly perHour?: number
}

/** What a node asks of payments that it sends on over a channel. */
export interface PolicyOptions {
  /** Default 1000 msat. */
  readonly baseFeeMsat?: Amount
  /** Millionths. Default 1. */
  readonly feePpm?: number
  /** For what comes in over the channel and goes on (bLIP 18), msat; negative: a discount. Default 0. */
  readonly inboundBaseFeeMsat?: number
  /** The same in millionths. -1,000,000 or more. Default 0. */
  readonly inboundFeePpm?: number
  /** Default 80 blocks. */
  readonly cltvDelta?: number
  /** Default 1000 msat; it binds the channel's own node as a sender, too. */
  readonly minHtlcMsat?: Amount
  /** Default: the channel's capacity. */
  readonly maxHtlcMsat?: Amount
  /** HTLCs under way in this direction. 1..483. Default 483, lnd's. */
  readonly maxHtlcs?: number
  /** Amount under way in this direction at most, as the other end told when it was opened. Default: no bound. */
  readonly maxInFlightMsat?: Amount
  /** Slots of this direction that other people's payments hold on average, another number each 10 s. Default 0. */
  readonly othersHtlcs?: number
  /** Gossip says that nothing goes this way, and its node refuses what comes. Default false. */
  readonly disabled?: boolean
}

export interface ChannelDescription {
  readonly between: readonly [string, string]
  readonly capacityMsat: Amount
  /** Balance of the first of `between`. Default: half. */
  readonly balanceMsat?: Amount
  /** Default: the next free one. `block x transaction x output` as BOLT 7 writes short channel ids. */
  readonly id?: string
  /** Not in the public graph. Default false; true where one end isn't public. */
  readonly private?: boolean
  /** For both directions. */
  readonly policy?: PolicyOptions
  /** For the direction away from the node of this name. */
  readonly policies?: Readonly<Record<string, PolicyOptions>>
  /** Median delay of an HTLC over this channel, in place of the network's; ms. */
  readonly hopMs?: number
}

/**
 * 'reference': three lnd nodes on one machine (spec/simulator.md). 'fast', 'slow': medians near 0.2 s and 2 s over two
 * hops. 'none': no delay at all.
 */
export type LatencyName = 'reference' | 'fast' | 'slow' | 'none'

export interface LatencyOptions {
  /** Median delay of an HTLC from node to node, the commitment dance included, without batching. */
  readonly hopMs: number
  /** Deviation of the logarithm of the delay: 0 for a constant, 0.5 for a spread like the public network's. */
  readonly sigma: number
  /** Commitments wait this long for more HTLCs. Default 50. */
  readonly batchMs?: number
}

export interface HangOptions {
  readonly probability: number
  /** Every factor between the two is equally likely. Default 2 minutes to 6 hours. */
  readonly leastMs?: number
  readonly mostMs?: number
  /** Probability that it then goes on and lands, in place of failing. Default 0.3. */
  readonly landing?: number
}

/** Other people's payments: they shift balances and take disk time. */
export interface TrafficOptions {
  /** Payments a second in the whole network, each over one random channel. */
  readonly perSecond: number
  /** Mean amount, exponentially distributed. Default 10^6 msat. */
  readonly meanMsat?: Amount
}

export interface BlockOptions {
  /** Default 850,000. */
  readonly startHeight?: number
  /** Mean time between blocks. Default 10 minutes. */
  readonly intervalMs?: number
  /** True: intervals are exponentially distributed. Default false: exact. */
  readonly random?: boolean
}

/** How long a node takes for what it answers by itself. 0: no event, the promise resolves at once. */
export interface RpcOptions {
  /** Default 13. */
  readonly findRoutesMs?: number
  /** Default 5. */
  readonly makePathsMs?: number
  /** Default 11. */
  readonly sharedSecretMs?: number
}

/**
 * A fault of `FAULTS`, by its name, that happens by itself: `chance` for faults of a payment, an offer or a verdict;
 * `perHour` in the whole network for all others.
 */
export interface RandomFault {
  readonly name: string
  readonly chance?: number
  readonly perHour?: number
  /** The fault's other arguments; targets that are left out are drawn. */
  readonly with?: Readonly<Record<string, unknown>>
}
