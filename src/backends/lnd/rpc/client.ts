import { processClock, type Clock } from '../../../floor/clock.ts'
import { BackendError } from '../../backend.ts'
import { ALIVE_MS, CALL_MS } from '../limits.ts'
import type { RawAttempt, RawChannel, RawEdge, RawInfo, RawNodeInfo, RawRoute } from './raw-messages.ts'
import type { RpcError } from './errors.ts'

/** The services of one lnd: npm lightning's `lnd` object, of which these three are used. */
export interface LndServices {
  readonly default: unknown
  readonly router: unknown
  readonly signer: unknown
}

type Service = keyof LndServices

/** A method of lnd's gRPC interface. */
interface Method {
  readonly service: Service
  /** Its name in lnd's permissions. */
  readonly uri: string
  /** Time for the answer; absent for a stream. */
  readonly timeoutMs?: number
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

/** Every method that keysock calls, but those that an option asks for. */
const NEEDED = {
  getInfo: { service: 'default', uri: '/lnrpc.Lightning/GetInfo', timeoutMs: ALIVE_MS },
  listChannels: { service: 'default', uri: '/lnrpc.Lightning/ListChannels', timeoutMs: CALL_MS },
  getNodeInfo: { service: 'default', uri: '/lnrpc.Lightning/GetNodeInfo', timeoutMs: CALL_MS },
  getChanInfo: { service: 'default', uri: '/lnrpc.Lightning/GetChanInfo', timeoutMs: CALL_MS },
  queryRoutes: { service: 'default', uri: '/lnrpc.Lightning/QueryRoutes', timeoutMs: CALL_MS },
  subscribeInvoices: { service: 'default', uri: '/lnrpc.Lightning/SubscribeInvoices' },
  sendToRouteV2: { service: 'router', uri: '/routerrpc.Router/SendToRouteV2', timeoutMs: Infinity },
  trackPaymentV2: { service: 'router', uri: '/routerrpc.Router/TrackPaymentV2' },
  htlcInterceptor: { service: 'router', uri: '/routerrpc.Router/HtlcInterceptor' },
  deriveSharedKey: { service: 'signer', uri: '/signrpc.Signer/DeriveSharedKey', timeoutMs: CALL_MS },
} as const satisfies Record<string, Method>

/** What `prune` calls. */
const PRUNING = {
  deletePayment: { service: 'default', uri: '/lnrpc.Lightning/DeletePayment', timeoutMs: CALL_MS },
} as const satisfies Record<string, Method>

const METHODS = { ...NEEDED, ...PRUNING } as const

/** What a macaroon has to permit, and no more (spec/lnd.md has the line for lncli bakemacaroon). */
export const LND_PERMISSIONS: readonly string[] = permissions(NEEDED)

/** What it has to permit besides, where finished payments are to be deleted. */
export const LND_PRUNE_PERMISSIONS: readonly string[] = permissions(PRUNING)

export const DELETE_PAYMENT_URI: string = METHODS.deletePayment.uri

function permissions(methods: Readonly<Record<string, Method>>): readonly string[] {
  return Object.values(methods).map(({ uri }) => `uri:${uri}`)
}

/** The interceptor's stream, as it stands in lnd's permissions. */
export const INTERCEPTOR_URI: string = METHODS.htlcInterceptor.uri

interface Answers {
  readonly getInfo: RawInfo
  readonly listChannels: { readonly channels: readonly RawChannel[] }
  readonly getNodeInfo: RawNodeInfo
  readonly getChanInfo: RawEdge
  readonly queryRoutes: { readonly routes: readonly RawRoute[] }
  readonly sendToRouteV2: RawAttempt
  readonly deriveSharedKey: { readonly shared_key: Uint8Array }
  readonly deletePayment: object
}

export type CallName = keyof Answers

/** Streams that lnd alone writes. */
type StreamName = 'subscribeInvoices' | 'trackPaymentV2'

type Unary = (request: object, done: (error: RpcError | null, answer: unknown) => void) => { cancel(): void }
type Open = (request: object) => DuplexStream

/** Calls and streams of one lnd, by the name of the method. */
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
    const { service, uri, timeoutMs } = METHODS[name]
    const limitMs = Math.min(timeoutMs, withinMs)
    return new Promise((resolve, reject) => {
      let isOver = false
      const cancelTimer =
        limitMs === Infinity
          ? undefined
          : this.#clock.schedule(this.#clock.now() + limitMs, () => {
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

  /**
   * The first message of a stream, which is ended then.
   *
   * @throws RpcError what lnd or gRPC said, with `isLate` where nothing came in time. Error where it ended without one.
   */
  async first(name: StreamName, request: object): Promise<unknown> {
    const stream = this.stream(name, request)
    let isOver = false
    const cancelTimer = this.#clock.schedule(this.#clock.now() + CALL_MS, () => {
      isOver = true
      stream.cancel()
    })
    try {
      return await new Promise((resolve, reject) => {
        stream.on('data', resolve)
        stream.on('error', reject)
        stream.on('end', () => reject(new Error('the stream ended without a message')))
      })
    } catch (error) {
      throw Object.assign(error as Error, { isLate: isOver })
    } finally {
      cancelTimer()
      stream.cancel()
    }
  }

  interceptor(): DuplexStream {
    return this.#open('htlcInterceptor', {})
  }

  #open(name: StreamName | 'htlcInterceptor', request: object): DuplexStream {
    const { service, uri } = METHODS[name]
    const stream = (this.#method(service, name) as Open)(request)
    // This listener comes first: whoever asked for the stream finds the URI in its errors.
    stream.on('error', (error) => Object.assign(error, { uri }))
    return stream
  }

  #method(service: Service, name: string): unknown {
    const client = this.#services[service] as Readonly<Record<string, (...given: unknown[]) => unknown>>
    return client[name]?.bind(client)
  }
}
