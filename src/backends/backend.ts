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

import type { Clock } from '../floor/clock.ts'
import type { Entropy } from '../floor/entropy.ts'
import type { CustomRecord, Payment, PaymentOutcome } from '../medium/payment.ts'
import type { PathRequest, PathResult } from '../medium/reply-path.ts'
import type { Route, RouteHint, RouteRequest } from '../medium/route.ts'
import type { Verdict } from '../medium/verdict.ts'

export interface NodeInfo {
  /** 33 bytes, compressed. */
  readonly publicKey: Uint8Array
  readonly blockHeight: number
  /** The network's name as lnd spells it: mainnet, testnet, regtest, sim ... */
  readonly network: string
}

/** What a start tells. */
export interface StartedNode extends NodeInfo {
  /**
   * The node has never come as far as the index that a former process saw: it was restored, or is another one. Arrivals
   * are told from now on.
   */
  readonly isBehind?: boolean
}

/** What a backend may not reach: its node, or the daemon that owns the node. */
export type OutOfReach = 'daemon' | 'node'

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
   * Node lane: a settled keysend without our record, as wallets and podcast players send them, where
   * `BackendStart.keysends` asked for them. The record with its preimage is not among `records`.
   */
  | {
      readonly type: 'keysend'
      readonly records: readonly CustomRecord[]
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
      /**
       * The path that it came over; absent: over the unblinded phantom lane of this node (`BackendStart.phantomLane`).
       */
      readonly pathId?: string
      readonly record: Uint8Array
      readonly amountMsat: bigint
      readonly hash: Uint8Array
      readonly deadlineMs: number
      /** Up to this height `hold` can keep it. Absent: the backend cannot tell. */
      readonly holdHeight?: number
    }
  /** The offer cannot be answered any more: stream lost, or failed by the node. */
  | { readonly type: 'offer-gone'; readonly offerId: string }
  /**
   * A settled offer's money is really here. Once per hash. `excessMsat`: what the last relay handed on beyond the
   * amount, which rounding of a blinded path's fees may leave; absent: nothing.
   */
  | {
      readonly type: 'offer-confirmed'
      readonly hash: Uint8Array
      readonly amountMsat: bigint
      readonly excessMsat?: bigint
    }
  /** A payment that had become 'unknown', or that a former process of this node had sent, is decided. */
  | { readonly type: 'payment-resolved'; readonly hash: Uint8Array; readonly outcome: PaymentOutcome }
  | { readonly type: 'block'; readonly height: number }
  /** These paths stopped working or soon will (channel gone, policy changed): make new ones. */
  | { readonly type: 'paths-stale'; readonly pathIds: readonly string[] }
  /** What `makePaths` could not tell yet: how many nodes could stand behind these paths (`PathResult.candidates`). */
  | { readonly type: 'candidates'; readonly pathIds: readonly string[]; readonly candidates: number }
  /** The node went away or came back. Payments under way become 'unknown'; the transport waits. */
  | {
      readonly type: 'online' | 'offline'
      readonly detail: string
      /** What was or is out of reach; absent: the node. */
      readonly away?: OutOfReach
    }
  /** Something a person should know; never holds a secret. */
  | { readonly type: 'warning'; readonly code: string; readonly message: string }

export interface BackendStart {
  /** Receives every event, in order, never re-entrantly from inside a call to the backend. */
  readonly sink: (event: BackendEvent) => void
  /** Deliver arrivals after this index; undefined: from now on. */
  readonly settleIndex?: bigint
  /** The last index that a former process saw, where that is later than `settleIndex`. */
  readonly lastSettleIndex?: bigint
  /**
   * Also offer what is paid to the phantom of this node (spec §2.9). Default false: whoever only answers over the
   * node lane leaves the node's forwards alone.
   */
  readonly phantomLane?: boolean
  /** Also tell plain keysends ('keysend'). Default false: they are somebody else's matter. */
  readonly keysends?: boolean
  /** Where this process is a daemon: the Unix socket on which programs attach. Whoever wants the node is told of it. */
  readonly daemonSocket?: string
}

export interface Backend {
  readonly name: string
  /** Absent: the process's real clock. The simulator brings its virtual one. */
  readonly clock?: Clock
  /** Absent: the process's real entropy. The simulator brings its seeded one. */
  readonly entropy?: Entropy
  /**
   * Throws BackendError 'node-in-use' where another process has the node, and 'unsupported' where another program has
   * what `phantomLane` needs.
   */
  start(options: BackendStart): Promise<StartedNode>
  /** Which node it is, before `start`; absent: only `start` tells. */
  identify?(): Promise<NodeInfo>
  /** Ends the subscription. Offers held are let go, payments under way go on in the network. Idempotent. */
  stop(): Promise<void>
  /** An empty array where there is none; also for a path whose own CLTV delta is above 288 blocks (spec §9.6). */
  findRoutes(request: RouteRequest): Promise<readonly Route[]>
  /** Resolves when the payment is decided or lost sight of. Rejects never; the outcome tells. */
  pay(payment: Payment): Promise<PaymentOutcome>
  /** What a node remembers of a payment, by hash. 'in-flight' may last; 'never' means that it was never sent. */
  track(hash: Uint8Array): Promise<PaymentOutcome | { readonly status: 'in-flight' | 'never' }>
  /**
   * The outcome of this payment is stored: the node need not know it any more, and may forget it. Called once for each
   * payment, after `pay`, 'payment-resolved' or `track` has told the outcome. Absent: the node keeps what it has.
   */
  forgetPayment?(hash: Uint8Array): void
  /** Throws BackendError 'no-path' with an explanation where no introduction node can be had. */
  makePaths(request: PathRequest): Promise<PathResult>
  closePaths(pathIds: readonly string[]): Promise<void>
  /**
   * Holds an offer beyond its `deadlineMs`: for MAX_HOLD_MS from the first call on, and not above its `holdHeight`.
   * Then the backend refuses it. Resolves with the deadline; undefined where the offer is gone, or MAX_LONG_HOLDS are
   * held so.
   */
  hold?(offerId: string): Promise<number | undefined>
  /** One answer per offer; a second one, or one to an offer that is gone, is ignored. Resolves when it is written. */
  answer(offerId: string, verdict: Verdict): Promise<void>
  /**
   * Where no public channel has room towards this node: the private ones by which others find it, the best first, at
   * most MAX_ROUTE_HINTS. Empty where a public one has.
   */
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
  /** Another process has the node to itself. */
  | 'node-in-use'

interface BackendErrorOptions extends ErrorOptions {
  readonly advice?: string
  readonly away?: OutOfReach
  readonly daemonSocket?: string
}

/** A call to a backend that could not be carried out. `message` says what happened and what to do. */
export class BackendError extends Error {
  readonly code: BackendErrorCode
  /** What happened: `message` without `advice`. */
  readonly what: string
  /** What the calling program can do; `message` says it after `what` and a semicolon. A person needs `what` alone. */
  readonly advice?: string
  /** What could not be reached, where that is the reason. */
  readonly away?: OutOfReach
  /** The socket of the daemon that has the node, where that is the reason: a program can attach to it. */
  readonly daemonSocket?: string

  constructor(code: BackendErrorCode, what: string, options: BackendErrorOptions = {}) {
    const { advice, away, daemonSocket } = options
    super(advice === undefined ? what : `${what}; ${advice}`, 'cause' in options ? { cause: options.cause } : undefined)
    this.name = 'BackendError'
    this.code = code
    this.what = what
    if (advice !== undefined) this.advice = advice
    if (away !== undefined) this.away = away
    if (daemonSocket !== undefined) this.daemonSocket = daemonSocket
  }
}
