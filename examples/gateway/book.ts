/** What the gateway remembers: requests and their answers, what keys spent, invoices that wait, events. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { GatewayError } from './errors.ts'
import { Journal } from './journal.ts'
import {
  EVENT_RETENTION_MS,
  INVOICE_GRACE_MS,
  MAX_EVENTS,
  MAX_INVOICES,
  MAX_REQUESTS,
  RETENTION_MS,
  SPARE_LINES,
} from './limits.ts'
import type { Settled } from './node.ts'
import type { Answer, PaidEvent } from './requests.ts'
import { dayOf } from './time.ts'

/** How a request came: what came over Kafka is answered there even after a restart. */
export type Via = 'keysock' | 'kafka'

/** Which request it is, and what makes it the same. */
export interface Identity {
  readonly key: string
  readonly id: string
  /** See `contentOf`. */
  readonly content: string
  readonly via: Via
  readonly task: 'decode' | 'create' | 'pay'
  /** Of the message that brought it, with its timestamp. */
  readonly signature: string
  readonly timestamp: number
}

/** What is on disk before a payment goes out. */
export interface PaymentBegun {
  readonly paymentRequest: string
  readonly hash: string
  readonly amountMsat: string
  readonly isOpenAmount: boolean
  readonly maxFeeMsat: string
  readonly timeoutMs: number
}

/** What is on disk before an invoice is made. */
export interface InvoiceBegun {
  /** Hexadecimal; gone when the request is answered. */
  readonly preimage: string
  readonly amountMsat: string
  readonly description: string
  readonly expirySeconds: number
}

interface Begun extends Identity {
  readonly line: 'begun'
  readonly atMs: number
  readonly pay?: PaymentBegun
  readonly create?: InvoiceBegun
}

interface Answered extends Identity {
  readonly line: 'answered'
  readonly atMs: number
  readonly answer: Answer
  /** Of a payment that was begun: its hash, the day on which it was, and what it cost, fees included. */
  readonly hash?: string
  readonly day?: string
  readonly spentMsat?: string
}

interface WaitingInvoice {
  readonly line: 'invoice'
  readonly hash: string
  readonly key: string
  readonly id: string
  /** ms since 1970. */
  readonly expiresAt: number
}

type Line =
  | Entry
  | WaitingInvoice
  | { readonly line: 'told'; readonly key: string; readonly id: string }
  | { readonly line: 'spent'; readonly key: string; readonly day: string; readonly msat: string }
  | { readonly line: 'index'; readonly index: number }
  | ({ readonly line: 'event'; readonly key: string } & PaidEvent)
  | { readonly line: 'sequences'; readonly last: number; readonly published: number }

/** A request that is remembered, and whether its answer is on Kafka. */
export type Entry = (Begun | Answered) & { readonly isTold?: boolean }

export interface KeyEvent {
  readonly key: string
  readonly event: PaidEvent
}

/** Settled invoices of others that may be read again after a restart. */
const INDEX_STRIDE = 500

export class Book {
  readonly #journal: Journal
  readonly #now: () => number
  /** The oldest first. */
  readonly #entries = new Map<string, Entry>()
  /** By `KEY DAY`, msat. */
  readonly #spent = new Map<string, bigint>()
  /** By payment hash: the payments that were begun and did not fail. */
  readonly #paying = new Map<string, Entry>()
  readonly #invoices = new Map<string, WaitingInvoice>()
  #events: KeyEvent[] = []
  #sequence = 0
  #published = 0
  #index = 0
  #writtenIndex = 0
  #isCompacting = false

  private constructor(journal: Journal, now: () => number) {
    this.#journal = journal
    this.#now = now
  }

  /** @throws Error where the journal is damaged */
  static async open(folder: string, now: () => number): Promise<Book> {
    const { journal, lines } = await Journal.open(join(folder, 'journal'))
    const book = new Book(journal, now)
    for (const line of lines) book.#apply(line as Line)
    book.#forget()
    await journal.rewrite(() => book.#lines())
    return book
  }

  entry(key: string, id: string): Entry | undefined {
    return this.#entries.get(nameOf({ key, id }))
  }

  /** Resolves when the journal cannot be written any more: the gateway has to end. */
  get failed(): Promise<Error> {
    return this.#journal.failed
  }

  /** Before anything that costs money. @throws Error where the journal cannot be written any more */
  checkWritable(): void {
    if (this.#journal.failure !== undefined) throw this.#journal.failure
  }

  /** Requests that a former process left without an answer. */
  underWay(): readonly Begun[] {
    return [...this.#entries.values()].filter((entry) => entry.line === 'begun')
  }

  /** Answers that were not yet published on Kafka. */
  untold(): readonly Entry[] {
    return [...this.#entries.values()].filter(
      (entry) => entry.via === 'kafka' && entry.isTold !== true && entry.line === 'answered',
    )
  }

  /** Signatures of messages that are remembered, with their timestamps. */
  *signatures(): Iterable<{ readonly signature: string; readonly timestamp: number }> {
    for (const { signature, timestamp } of this.#entries.values()) yield { signature, timestamp }
  }

  /** The payment of a hash that was begun here and has not failed. */
  payment(hash: string): Entry | undefined {
    return this.#paying.get(hash)
  }

  /** What a key has spent on this day, and what of it is under way, whichever day it began; msat. */
  committedMsat(key: string): bigint {
    let sum = this.#spent.get(`${key} ${dayOf(this.#now())}`) ?? 0n
    for (const entry of this.#paying.values()) if (entry.key === key && entry.line === 'begun') sum += reserved(entry)
    return sum
  }

  /** @throws GatewayError 'busy' where no more of this key can be remembered */
  checkRoom(key: string): void {
    if (this.#hasRoom(key)) return
    this.#forget()
    if (!this.#hasRoom(key))
      throw new GatewayError('busy', 'too many requests of the last day are remembered', { final: false })
  }

  #hasRoom(key: string): boolean {
    return hasRoom(this.#entries, MAX_REQUESTS, key) && hasRoom(this.#invoices, MAX_INVOICES, key)
  }

  /** Resolves when it is on disk: only then it may be acted on. */
  async begin(
    identity: Identity,
    what: { readonly pay: PaymentBegun } | { readonly create: InvoiceBegun },
  ): Promise<void> {
    await this.#write({ line: 'begun', ...identity, ...what, atMs: this.#now() })
  }

  /** Resolves when it is on disk: only then it may be told. */
  async answer(identity: Identity, answer: Answer, spentMsat = 0n): Promise<void> {
    const begun = this.entry(identity.key, identity.id)
    const { key, id, content, via, task, signature, timestamp } = identity
    const payment =
      begun?.line === 'begun' && begun.pay !== undefined
        ? { hash: begun.pay.hash, day: dayOf(begun.atMs), spentMsat: String(spentMsat) }
        : {}
    const atMs = this.#now()
    await this.#write({ line: 'answered', key, id, content, via, task, signature, timestamp, atMs, answer, ...payment })
  }

  async told(key: string, id: string): Promise<void> {
    if (this.entry(key, id)?.isTold !== true) await this.#write({ line: 'told', key, id })
  }

  /** The hashes of invoices that wait to be paid. */
  waitingInvoices(): readonly string[] {
    return [...this.#invoices.keys()]
  }

  /** From where on the node's settled invoices are to be read; 0: none was read yet. */
  get index(): number {
    return this.#index
  }

  /** Takes a settled invoice; gives the event where it is one of ours. Resolves when it is on disk. */
  async settled({ index, hash, amountMsat, settledAt }: Settled): Promise<KeyEvent | undefined> {
    this.#index = Math.max(this.#index, index)
    const invoice = this.#invoices.get(hash)
    if (invoice === undefined) {
      if (this.#index - this.#writtenIndex >= INDEX_STRIDE) await this.#write({ line: 'index', index: this.#index })
      return undefined
    }
    const { key, id } = invoice
    const event = { sequence: this.#sequence + 1, hash, amountMsat: String(amountMsat), settledAt, createdBy: id }
    const written = this.#write({ line: 'event', key, ...event })
    if (index > 0) void this.#write({ line: 'index', index })
    await written
    return { key, event }
  }

  /** Events after a sequence number, the oldest first. */
  events(after: number): readonly KeyEvent[] {
    return this.#events.filter(({ event }) => event.sequence > after)
  }

  /** Up to which event Kafka has them. */
  get published(): number {
    return this.#published
  }

  async publish(sequence: number): Promise<void> {
    await this.#write({ line: 'sequences', last: this.#sequence, published: sequence })
  }

  /** Resolves when what was asked for until now is on disk, or has failed. */
  async written(): Promise<void> {
    await this.#journal.written()
  }

  async close(): Promise<void> {
    await this.#journal.close()
  }

  async #write(line: Line): Promise<void> {
    this.#apply(line)
    await this.#journal.append(line)
    if (this.#isCompacting || this.#journal.length <= this.#size() + SPARE_LINES) return
    this.#isCompacting = true
    this.#forget()
    try {
      await this.#journal.rewrite(() => this.#lines())
    } finally {
      this.#isCompacting = false
    }
  }

  #size(): number {
    return this.#entries.size + this.#spent.size + this.#invoices.size + this.#events.length
  }

  #apply(line: Line): void {
    switch (line.line) {
      case 'begun':
        this.#entries.set(nameOf(line), line)
        if (line.pay !== undefined) this.#paying.set(line.pay.hash, line)
        if (line.create !== undefined) this.#await(line, line.create)
        return
      case 'answered':
        this.#applyAnswer(line)
        return
      case 'told': {
        const entry = this.#entries.get(nameOf(line))
        if (entry !== undefined) this.#entries.set(nameOf(line), { ...entry, isTold: true })
        return
      }
      case 'invoice':
        this.#invoices.set(line.hash, line)
        return
      case 'spent':
        this.#spent.set(`${line.key} ${line.day}`, BigInt(line.msat))
        return
      case 'index':
        this.#index = Math.max(this.#index, line.index)
        this.#writtenIndex = line.index
        return
      case 'event': {
        const { line: _, key, ...event } = line
        this.#events.push({ key, event })
        this.#sequence = Math.max(this.#sequence, event.sequence)
        this.#invoices.delete(event.hash)
        return
      }
      case 'sequences':
        this.#sequence = Math.max(this.#sequence, line.last)
        this.#published = Math.max(this.#published, line.published)
        return
    }
  }

  #applyAnswer(line: Answered & { readonly isTold?: boolean }): void {
    const name = nameOf(line)
    const isTold = line.isTold === true || this.#entries.get(name)?.isTold === true
    // Behind those that still have none: the oldest answers are forgotten first.
    this.#entries.delete(name)
    const entry = isTold ? { ...line, isTold } : line
    this.#entries.set(name, entry)
    if (line.hash === undefined) return
    if ('error' in line.answer) this.#paying.delete(line.hash)
    else this.#paying.set(line.hash, entry)
    const spent = BigInt(line.spentMsat ?? 0)
    const account = `${line.key} ${line.day ?? ''}`
    if (spent > 0n) this.#spent.set(account, (this.#spent.get(account) ?? 0n) + spent)
  }

  #await(line: Begun, { preimage, expirySeconds }: InvoiceBegun): void {
    const hash = createHash('sha256').update(Buffer.from(preimage, 'hex')).digest('hex')
    const { key, id, atMs } = line
    this.#invoices.set(hash, { line: 'invoice', hash, key, id, expiresAt: atMs + expirySeconds * 1_000 })
  }

  #forget(): void {
    const now = this.#now()
    for (const [name, entry] of this.#entries) {
      if (entry.line === 'begun' || entry.atMs > now - RETENTION_MS) continue
      this.#entries.delete(name)
      const paying = entry.hash === undefined ? undefined : this.#paying.get(entry.hash)
      // Another request may have paid the hash since.
      if (paying !== undefined && nameOf(paying) === name) this.#paying.delete(entry.hash ?? '')
    }
    const yesterday = dayOf(now - RETENTION_MS)
    for (const account of this.#spent.keys()) if ((account.split(' ')[1] ?? '') < yesterday) this.#spent.delete(account)
    for (const [hash, { expiresAt }] of this.#invoices)
      if (expiresAt < now - INVOICE_GRACE_MS) this.#invoices.delete(hash)
    this.#events = this.#events.filter(({ event }) => event.settledAt > now - EVENT_RETENTION_MS).slice(-MAX_EVENTS)
  }

  /** The whole state, as the lines of a new journal. */
  #lines(): Line[] {
    const lines: Line[] = [{ line: 'index', index: this.#index }]
    for (const [account, msat] of this.#spent) {
      const [key = '', day = ''] = account.split(' ')
      lines.push({ line: 'spent', key, day, msat: String(msat) })
    }
    for (const entry of this.#entries.values())
      // What it cost stands in 'spent' already.
      lines.push(entry.line === 'answered' && entry.spentMsat !== undefined ? { ...entry, spentMsat: '0' } : entry)
    lines.push(...this.#invoices.values())
    for (const { key, event } of this.#events) lines.push({ line: 'event', key, ...event })
    lines.push({ line: 'sequences', last: this.#sequence, published: this.#published })
    return lines
  }
}

function nameOf({ key, id }: { readonly key: string; readonly id: string }): string {
  return `${key} ${id}`
}

/** A key may have as many as are free: one alone fills half of the room, and leaves the other half to others. */
function hasRoom(all: ReadonlyMap<string, { readonly key: string }>, most: number, key: string): boolean {
  const free = most - all.size
  if (all.size < free) return true
  let own = 0
  for (const one of all.values()) if (one.key === key) own++
  return own < free
}

function reserved({ line, ...entry }: Entry): bigint {
  const pay = line === 'begun' && 'pay' in entry ? entry.pay : undefined
  return pay === undefined ? 0n : BigInt(pay.amountMsat) + BigInt(pay.maxFeeMsat)
}
