/** Where payments can go, and over which channels: plain data that connection, peers and backends share. */

/** Where a packet goes. */
export type Destination =
  /** Node lane: keysend to a node's own key (spec §2.2). */
  | { readonly lane: 'node'; readonly publicKey: Uint8Array; readonly hints?: readonly RouteHint[] }
  /** Phantom lane: over a path that the other side's backend made (spec §2.3). */
  | { readonly lane: 'phantom'; readonly path: Uint8Array }
  /** Phantom lane without blinding: to the phantom of a node, where its process takes packets there (spec §2.9). */
  | { readonly lane: 'phantom'; readonly publicKey: Uint8Array; readonly hints?: readonly RouteHint[] }

/** A private channel that leads to a destination, as in a BOLT 11 invoice (one hop). */
export interface RouteHint {
  readonly publicKey: Uint8Array
  readonly channelId: string
  readonly feeBaseMsat: bigint
  readonly feePpm: number
  readonly cltvDelta: number
  /** The least amount that the channel lets pass, where it is known. */
  readonly minAmountMsat?: bigint
}

/**
 * Route hints of a node, at most (spec §1.6): one with private channels only seldom has more that are worth telling of.
 */
export const MAX_ROUTE_HINTS: number = 4

/**
 * What counts where one way costs less and another takes less time: the price, the number of hops, or both, as a node
 * weighs them by itself.
 */
export type RoutePreference = 'cheap' | 'fast' | 'balanced'

export interface RouteRequest {
  readonly destination: Destination
  /** What is to arrive at the last hop; a route's own minimum may be higher. */
  readonly amountMsat: bigint
  /** Routes that cost more than this for the amount to deliver are left out. */
  readonly maxFeeMsat: bigint
  /** At most this many, cheapest and most reliable first, as disjoint as the graph allows. 1..16. */
  readonly count: number
  /** Absent: 'balanced'. */
  readonly prefer?: RoutePreference
  /** Channels (as they stand in `Route.channels`) to go around where possible. */
  readonly avoid?: readonly string[]
}

/** A pinned route. It can be paid over many times until the backend answers 'route-gone'. */
export interface Route {
  readonly id: string
  /** Largest value of our custom record that fits this route's onion beside its least amount, in bytes. */
  readonly recordBytes: number
  /** The least amount that every policy along the route lets pass to the end. */
  readonly minAmountMsat: bigint
  /** The most that the tightest channel's policy and capacity admit in one payment. */
  readonly maxAmountMsat: bigint
  /** Fee for delivering `amount`: feeBaseMsat + ceil(amount x feePpm / 1e6). An upper bound of what is charged. */
  readonly feeBaseMsat: bigint
  readonly feePpm: number
  /** Every channel traversed, as opaque keys, the node's own first: two routes are disjoint if they share none. */
  readonly channels: readonly string[]
  /** HTLCs that the first channel admits in our direction at once. */
  readonly firstChannelSlots: number
  /** Sum of the CLTV deltas, in blocks: how long an attempt can stay unresolved. */
  readonly cltvDelta: number
}

/**
 * The largest record for an amount, in bytes: `recordBytes` is for the least one. BOLT 4 writes amounts without leading
 * zeros, so that a larger one takes more room in the payload of each hop; those behind an introduction node, of which
 * nothing is known, are taken to be two.
 */
export function recordBytesFor(route: Route, amountMsat: bigint): number {
  if (amountMsat <= route.minAmountMsat) return route.recordBytes
  // What a hop in the middle passes on lies between what the first and the last one do.
  const more = amountBytes(amountMsat + routeFeeMsat(route, amountMsat)) - amountBytes(route.minAmountMsat)
  return route.recordBytes - more * payloads(route)
}

/** The most that can be delivered with a record of so many bytes, msat: not less than the route's least amount. */
export function amountBeside(route: Route, recordBytes: number): bigint {
  const more = Math.floor((route.recordBytes - recordBytes) / payloads(route))
  const mostBytes = amountBytes(route.minAmountMsat) + Math.max(0, more)
  const amountMsat = largestAmountMsat(route, 256n ** BigInt(mostBytes) - 1n)
  return amountMsat > route.minAmountMsat ? amountMsat : route.minAmountMsat
}

/** Hops that have an amount in their payload, at most. */
function payloads({ channels }: Route): number {
  return channels.length + MAX_HIDDEN_HOPS
}

const MAX_HIDDEN_HOPS = 2

/** What an amount takes as BOLT 4's tu64. */
function amountBytes(msat: bigint): number {
  return Math.ceil(msat.toString(16).length / 2)
}

/** What a packet costs on a route at least: its least amount, and the fee for that. In msat. */
export function packetCostMsat(route: Pick<Route, 'feeBaseMsat' | 'feePpm' | 'minAmountMsat'>): bigint {
  return route.minAmountMsat + routeFeeMsat(route, route.minAmountMsat)
}

/** The fee of a route at most for delivering this amount, by the formula of `Route`. In msat. */
export function routeFeeMsat(route: Pick<Route, 'feeBaseMsat' | 'feePpm'>, amountMsat: bigint): bigint {
  return route.feeBaseMsat + (amountMsat * BigInt(route.feePpm) + 999_999n) / 1_000_000n
}

/** The most that can be delivered for this price, amount and fee together, by the formula of `Route`; 0n: nothing. */
export function largestAmountMsat(route: Pick<Route, 'feeBaseMsat' | 'feePpm'>, priceMsat: bigint): bigint {
  const amountMsat = ((priceMsat - route.feeBaseMsat) * 1_000_000n) / (1_000_000n + BigInt(route.feePpm))
  return amountMsat > 0n ? amountMsat : 0n
}
