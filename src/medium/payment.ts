/** A payment and its outcome: plain data that connections, peers and backends share. */

/**
 * How a packet travels: a keysend to a node's key, or a payment to a hop that the receiving process itself answers
 * (spec §2).
 */
export type Lane = 'node' | 'phantom'

export interface Payment {
  readonly routeId: string
  /** 32 bytes; never used before by this node. */
  readonly hash: Uint8Array
  /** 32 bytes, node lane only: travels in the keysend record. Absent on the phantom lane: the receiver derives it. */
  readonly preimage?: Uint8Array
  /** The value of the record of type 1936679787; at most the route's `recordBytes`. */
  readonly record: Uint8Array
  /**
   * Node lane: a plain keysend with these records, as wallets send them, and without `record`, which is then empty.
   * Their types are 65,536 or more, and neither ours nor the keysend's own.
   */
  readonly records?: readonly CustomRecord[]
  /**
   * The hash is one that the receiver issued (spec §18.7). The outcome tells its preimage, and it may have been used
   * before, by a payment that has failed for certain.
   */
  readonly isLocked?: boolean
  /** What arrives at the last hop. Fees come on top. */
  readonly amountMsat: bigint
  /**
   * 0 to 2^32 - 1, one for all payments of a connection. What a backend adds to expiries at random follows from it:
   * with a seed for each payment a relay would see the least of many additions, with one for each route a payee could
   * tell that two connections have the same payer.
   */
  readonly shadowSeed?: number
  /** What it is for, as its process says: for accounts and caps of who pays for several. It goes nowhere else. */
  readonly purpose?: PaymentPurpose
}

export interface PaymentPurpose {
  /** Connection id in hexadecimal. */
  readonly connection: string
  /** The port that was connected to. */
  readonly port: number
  readonly role: 'initiator' | 'responder'
  /** A copy is 'urgent', 'hedge' or 'early'. */
  readonly reason: 'control' | 'urgent' | 'hedge' | 'early' | 'data'
}

/** A custom record of a payment's last hop (BOLT 1). */
export interface CustomRecord {
  readonly type: bigint
  readonly value: Uint8Array
}

/** What became of a payment. An unresolved payment has no outcome yet; that may last for hours. */
export type PaymentOutcome =
  /** Phantom lane: the other process took the packet and the money. */
  | { readonly status: 'delivered'; readonly feeMsat: bigint; readonly preimage?: Uint8Array }
  /** Node lane: the node at the other end has the money; its process may or may not have read the packet. */
  | { readonly status: 'settled'; readonly feeMsat: bigint }
  /** The money is back, for certain. On the phantom lane the packet may have been taken all the same. */
  | PaymentFailure
  /**
   * The backend lost sight of it (stream or node gone). It is still counted as money that may go; `payment-resolved` or
   * `track` tells later.
   */
  | { readonly status: 'unknown' }

/** What became of a payment, for certain. */
export type DecidedOutcome = Exclude<PaymentOutcome, { readonly status: 'unknown' }>

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

/**
 * local: this node, nothing left it. route: a relay. introduction: at or behind a blinded path's first node, which
 * hides what is behind it. destination: the last hop.
 */
export type FailurePlace = 'local' | 'route' | 'introduction' | 'destination'

export type FailureReason =
  /** Not enough balance on our own channel. */
  | 'no-balance'
  /** Our own channel admits no further HTLC now. */
  | 'no-slot'
  /**
   * A relay had no balance, no slot, or its peer is offline. At the 'destination' on an unblinded phantom lane: its
   * library turned the payment down and could not say why.
   */
  | 'temporary-channel-failure'
  /**
   * A relay's fee, delta or minimum is not what the route was made for; its backend has learned the new one if it
   * could.
   */
  | 'policy'
  /**
   * A relay does not know the next node. At the 'destination' on an unblinded phantom lane: nobody takes packets there.
   */
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
  /** The record or amount does not fit the route: others are asked for. */
  | 'invalid'
  /** The payment was never sent: the node is away. */
  | 'node-away'
  /** The HTLC timed out, perhaps on chain. */
  | 'timeout'
