/**
 * Invoices on the simulated network, which has none of its own. The invoices are real: BOLT 11, signed by a key that
 * this node made up; a route hint says through which node of the simulation the payee is reached. Paying one is a
 * keysock message over the phantom lane that is locked to the invoice's hash: who settles it has to know the preimage.
 */
import { createHash, randomBytes } from 'node:crypto'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { KeysockError, type Endpoint } from 'keysock'
import { decodeInvoice, encodeInvoice } from './bolt11.ts'
import {
  type FailureReason,
  type InvoiceOrder,
  type LightningNode,
  NodeUnreachable,
  type PaymentOrder,
  type PaymentState,
  type Settled,
  type WatchFrom,
} from './node.ts'
import { pause, type Time } from './time.ts'

/** Where payments to invoices come in, on every node that has such invoices. */
const INVOICE_PORT = 9_735
/** Its invoices say so: those of the public network are other ones. */
const NETWORK = 'regtest'
/** Codes of refusals, as the payer reads them. */
const UNKNOWN_HASH = 300
const WRONG_AMOUNT = 301
const EXPIRED = 302
/** Everything that the node has is kept in memory, so much of it. */
const MAX_KEPT = 10_000

interface Made {
  readonly request: string
  readonly preimage: Uint8Array
  readonly amountMsat: bigint
  readonly expiresAt: number
  /** A payment that waits for `release`. */
  readonly isHeld: boolean
  settled?: Settled
}

export interface SimulatedNodeOptions {
  /** With `phantomLane: true`; it stays the caller's. */
  readonly endpoint: Endpoint
  readonly time: Time
  /** What its own channels have left, msat: as a real node tells for itself. */
  readonly balanceMsat: () => bigint
}

export class SimulatedNode implements LightningNode {
  readonly #options: SimulatedNodeOptions
  readonly #secretKey = secp256k1.utils.randomSecretKey()
  /** By payment hash. */
  readonly #made = new Map<string, Made>()
  readonly #payments = new Map<string, { state: PaymentState; readonly done: Promise<PaymentState> }>()
  readonly #settled: Settled[] = []
  readonly #listeners = new Set<(settled: Settled) => void>()
  readonly #mailbox: Promise<void>
  readonly #ended = new AbortController()
  #isAway = false

  constructor(options: SimulatedNodeOptions) {
    this.#options = options
    this.#mailbox = this.#serve()
  }

  /** As a node whose process is stopped, or started again. */
  setAway(isAway: boolean): void {
    this.#isAway = isAway
  }

  network(): Promise<string> {
    return this.#here(() => NETWORK)
  }

  invoice(order: InvoiceOrder): Promise<string> {
    return this.#here(() => this.#invoice(order, false))
  }

  /** An invoice whose payments wait until they go back: as one of a shop that holds them. */
  heldInvoice(order: InvoiceOrder): string {
    return this.#invoice(order, true)
  }

  #invoice({ preimage, amountMsat, description, expirySeconds }: InvoiceOrder, isHeld: boolean): string {
    const id = createHash('sha256').update(preimage).digest('hex')
    const made = this.#made.get(id)
    if (made !== undefined) return made.request
    if (this.#made.size >= MAX_KEPT) throw new NodeUnreachable('the simulated node is full')
    const now = this.#options.time.now()
    const request = encodeInvoice(
      {
        hash: id,
        paymentSecret: randomBytes(32).toString('hex'),
        amountMsat,
        description,
        network: NETWORK,
        createdAt: now,
        expirySeconds,
        introducedBy: this.#options.endpoint.publicKeyHex,
      },
      this.#secretKey,
    )
    const { expiresAt } = decodeInvoice(request)
    this.#made.set(id, { request, preimage, amountMsat, expiresAt, isHeld })
    return request
  }

  pay(order: PaymentOrder): Promise<PaymentState> {
    return this.#here(async () => {
      const known = this.#payments.get(order.hash)
      if (known !== undefined && known.state.status !== 'failed') return await known.done
      if (this.#payments.size >= MAX_KEPT) throw new NodeUnreachable('the simulated node is full')
      const payment = { state: { status: 'in-flight' } as PaymentState, done: this.#send(order) }
      this.#payments.set(order.hash, payment)
      payment.done.then(
        (state) => (payment.state = state),
        () => undefined,
      )
      return await payment.done
    })
  }

  async #send({ paymentRequest, hash, amountMsat, maxFeeMsat, timeoutMs }: PaymentOrder): Promise<PaymentState> {
    const { endpoint, balanceMsat } = this.#options
    const { introducedBy } = decodeInvoice(paymentRequest)
    const [introduction] = introducedBy
    if (amountMsat > balanceMsat()) return { status: 'failed', reason: 'insufficient-balance' }
    if (introduction === undefined) return { status: 'failed', reason: 'no-route' }
    for (;;) {
      try {
        const sent = await endpoint.sendMessage(introduction, INVOICE_PORT, '', {
          lane: 'phantom',
          hash: Buffer.from(hash, 'hex'),
          amount: amountMsat,
          maxFee: maxFeeMsat,
          timeout: timeoutMs,
          // Sent again under the same id it is not paid twice: so the outcome is learned where it comes late.
          id: hash.slice(0, 32),
        })
        const preimage = Buffer.from(sent.preimage ?? []).toString('hex')
        return { status: 'settled', preimage, amountMsat: sent.amountMsat, feeMsat: sent.feeMsat }
      } catch (error) {
        if (!(error instanceof KeysockError) || error.code !== 'ERR_KEYSOCK_UNDECIDED')
          return { status: 'failed', reason: reasonOf(error) }
      }
    }
  }

  paymentState(hash: string): Promise<PaymentState> {
    return this.#here(() => this.#payments.get(hash)?.state ?? { status: 'unknown' })
  }

  outcome(hash: string): Promise<PaymentState> {
    return this.#here(async () => (await this.#payments.get(hash)?.done) ?? { status: 'unknown' })
  }

  async watch(from: WatchFrom, tell: (settled: Settled) => void, signal: AbortSignal): Promise<void> {
    for (const settled of this.#settled) if (settled.index > from.afterIndex) tell(settled)
    this.#listeners.add(tell)
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
    this.#listeners.delete(tell)
  }

  async close(): Promise<void> {
    this.#ended.abort()
    await Promise.race([this.#mailbox, pause(this.#options.time, 0)])
  }

  /** Takes payments to its invoices: those that know the hash, in time and in full. */
  async #serve(): Promise<void> {
    const { endpoint, time } = this.#options
    for await (const message of endpoint.messages(INVOICE_PORT)) {
      if (this.#ended.signal.aborted) return
      const hash = Buffer.from(message.hash).toString('hex')
      const made = this.#made.get(hash)
      if (made === undefined || !message.isLocked) await message.refuse('no such invoice', UNKNOWN_HASH)
      else if (made.expiresAt <= time.now()) await message.refuse('it has expired', EXPIRED)
      else if (message.amountMsat < made.amountMsat || made.settled !== undefined)
        await message.refuse('not what the invoice asks for', WRONG_AMOUNT)
      else if (made.isHeld) void message.hold()
      else {
        await message.settle(made.preimage)
        const { amountMsat } = message
        made.settled = { index: this.#settled.length + 1, hash, amountMsat, settledAt: time.now() }
        this.#settled.push(made.settled)
        for (const listener of this.#listeners) listener(made.settled)
      }
    }
  }

  async #here<T>(act: () => T | Promise<T>): Promise<T> {
    if (this.#isAway) throw new NodeUnreachable('the simulated node is away')
    return await act()
  }
}

function reasonOf(error: unknown): FailureReason {
  if (!(error instanceof KeysockError)) return 'failed'
  switch (error.code) {
    case 'EHOSTUNREACH':
    case 'ERR_KEYSOCK_FEE':
      return 'no-route'
    case 'ETIMEDOUT':
      return 'timed-out'
    case 'ERR_KEYSOCK_REFUSED':
      return error.peerCode === EXPIRED ? 'expired' : 'refused'
    default:
      return 'failed'
  }
}
