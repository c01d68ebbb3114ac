/** An lnd node, by the calls that permissions.json names: a macaroon needs those, and what keysock itself needs. */
import { createHash } from 'node:crypto'
import type { AuthenticatedLnd } from 'lightning'
import { GatewayError } from './errors.ts'
import { CALL_MS, LOST_LOOKS } from './limits.ts'
import {
  type FailureReason,
  type InvoiceOrder,
  type LightningNode,
  NodeDenied,
  NodeUnreachable,
  type PaymentOrder,
  type PaymentState,
  type Settled,
  type WatchFrom,
} from './node.ts'
import { pause, systemTime, type Time } from './time.ts'

/** Codes of gRPC. */
const UNKNOWN = 2
const NOT_FOUND = 5
const ALREADY_EXISTS = 6
const DENIED: readonly (number | undefined)[] = [7, 16]
/** Connection and call broken in between: what lnd made of the call cannot be known. */
const BROKEN: readonly (number | undefined)[] = [undefined, 1, 4, 13, 14]
/** As lncli has it. */
const MAX_PARTS = 16
const MS_PER_S = 1_000
const NS_PER_MS = 1_000_000n

const REASONS: Readonly<Record<string, FailureReason>> = {
  FAILURE_REASON_TIMEOUT: 'timed-out',
  FAILURE_REASON_NO_ROUTE: 'no-route',
  FAILURE_REASON_INCORRECT_PAYMENT_DETAILS: 'refused',
  FAILURE_REASON_INSUFFICIENT_BALANCE: 'insufficient-balance',
}

interface RpcError extends Error {
  readonly code?: number
  readonly details?: string
}

interface RpcPayment {
  readonly status: string
  readonly payment_preimage: string
  readonly value_msat: string
  readonly fee_msat: string
  readonly failure_reason: string
  readonly htlcs: readonly RpcAttempt[]
}

interface RpcAttempt {
  readonly status: string
  readonly attempt_time_ns: string
  readonly route: { readonly hops: readonly { readonly chan_id: string }[] }
}

interface RpcChannel {
  readonly active: boolean
  readonly chan_id: string
  /** Seconds since this process of lnd began to watch it. */
  readonly lifetime: string
  readonly pending_htlcs: readonly { readonly hash_lock: Buffer }[]
}

interface RpcInvoice {
  readonly state: string
  readonly r_hash: Buffer
  readonly settle_index: string
  readonly settle_date: string
  readonly amt_paid_msat: string
  readonly payment_request: string
}

interface RpcStream<Message> {
  on(event: 'data', listener: (message: Message) => void): unknown
  on(event: 'error', listener: (error: RpcError) => void): unknown
  on(event: 'end', listener: () => void): unknown
  cancel(): void
}

type Call<Message> = (
  request: object,
  options: { readonly deadline: number },
  done: (error: RpcError | null, message: Message) => void,
) => unknown

/** The calls, as gRPC has them: npm `lightning` tells less of how they fail. */
interface Calls {
  readonly default: {
    getInfo: Call<{ readonly chains: readonly { readonly network: string }[] }>
    addInvoice: Call<{ readonly payment_request: string }>
    lookupInvoice: Call<RpcInvoice>
    listChannels: Call<{ readonly channels: readonly RpcChannel[] }>
    subscribeInvoices(request: object): RpcStream<RpcInvoice>
    close(): void
  }
  readonly router: {
    sendPaymentV2(request: object): RpcStream<RpcPayment>
    trackPaymentV2(request: object): RpcStream<RpcPayment>
    close(): void
  }
}

interface LndNodeOptions {
  readonly time?: Time
  readonly log?: (line: string) => void
}

export class LndNode implements LightningNode {
  readonly #calls: Calls
  readonly #time: Time
  readonly #log: (line: string) => void
  /** Calls that lnd did not permit: each is said once. */
  readonly #denied = new Set<string>()

  /**
   * @param lnd what `authenticatedLndGrpc` of npm `lightning` gives
   * @param log hears once of each call that the macaroon does not permit
   */
  constructor(lnd: AuthenticatedLnd, { time = systemTime, log = () => undefined }: LndNodeOptions = {}) {
    this.#calls = lnd
    this.#time = time
    this.#log = log
  }

  async network(): Promise<string> {
    const { chains } = await this.#call('getInfo', {})
    const network = chains[0]?.network ?? ''
    // As invoices are told apart: BOLT 11 has one prefix for all testnets.
    if (network === 'mainnet') return 'bitcoin'
    return network.startsWith('testnet') ? 'testnet' : network
  }

  async invoice({ preimage, amountMsat, description, expirySeconds }: InvoiceOrder): Promise<string> {
    try {
      const made = await this.#call('addInvoice', {
        r_preimage: preimage,
        value_msat: String(amountMsat),
        memo: description,
        expiry: String(expirySeconds),
        // Where all channels are private, the invoice says how to get here.
        private: true,
      })
      return made.payment_request
    } catch (error) {
      if (error instanceof NodeUnreachable) throw error
      // Made by a process or a call that broke off, or refused.
      const found = await this.#lookUp(createHash('sha256').update(preimage).digest())
      if (found !== undefined) return found.payment_request
      throw new GatewayError('invalid', `lnd makes no such invoice: ${detailsOf(error)}`)
    }
  }

  async pay(order: PaymentOrder): Promise<PaymentState> {
    const stream = this.#calls.router.sendPaymentV2({
      payment_request: order.paymentRequest,
      ...(order.isOpenAmount ? { amt_msat: String(order.amountMsat) } : {}),
      fee_limit_msat: String(order.maxFeeMsat),
      timeout_seconds: Math.max(1, Math.round(order.timeoutMs / MS_PER_S)),
      max_parts: MAX_PARTS,
      no_inflight_updates: true,
    })
    try {
      return await stateFrom(stream, (payment) => stateOf(payment).status !== 'in-flight')
    } catch (error) {
      const isRefused = isRpcError(error) && !BROKEN.includes(error.code) && !isDenied(error)
      if (isRefused) return await this.#afterRefusal(order.hash, error)
      throw this.#unreachable('sendPaymentV2', error)
    }
  }

  /** lnd would not begin: the hash was paid, is being paid, or lnd is not ready, which the next call tells. */
  async #afterRefusal(hash: string, error: RpcError): Promise<PaymentState> {
    const state = await this.paymentState(hash)
    const isOld = state.status === 'failed' && error.code !== ALREADY_EXISTS
    return isOld ? { status: 'unknown' } : state
  }

  async paymentState(hash: string): Promise<PaymentState> {
    return await this.#track(hash, () => true)
  }

  async outcome(hash: string): Promise<PaymentState> {
    const ended = new AbortController()
    let latest: RpcPayment | undefined
    const decided = this.#track(hash, (payment) => {
      latest = payment
      return stateOf(payment).status !== 'in-flight'
    })
    const lost = this.#waitUntilLost(hash, () => latest, ended.signal)
    try {
      return await Promise.race([decided, lost])
    } finally {
      ended.abort()
      // Where it was lost, lnd goes on to call it in flight.
      decided.catch(() => undefined)
      lost.catch(() => undefined)
    }
  }

  async #track(hash: string, isEnough: (payment: RpcPayment) => boolean): Promise<PaymentState> {
    const stream = this.#calls.router.trackPaymentV2({ payment_hash: Buffer.from(hash, 'hex') })
    try {
      return await stateFrom(stream, isEnough)
    } catch (error) {
      if (isRpcError(error) && error.code === NOT_FOUND) return { status: 'unknown' }
      throw this.#unreachable('trackPaymentV2', error)
    }
  }

  /**
   * lnd that is killed in the moment between the record of an attempt and its HTLC calls the payment in flight for
   * ever. What was attempted by a process of lnd that is gone, and is on no channel though the channel is in use, will
   * never succeed: so lnd's own developers, lightningnetwork/lnd#9461.
   */
  async #waitUntilLost(hash: string, latest: () => RpcPayment | undefined, signal: AbortSignal): Promise<PaymentState> {
    for (let looks = 0; looks < LOST_LOOKS.count;) {
      await pause(this.#time, LOST_LOOKS.everyMs, signal)
      if (signal.aborted) break
      const payment = latest()
      const channels = await this.#channels()
      const seemsLost = payment !== undefined && channels !== undefined
      looks = seemsLost && isLost(hash, payment, channels, this.#time.now()) ? looks + 1 : 0
    }
    return { status: 'failed', reason: 'failed' }
  }

  /** Undefined where lnd does not say: a look that shows nothing ends nothing. */
  async #channels(): Promise<readonly RpcChannel[] | undefined> {
    try {
      return (await this.#call('listChannels', {})).channels
    } catch {
      return undefined
    }
  }

  async watch(from: WatchFrom, tell: (settled: Settled) => void, signal: AbortSignal): Promise<void> {
    const stream = this.#calls.default.subscribeInvoices({ settle_index: String(from.afterIndex) })
    const ended = new Promise<void>((resolve) => {
      stream.on('error', (error) => {
        // Whatever broke, it is asked again; what lnd does not permit is said.
        this.#unreachable('subscribeInvoices', error)
        resolve()
      })
      stream.on('end', () => resolve())
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
    // What comes while former ones are looked up waits: told before them, its index would pass theirs over.
    let waiting: Settled[] | undefined = []
    stream.on('data', (invoice) => {
      if (invoice.state !== 'SETTLED') return
      if (waiting === undefined) tell(settledOf(invoice))
      else waiting.push(settledOf(invoice))
    })
    try {
      // lnd counts from 1, and takes 0 for the present: what was settled while nobody listened is looked for.
      for (const hash of from.afterIndex === 0 ? from.waiting : []) {
        const invoice = await this.#lookUp(Buffer.from(hash, 'hex'))
        if (invoice?.state === 'SETTLED') waiting.push(settledOf(invoice))
      }
      const found = waiting.toSorted((a, b) => a.index - b.index)
      waiting = undefined
      for (const settled of found) tell(settled)
      await ended
    } finally {
      stream.cancel()
    }
  }

  close(): Promise<void> {
    this.#calls.default.close()
    this.#calls.router.close()
    return Promise.resolve()
  }

  async #lookUp(hash: Buffer): Promise<RpcInvoice | undefined> {
    try {
      return await this.#call('lookupInvoice', { r_hash: hash })
    } catch (error) {
      if (isRpcError(error) && error.code === NOT_FOUND) return undefined
      throw this.#unreachable('lookupInvoice', error)
    }
  }

  /** @throws NodeUnreachable, or lnd's own error */
  async #call<Name extends 'getInfo' | 'addInvoice' | 'lookupInvoice' | 'listChannels'>(
    name: Name,
    request: object,
  ): Promise<Calls['default'][Name] extends Call<infer Message> ? Message : never> {
    const { default: service } = this.#calls
    return await new Promise((resolve, reject) => {
      const call = service[name].bind(service) as Call<never>
      call(request, { deadline: this.#time.now() + CALL_MS }, (error, message) => {
        if (error === null) resolve(message)
        else if (BROKEN.includes(error.code) || isDenied(error)) reject(this.#unreachable(name, error))
        else reject(error)
      })
    })
  }

  /** A macaroon that permits too little is said in words: waiting does not help. */
  #unreachable(call: string, error: unknown): NodeUnreachable {
    if (error instanceof NodeUnreachable) return error
    if (!isDenied(error)) return new NodeUnreachable(detailsOf(error))
    const message = `lnd does not permit ${call} with this macaroon: ${detailsOf(error)}`
    if (!this.#denied.has(call)) this.#log(message)
    this.#denied.add(call)
    return new NodeDenied(message)
  }
}

/** The first state of a payment that is enough. @throws RpcError, NodeUnreachable */
async function stateFrom(
  stream: RpcStream<RpcPayment>,
  isEnough: (payment: RpcPayment) => boolean,
): Promise<PaymentState> {
  return await new Promise((resolve, reject) => {
    stream.on('data', (payment) => {
      if (!isEnough(payment)) return
      resolve(stateOf(payment))
      stream.cancel()
    })
    // After the state is told this is what `cancel` says, and is not heard.
    stream.on('error', reject)
    stream.on('end', () => reject(new NodeUnreachable('lnd ended the call')))
  })
}

function stateOf({ status, payment_preimage, value_msat, fee_msat, failure_reason }: RpcPayment): PaymentState {
  if (status === 'SUCCEEDED')
    return {
      status: 'settled',
      preimage: payment_preimage,
      amountMsat: BigInt(value_msat),
      feeMsat: BigInt(fee_msat),
    }
  if (status === 'FAILED') return { status: 'failed', reason: REASONS[failure_reason] ?? 'failed' }
  return { status: 'in-flight' }
}

/** Whether all that is in flight of a payment was attempted by a former process of lnd, and is on no channel. */
function isLost(hash: string, { htlcs }: RpcPayment, channels: readonly RpcChannel[], now: number): boolean {
  if (channels.some(({ pending_htlcs }) => pending_htlcs.some(({ hash_lock }) => hash_lock.toString('hex') === hash)))
    return false
  const open = htlcs.filter(({ status }) => status === 'IN_FLIGHT')
  return (
    open.length > 0 &&
    open.every(({ attempt_time_ns, route }) => {
      const channel = channels.find(({ chan_id }) => chan_id === route.hops[0]?.chan_id)
      if (channel?.active !== true || channel.lifetime === '0') return false
      const startedAt = now - Number(channel.lifetime) * MS_PER_S
      return Number(BigInt(attempt_time_ns) / NS_PER_MS) < startedAt - MS_PER_S
    })
  )
}

function settledOf({ r_hash, settle_index, settle_date, amt_paid_msat }: RpcInvoice): Settled {
  return {
    index: Number(settle_index),
    hash: r_hash.toString('hex'),
    amountMsat: BigInt(amt_paid_msat),
    settledAt: Number(settle_date) * MS_PER_S,
  }
}

function isRpcError(error: unknown): error is RpcError {
  return error instanceof Error && 'code' in error && !(error instanceof NodeUnreachable)
}

function detailsOf(error: unknown): string {
  return isRpcError(error) ? (error.details ?? error.message) : String(error)
}

/** lnd gives most refusals of its macaroons no code of their own. */
function isDenied(error: unknown): boolean {
  if (!isRpcError(error)) return false
  const isWorded = /permission denied|macaroon|verification failed/i.test(detailsOf(error))
  return DENIED.includes(error.code) || (error.code === UNKNOWN && isWorded)
}
