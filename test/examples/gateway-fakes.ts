/** What the gateway's service is tested with: a clock that the test moves, and a node that does as it is told. */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { decodeInvoice, encodeInvoice } from '../../examples/gateway/bolt11.ts'
import { Book } from '../../examples/gateway/book.ts'
import { parseKeys, type Keys } from '../../examples/gateway/keys.ts'
import {
  type InvoiceOrder,
  type LightningNode,
  NodeDenied,
  NodeUnreachable,
  type PaymentOrder,
  type PaymentState,
  type Settled,
  type WatchFrom,
} from '../../examples/gateway/node.ts'
import { Service } from '../../examples/gateway/service.ts'
import type { Answer, Order } from '../../examples/gateway/requests.ts'
import type { Time } from '../../examples/gateway/time.ts'
import { turn } from '../../src/floor/clock.ts'

export const START_MS: number = Date.UTC(2026, 10, 30, 12)
export const SECRET: string = 'aa'.repeat(32)

export const KEYS: Keys = parseKeys(
  JSON.stringify({
    shop: { secret: SECRET, daySat: 1_000 },
    till: { secret: 'bb'.repeat(32), tasks: ['decode', 'create', 'events'] },
  }),
)

/** Time passes only when a test says so. */
export class TestTime implements Time {
  #now = START_MS
  readonly #timers = new Set<{ readonly atMs: number; readonly callback: () => void }>()

  now(): number {
    return this.#now
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { atMs: this.#now + ms, callback }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** Lets so many milliseconds pass, and what waits for them run. */
  async pass(ms: number, settle: () => Promise<void>): Promise<void> {
    const end = this.#now + ms
    for (;;) {
      await settle()
      const [next] = [...this.#timers].filter(({ atMs }) => atMs <= end).toSorted((a, b) => a.atMs - b.atMs)
      if (next === undefined) break
      this.#timers.delete(next)
      this.#now = Math.max(this.#now, next.atMs)
      next.callback()
    }
    this.#now = end
    await settle()
  }
}

const SETTLE_TURNS = 20
const PAYEE = Buffer.alloc(32, 7)
let made = 0

/** An invoice of somebody else. */
export function foreignInvoice({
  amountMsat = 100_000n,
  expirySeconds = 3_600,
  network = 'regtest',
  preimage = createHash('sha256').update(`preimage ${++made}`).digest(),
  description = 'a map',
}: {
  readonly amountMsat?: bigint
  readonly expirySeconds?: number
  readonly network?: string
  readonly preimage?: Uint8Array
  readonly description?: string
} = {}): string {
  const hash = createHash('sha256').update(preimage).digest('hex')
  const paymentSecret = '22'.repeat(32)
  const details = { hash, paymentSecret, amountMsat, description, network, expirySeconds }
  return encodeInvoice({ ...details, createdAt: START_MS }, PAYEE)
}

/** A node whose payments become what `plan` says, by hash; settled, where it says nothing. */
export class FakeNode implements LightningNode {
  /** What a payment becomes: an outcome, 'hang', or 'break' (the node takes it, and the word is lost). */
  readonly plan: Map<string, PaymentState | 'hang' | 'break' | 'lost'> = new Map<
    string,
    PaymentState | 'hang' | 'break' | 'lost'
  >()
  /** Hashes for which money left this node, in order. */
  readonly paid: string[] = []
  readonly sent: PaymentOrder[] = []
  readonly invoices: Map<string, string> = new Map()
  isAway = false
  /** As lnd with a macaroon that permits nothing. */
  isDenied = false
  readonly #states = new Map<string, PaymentState>()
  readonly #waiting = new Map<string, (state: PaymentState) => void>()
  readonly #listeners = new Set<(settled: Settled) => void>()
  network(): Promise<string> {
    return this.#here(() => 'regtest')
  }

  invoice(order: InvoiceOrder): Promise<string> {
    return this.#here(() => {
      const hash = createHash('sha256').update(order.preimage).digest('hex')
      const text = this.invoices.get(hash) ?? foreignInvoice(order)
      this.invoices.set(hash, text)
      return text
    })
  }

  pay(order: PaymentOrder): Promise<PaymentState> {
    return this.#here(async () => {
      this.sent.push(order)
      const known = this.#states.get(order.hash)
      if (known !== undefined && known.status !== 'failed') return known
      const plan = this.plan.get(order.hash) ?? {
        status: 'settled',
        preimage: '11'.repeat(32),
        amountMsat: order.amountMsat,
        feeMsat: 1_000n,
      }
      if (plan === 'lost') throw new NodeUnreachable('broken before')
      if (plan === 'hang' || plan === 'break') {
        this.#states.set(order.hash, { status: 'in-flight' })
        if (plan === 'break') throw new NodeUnreachable('broken after')
        return await this.outcome(order.hash)
      }
      this.decide(order.hash, plan)
      return plan
    })
  }

  /** Gives a payment its outcome. */
  decide(hash: string, state: PaymentState): void {
    if (state.status === 'settled') this.paid.push(hash)
    this.#states.set(hash, state)
    this.#waiting.get(hash)?.(state)
  }

  paymentState(hash: string): Promise<PaymentState> {
    return this.#here(() => this.#states.get(hash) ?? { status: 'unknown' })
  }

  outcome(hash: string): Promise<PaymentState> {
    return this.#here(async () => {
      const state = this.#states.get(hash) ?? { status: 'unknown' }
      if (state.status !== 'in-flight') return state
      return await new Promise<PaymentState>((resolve) => {
        this.#waiting.set(hash, resolve)
      })
    })
  }

  async watch(_from: WatchFrom, tell: (settled: Settled) => void, signal: AbortSignal): Promise<void> {
    this.#listeners.add(tell)
    await new Promise((resolve) => {
      signal.addEventListener('abort', resolve, { once: true })
    })
  }

  settleInvoice(settled: Settled): void {
    for (const tell of this.#listeners) tell(settled)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  async #here<T>(act: () => T | Promise<T>): Promise<T> {
    if (this.isAway) throw new NodeUnreachable('away')
    if (this.isDenied) throw new NodeDenied('denied')
    return await act()
  }
}

/** A gateway's service over a node and a folder; `restart` is a crash: the next process has the folder alone. */
export class TestGateway {
  readonly time: TestTime = new TestTime()
  readonly folder: string = mkdtempSync(join(tmpdir(), 'ks-gateway-'))
  readonly node: FakeNode
  readonly #logged: string[] = []
  #service: Service | undefined
  #book: Book | undefined
  #count = 0

  private constructor(node: FakeNode) {
    this.node = node
  }

  static async open(): Promise<TestGateway> {
    const gateway = new TestGateway(new FakeNode())
    await gateway.start()
    onTestFinished(async () => {
      await gateway.service.close()
      rmSync(gateway.folder, { recursive: true })
    })
    return gateway
  }

  get service(): Service {
    if (this.#service === undefined) throw new Error('not started')
    return this.#service
  }

  get book(): Book {
    if (this.#book === undefined) throw new Error('not started')
    return this.#book
  }

  async start(): Promise<void> {
    const { time, node } = this
    this.#book = await Book.open(this.folder, () => time.now())
    this.#service = new Service({
      node,
      keys: KEYS,
      book: this.#book,
      time,
      log: (line) => this.#logged.push(line),
    })
    this.#service.start()
  }

  /** Lets everything that is ready run, and the journal be written. */
  async settle(): Promise<void> {
    for (let i = 0; i < SETTLE_TURNS; i++) {
      await turn()
      await this.book.written()
    }
  }

  async pass(ms: number): Promise<void> {
    await this.time.pass(ms, () => this.settle())
  }

  /** As after kill -9: nothing of the former process runs, and its journal is what it had written. */
  async restart(): Promise<void> {
    const closed = this.service.close()
    await this.settle()
    await closed
    await this.start()
  }

  /** A request of a fresh timestamp and signature, as a caller signs each of its tries. */
  ask(order: Order, { key = 'shop', id, timestamp, signature }: Asking = {}): Promise<Answer> {
    const name = KEYS.get(key)
    if (name === undefined) throw new Error(`no key ${key}`)
    this.#count++
    return this.service.handle({
      request: { key, id: id ?? `r${this.#count}`, timestamp: timestamp ?? this.time.now(), order },
      key: name,
      via: 'keysock',
      signature: signature ?? `s${this.#count}`,
    })
  }
}

interface Asking {
  readonly key?: string
  readonly id?: string
  readonly timestamp?: number
  readonly signature?: string
}

/** An order to pay an invoice. */
export function payment(paymentRequest: string, timeoutMs = 10_000): Extract<Order, { readonly task: 'pay' }> {
  return { task: 'pay', paymentRequest, amountMsat: undefined, maxFeeMsat: undefined, timeoutMs }
}

export function hashOf(paymentRequest: string): string {
  return decodeInvoice(paymentRequest).hash
}
