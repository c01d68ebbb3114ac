import { processClock, type Clock } from '../../../floor/clock.ts'
import { BackendError } from '../../backend.ts'
import { ALIVE_MS, CALL_MS } from '../limits.ts'
import type { RawAttempt, RawChannel, RawEdge, RawInfo, RawNode, RawNodeInfo, RawRoute } from './raw-messages.ts'
import type { RpcError } from './errors.ts'

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
