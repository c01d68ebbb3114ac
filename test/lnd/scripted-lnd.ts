import { EventEmitter } from 'node:events'
import { Status, type RpcError } from '../../src/backends/lnd/rpc/errors.ts'
import { LndClient, type LndServices } from '../../src/backends/lnd/rpc/client.ts'
import type { RawVerdict } from '../../src/backends/lnd/rpc/raw-messages.ts'
import { ManualClock } from '../manual-clock.ts'

/** One stream as grpc-js gives it. */
export class FakeStream extends EventEmitter {
  readonly written: RawVerdict[] = []
  isCancelled = false

  write(verdict: RawVerdict): boolean {
    this.written.push(verdict)
    return true
  }

  cancel(): void {
    if (this.isCancelled) return
    this.isCancelled = true
    queueMicrotask(() => this.fail('Cancelled on client', Status.cancelled))
  }

  fail(details: string, code: number = Status.unknown): void {
    this.emit('error', rpcError(code, details))
  }
}

/** What grpc-js rejects with. */
export function rpcError(code: number, details: string): RpcError {
  return Object.assign(new Error(details), { code, details })
}

/** Rounds of promises after which nothing goes on by itself. */
const TURNS = 200

/** What an lnd that is not there says: for a call an answer, for a stream its first message; an error is thrown. */
export type Script = Readonly<Record<string, ((request: never) => unknown) | undefined>>

/** An lnd whose words are written down beforehand. A call that the script leaves out has no answer. */
export class ScriptedLnd {
  readonly clock: ManualClock = new ManualClock()
  readonly client: LndClient
  readonly services: LndServices
  /** In their order. */
  readonly calls: { readonly name: string; readonly request: object }[] = []
  /** By the name of the call. */
  readonly streams: Record<string, FakeStream[]> = {}
  script: Script

  constructor(script: Script) {
    this.script = script
    const unary = (name: string) => (request: object, done: (error: RpcError | null, answer?: unknown) => void) =>
      this.#call(name, request, done)
    const stream = (name: string) => (request: object) => this.#open(name, request)
    this.services = {
      default: {
        getInfo: unary('getInfo'),
        listChannels: unary('listChannels'),
        getNodeInfo: unary('getNodeInfo'),
        getChanInfo: unary('getChanInfo'),
        queryRoutes: unary('queryRoutes'),
        deletePayment: unary('deletePayment'),
        subscribeInvoices: stream('subscribeInvoices'),
      },
      router: {
        sendToRouteV2: unary('sendToRouteV2'),
        trackPaymentV2: stream('trackPaymentV2'),
        htlcInterceptor: stream('htlcInterceptor'),
      },
      signer: { deriveSharedKey: unary('deriveSharedKey') },
    }
    this.client = new LndClient(this.services, this.clock)
  }

  /** How often a call was made. */
  count(name: string): number {
    return this.calls.filter((call) => call.name === name).length
  }

  /** Lets everything run that waits for no timer. */
  async idle(): Promise<void> {
    for (let turn = 0; turn < TURNS; turn++) await Promise.resolve()
  }

  /** Lets everything run until this holds. */
  async until(holds: () => boolean): Promise<void> {
    for (let turn = 0; turn < TURNS && !holds(); turn++) await Promise.resolve()
    if (!holds()) throw new Error('it did not come to that')
  }

  #call(
    name: string,
    request: object,
    done: (error: RpcError | null, answer?: unknown) => void,
  ): { cancel: () => void } {
    this.calls.push({ name, request })
    let isOpen = true
    const end = (error: RpcError | null, answer?: unknown): void => {
      if (isOpen) done(error, answer)
      isOpen = false
    }
    const answer = this.script[name] as ((request: object) => unknown) | undefined
    if (answer !== undefined) {
      void Promise.resolve(request)
        .then(answer)
        .then(
          (value) => end(null, value),
          (error: unknown) => end(error as RpcError),
        )
    }
    return { cancel: () => queueMicrotask(() => end(rpcError(Status.cancelled, 'Cancelled on client'))) }
  }

  #open(name: string, request: object): FakeStream {
    this.calls.push({ name, request })
    const stream = new FakeStream()
    const streams = (this.streams[name] ??= [])
    streams.push(stream)
    const answer = this.script[name] as ((request: object) => unknown) | undefined
    if (answer !== undefined) {
      void Promise.resolve(request)
        .then(answer)
        .then(
          (value) => stream.emit('data', value),
          (error: unknown) => stream.emit('error', error),
        )
    }
    return stream
  }
}

export const policy = {
  time_lock_delta: 80,
  min_htlc: '1000',
  fee_base_msat: '1000',
  fee_rate_milli_msat: '1',
  disabled: false,
  max_htlc_msat: '990000000',
}

/** A channel of the graph, with the usual policy both ways. */
export function edge(id: string, from: string, to: string): object {
  return {
    channel_id: id,
    node1_pub: from,
    node2_pub: to,
    capacity: '1000000',
    node1_policy: policy,
    node2_policy: policy,
  }
}
