/** What the gateway does with a request, however it came: once, and with the same answer whenever it is asked again. */
import { randomBytes } from 'node:crypto'
import { decodeInvoice, type Invoice } from './bolt11.ts'
import type { Book, Entry, Identity, KeyEvent, PaymentBegun, Via } from './book.ts'
import { CODES, GatewayError, type Failure } from './errors.ts'
import type { Key, Keys } from './keys.ts'
import {
  ANSWER_GRACE_MS,
  FEE_SHARE,
  LEAST_MAX_FEE_MSAT,
  MAX_SEEN,
  MAX_UNDER_WAY,
  RETRY_MS,
  TIMEOUT_MS,
  WINDOW_MS,
} from './limits.ts'
import { type LightningNode, NodeDenied, NodeUnreachable, type Outcome, type PaymentState } from './node.ts'
import { contentOf, type Answer, type Order, type Request, type Result, type Task } from './requests.ts'
import { pause, within, type Time } from './time.ts'

export interface ServiceOptions {
  readonly node: LightningNode
  readonly keys: Keys
  readonly book: Book
  readonly time: Time
  /** A line for the operator; never a secret. */
  readonly log: (line: string) => void
}

export interface Arrived {
  readonly request: Request
  readonly key: Key
  readonly via: Via
  readonly signature: string
}

/** When a payment was begun, ms since 1970, and whether the node was never told of it. */
interface Since {
  readonly atMs: number
  readonly isNew: boolean
}

type Work = Exclude<Order, { readonly task: 'events' }>

export class Service {
  readonly #options: ServiceOptions
  /** By key and id: what has no final answer yet. */
  readonly #underWay = new Map<string, Promise<Answer>>()
  /** What the requests that are under way ask; they may not be in the book yet. */
  readonly #contents = new Map<string, string>()
  /** Hashes that are looked at before their payment begins. */
  readonly #claimed = new Set<string>()
  /** Signatures of the window, with the time when each is forgotten. */
  readonly #seen = new Map<string, number>()
  readonly #ended = new AbortController()
  readonly #eventListeners = new Set<(told: KeyEvent) => void>()
  readonly #answerListeners = new Set<(entry: Entry) => void>()
  #network: string | undefined
  #watching: Promise<void> | undefined

  constructor(options: ServiceOptions) {
    this.#options = options
    for (const { signature, timestamp } of options.book.signatures()) this.#remember(signature, timestamp)
  }

  /** Takes up what a former process left, and listens for settled invoices. */
  start(): void {
    for (const begun of this.#options.book.underWay()) {
      this.#options.log(`takes up ${begun.task} ${begun.id} of ${begun.key}`)
      void this.#work(begun, () => this.#resume(begun))
    }
    this.#watching = this.#watch()
  }

  /** What is under way is left to the next process. */
  async close(): Promise<void> {
    this.#ended.abort()
    await this.#watching
    await this.#options.book.close()
  }

  /** Calls back with each settled invoice from now on; the result ends it. */
  onEvent(listener: (told: KeyEvent) => void): () => void {
    this.#eventListeners.add(listener)
    return () => this.#eventListeners.delete(listener)
  }

  /** Calls back with each request that got its final answer from now on; the result ends it. */
  onAnswer(listener: (entry: Entry) => void): () => void {
    this.#answerListeners.add(listener)
    return () => this.#answerListeners.delete(listener)
  }

  /** Why this key may not do this now; undefined where it may. For what has no answer to remember. */
  refusalOf(key: Key, task: Task, timestamp: number): Failure | undefined {
    const isStale = Math.abs(this.#options.time.now() - timestamp) > WINDOW_MS
    if (isStale) return new GatewayError('stale').failure
    return key.tasks.has(task) ? undefined : new GatewayError('not-allowed').failure
  }

  /**
   * Answers a request whose signature is right. Resolves with the final answer, or, after the request's own timeout,
   * with one that says that nothing is decided. Never rejects.
   */
  async handle(arrived: Arrived): Promise<Answer> {
    try {
      return await this.#handle(arrived)
    } catch (error) {
      if (error instanceof GatewayError) return { error: error.failure }
      this.#options.log(`${arrived.request.id}: ${messageOf(error)}`)
      return failed(new GatewayError('busy', 'the gateway cannot do it now; its log says why', { final: false }))
    }
  }

  async #handle(arrived: Arrived): Promise<Answer> {
    const { request, key, via, signature } = arrived
    const { id, timestamp, order } = request
    const { book, time } = this.#options
    book.checkWritable()
    if (order.task === 'events') throw new GatewayError('invalid', 'events are asked for on a connection')
    const identity = { key: key.name, id, content: contentOf(order), via, task: order.task, signature, timestamp }
    // What came over Kafka may come again by itself: the broker tells what was not committed.
    const isKnown = this.#knows(identity)
    if (!isKnown || via === 'keysock') this.#checkFresh(via, signature, timestamp)
    if (isKnown) this.#checkSame(identity)
    const known = book.entry(key.name, id)
    if (known?.line === 'answered') return known.answer
    const patienceMs = order.task === 'pay' ? order.timeoutMs + ANSWER_GRACE_MS : TIMEOUT_MS.default
    const answer =
      this.#underWay.get(nameOf(identity)) ??
      (known === undefined ? this.#begin(identity, order, key) : this.#work(known, () => this.#resume(known)))
    return (await within(time, patienceMs, answer)) ?? failed(new GatewayError('timed-out', notYet, { final: false }))
  }

  #knows(identity: Identity): boolean {
    return this.#contents.has(nameOf(identity)) || this.#options.book.entry(identity.key, identity.id) !== undefined
  }

  #checkSame(identity: Identity): void {
    const content = this.#contents.get(nameOf(identity)) ?? this.#options.book.entry(identity.key, identity.id)?.content
    if (content !== identity.content) throw new GatewayError('mismatch')
  }

  /** @throws GatewayError 'stale', 'replayed', 'busy' */
  #checkFresh(via: Via, signature: string, timestamp: number): void {
    const now = this.#options.time.now()
    if (Math.abs(now - timestamp) > WINDOW_MS)
      throw new GatewayError('stale', `the timestamp is ${Math.round(Math.abs(now - timestamp) / 1_000)} s off`)
    // There the id is a hash of the whole record: the same bytes are the same request, and done once.
    if (via === 'kafka') return
    if (this.#seen.has(signature)) throw new GatewayError('replayed')
    if (this.#seen.size >= MAX_SEEN) this.#forgetSeen()
    if (this.#seen.size >= MAX_SEEN) throw new GatewayError('busy', CODES.busy, { final: false })
    this.#remember(signature, timestamp)
  }

  #remember(signature: string, timestamp: number): void {
    this.#seen.set(signature, timestamp + WINDOW_MS)
  }

  #forgetSeen(): void {
    const now = this.#options.time.now()
    for (const [signature, until] of this.#seen) if (until < now) this.#seen.delete(signature)
  }

  /** Everything up to the map of what is under way is one turn: a second request under the id finds the first. */
  #begin(identity: Identity, order: Work, key: Key): Promise<Answer> {
    if (this.#underWay.size >= MAX_UNDER_WAY) throw new GatewayError('busy', CODES.busy, { final: false })
    this.#options.book.checkRoom(identity.key)
    this.#contents.set(nameOf(identity), identity.content)
    return this.#work(identity, async () => {
      if (!key.tasks.has(order.task)) return await this.#answer(identity, failed(new GatewayError('not-allowed')))
      switch (order.task) {
        case 'decode':
          return await this.#answer(identity, { result: described(decodeInvoice(order.paymentRequest)) })
        case 'create':
          return await this.#create(identity, order)
        case 'pay':
          return await this.#pay(identity, order, key)
      }
    })
  }

  /** Runs until there is an answer. What is not final is told and forgotten: the next time it begins anew. */
  #work(identity: Identity, act: () => Promise<Answer>): Promise<Answer> {
    const name = nameOf(identity)
    const answer = (async () => {
      try {
        return await act()
      } catch (error) {
        // What was begun is not let go of here: it waits until the node permits it again.
        if (error instanceof NodeDenied && !this.#isBegun(identity)) return await this.#answer(identity, DENIED)
        if (error instanceof NodeUnreachable)
          return failed(new GatewayError('node-unreachable', CODES['node-unreachable'], { final: false }))
        if (!(error instanceof GatewayError)) throw error
        return error.final ? await this.#answer(identity, failed(error)) : failed(error)
      } finally {
        this.#underWay.delete(name)
        this.#contents.delete(name)
      }
    })()
    this.#underWay.set(name, answer)
    // Whoever waits hears of it.
    answer.catch(() => undefined)
    return answer
  }

  async #answer(identity: Identity, answer: Answer, spentMsat = 0n): Promise<Answer> {
    const { book, log } = this.#options
    await book.answer(identity, answer, spentMsat)
    log(`${identity.task} ${identity.id} of ${identity.key}: ${'error' in answer ? answer.error.code : 'done'}`)
    const entry = book.entry(identity.key, identity.id)
    if (entry !== undefined) for (const listener of this.#answerListeners) listener(entry)
    return answer
  }

  #isBegun({ key, id }: Identity): boolean {
    return this.#options.book.entry(key, id)?.line === 'begun'
  }

  async #create(identity: Identity, order: Extract<Order, { readonly task: 'create' }>): Promise<Answer> {
    // Before the node is asked: an invoice that is made twice is one invoice with this preimage.
    await this.#options.node.network()
    const { amountMsat, description, expirySeconds } = order
    const preimage = randomBytes(32).toString('hex')
    const create = { preimage, amountMsat: String(amountMsat), description, expirySeconds }
    await this.#options.book.begin(identity, { create })
    return await this.#finishCreate(identity, create)
  }

  async #finishCreate(
    identity: Identity,
    { preimage, amountMsat, description, expirySeconds }: NonNullable<Extract<Entry, { line: 'begun' }>['create']>,
  ): Promise<Answer> {
    const order = { preimage: Buffer.from(preimage, 'hex'), amountMsat: BigInt(amountMsat), description, expirySeconds }
    const paymentRequest = await this.#until(() => this.#options.node.invoice(order), { isDenialFinal: true })
    const { hash, expiresAt } = decodeInvoice(paymentRequest)
    return await this.#answer(identity, { result: { paymentRequest, hash, expiresAt } })
  }

  async #pay(identity: Identity, order: Extract<Order, { readonly task: 'pay' }>, key: Key): Promise<Answer> {
    const { node, book, time } = this.#options
    const invoice = decodeInvoice(order.paymentRequest)
    const amountMsat = amountOf(invoice, order.amountMsat)
    if (invoice.expiresAt <= time.now()) throw new GatewayError('expired')
    const { hash } = invoice
    const maxFeeMsat = order.maxFeeMsat ?? defaultMaxFee(amountMsat)
    const former = book.payment(hash)
    if (former !== undefined) throw new GatewayError(former.line === 'answered' ? 'already-paid' : 'under-way')
    if (this.#claimed.has(hash)) throw new GatewayError('under-way')
    this.#claimed.add(hash)
    try {
      if ((await this.#networkName()) !== invoice.network)
        throw new GatewayError('invalid-invoice', `the invoice is for ${invoice.network}`)
      const { status } = await node.paymentState(hash)
      if (status === 'settled') throw new GatewayError('already-paid')
      if (status === 'in-flight') throw new GatewayError('under-way')
      // From the look at the limit until the payment is in the book nothing else runs.
      const committed = book.committedMsat(key.name)
      if (committed + amountMsat + maxFeeMsat > key.dayMsat)
        throw new GatewayError('over-limit', `${committed} of ${key.dayMsat} msat are spent or under way today`)
      const { paymentRequest, timeoutMs } = order
      const isOpenAmount = invoice.amountMsat === undefined
      const pay = { paymentRequest, hash, isOpenAmount, timeoutMs }
      const amounts = { amountMsat: String(amountMsat), maxFeeMsat: String(maxFeeMsat) }
      const begun = book.begin(identity, { pay: { ...pay, ...amounts } })
      this.#claimed.delete(hash)
      await begun
      return await this.#finishPay(identity, { ...pay, ...amounts }, { atMs: time.now(), isNew: true })
    } finally {
      this.#claimed.delete(hash)
    }
  }

  async #finishPay(identity: Identity, begun: PaymentBegun, since: Since): Promise<Answer> {
    const outcome = await this.#outcomeOf(begun, since)
    if (outcome.status === 'failed') return await this.#answer(identity, failed(new GatewayError(outcome.reason)))
    const { preimage, amountMsat, feeMsat } = outcome
    const result = { hash: begun.hash, preimage, amountMsat: String(amountMsat), feeMsat: String(feeMsat) }
    return await this.#answer(identity, { result }, amountMsat + feeMsat)
  }

  /**
   * Pays, and finds out what became of it, whatever breaks on the way: the node pays a hash once, however often it is
   * told to. What is settled or in flight was begun by this request: others of the same hash were looked for before it
   * went to the journal. Nothing is begun late.
   */
  async #outcomeOf(begun: PaymentBegun, { atMs, isNew }: Since): Promise<Outcome> {
    const { node, time } = this.#options
    const order = { ...begun, amountMsat: BigInt(begun.amountMsat), maxFeeMsat: BigInt(begun.maxFeeMsat) }
    const { expiresAt } = decodeInvoice(begun.paymentRequest)
    const untilMs = Math.min(expiresAt, atMs + begun.timeoutMs)
    let state: PaymentState = isNew ? { status: 'unknown' } : await this.#until(() => node.paymentState(begun.hash))
    let isUntold = isNew
    for (let isCertain = false; ;) {
      if (state.status === 'settled') return state
      if (state.status === 'in-flight') {
        state = await this.#until(() => node.outcome(begun.hash))
        if (state.status === 'failed') return state
      } else if (time.now() > untilMs) {
        const reason = time.now() > expiresAt ? 'expired' : 'timed-out'
        if (isCertain) return state.status === 'failed' ? state : { status: 'failed', reason }
        // The node may be taking up, right now, what it had been told by a process or a connection that is gone.
        await this.#rest(ANSWER_GRACE_MS)
        state = await this.#until(() => node.paymentState(begun.hash))
        isCertain = true
      } else {
        // What is in memory is on disk, or nothing goes out.
        this.#options.book.checkWritable()
        const isFirst = isUntold
        isUntold = false
        try {
          state = await node.pay(order)
          if (state.status === 'failed') return state
          // The node knows nothing of it: it would not begin.
          if (state.status === 'unknown') return { status: 'failed', reason: 'failed' }
        } catch (error) {
          if (!(error instanceof NodeUnreachable)) throw error
          // The first word about it: nobody has told the node to pay.
          if (error instanceof NodeDenied && isFirst) throw new GatewayError('node-denied')
          await this.#rest(RETRY_MS.least)
          state = await this.#until(() => node.paymentState(begun.hash))
        }
      }
    }
  }

  /** What a former process had begun. */
  async #resume(entry: Entry): Promise<Answer> {
    if (entry.line === 'begun' && entry.create !== undefined) return await this.#finishCreate(entry, entry.create)
    if (entry.line === 'begun' && entry.pay !== undefined)
      return await this.#finishPay(entry, entry.pay, { atMs: entry.atMs, isNew: false })
    throw new Error(`the journal has a ${entry.task} that was never begun`)
  }

  /** Tries until the node answers: what was begun has to come to an end. */
  async #until<T>(act: () => Promise<T>, { isDenialFinal = false } = {}): Promise<T> {
    for (let waitMs: number = RETRY_MS.least; ; waitMs = Math.min(2 * waitMs, RETRY_MS.most)) {
      try {
        return await act()
      } catch (error) {
        if (!(error instanceof NodeUnreachable)) throw error
        if (isDenialFinal && error instanceof NodeDenied) throw new GatewayError('node-denied')
        if (waitMs === RETRY_MS.least) this.#options.log(`waits for the node: ${error.message}`)
      }
      await this.#rest(waitMs)
    }
  }

  /** @throws NodeUnreachable where the gateway ends meanwhile: the next process takes it up */
  async #rest(ms: number): Promise<void> {
    await pause(this.#options.time, ms, this.#ended.signal)
    if (this.#ended.signal.aborted) throw new NodeUnreachable('the gateway ends')
  }

  async #networkName(): Promise<string> {
    this.#network ??= await this.#options.node.network()
    return this.#network
  }

  async #watch(): Promise<void> {
    const { node, book, time, log } = this.#options
    const { signal } = this.#ended
    while (!signal.aborted) {
      try {
        await node.watch(
          { afterIndex: book.index, waiting: book.waitingInvoices() },
          (settled) => {
            book.settled(settled).then(
              (told) => {
                if (told === undefined) return
                for (const listener of this.#eventListeners) listener(told)
              },
              (error: unknown) => log(`an event is lost until the next start: ${messageOf(error)}`),
            )
          },
          signal,
        )
      } catch (error) {
        if (!(error instanceof NodeUnreachable)) log(`settled invoices: ${messageOf(error)}`)
      }
      await pause(time, RETRY_MS.least, signal)
    }
  }
}

const DENIED = failed(new GatewayError('node-denied'))
const notYet = 'the payment is under way; ask again under the same id'

function nameOf({ key, id }: { readonly key: string; readonly id: string }): string {
  return `${key} ${id}`
}

function failed({ failure }: GatewayError): Answer {
  return { error: failure }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** @throws GatewayError 'invalid' */
function amountOf({ amountMsat }: Invoice, asked: bigint | undefined): bigint {
  if (amountMsat === undefined) {
    if (asked === undefined || asked === 0n)
      throw new GatewayError('invalid', 'the invoice has no amount; "amountMsat" says how much to pay')
    return asked
  }
  if (asked !== undefined && asked !== amountMsat)
    throw new GatewayError('invalid', `the invoice asks for ${amountMsat} msat`)
  return amountMsat
}

function defaultMaxFee(amountMsat: bigint): bigint {
  const share = amountMsat / FEE_SHARE
  return share > LEAST_MAX_FEE_MSAT ? share : LEAST_MAX_FEE_MSAT
}

function described(invoice: Invoice): Result {
  const { hash, amountMsat, description, descriptionHash, destination, network, createdAt, expiresAt } = invoice
  return {
    hash,
    amountMsat: amountMsat === undefined ? null : String(amountMsat),
    description,
    descriptionHash: descriptionHash ?? null,
    destination,
    network,
    createdAt,
    expiresAt,
  }
}
