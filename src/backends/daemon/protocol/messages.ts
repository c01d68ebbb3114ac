/**
 * What travels between a daemon and its programs (spec/daemon.md §3 to §5): the values of the backend contract, the
 * calls of programs, and what the daemon answers and tells. Each type stands beside its codec.
 */
import { MAX_KEYSEND_RECORDS } from '../../../medium/limits.ts'
import type {
  CustomRecord,
  FailureReason,
  Payment,
  PaymentFailure,
  PaymentOutcome,
  PaymentPurpose,
} from '../../../medium/payment.ts'
import type { PathRequest, PathResult, ReplyPath } from '../../../medium/reply-path.ts'
import type { Destination, Route, RouteHint, RouteRequest } from '../../../medium/route.ts'
import type { Verdict } from '../../../medium/verdict.ts'
import type { BackendErrorCode, BackendEvent, NodeInfo } from '../../backend.ts'
import {
  amount,
  bytes,
  type Codec,
  count,
  flag,
  list,
  nothing,
  object,
  oneOf,
  optional,
  plainObject,
  text,
  union,
  words,
} from './codecs.ts'
import {
  MAX_CHANNEL_CHARACTERS,
  MAX_LISTED_HOPS,
  MAX_NAME_CHARACTERS,
  MAX_NAMED_CONNECTIONS,
  MAX_PORTS_PER_PROGRAM,
  MAX_TOLD_CAPS,
  MAX_WORDS,
} from './limits.ts'

// ---- Values ------------------------------------------------------------------------------------------

export type Tracked = PaymentOutcome | { readonly status: 'in-flight' | 'never' }
export type ArrivalEvent = Extract<BackendEvent, { readonly type: 'arrival' }>
export type KeysendEvent = Extract<BackendEvent, { readonly type: 'keysend' }>
export type OfferEvent = Extract<BackendEvent, { readonly type: 'offer' }>
/** Two processes have two clocks: an offer tells how much time is left for it. */
type SentOffer = Omit<OfferEvent, 'deadlineMs'> & { readonly leftMs: number }
/** Without `away`: a daemon that tells this is there, so it is about its node. */
type SentState = Pick<Extract<BackendEvent, { readonly type: 'online' | 'offline' }>, 'type' | 'detail'>
export type SentEvent = Exclude<BackendEvent, { readonly type: 'offer' | 'online' | 'offline' }> | SentOffer | SentState

/** Longer than any record, point or path may be: the backend decides whether they fit. */
const record = bytes(0, 2_048)
const short = bytes(0, 64)
const path = bytes(0, 1_024)
const key = bytes(33)
const hash = bytes(32)
const identifier = text(MAX_NAME_CHARACTERS)
const channel = text(MAX_CHANNEL_CHARACTERS)
const identifiers = list(identifier, 65_536)

const nodeInfo: Codec<NodeInfo> = object<NodeInfo>({ publicKey: key, blockHeight: count(), network: identifier })

const hint: Codec<RouteHint> = object<RouteHint>({
  publicKey: key,
  channelId: channel,
  feeBaseMsat: amount,
  feePpm: count(),
  cltvDelta: count(),
  minAmountMsat: optional(amount),
})
const routeHints: Codec<readonly RouteHint[]> = list(hint, MAX_LISTED_HOPS)
const hints = optional(routeHints)

type NodeDestination = Extract<Destination, { readonly lane: 'node' }>
type PathDestination = Extract<Destination, { readonly path: Uint8Array }>
type PhantomDestination = Extract<Destination, { readonly lane: 'phantom'; readonly publicKey: Uint8Array }>
const toNode = object<NodeDestination>({ lane: oneOf(['node']), publicKey: short, hints })
const overPath = object<PathDestination>({ lane: oneOf(['phantom']), path })
const toPhantom = object<PhantomDestination>({ lane: oneOf(['phantom']), publicKey: short, hints })

const destination: Codec<Destination> = {
  write(value) {
    if (value.lane === 'node') return toNode.write(value)
    return 'path' in value ? overPath.write(value) : toPhantom.write(value)
  },
  read(json, at) {
    const given = plainObject(json, at)
    if (given['lane'] === 'node') return toNode.read(json, at)
    return 'path' in given ? overPath.read(json, at) : toPhantom.read(json, at)
  },
}

export const routeRequest: Codec<RouteRequest> = object<RouteRequest>({
  destination,
  amountMsat: amount,
  maxFeeMsat: amount,
  count: count(),
  prefer: optional(oneOf(['cheap', 'fast', 'balanced'])),
  avoid: optional(list(channel, 1_024)),
})

const route: Codec<Route> = object<Route>({
  id: identifier,
  recordBytes: count(),
  minAmountMsat: amount,
  maxAmountMsat: amount,
  feeBaseMsat: amount,
  feePpm: count(),
  channels: list(channel, MAX_LISTED_HOPS),
  firstChannelSlots: count(),
  cltvDelta: count(),
})
const routes: Codec<readonly Route[]> = list(route, 64)

const records: Codec<readonly CustomRecord[]> = list(
  object<CustomRecord>({ type: amount, value: record }),
  MAX_KEYSEND_RECORDS,
)

export const payment: Codec<Payment> = object<Payment>({
  routeId: identifier,
  hash: short,
  preimage: optional(short),
  shadowSeed: optional(count()),
  purpose: optional(
    object<PaymentPurpose>({
      connection: identifier,
      port: count(65_535),
      role: oneOf(['initiator', 'responder']),
      reason: oneOf(['control', 'urgent', 'hedge', 'early', 'data']),
    }),
  ),
  record,
  records: optional(records),
  isLocked: optional(flag),
  amountMsat: amount,
})

interface Paid {
  readonly status: 'delivered' | 'settled'
  readonly feeMsat: bigint
  readonly preimage?: Uint8Array
}
interface Undecided {
  readonly status: 'unknown' | 'in-flight' | 'never'
}
type Failed = Extract<PaymentOutcome, { readonly status: 'failed' }>
const paid = object<Paid>({ status: oneOf(['delivered', 'settled']), feeMsat: amount, preimage: optional(hash) })
const undecided = object<Undecided>({ status: oneOf(['unknown', 'in-flight', 'never']) })
const failed = object<Failed>({
  status: oneOf(['failed']),
  reason: oneOf([
    'no-balance',
    'no-slot',
    'temporary-channel-failure',
    'policy',
    'unknown-next-peer',
    'expiry',
    'blinded',
    'refused',
    'rejected-by-node',
    'route-gone',
    'no-route',
    'duplicate-hash',
    'invalid',
    'node-away',
    'timeout',
  ]),
  place: oneOf(['local', 'route', 'introduction', 'destination']),
  channel: optional(channel),
  refusal: optional(count()),
})

/** A payment that did not leave this node. */
export function failedHere(reason: FailureReason): PaymentFailure {
  return { status: 'failed', reason, place: 'local' }
}

const decided = { delivered: paid, settled: paid, failed, unknown: undecided }
export const outcome: Codec<PaymentOutcome> = union<PaymentOutcome>('status', decided)
export const tracked: Codec<Tracked> = union<Tracked>('status', {
  ...decided,
  'in-flight': undecided,
  never: undecided,
})

const pathRequest: Codec<PathRequest> = object<PathRequest>({
  count: count(),
  payer: short,
  relays: oneOf([1, 2, 'auto']),
  maxCostMsat: optional(amount),
  lifetimeBlocks: count(),
  avoidGuards: optional(list(identifier, 64)),
})
const replyPath: Codec<ReplyPath> = object<ReplyPath>({ pathId: identifier, bytes: path, expiryHeight: count() })
const pathResult: Codec<PathResult> = object<PathResult>({
  paths: list(replyPath, 64),
  relays: optional(oneOf([1, 2])),
  costMsat: optional(amount),
  candidates: optional(count()),
  fits: optional(flag),
  guards: optional(list(identifier, 2)),
})

const pathIds: Codec<readonly string[]> = list(identifier, 8_192)
const offerId: Codec<string> = identifier
const point: Codec<Uint8Array> = short
const paymentHash: Codec<Uint8Array> = short
const secret: Codec<Uint8Array> = hash

const verdict: Codec<Verdict> = union<Verdict>('action', {
  settle: object<Extract<Verdict, { readonly action: 'settle' }>>({ action: oneOf(['settle']), preimage: short }),
  refuse: object<Extract<Verdict, { readonly action: 'refuse' }>>({ action: oneOf(['refuse']), code: count() }),
})

type Of<Type extends SentEvent['type']> = Extract<SentEvent, { readonly type: Type }>
const state = object<SentState>({ type: oneOf(['online', 'offline']), detail: words(MAX_WORDS) })

const eventCodecs: Readonly<Record<SentEvent['type'], Codec<unknown>>> = {
  arrival: object<Of<'arrival'>>({
    type: oneOf(['arrival']),
    record,
    amountMsat: amount,
    hash,
    settleIndex: amount,
  }),
  offer: object<SentOffer>({
    type: oneOf(['offer']),
    offerId: identifier,
    pathId: optional(identifier),
    record,
    amountMsat: amount,
    hash,
    leftMs: count(),
    holdHeight: optional(count()),
  }),
  keysend: object<Of<'keysend'>>({
    type: oneOf(['keysend']),
    records,
    amountMsat: amount,
    hash,
    settleIndex: amount,
  }),
  'offer-gone': object<Of<'offer-gone'>>({ type: oneOf(['offer-gone']), offerId: identifier }),
  'offer-confirmed': object<Of<'offer-confirmed'>>({
    type: oneOf(['offer-confirmed']),
    hash,
    amountMsat: amount,
    excessMsat: optional(amount),
  }),
  'payment-resolved': object<Of<'payment-resolved'>>({ type: oneOf(['payment-resolved']), hash, outcome }),
  block: object<Of<'block'>>({ type: oneOf(['block']), height: count() }),
  'paths-stale': object<Of<'paths-stale'>>({ type: oneOf(['paths-stale']), pathIds: identifiers }),
  candidates: object<Of<'candidates'>>({
    type: oneOf(['candidates']),
    pathIds: identifiers,
    candidates: count(),
  }),
  online: state,
  offline: state,
  warning: object<Of<'warning'>>({ type: oneOf(['warning']), code: identifier, message: words(MAX_WORDS) }),
}
export const sentEvent: Codec<SentEvent> = union<SentEvent>('type', eventCodecs)

const ERROR_CODES: Readonly<Record<BackendErrorCode, true>> = {
  'no-path': true,
  offline: true,
  stopped: true,
  'bad-point': true,
  'bad-request': true,
  permission: true,
  unsupported: true,
  'port-in-use': true,
  'node-in-use': true,
}

/** Why a call was not carried out. */
export interface SentError {
  readonly code: BackendErrorCode
  readonly message: string
}
const errorValue: Codec<SentError> = object<SentError>({
  code: oneOf(Object.keys(ERROR_CODES) as BackendErrorCode[]),
  message: words(MAX_WORDS),
})

// ---- Calls -------------------------------------------------------------------------------------------

/** What a program says of itself when it attaches, at first and whenever it comes back (spec/daemon.md §4). */
export interface AttachRequest {
  /** 16 random bytes of this process: by them it is known when it comes back. */
  readonly session: Uint8Array
  /** Whether it was attached before, to this daemon or the one before. */
  readonly isBack: boolean
  /** As in `BackendStart`. */
  readonly settleIndex?: bigint
  readonly phantomLane?: boolean
  readonly keysends?: boolean
  /** What the program calls itself: caps and the account know it by that. */
  readonly program?: string
  readonly ports: readonly number[]
  /** Connection ids, 8 bytes each, that this program has as initiator and as responder. */
  readonly initiators: readonly Uint8Array[]
  readonly responders: readonly Uint8Array[]
}

export interface AttachResult {
  readonly node: NodeInfo
  readonly isOnline: boolean
  /** The last arrival so far; arrivals that come with this attachment are above it, or asked for by `settleIndex`. */
  readonly settleIndex: bigint
  /** Of the ports asked for, those that another program has. */
  readonly portsInUse: readonly number[]
}

/** What a daemon tells of itself. None of it is secret to those who may attach. */
export interface DaemonStatus {
  readonly node: NodeInfo
  readonly isOnline: boolean
  /** Since the daemon started. */
  readonly runningMs: number
  readonly clients: readonly ClientStatus[]
  /** OPENs that wait for a port to be claimed, arrivals kept for programs that come back, packets for no program. */
  readonly heldOpens: number
  readonly recentArrivals: number
  readonly strays: number
  /** Payments under way, those of programs that have gone included. */
  readonly payments: number
  /** Whether programs may take packets at the node's phantom. */
  readonly phantomLane: boolean
  /** Of all programs together; absent: nobody looks after it. */
  readonly money?: MoneyStatus
  /** How the answers to the program that asked last come back; absent: none has asked yet. */
  readonly hiding?: HidingStatus
}

/** All in msat. */
export interface MoneyStatus {
  /** On this day (UTC), amounts and fees, former daemons included. */
  readonly spentTodayMsat: bigint
  readonly reservedMsat: bigint
  /** Since the daemon started. */
  readonly receivedMsat: bigint
  /**
   * The caps of a day, and of an hour: what was spent and is reserved under each. `of`: a port or program, '*' for all
   * others.
   */
  readonly caps: readonly {
    readonly cap: 'hour' | 'day' | 'port' | 'program' | 'peer' | 'process'
    readonly of: string
    readonly capMsat: bigint
    readonly spentMsat: bigint
    readonly reservedMsat: bigint
  }[]
}

export interface HidingStatus {
  /** The relays before this node, the introduction node first. */
  readonly guards: readonly string[]
  /** How many nodes could stand behind them (protocol.md §9.5); absent: not known yet. */
  readonly candidates?: number
  /** False: `candidates` is an upper bound (protocol.md §9.12). */
  readonly fits?: boolean
}

interface ClientStatus {
  /** Counted from 1 on as they attach. */
  readonly id: number
  /** What it calls itself; '' for one that does not say. */
  readonly program: string
  readonly attachedMs: number
  readonly ports: readonly number[]
  readonly paths: number
  readonly connections: number
  readonly offers: number
  readonly payments: number
}

/** Every call: what goes in, what comes out (spec/daemon.md §5). */
export interface Calls {
  hello: { argument: { readonly versions: readonly number[] }; result: { readonly version: number } }
  status: { argument: undefined; result: DaemonStatus }
  attach: { argument: AttachRequest; result: AttachResult }
  detach: { argument: undefined; result: undefined }
  findRoutes: { argument: RouteRequest; result: readonly Route[] }
  pay: { argument: Payment; result: PaymentOutcome }
  track: { argument: { readonly hash: Uint8Array }; result: Tracked }
  makePaths: { argument: PathRequest; result: PathResult }
  closePaths: { argument: { readonly pathIds: readonly string[] }; result: undefined }
  answer: { argument: { readonly offerId: string; readonly verdict: Verdict }; result: undefined }
  /** The time that is left for the verdict now, ms; nothing where the offer is gone or too many are held. */
  hold: { argument: { readonly offerId: string }; result: { readonly leftMs?: number } }
  routeHints: { argument: undefined; result: readonly RouteHint[] }
  sharedSecret: { argument: { readonly point: Uint8Array }; result: Uint8Array }
  claimPort: { argument: { readonly port: number }; result: undefined }
  releasePort: { argument: { readonly port: number }; result: undefined }
}

export type CallName = keyof Calls

/**
 * Calls that MAX_CALLS_PER_PROGRAM does not count. Payments, offers and paths have limits of their own, and a port is
 * given back at once: a program that waits for a slow node can still answer and let go. The status says whether the
 * daemon is there.
 */
export const UNCOUNTED: ReadonlySet<CallName> = new Set(['pay', 'answer', 'closePaths', 'releasePort', 'status'])

const port = count(65_535)
const ports = list(port, MAX_PORTS_PER_PROGRAM)
const connections = list(bytes(8), MAX_NAMED_CONNECTIONS)
const onePort: Codec<{ readonly port: number }> = object<{ readonly port: number }>({ port })
const attach = object<AttachRequest>({
  session: bytes(16),
  isBack: flag,
  settleIndex: optional(amount),
  phantomLane: optional(flag),
  keysends: optional(flag),
  program: optional(text(MAX_NAME_CHARACTERS)),
  ports,
  initiators: connections,
  responders: connections,
})
const attached = object<AttachResult>({
  node: nodeInfo,
  isOnline: flag,
  settleIndex: amount,
  portsInUse: ports,
})
const clientStatus = object<ClientStatus>({
  id: count(),
  program: words(MAX_NAME_CHARACTERS),
  attachedMs: count(),
  ports,
  paths: count(),
  connections: count(),
  offers: count(),
  payments: count(),
})
const status = object<DaemonStatus>({
  node: nodeInfo,
  isOnline: flag,
  runningMs: count(),
  clients: list(clientStatus, 1_024),
  heldOpens: count(),
  recentArrivals: count(),
  strays: count(),
  payments: count(),
  phantomLane: flag,
  money: optional(
    object<MoneyStatus>({
      spentTodayMsat: amount,
      reservedMsat: amount,
      receivedMsat: amount,
      caps: list(
        object<MoneyStatus['caps'][number]>({
          cap: oneOf(['hour', 'day', 'port', 'program', 'peer', 'process']),
          of: words(MAX_NAME_CHARACTERS),
          capMsat: amount,
          spentMsat: amount,
          reservedMsat: amount,
        }),
        MAX_TOLD_CAPS,
      ),
    }),
  ),
  hiding: optional(
    object<HidingStatus>({ guards: list(identifier, 2), candidates: optional(count()), fits: optional(flag) }),
  ),
})

/** The codecs of every call. */
export const calls: {
  readonly [Name in CallName]: {
    readonly argument: Codec<Calls[Name]['argument']>
    readonly result: Codec<Calls[Name]['result']>
  }
} = {
  hello: {
    argument: object<Calls['hello']['argument']>({ versions: list(count(), 16) }),
    result: object<Calls['hello']['result']>({ version: count() }),
  },
  status: { argument: nothing, result: status },
  attach: { argument: attach, result: attached },
  detach: { argument: nothing, result: nothing },
  findRoutes: { argument: routeRequest, result: routes },
  pay: { argument: payment, result: outcome },
  track: {
    argument: object<Calls['track']['argument']>({ hash: paymentHash }),
    result: tracked,
  },
  makePaths: { argument: pathRequest, result: pathResult },
  closePaths: {
    argument: object<Calls['closePaths']['argument']>({ pathIds }),
    result: nothing,
  },
  answer: {
    argument: object<Calls['answer']['argument']>({ offerId, verdict }),
    result: nothing,
  },
  hold: {
    argument: object<Calls['hold']['argument']>({ offerId }),
    result: object<Calls['hold']['result']>({ leftMs: optional(count()) }),
  },
  routeHints: { argument: nothing, result: routeHints },
  sharedSecret: {
    argument: object<Calls['sharedSecret']['argument']>({ point }),
    result: secret,
  },
  claimPort: { argument: onePort, result: nothing },
  releasePort: { argument: onePort, result: nothing },
}

// ---- Envelopes ---------------------------------------------------------------------------------------

/** What a program sends. `argument` is read by the call's own codec. */
export interface CallMessage {
  readonly id: number
  readonly call: CallName
  readonly argument: unknown
}

/** What the daemon sends. `result` is read by the codec of the call with that id. */
export type DaemonMessage =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: SentError }
  | { readonly event: SentEvent }

const raw: Codec<unknown> = { write: (value) => value, read: (json) => json }
const callName = text(MAX_WORDS)
const callMessage = object<{ id: number; call: string; with: unknown }>({
  id: count(),
  call: callName,
  with: raw,
})
const resultMessage = object<{ id: number; result: unknown }>({ id: count(), result: raw })
const errorMessage = object<{ id: number; error: SentError }>({ id: count(), error: errorValue })
const eventMessage = object<{ event: SentEvent }>({ event: sentEvent })

export function writeCall<Name extends CallName>(id: number, call: Name, argument: Calls[Name]['argument']): unknown {
  return { id, call, with: calls[call].argument.write(argument) }
}

/** @throws MessageError */
export function readCall(json: unknown): CallMessage {
  const { id, call, with: given } = callMessage.read(json, 'call')
  if (!Object.hasOwn(calls, call)) return { id, call: call as CallName, argument: undefined }
  return { id, call: call as CallName, argument: calls[call as CallName].argument.read(given, call) }
}

export function writeResult<Name extends CallName>(id: number, call: Name, result: Calls[Name]['result']): unknown {
  return { id, result: calls[call].result.write(result) }
}

export function writeError(id: number, error: SentError): unknown {
  return errorMessage.write({ id, error })
}

export function writeEvent(event: SentEvent): unknown {
  return eventMessage.write({ event })
}

/** @throws MessageError */
export function readDaemonMessage(json: unknown): DaemonMessage {
  if (typeof json === 'object' && json !== null) {
    if ('event' in json) return eventMessage.read(json, 'message')
    if ('error' in json) return errorMessage.read(json, 'message')
  }
  return resultMessage.read(json, 'message')
}

/** Whether a call of this name exists: an unknown one is answered with an error and does not end the connection. */
export function isCall(name: string): name is CallName {
  return Object.hasOwn(calls, name)
}
