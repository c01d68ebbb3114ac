/**
 * The contract between the transport and whatever moves payments: a simulated
 * network, an lnd node, or a daemon that owns one and is reached over a Unix
 * socket. Every argument, result and event is plain data (strings, numbers,
 * bigints, Uint8Arrays, arrays and objects of them), so that a backend can stand
 * in another process. Amounts are millisatoshi, times are milliseconds of the
 * backend's clock, heights are blocks.
 *
 * Nothing above a backend sees an onion: records come up opened, reply paths are
 * opaque bytes.
 */

/** A source of time and timers. The only way in which keysock learns the time. */
export interface Clock {
  /** Milliseconds since an epoch of the clock's own; never goes back. */
  now(): number
  /** Calls `callback` once at or after `atMs`; the result cancels it. A timer holds the process only while `ref` is true (default false). */
  schedule(atMs: number, callback: () => void, options?: { readonly ref?: boolean }): () => void
}

/** A source of unpredictable bytes. */
export interface Entropy {
  /** `length` fresh random bytes. */
  bytes(length: number): Uint8Array
}

export interface NodeInfo {
  /** 33 bytes, compressed. */
  readonly publicKey: Uint8Array
  readonly blockHeight: number
  /** The network's name as lnd spells it: mainnet, testnet, regtest, sim ... */
  readonly network: string
}

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

/** Route hints of a node, at most (spec §1.6): one with private channels only seldom has more that are worth telling of. */
export const MAX_ROUTE_HINTS: number = 4

export interface RouteRequest {
  readonly destination: Destination
  /** What is to arrive at the last hop; a route's own minimum may be higher. */
  readonly amountMsat: bigint
  /** Routes that cost more than this for the amount to deliver are left out. */
  readonly maxFeeMsat: bigint
  /** At most this many, cheapest and most reliable first, as disjoint as the graph allows. 1..16. */
  readonly count: number
  /** Channels (as they stand in `Route.channels`) to go around where possible. */
  readonly avoid?: readonly string[]
}

/** A pinned route. It can be paid over many times until the backend answers 'route-gone'. */
export interface Route {
  readonly id: string
  /** Largest value of our custom record that fits this route's onion, in bytes. */
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

/** The fee of a route at most for delivering this amount, by the formula of `Route`. In msat. */
export function routeFeeMsat(route: Pick<Route, 'feeBaseMsat' | 'feePpm'>, amountMsat: bigint): bigint {
  return route.feeBaseMsat + (amountMsat * BigInt(route.feePpm) + 999_999n) / 1_000_000n
}

export interface Payment {
  readonly routeId: string
  /** 32 bytes; never used before by this node. */
  readonly hash: Uint8Array
  /** 32 bytes, node lane only: travels in the keysend record. Absent on the phantom lane: the receiver derives it. */
  readonly preimage?: Uint8Array
  /** The value of the record of type 1936679787; at most the route's `recordBytes`. */
  readonly record: Uint8Array
  /** What arrives at the last hop. Fees come on top. */
  readonly amountMsat: bigint
  /**
   * 0 to 2^32 - 1, one for all payments of a connection. What a backend adds to expiries at random follows from it: with
   * one for each payment a relay would see the least of many, with one for a route a payee could tell that two
   * connections have the same payer.
   */
  readonly shadowSeed?: number
}

/** What became of a payment. An unresolved payment has no outcome yet; that may last for hours. */
export type PaymentOutcome =
  /** Phantom lane: the other process took the packet and the money. */
  | { readonly status: 'delivered'; readonly feeMsat: bigint }
  /** Node lane: the node at the other end has the money; its process may or may not have read the packet. */
  | { readonly status: 'settled'; readonly feeMsat: bigint }
  /** The money is back, for certain. On the phantom lane the packet may have been taken all the same. */
  | PaymentFailure
  /** The backend lost sight of it (stream or node gone). It is still counted as money that may go; `payment-resolved` or `track` tells later. */
  | { readonly status: 'unknown' }

export interface PaymentFailure {
  readonly status: 'failed'
  readonly reason: FailureReason
  /** Where it failed. */
  readonly place: FailurePlace
  /** The channel that refused, where known: one of `Route.channels`. */
  readonly channel?: string
  /** The refusal's own code from the other process (spec §11), on an unblinded phantom lane only. */
  readonly refusal?: number
}

/** local: this node, nothing left it. route: a relay. introduction: at or behind a blinded path's first node, which hides what is behind it. destination: the last hop. */
export type FailurePlace = 'local' | 'route' | 'introduction' | 'destination'

export type FailureReason =
  /** Not enough balance on our own channel. */
  | 'no-balance'
  /** Our own channel admits no further HTLC now. */
  | 'no-slot'
  /** A relay had no balance, no slot, or its peer is offline. At the 'destination' on an unblinded phantom lane: its library turned the payment down and could not say why. */
  | 'temporary-channel-failure'
  /** A relay's fee, delta or minimum is not what the route was made for; its backend has learned the new one if it could. */
  | 'policy'
  /** A relay does not know the next node. At the 'destination' on an unblinded phantom lane: nobody takes packets there. */
  | 'unknown-next-peer'
  /** The expiry is too near: the block height has moved, or clocks differ. */
  | 'expiry'
  /** A blinded path refused: at or behind its introduction node. */
  | 'blinded'
  /** The other process refused, with `refusal`. */
  | 'refused'
  /** The last node does not take this payment (keysend off, unknown record). */
  | 'rejected-by-node'
  /** The pinned route is not known any more; ask for routes again. */
  | 'route-gone'
  /** No way to the destination. */
  | 'no-route'
  /** The hash was used before. */
  | 'duplicate-hash'
  /** The record or amount does not fit the route: the caller's mistake. */
  | 'invalid'
  /** The payment was never sent: the node is away. */
  | 'node-away'
  /** The HTLC timed out, perhaps on chain. */
  | 'timeout'

export interface PathRequest {
  /** How many paths to make, each with a fresh key and channel id. 1..8. */
  readonly count: number
  /** Never the introduction node or a relay: the one who will pay over the path. 33 bytes. */
  readonly payer: Uint8Array
  /** Blinded relays before the phantom hop: 1 (introduction node and this node), or 2 where the graph allows. */
  readonly relays: 1 | 2
  /** How long the path has to work, in blocks. */
  readonly lifetimeBlocks: number
}

export interface ReplyPath {
  /** Names the path in offers and in `closePaths`; never leaves this process. */
  readonly pathId: string
  /** What the payer's backend needs; opaque to everyone else. At most 512 bytes. */
  readonly bytes: Uint8Array
  /** Height at which it stops to work. */
  readonly expiryHeight: number
}

export interface PathResult {
  readonly paths: readonly ReplyPath[]
  /** How many nodes of the public graph could stand behind these paths, by what a payer can compute (spec §9.5). */
  readonly candidates: number
}

export type Verdict =
  /** Take the money and release the packet as delivered. 32 bytes. */
  | { readonly action: 'settle'; readonly preimage: Uint8Array }
  /** Send the money back. `code` reaches the payer on an unblinded lane only. */
  | { readonly action: 'refuse'; readonly code: number }

export type BackendEvent =
  /** Node lane: a settled keysend with our record. In order of `settleIndex`, each at least once. */
  | {
      readonly type: 'arrival'
      readonly record: Uint8Array
      readonly amountMsat: bigint
      readonly hash: Uint8Array
      readonly settleIndex: bigint
    }
  /**
   * Phantom lane: an HTLC that waits for a verdict. The backend has checked that the onion is authentic,
   * that the incoming amount is at least `amountMsat` and the expiry at least what the onion says; it
   * refuses by itself what fails these, and whatever has no verdict at `deadlineMs`.
   * After a lost stream or a restart the same `hash` may be offered again under another `offerId`.
   */
  | {
      readonly type: 'offer'
      readonly offerId: string
      /** The path that it came over; absent: over the unblinded phantom lane of this node (`BackendStart.phantomLane`). */
      readonly pathId?: string
      readonly record: Uint8Array
      readonly amountMsat: bigint
      readonly hash: Uint8Array
      readonly deadlineMs: number
    }
  /** The offer cannot be answered any more: stream lost, or failed by the node. */
  | { readonly type: 'offer-gone'; readonly offerId: string }
  /** A settled offer's money is really here. Once per hash. */
  | { readonly type: 'offer-confirmed'; readonly hash: Uint8Array; readonly amountMsat: bigint }
  /** A payment that had become 'unknown', or that a former process of this node had sent, is decided. */
  | { readonly type: 'payment-resolved'; readonly hash: Uint8Array; readonly outcome: PaymentOutcome }
  | { readonly type: 'block'; readonly height: number }
  /** These paths stopped working or soon will (channel gone, policy changed): make new ones. */
  | { readonly type: 'paths-stale'; readonly pathIds: readonly string[] }
  /** The node went away or came back. Payments under way become 'unknown'; the transport waits. */
  | { readonly type: 'online' | 'offline'; readonly detail: string }
  /** Something a person should know; never holds a secret. */
  | { readonly type: 'warning'; readonly code: string; readonly message: string }

export interface BackendStart {
  /** Receives every event, in order, never re-entrantly from inside a call to the backend. */
  readonly sink: (event: BackendEvent) => void
  /** Deliver arrivals after this index; undefined: from now on. */
  readonly settleIndex?: bigint
  /**
   * Also offer what is paid to the phantom of this node (spec §2.9). Default false: whoever only answers over the
   * node lane leaves the node's forwards alone.
   */
  readonly phantomLane?: boolean
}

export interface Backend {
  readonly name: string
  /** Absent: the process's real clock. The simulator brings its virtual one. */
  readonly clock?: Clock
  /** Absent: the process's real entropy. The simulator brings its seeded one. */
  readonly entropy?: Entropy
  /** Throws BackendError 'unsupported' where another program has what `phantomLane` needs. */
  start(options: BackendStart): Promise<NodeInfo>
  /** Ends the subscription. Offers held are let go, payments under way go on in the network. Idempotent. */
  stop(): Promise<void>
  /** An empty array where there is none; also for a path whose own CLTV delta is above 288 blocks (spec §9.6). */
  findRoutes(request: RouteRequest): Promise<readonly Route[]>
  /** Resolves when the payment is decided or lost sight of. Rejects never; the outcome tells. */
  pay(payment: Payment): Promise<PaymentOutcome>
  /** What a node remembers of a payment, by hash. 'in-flight' may last; 'never' means that it was never sent. */
  track(hash: Uint8Array): Promise<PaymentOutcome | { readonly status: 'in-flight' | 'never' }>
  /** Throws BackendError 'no-path' with an explanation where no introduction node can be had. */
  makePaths(request: PathRequest): Promise<PathResult>
  closePaths(pathIds: readonly string[]): Promise<void>
  /** One answer per offer; a second one, or one to an offer that is gone, is ignored. Resolves when it is written. */
  answer(offerId: string, verdict: Verdict): Promise<void>
  /** Where only private channels lead to this node: those by which others find it, the best first, at most MAX_ROUTE_HINTS. Empty for a public node. */
  routeHints?(): Promise<readonly RouteHint[]>
  /** SHA-256 of the compressed point (node key x `point`), 32 bytes: BOLT 8's ECDH. `point`: 33 bytes. */
  sharedSecret(point: Uint8Array): Promise<Uint8Array>
  /**
   * Where several programs share the node: OPENs for this port (1..65535) are for this one from now on. Throws
   * BackendError 'port-in-use'. Absent: every OPEN of the node comes here.
   */
  claimPort?(port: number): Promise<void>
  /** Gives a port back; one that was not claimed changes nothing. */
  releasePort?(port: number): Promise<void>
}

export type BackendErrorCode =
  | 'no-path'
  | 'offline'
  | 'stopped'
  | 'bad-point'
  | 'bad-request'
  | 'permission'
  | 'unsupported'
  /** Another program listens on this port of the node. */
  | 'port-in-use'

/** A call to a backend that could not be carried out. `message` says what to do. */
export class BackendError extends Error {
  readonly code: BackendErrorCode
  constructor(code: BackendErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'BackendError'
    this.code = code
  }
}
