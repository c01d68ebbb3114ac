import type { PathRequest, PathResult } from '../../medium/reply-path.ts'
import type { Payment, PaymentOutcome } from '../../medium/payment.ts'
import type { Route, RouteHint, RouteRequest } from '../../medium/route.ts'
import type { Verdict } from '../../medium/verdict.ts'
import type { NodeInfo } from '../backend.ts'
import { MAX_NAMED_CONNECTIONS, MAX_PORTS, MAX_WORDS } from './bounds.ts'
import { amount, bytes, type Codec, count, flag, list, nothing, object, optional, text } from './fields.ts'
import * as values from './values.ts'

/** What a program says of itself when it attaches, at first and whenever it comes back (spec/daemon.md §4). */
export interface Attach {
  /** 16 random bytes of this process: by them it is known when it comes back. */
  readonly session: Uint8Array
  /** Whether it was attached before, to this daemon or the one before. */
  readonly isBack: boolean
  /** As in `BackendStart`. */
  readonly settleIndex?: bigint
  readonly phantomLane?: boolean
  readonly ports: readonly number[]
  /** Connection ids, 8 bytes each, that this program has as initiator and as responder. */
  readonly initiators: readonly Uint8Array[]
  readonly responders: readonly Uint8Array[]
}

export interface Attached {
  readonly node: NodeInfo
  readonly isOnline: boolean
  /** The last arrival so far; arrivals that come with this attachment are above it, or asked for by `settleIndex`. */
  readonly settleIndex: bigint
  /** Of the ports asked for, those that another program has. */
  readonly portsInUse: readonly number[]
}

/** What a daemon tells of itself. Nothing of it is secret to those who may attach. */
export interface DaemonStatus {
  readonly node: NodeInfo
  readonly isOnline: boolean
  /** Since the daemon started. */
  readonly runningMs: number
  readonly clients: readonly ClientStatus[]
  /** OPENs that wait for a port to be claimed, arrivals kept for programs that come back, packets that were nobody's. */
  readonly heldOpens: number
  readonly recentArrivals: number
  readonly strays: number
  /** Payments under way, those of programs that have gone included. */
  readonly payments: number
}

interface ClientStatus {
  /** Counted from 1 on as they attach. */
  readonly id: number
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
  attach: { argument: Attach; result: Attached }
  detach: { argument: undefined; result: undefined }
  findRoutes: { argument: RouteRequest; result: readonly Route[] }
  pay: { argument: Payment; result: PaymentOutcome }
  track: { argument: { readonly hash: Uint8Array }; result: values.Tracked }
  makePaths: { argument: PathRequest; result: PathResult }
  closePaths: { argument: { readonly pathIds: readonly string[] }; result: undefined }
  answer: { argument: { readonly offerId: string; readonly verdict: Verdict }; result: undefined }
  routeHints: { argument: undefined; result: readonly RouteHint[] }
  sharedSecret: { argument: { readonly point: Uint8Array }; result: Uint8Array }
  claimPort: { argument: { readonly port: number }; result: undefined }
  releasePort: { argument: { readonly port: number }; result: undefined }
}

export type CallName = keyof Calls

/**
 * Calls that MAX_CALLS does not count. Payments, offers and paths have bounds of their own, and a port is given back
 * at once: whoever waits for a slow node can still answer and let go. The status says whether the daemon is there.
 */
export const UNCOUNTED: ReadonlySet<CallName> = new Set(['pay', 'answer', 'closePaths', 'releasePort', 'status'])

const port = count(65_535)
const ports = list(port, MAX_PORTS)
const connections = list(bytes(8), MAX_NAMED_CONNECTIONS)
const onePort: Codec<{ readonly port: number }> = object<{ readonly port: number }>({ port })
const attach = object<Attach>({
  session: bytes(16),
  isBack: flag,
  settleIndex: optional(amount),
  phantomLane: optional(flag),
  ports,
  initiators: connections,
  responders: connections,
})
const attached = object<Attached>({
  node: values.nodeInfo,
  isOnline: flag,
  settleIndex: amount,
  portsInUse: ports,
})
const clientStatus = object<ClientStatus>({
  id: count(),
  attachedMs: count(),
  ports,
  paths: count(),
  connections: count(),
  offers: count(),
  payments: count(),
})
const status = object<DaemonStatus>({
  node: values.nodeInfo,
  isOnline: flag,
  runningMs: count(),
  clients: list(clientStatus, 1_024),
  heldOpens: count(),
  recentArrivals: count(),
  strays: count(),
  payments: count(),
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
  findRoutes: { argument: values.routeRequest, result: values.routes },
  pay: { argument: values.payment, result: values.outcome },
  track: {
    argument: object<Calls['track']['argument']>({ hash: values.paymentHash }),
    result: values.tracked,
  },
  makePaths: { argument: values.pathRequest, result: values.pathResult },
  closePaths: {
    argument: object<Calls['closePaths']['argument']>({ pathIds: values.pathIds }),
    result: nothing,
  },
  answer: {
    argument: object<Calls['answer']['argument']>({ offerId: values.offerId, verdict: values.verdict }),
    result: nothing,
  },
  routeHints: { argument: nothing, result: values.routeHints },
  sharedSecret: {
    argument: object<Calls['sharedSecret']['argument']>({ point: values.point }),
    result: values.secret,
  },
  claimPort: { argument: onePort, result: nothing },
  releasePort: { argument: onePort, result: nothing },
}

// ---- Envelopes ---------------------------------------------------------------------------------------

/** What a program sends. `argument` is read by the call's own codec. */
export interface SentCall {
  readonly id: number
  readonly call: CallName
  readonly argument: unknown
}

/** What the daemon sends. `result` is read by the codec of the call with that id. */
export type Told =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: values.SentError }
  | { readonly event: values.SentEvent }

const raw: Codec<unknown> = { write: (value) => value, read: (json) => json }
const callName = text(MAX_WORDS)
const sentCall = object<{ id: number; call: string; with: unknown }>({
  id: count(),
  call: callName,
  with: raw,
})
const sentResult = object<{ id: number; result: unknown }>({ id: count(), result: raw })
const sentError = object<{ id: number; error: values.SentError }>({ id: count(), error: values.sentError })
const sentEvent = object<{ event: values.SentEvent }>({ event: values.event })

export function writeCall<Name extends CallName>(id: number, call: Name, argument: Calls[Name]['argument']): unknown {
  return { id, call, with: calls[call].argument.write(argument) }
}

/** @throws MessageError */
export function readCall(json: unknown): SentCall {
  const { id, call, with: given } = sentCall.read(json, 'call')
  if (!Object.hasOwn(calls, call)) return { id, call: call as CallName, argument: undefined }
  return { id, call: call as CallName, argument: calls[call as CallName].argument.read(given, call) }
}

export function writeResult<Name extends CallName>(id: number, call: Name, result: Calls[Name]['result']): unknown {
  return { id, result: calls[call].result.write(result) }
}

export function writeError(id: number, error: values.SentError): unknown {
  return sentError.write({ id, error })
}

export function writeEvent(event: values.SentEvent): unknown {
  return sentEvent.write({ event })
}

/** @throws MessageError */
export function readTold(json: unknown): Told {
  if (typeof json === 'object' && json !== null) {
    if ('event' in json) return sentEvent.read(json, 'message')
    if ('error' in json) return sentError.read(json, 'message')
  }
  return sentResult.read(json, 'message')
}

/** Whether a name that came is one of a call: an unknown one is answered, not punished. */
export function isCall(name: string): name is CallName {
  return Object.hasOwn(calls, name)
}
