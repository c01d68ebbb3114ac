/**
 * What goes into and comes out of a connection: plain data, no I/O, no clock.
 *
 * Order of use, after every input (a packet, a write, an outcome, the time ...):
 *   1. `pollEvent()` until undefined    - what the socket should know
 *   2. `pollRequest()` until undefined  - slow questions, answered later by an input
 *   3. `want(now)`; if defined, get a Grant for it from the peer object and call
 *      `transmit(now, grant)`; repeat until `want` or the peer says no
 *   4. `deadline()`                     - call `wake(now)` then; one deadline, not ten timers
 * Every method that takes `now` (ms) may change all four.
 */
import type { Lane } from '../../medium/payment.ts'
import type { Route } from '../../medium/route.ts'
import type { ReplyPathsFrame, Tariff } from '../../wire/frames.ts'
import type { BudgetView } from './budget.ts'

export type Role = 'initiator' | 'responder'

/** spec §6.1 */
export type State = 'opening' | 'open' | 'closing' | 'lingering' | 'resetting' | 'closed'

/**
 * How the other side is reached: by its node key, at the phantom of its node (spec §2.9), or over the newest reply
 * paths it gave.
 */
export type PacketTarget =
  | { readonly lane: Lane; readonly publicKey: Uint8Array }
  | { readonly lane: 'phantom'; readonly generation: number; readonly paths: ReplyPathsFrame['paths'] }

/**
 * What to do with an arrival. On the node lane 'taken' and 'dropped' are for the statistics only.
 */
export type Reception =
  | { readonly action: 'settle'; readonly preimage: Uint8Array }
  /** `code`: one of spec §11, or the application's own. */
  | { readonly action: 'refuse'; readonly code: number }
  | { readonly action: 'taken' }
  | { readonly action: 'dropped' }

/**
 * Why nothing more may go now. window: so many payments are under way to the other side as its rate bears. slots: the
 * channels on the way take no more of them. routes: none is there, or all of them rest after failures.
 */
export type SendObstacle = 'window' | 'slots' | 'routes'

/** What is known of a way, now: it changes while attempts are under way. */
export interface Pace {
  /** The hedge delay of an attempt that goes now, ms (spec §8.5). */
  readonly hedgeAfterMs: number
}

/** Permission to make one attempt, given by the peer controller: a place in its window is reserved. */
export interface Grant {
  readonly lane: Lane
  /** What the packet goes over: its `recordBytes` bound the packet's size. */
  readonly route: Route
  /** An attempt without outcome after this many ms is hedged, spec §8.5. */
  readonly hedgeAfterMs: number
  /** Of the route's later attempts. Undefined: their delay is the same. */
  readonly pace?: Pace | undefined
}

/**
 * Why a connection wants a grant. The first that applies, in this order: copies go before data because they
 * unblock what waits at the receiver, and they are few. Three vain wishes for a copy in a row let data go first.
 */
export type WantReason =
  /** OPEN, ACCEPT, RESET, REFUSE, PING, MAX_DATA, a due ACK ... */
  | 'control'
  /** A copy of what the receiver waits for, or of what is stuck (spec §8.5, §8.6): no hedge budget binds it. */
  | 'urgent'
  /** A copy of what is late, spec §8.5: within the peer's hedge budget. */
  | 'hedge'
  /** A copy of what holds the receiver up and is not late yet, spec §8.5: within a budget of its own. */
  | 'early'
  /** Frames of failed or lost packets, or new stream data. */
  | 'data'

export interface Want {
  readonly reason: WantReason
  readonly target: PacketTarget
  /** Channels to go around if possible: those of the attempt that failed, hangs or is stuck. */
  readonly avoid: readonly string[]
  /** Hardly anything of this connection is under way: it does not wait behind those that send much (spec §8.14). */
  readonly isAlone: boolean
}

/** One payment to make. `hash` must be on disk before it is sent where a folder is used. */
export interface Attempt {
  /** Unique within the connection. */
  readonly id: number
  readonly reason: WantReason
  readonly lane: Lane
  readonly routeId: string
  readonly record: Uint8Array
  readonly amountMsat: bigint
  /** The fee bound by the route's policy for this amount. */
  readonly feeMsat: bigint
  readonly hash: Uint8Array
  /** Node lane only. */
  readonly preimage?: Uint8Array
}

export type ConnectionEvent =
  /** The handshake is complete and the other side has accepted. Responder: at once. */
  | { readonly type: 'connected' }
  | { readonly type: 'readable' }
  /**
   * The peer's FIN stands at the read offset: no more bytes will come. Once. Before 'ended' with an error it stands
   * behind what is still to be read.
   */
  | { readonly type: 'end' }
  /** The send buffer has room again: `bufferedBytes` of the stream are in it, written and not known to have arrived. */
  | { readonly type: 'writable'; readonly bufferedBytes: number }
  /** Own FIN is delivered. Once. */
  | { readonly type: 'finished' }
  | { readonly type: 'message'; readonly id: Uint8Array; readonly data: Uint8Array }
  | { readonly type: 'identified'; readonly publicKey: Uint8Array }
  /** What the other side asks, and this side has agreed to (spec §12.4). */
  | { readonly type: 'price'; readonly tariff: Tariff }
  /** An own PAYMENT settled; `feeMsat` is that of its packet. */
  | { readonly type: 'paid'; readonly id: number; readonly amountMsat: bigint; readonly feeMsat: bigint }
  /** The peer's money came with a meaning of its own (spec §12.9). */
  | {
      readonly type: 'payment'
      readonly kind: number
      readonly reference: number
      readonly amountMsat: bigint
      readonly note: string
    }
  | { readonly type: 'requested'; readonly id: number; readonly amountMsat: bigint; readonly note: string }
  | { readonly type: 'declined'; readonly id: number; readonly reason: string }
  /** Whether to pay by this tariff, which is above `maxTariff`; answer: `answerPrice(now, serial, isAgreed)`. */
  | { readonly type: 'price-asked'; readonly serial: number; readonly tariff: Tariff }
  /** A PING that the application asked for has arrived at the other process (spec §5.6). */
  | { readonly type: 'pong' }
  /** Activity, for socket.setTimeout: spec §10.3's meaning. */
  | { readonly type: 'activity' }
  /**
   * Money stops it: spec §12.2. Reported once until a cap is set anew, though money that comes free may let some
   * packets pass.
   */
  | {
      readonly type: 'paused'
      readonly reason: 'cost'
      readonly pause: CostPause
      /** False: it is that of the peer or of the process. */
      readonly isOwnCap: boolean
    }
  /**
   * The application's side of it is over: no event follows but 'closed'. error undefined: both sides ended cleanly.
   * Where an error is not the peer's reset, `read` still gives what had arrived in order.
   */
  | { readonly type: 'ended'; readonly error: ConnectionFailure | undefined }
  /** The machine is of no further use; the owner forgets it, and a responder's leaves a tombstone. Last event, once. */
  | { readonly type: 'closed' }

/** What did not fit under which cap. */
export interface CostPause {
  /** Amount and fee of the packet that waits, msat. */
  readonly priceMsat: bigint
  readonly capMsat: bigint
  /** Nothing that is under way can come back and make room: only a higher cap lets this connection begin. */
  readonly isFinal: boolean
}

/** What the cheapest way to the peer costs, where that is above what its owner pays (spec §9.6). In msat. */
export interface TooExpensive {
  /** A packet, its amount and the fee together. */
  readonly packetMsat: bigint
  /** The least amount that the way lets pass. */
  readonly amountMsat: bigint
  /** `maxFee`. */
  readonly maxMsat: bigint
}

export interface ConnectionFailure {
  /** ECONNREFUSED, ECONNRESET, ETIMEDOUT, EHOSTUNREACH, EPIPE or ERR_KEYSOCK_*. */
  readonly code: string
  readonly message: string
  /** The code of the RESET or REFUSE that came, or of the verdict, if one came. */
  readonly wireCode?: number
  /** What the other side asks for an opening, msat, where that is more than this side pays (spec §6.15). */
  readonly openingPriceMsat?: bigint
}

/** Questions that take time; the answer is an input. */
export type ConnectionRequest =
  /** Make fresh reply paths; answer: `providePaths(now, paths)` or `pathsFailed(now, message)`. */
  | {
      readonly type: 'paths'
      readonly count: number
      /** What went out arrived at the peer's node, and nothing came for long over the newest paths (spec §9.5). */
      readonly isSilent?: true
    }
  /** These of our paths are not used any more. */
  | { readonly type: 'close-paths'; readonly pathIds: readonly string[] }
  /** ECDH with our node's key, for IDENTIFY; answer: `provideSecret(now, secret)`. */
  | { readonly type: 'shared-secret'; readonly point: Uint8Array }

/** Both sides' money, all in msat. spec §12.1 */
export interface AccountView extends BudgetView {
  readonly receivedMsat: bigint
  readonly pendingIncomeMsat: bigint
}

/** The account between both sides, by the count of one of them, msat (spec §12.3). */
export interface CreditView {
  /** What the initiator's packets brought, less what PAYMENTs in them say and what was given back. */
  readonly paidMsat: bigint
  /** What all that was had costs. */
  readonly dueMsat: bigint
  /** What is left of what was paid; below 0 where it is still to be paid. */
  readonly balanceMsat: bigint
}

export interface ConnectionStats {
  readonly bytesWritten: number
  readonly bytesAcknowledged: number
  readonly bytesRead: number
  /** Different ones that came, whether they are read or not. */
  readonly bytesReceived: number
  readonly packetsReceived: number
  readonly packetsDropped: number
  readonly attempts: number
  readonly failedAttempts: number
  readonly refusedAttempts: number
  readonly hedgedAttempts: number
  readonly unresolvedAttempts: number
  /** What it has to say waits for its caller to pay for it (spec §12.11). */
  readonly awaitsMoney: boolean
  /** Smoothed time from sending to settlement, ms; undefined before the first. */
  readonly roundTripMs: number | undefined
  /** Channels on the way of the packet that settled last, the blinded ones included; undefined before the first. */
  readonly hops: number | undefined
}

export interface ConnectionSettings {
  /** ms; 0: none. spec §10.3 */
  readonly idleTimeoutMs: number
  readonly connectTimeoutMs: number
  /** ms; undefined: off. spec §10.4 */
  readonly keepAliveMs: number | undefined
  readonly noDelay: boolean
  readonly capMsat: bigint
  /** Receive window to start with and at most, bytes. */
  readonly initialWindow: number
  readonly maxWindow: number
  /** Initiator: what it pays without a question. */
  readonly maxTariff: Tariff
  /** Initiator: beyond that the application is asked. */
  readonly asksPrice: boolean
  /** Responder: what it asks; undefined: nothing. 'awaited': the application is still to say it, by `setTariff`. */
  readonly tariff: Tariff | 'awaited' | undefined
  /** Responder: it sends so much before it is paid. */
  readonly creditLimitMsat: bigint
  /** Initiator: what it pays at most for each answer (spec §12.11); 0n: nothing beyond what packets carry anyway. */
  readonly maxAnswerMsat: bigint
  /** Responder: the caller pays for the answers (spec §12.11), or this side does. */
  readonly answers: 'caller' | 'own'
  /** Responder: what the opening itself costs, a part of the first tariff (spec §6.15); undefined: nothing. */
  readonly openingPriceMsat?: bigint
}

/** What an endpoint advances for answers, from one sum for all connections (spec §12.11). All in msat. */
export interface Allowance {
  /** What can be drawn. */
  readonly leftMsat: bigint
  /** Takes all of it, or nothing where there is less. */
  draw(msat: bigint): boolean
  /** Of what was drawn. */
  giveBack(msat: bigint): void
  /** So much came in. */
  earned(msat: bigint): void
}

/** Randomness as a function: `length` unpredictable bytes. */
export type RandomBytes = (length: number) => Uint8Array

/**
 * Leave to grow a receive window, from the endpoint's sum of windows (spec §7.5): grants all of `bytes` or refuses.
 * Below 0
 * they are given back.
 */
export type GrowWindow = (bytes: number) => boolean
