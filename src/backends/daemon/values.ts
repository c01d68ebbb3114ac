import type { Destination, Route, RouteHint, RouteRequest } from '../../medium/route.ts'
import type { PathRequest, PathResult, ReplyPath } from '../../medium/reply-path.ts'
import type { Payment, PaymentOutcome } from '../../medium/payment.ts'
import type { Verdict } from '../../medium/verdict.ts'
/** The backend contract's values as they travel between a daemon and its clients (spec/daemon.md §5). */
import type { BackendErrorCode, BackendEvent, NodeInfo } from '../backend.ts'
import { MAX_CHANNEL_CHARACTERS, MAX_HOPS, MAX_NAME_CHARACTERS, MAX_WORDS } from './bounds.ts'
import {
  amount,
  bytes,
  type Codec,
  count,
  list,
  object,
  oneOf,
  optional,
  plainObject,
  text,
  union,
  words,
} from './fields.ts'

export type Tracked = PaymentOutcome | { readonly status: 'in-flight' | 'never' }
export type Arrival = Extract<BackendEvent, { readonly type: 'arrival' }>
export type Offer = Extract<BackendEvent, { readonly type: 'offer' }>
/** Two processes have two clocks: an offer tells how much time is left for it. */
export type SentOffer = Omit<Offer, 'deadlineMs'> & { readonly leftMs: number }
/** Of a daemon that is there: what is out of reach is its node. */
type SentState = Pick<Extract<BackendEvent, { readonly type: 'online' | 'offline' }>, 'type' | 'detail'>
export type SentEvent = Exclude<BackendEvent, { readonly type: 'offer' | 'online' | 'offline' }> | SentOffer | SentState

/** Longer than any record, point or path may be: whether it fits is the backend's word. */
const record = bytes(0, 2_048)
const short = bytes(0, 64)
const path = bytes(0, 1_024)
const key = bytes(33)
const hash = bytes(32)
const name = text(MAX_NAME_CHARACTERS)
const channel = text(MAX_CHANNEL_CHARACTERS)
const names = list(name, 65_536)

export const nodeInfo: Codec<NodeInfo> = object<NodeInfo>({ publicKey: key, blockHeight: count(), network: name })

const hint: Codec<RouteHint> = object<RouteHint>({
  publicKey: key,
  channelId: channel,
  feeBaseMsat: amount,
  feePpm: count(),
  cltvDelta: count(),
  minAmountMsat: optional(amount),
})
export const routeHints: Codec<readonly RouteHint[]> = list(hint, MAX_HOPS)
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
  avoid: optional(list(channel, 1_024)),
})

const route: Codec<Route> = object<Route>({
  id: name,
  recordBytes: count(),
  minAmountMsat: amount,
  maxAmountMsat: amount,
  feeBaseMsat: amount,
  feePpm: count(),
  channels: list(channel, MAX_HOPS),
  firstChannelSlots: count(),
  cltvDelta: count(),
})
export const routes: Codec<readonly Route[]> = list(route, 64)

export const payment: Codec<Payment> = object<Payment>({
  routeId: name,
  hash: short,
  preimage: optional(short),
  shadowSeed: optional(count()),
  record,
  amountMsat: amount,
})

interface Paid {
  readonly status: 'delivered' | 'settled'
  readonly feeMsat: bigint
}
interface Undecided {
  readonly status: 'unknown' | 'in-flight' | 'never'
}
type Failed = Extract<PaymentOutcome, { readonly status: 'failed' }>
const paid = object<Paid>({ status: oneOf(['delivered', 'settled']), feeMsat: amount })
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
const decided = { delivered: paid, settled: paid, failed, unknown: undecided }
export const outcome: Codec<PaymentOutcome> = union<PaymentOutcome>('status', decided)
export const tracked: Codec<Tracked> = union<Tracked>('status', {
  ...decided,
  'in-flight': undecided,
  never: undecided,
})

export const pathRequest: Codec<PathRequest> = object<PathRequest>({
  count: count(),
  payer: short,
  relays: oneOf([1, 2]),
  lifetimeBlocks: count(),
})
const replyPath: Codec<ReplyPath> = object<ReplyPath>({ pathId: name, bytes: path, expiryHeight: count() })
export const pathResult: Codec<PathResult> = object<PathResult>({ paths: list(replyPath, 64), candidates: count() })

export const pathIds: Codec<readonly string[]> = list(name, 8_192)
export const offerId: Codec<string> = name
export const point: Codec<Uint8Array> = short
export const paymentHash: Codec<Uint8Array> = short
export const secret: Codec<Uint8Array> = hash

export const verdict: Codec<Verdict> = union<Verdict>('action', {
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
    offerId: name,
    pathId: optional(name),
    record,
    amountMsat: amount,
    hash,
    leftMs: count(),
  }),
  'offer-gone': object<Of<'offer-gone'>>({ type: oneOf(['offer-gone']), offerId: name }),
  'offer-confirmed': object<Of<'offer-confirmed'>>({ type: oneOf(['offer-confirmed']), hash, amountMsat: amount }),
  'payment-resolved': object<Of<'payment-resolved'>>({ type: oneOf(['payment-resolved']), hash, outcome }),
  block: object<Of<'block'>>({ type: oneOf(['block']), height: count() }),
  'paths-stale': object<Of<'paths-stale'>>({ type: oneOf(['paths-stale']), pathIds: names }),
  online: state,
  offline: state,
  warning: object<Of<'warning'>>({ type: oneOf(['warning']), code: name, message: words(MAX_WORDS) }),
}
export const event: Codec<SentEvent> = union<SentEvent>('type', eventCodecs)

const ERROR_CODES: Readonly<Record<BackendErrorCode, true>> = {
  'no-path': true,
  offline: true,
  stopped: true,
  'bad-point': true,
  'bad-request': true,
  permission: true,
  unsupported: true,
  'port-in-use': true,
}

/** Why a call was not carried out. */
export interface SentError {
  readonly code: BackendErrorCode
  readonly message: string
}
export const sentError: Codec<SentError> = object<SentError>({
  code: oneOf(Object.keys(ERROR_CODES) as BackendErrorCode[]),
  message: words(MAX_WORDS),
})
