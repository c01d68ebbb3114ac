import { processClock, type Clock } from '../../../floor/clock.ts'
import { BackendError } from '../../backend.ts'
import { ALIVE_MS, CALL_MS } from '../limits.ts'
import type { RawAttempt, RawChannel, RawEdge, RawInfo, RawNode, RawNodeInfo, RawRoute } from './raw-messages.ts'
import { whyAway } from './errors.ts'

/** The services of one lnd: npm lightning's `lnd` object, of which these three are used. */
export interface LndServices {
  readonly default: unknown
  readonly router: unknown
  readonly signer: unknown
}

type Service = keyof LndServices

interface CallShape {
  readonly service: Service
  /** The name in lnd's permissions, for a person to read. */
  readonly uri: string
  readonly timeoutMs: number
}

/** A stream of messages from lnd. */
export interface ServerStream {
  on(event: 'data', listener: (message: unknown) => void): unknown
  on(event: 'error', listener: (error: RpcError) => void): unknown
  on(event: 'end', listener: () => void): unknown
  cancel(): void
}

/** A stream in both directions. */
export interface DuplexStream extends ServerStream {
  write(message: object): boolean
}

/** What grpc-js rejects with. */
export interface RpcError extends Error {
  /** A gRPC status code. */
  readonly code?: number
  readonly details?: string
  /** What was called, as it stands in lnd's permissions. */
  readonly uri?: string
  /** lnd did not answer within the time that it was given: the call was cancelled here. */
  readonly isLate?: boolean
}

/** gRPC status codes that mean something here. */
export const Status = {
  cancelled: 1,
  unknown: 2,
  deadline: 4,
  notFound: 5,
  alreadyExists: 6,
  permission: 7,
  unimplemented: 12,
  unavailable: 14,
  unauthenticated: 16,
} as const

const CALLS = {
  getInfo: { service: 'default', uri: '/lnrpc.Lightning/GetInfo', timeoutMs: ALIVE_MS },
  listChannels: { service: 'default', uri: '/lnrpc.Lightning/ListChannels', timeoutMs: CALL_MS },
  describeGraph: { service: 'default', uri: '/lnrpc.Lightning/DescribeGraph', timeoutMs: CALL_MS },
  getNodeInfo: { service: 'default', uri: '/lnrpc.Lightning/GetNodeInfo', timeoutMs: CALL_MS },
  getChanInfo: { service: 'default', uri: '/lnrpc.Lightning/GetChanInfo', timeoutMs: CALL_MS },
  queryRoutes: { service: 'default', uri: '/lnrpc.Lightning/QueryRoutes', timeoutMs: CALL_MS },
  sendToRouteV2: { service: 'router', uri: '/routerrpc.Router/SendToRouteV2', timeoutMs: Infinity },
  deriveSharedKey: { service: 'signer', uri: '/signrpc.Signer/DeriveSharedKey', timeoutMs: CALL_MS },
} as const satisfies Record<string, CallShape>

interface Answers {
  readonly getInfo: RawInfo
  readonly listChannels: { readonly channels: readonly RawChannel[] }
  readonly describeGraph: { readonly nodes: readonly RawNode[]; readonly edges: readonly RawEdge[] }
  readonly getNodeInfo: RawNodeInfo
  readonly getChanInfo: RawEdge
  readonly queryRoutes: { readonly routes: readonly RawRoute[] }
  readonly sendToRouteV2: RawAttempt
  readonly deriveSharedKey: { readonly shared_key: Uint8Array }
}

export type CallName = keyof Answers

const STREAMS = {
  subscribeInvoices: { service: 'default', uri: '/lnrpc.Lightning/SubscribeInvoices' },
  trackPaymentV2: { service: 'router', uri: '/routerrpc.Router/TrackPaymentV2' },
  htlcInterceptor: { service: 'router', uri: '/routerrpc.Router/HtlcInterceptor' },
} as const

/** Streams that lnd alone writes. */
type StreamName = Exclude<keyof typeof STREAMS, 'htlcInterceptor'>

type Unary = (request: object, done: (error: RpcError | null, answer: unknown) => void) => { cancel(): void }
type Open = (request: object) => DuplexStream

/** One lnd, called by name. */
export class LndClient {
  readonly #services: LndServices
  readonly #clock: Clock

  /** @throws BackendError 'bad-request' where `services` is no lnd object */
  constructor(services: LndServices, clock: Clock = processClock) {
    for (const [service, method] of [
      ['default', 'getInfo'],
      ['router', 'sendToRouteV2'],
      ['signer', 'deriveSharedKey'],
    ] as const) {
      const client = services[service] as Readonly<Record<string, unknown>> | undefined
      if (typeof client?.[method] !== 'function')
        throw new BackendError('bad-request', `this is no lnd object of npm lightning: it has no ${service}.${method}`)
    }
    this.#services = services
    this.#clock = clock
  }

  /**
   * `withinMs`: less time than the call has by itself.
   *
   * @throws RpcError what lnd or gRPC said, with `isLate` where the time was over
   */
  call<Name extends CallName>(name: Name, request: object, withinMs: number = Infinity): Promise<Answers[Name]> {
    const { service, uri, timeoutMs } = CALLS[name]
    const leastMs = Math.min(timeoutMs, withinMs)
    return new Promise((resolve, reject) => {
      let isOver = false
      const cancelTimer =
        leastMs === Infinity
          ? undefined
          : this.#clock.schedule(this.#clock.now() + leastMs, () => {
              isOver = true
              call?.cancel()
            })
      let call: { cancel(): void } | undefined
      try {
        call = (this.#method(service, name) as Unary)(request, (error, answer) => {
          cancelTimer?.()
          if (error === null) resolve(answer as Answers[Name])
          else reject(Object.assign(error, { uri, isLate: isOver }))
        })
      } catch (error) {
        // A channel that is closed throws before there is a call.
        cancelTimer?.()
        throw error
      }
    })
  }

  stream(name: StreamName, request: object): ServerStream {
    return this.#open(name, request)
  }

  interceptor(): DuplexStream {
    return this.#open('htlcInterceptor', {})
  }

  #open(name: keyof typeof STREAMS, request: object): DuplexStream {
    const { service, uri } = STREAMS[name]
    const stream = (this.#method(service, name) as Open)(request)
    // Before whoever asked hears of it.
    stream.on('error', (error) => Object.assign(error, { uri }))
    return stream
  }

  #method(service: Service, name: string): unknown {
    const client = this.#services[service] as Readonly<Record<string, (...given: unknown[]) => unknown>>
    return client[name]?.bind(client)
  }
}

/** Whether an error means that the node can't be reached, or is not ready, rather than that it said no. */
export function isAway(error: unknown): boolean {
  const { code, details = '' } = error as RpcError
  if (code === Status.unavailable || code === Status.cancelled || code === Status.deadline) return true
  if (code === Status.unimplemented) return details.includes('unknown service')
  return code === Status.unknown && isStarting(details)
}

/** Whether lnd was not heard within the time that a call was given: it may be there, and slow at this one. */
export function isLate(error: unknown): boolean {
  return (error as RpcError).isLate === true
}

/** What lnd says while its wallet is locked or its server is not up yet. */
export function isStarting(details: string): boolean {
  return /wallet (?:locked|not created)|starting up|not yet ready|in the process of/i.test(details)
}

export function isDenied(error: unknown): boolean {
  const { code, details = '' } = error as RpcError
  return (
    code === Status.permission ||
    code === Status.unauthenticated ||
    (code === Status.unknown && /permission denied|macaroon|verification failed/i.test(details))
  )
}

/** What a call that failed means for the caller of the backend. Never holds what was asked. */
export function asBackendError(error: unknown): BackendError {
  if (error instanceof BackendError) return error
  const { uri = 'the lnd backend', details } = error as RpcError
  const said = details ?? (error instanceof Error ? error.message : 'an error')
  if (isDenied(error)) {
    return new BackendError(
      'permission',
      `lnd does not permit ${uri} with this macaroon; spec/lnd.md has the line for lncli bakemacaroon`,
      { cause: error },
    )
  }
  if (isAway(error)) return new BackendError('offline', `${whyAway(said)}; wait for 'online'`, { cause: error })
  return new BackendError('unsupported', `${uri} failed: ${said}`, { cause: error })
}
