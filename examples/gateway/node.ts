/** What the gateway asks of a Lightning node: lnd, or the simulated network's stand-in. */

/** Why a payment failed for certain: nothing was paid. */
export type FailureReason = 'insufficient-balance' | 'no-route' | 'refused' | 'failed' | 'timed-out' | 'expired'

/** What is known of a payment hash that this node was to pay. */
export type PaymentState =
  | { readonly status: 'settled'; readonly preimage: string; readonly amountMsat: bigint; readonly feeMsat: bigint }
  | { readonly status: 'failed'; readonly reason: FailureReason }
  | { readonly status: 'in-flight' }
  /** The node never began it. */
  | { readonly status: 'unknown' }

/** An outcome that stays. */
export type Outcome = Extract<PaymentState, { readonly status: 'settled' | 'failed' }>

export interface InvoiceOrder {
  /** 32 bytes. The same preimage twice is the same invoice. */
  readonly preimage: Uint8Array
  /** 0n: the payer says how much. */
  readonly amountMsat: bigint
  readonly description: string
  readonly expirySeconds: number
}

export interface PaymentOrder {
  readonly paymentRequest: string
  /** Payment hash, hexadecimal. */
  readonly hash: string
  readonly amountMsat: bigint
  /** Whether the invoice leaves the amount to the payer. */
  readonly isOpenAmount: boolean
  readonly maxFeeMsat: bigint
  /** For finding ways; a payment that is on its way is not called back. */
  readonly timeoutMs: number
}

export interface Settled {
  /** Counts up by one with each settled invoice of the node; 0 where the node did not say. */
  readonly index: number
  readonly hash: string
  readonly amountMsat: bigint
  /** ms since 1970. */
  readonly settledAt: number
}

export interface WatchFrom {
  /** Settled invoices with a larger index are told; 0: those that are settled from now on. */
  readonly afterIndex: number
  /** Hashes of invoices that wait: with index 0 each is looked at first. */
  readonly waiting: readonly string[]
}

/** The node cannot be asked now. What was asked of it may have been done. */
export class NodeUnreachable extends Error {
  override readonly name = 'NodeUnreachable'
}

/** The node does not permit the call, with the macaroon that it was given: it did nothing. */
export class NodeDenied extends NodeUnreachable {}

/** Every call rejects with NodeUnreachable where the node does not answer. */
export interface LightningNode {
  /** bitcoin, testnet, signet or regtest. */
  network(): Promise<string>
  /** Makes an invoice, or gives the one that was made with this preimage before. */
  invoice(order: InvoiceOrder): Promise<string>
  /**
   * Pays an invoice, unless its hash was paid or is being paid: then gives that payment's state. Resolves with an
   * outcome when there is one.
   */
  pay(order: PaymentOrder): Promise<PaymentState>
  /** What is known of a hash now. */
  paymentState(hash: string): Promise<PaymentState>
  /** Waits until a payment that is in flight has an outcome. */
  outcome(hash: string): Promise<PaymentState>
  /** Calls back with every invoice that was or is settled from there on. Resolves when it broke off. */
  watch(from: WatchFrom, tell: (settled: Settled) => void, signal: AbortSignal): Promise<void>
  /** Lets go of the node. */
  close(): Promise<void>
}
