/** What a shop calls: the same over keysock and over Kafka. */
import { randomUUID } from 'node:crypto'
import { GatewayError } from './errors.ts'
import type { Answer, PaidEvent, Result } from './requests.ts'

/** An order as a caller writes it; amounts are msat. */
export interface CreateOptions {
  /** 0n, or left out: the payer says how much. */
  readonly amountMsat?: bigint
  readonly description?: string
  readonly expirySeconds?: number
}

export interface PayOptions {
  /** For an invoice without an amount. */
  readonly amountMsat?: bigint
  readonly maxFeeMsat?: bigint
  /** How long to wait for the payment, ms. */
  readonly timeoutMs?: number
}

export interface AskOptions {
  /**
   * Asked again under the same id, a request is not done again. Default: drawn at random. A record on Kafka has no room
   * for it: there it holds within one client alone.
   */
  readonly id?: string
  /**
   * ms since 1970. Over Kafka the same request with the same timestamp is the same record, and not done again, whoever
   * sends it. Default: now, and later than that of the request before. Over keysock it means nothing.
   */
  readonly timestamp?: number
  readonly signal?: AbortSignal
}

export type TransportOptions = AskOptions & { readonly id: string }

/** What a transport does: brings a request to the gateway, and its answer back. */
export interface Transport {
  /** Fields of a request, without those of the envelope. @throws Error where the way is broken for good */
  ask(fields: Readonly<Record<string, unknown>>, options: TransportOptions): Promise<Answer>
  /** Events after a sequence number, until `signal` says enough. */
  events(after: number, signal: AbortSignal): AsyncIterable<PaidEvent>
  close(): Promise<void>
}

export class GatewayClient {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** What an invoice says. @throws GatewayError */
  async decode(paymentRequest: string, options: AskOptions = {}): Promise<Result> {
    return await this.#ask({ task: 'decode', paymentRequest }, options)
  }

  /** An invoice of the gateway's node: `paymentRequest`, `hash`, `expiresAt`. @throws GatewayError */
  async create(invoice: CreateOptions, options: AskOptions = {}): Promise<Result> {
    return await this.#ask({ task: 'create', ...inDecimal(invoice) }, options)
  }

  /** Pays an invoice: `hash`, `preimage`, `amountMsat`, `feeMsat`. @throws GatewayError */
  async pay(paymentRequest: string, payment: PayOptions = {}, options: AskOptions = {}): Promise<Result> {
    return await this.#ask({ task: 'pay', paymentRequest, ...inDecimal(payment) }, options)
  }

  /** Invoices of this key that were paid; `after`: the last `sequence` that is known already; over Kafka 0 alone. */
  events(after: number, signal: AbortSignal): AsyncIterable<PaidEvent> {
    return this.#transport.events(after, signal)
  }

  async close(): Promise<void> {
    await this.#transport.close()
  }

  async #ask(fields: Readonly<Record<string, unknown>>, options: AskOptions): Promise<Result> {
    const answer = await this.#transport.ask(fields, { ...options, id: options.id ?? randomUUID() })
    if ('result' in answer) return answer.result
    const { code, message, final } = answer.error
    throw new GatewayError(code, message, { final })
  }
}

function inDecimal(fields: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, typeof value === 'bigint' ? String(value) : value]),
  )
}
