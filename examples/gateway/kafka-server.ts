/**
 * The gateway on Apache Kafka: records of fixed widths on one topic, answers and events on another. A record's offset
 * is committed when its answer has been published; a record that comes again is answered from the journal.
 */
import { Consumer, type Message } from '@platformatic/kafka'
import type { Book, Entry, KeyEvent } from './book.ts'
import { GatewayError } from './errors.ts'
import { answerRecord, eventRecord, idOf, readRequestRecord, taskOf, type RequestRecord } from './fixed-width.ts'
import { KafkaPublisher } from './kafka-publisher.ts'
import type { Key, Keys } from './keys.ts'
import { KAFKA_SESSION_MS, MAX_UNDER_WAY, RETRY_MS } from './limits.ts'
import type { Answer, Order } from './requests.ts'
import { messageOf, type Service } from './service.ts'
import { pause, type Time } from './time.ts'

export interface KafkaOptions {
  /** host:port of one broker or more. */
  readonly brokers: readonly string[]
  /** The key that signs on both topics. */
  readonly key: string
  /** The topic of requests: 'lightning-service' unless told. */
  readonly requests?: string
  /** The topic of answers and events: 'lightning-service-answers' unless told. */
  readonly answers?: string
  /** How long a payment is waited for, ms: the records have no room for it. */
  readonly timeoutMs?: number
}

export const TOPICS = { requests: 'lightning-service', answers: 'lightning-service-answers' } as const
const CLIENT = 'keysock-gateway'

interface Parts {
  readonly service: Service
  readonly book: Book
  readonly keys: Keys
  readonly time: Time
  readonly log: (line: string) => void
}

/** Serves until it is closed, whatever becomes of the broker meanwhile. @throws Error for a key that there is not */
export function serveKafka(parts: Parts, options: KafkaOptions): { close(): Promise<void> } {
  const key = parts.keys.get(options.key)
  if (key === undefined) throw new Error(`there is no key ${options.key} for Kafka`)
  return new KafkaServer(parts, options, key)
}

class KafkaServer {
  readonly #parts: Parts
  readonly #options: KafkaOptions
  readonly #key: Key
  readonly #ended = new AbortController()
  readonly #running: Promise<unknown>
  /** Requests whose record waits for the answer: it is published there. */
  readonly #handling = new Set<string>()
  readonly #forget: readonly (() => void)[]
  #underWay = 0
  #room = Promise.withResolvers<void>()
  readonly #publisher: KafkaPublisher
  readonly #log = (error: unknown): void => this.#parts.log(`Kafka: ${messageOf(error)}`)
  /** Events go out in their order. */
  #events: Promise<void> = Promise.resolve()

  constructor(parts: Parts, options: KafkaOptions, key: Key) {
    this.#parts = parts
    this.#options = options
    this.#key = key
    const { service, book, time, log } = parts
    this.#publisher = new KafkaPublisher({
      clientId: CLIENT,
      brokers: options.brokers,
      time,
      signal: this.#ended.signal,
      onFailure: (error) => log(`Kafka: an answer waits: ${messageOf(error)}`),
    })
    for (const told of book.events(book.published)) this.#queueEvent(told)
    this.#forget = [
      service.onEvent((told) => this.#queueEvent(told)),
      service.onAnswer((entry) => {
        if (entry.via === 'kafka' && !this.#handling.has(entry.id)) void this.#publishLater(entry)
      }),
    ]
    this.#running = Promise.all([this.#consume(), ...book.untold().map((entry) => this.#publishLater(entry))])
  }

  async close(): Promise<void> {
    this.#ended.abort()
    this.#room.resolve()
    for (const forget of this.#forget) forget()
    await this.#running
    await this.#publisher.close()
  }

  /** Reads as long as the gateway runs: a broker that goes away comes back. */
  async #consume(): Promise<void> {
    const { time } = this.#parts
    const { signal } = this.#ended
    for (let waitMs: number = RETRY_MS.least; !signal.aborted; waitMs = Math.min(2 * waitMs, RETRY_MS.most)) {
      try {
        await this.#read(() => (waitMs = RETRY_MS.least))
      } catch (error) {
        this.#log(error)
      }
      await pause(time, waitMs, signal)
    }
  }

  async #read(onRecord: () => void): Promise<void> {
    const { brokers, requests = TOPICS.requests } = this.#options
    const consumer = new Consumer({
      clientId: CLIENT,
      // One gateway reads a topic; another that starts takes its place at once.
      groupId: `${CLIENT}-${requests}`,
      groupInstanceId: CLIENT,
      sessionTimeout: KAFKA_SESSION_MS,
      bootstrapBrokers: [...brokers],
      autocreateTopics: true,
      retries: 0,
    })
    const { signal } = this.#ended
    try {
      const stream = await consumer.consume({
        topics: [requests],
        mode: 'committed',
        fallbackMode: 'earliest',
        autocommit: false,
        maxWaitTime: RETRY_MS.least,
      })
      signal.addEventListener('abort', () => void stream.close().catch(() => undefined), { once: true })
      const done = new Commits()
      for await (const message of stream) {
        onRecord()
        while (this.#underWay >= MAX_UNDER_WAY && !signal.aborted) await this.#room.promise
        if (signal.aborted) return
        const finish = done.begin(message)
        this.#underWay++
        void this.#take(message, finish)
      }
    } finally {
      await consumer.close(true).catch(() => undefined)
    }
  }

  /** Never rejects: a record that cannot be answered is not committed, so it comes again to the next process. */
  async #take(message: Message, finish: (failed: (error: unknown) => void) => void): Promise<void> {
    try {
      // A record may have no value; the types of the library don't say so.
      const value = message.value as Buffer | null | undefined
      if (await this.#handle(value ?? Buffer.alloc(0))) finish(this.#log)
    } catch (error) {
      this.#log(error)
    } finally {
      this.#underWay--
      this.#room.resolve()
      this.#room = Promise.withResolvers()
    }
  }

  /** Answers a record. Returns whether its answer was published. */
  async #handle(value: Buffer): Promise<boolean> {
    const id = idOf(value)
    let record: RequestRecord
    try {
      record = readRequestRecord(this.#key.secret, value)
    } catch (error) {
      const failure = error instanceof GatewayError ? error.failure : new GatewayError('invalid').failure
      return await this.#publish(id, this.#answer(printable(taskOf(value)), id, { error: failure }))
    }
    const { timestamp, signature } = record
    const order: Order =
      record.order.task === 'pay' && this.#options.timeoutMs !== undefined
        ? { ...record.order, timeoutMs: this.#options.timeoutMs }
        : record.order
    this.#handling.add(id)
    try {
      return await this.#handleOrder({ id, timestamp, signature, order })
    } finally {
      this.#handling.delete(id)
    }
  }

  async #handleOrder({
    id,
    timestamp,
    signature,
    order,
  }: Omit<RequestRecord, 'order'> & { readonly order: Order }): Promise<boolean> {
    const { service, book } = this.#parts
    const request = { key: this.#key.name, timestamp, id, order }
    const answer = await service.handle({ request, key: this.#key, via: 'kafka', signature })
    const isPublished = await this.#publish(id, this.#answer(order.task, id, answer))
    if (isPublished && book.entry(this.#key.name, id)?.line === 'answered') await book.told(this.#key.name, id)
    // The final answer may have come while the other one was being published.
    const entry = book.entry(this.#key.name, id)
    if (isPublished && 'error' in answer && !answer.error.final && entry?.line === 'answered')
      await this.#publishEntry(entry)
    return isPublished
  }

  /** What nobody waits for: a payment that was decided late, or by the next process. Never rejects. */
  async #publishLater(entry: Entry): Promise<void> {
    await this.#publishEntry(entry).catch(this.#log)
  }

  async #publishEntry(entry: Entry): Promise<void> {
    if (entry.line !== 'answered' || entry.key !== this.#key.name) return
    if (await this.#publish(entry.id, this.#answer(entry.task, entry.id, entry.answer)))
      await this.#parts.book.told(entry.key, entry.id)
  }

  #queueEvent({ key, event }: KeyEvent): void {
    if (key !== this.#key.name) return
    const { book, time } = this.#parts
    this.#events = this.#events
      .then(async () => {
        if (event.sequence <= book.published) return
        if (await this.#publish(event.hash, eventRecord(this.#key.secret, time.now(), event)))
          await book.publish(event.sequence)
      })
      .catch(this.#log)
  }

  #answer(task: string, request: string, told: Answer): Buffer {
    return answerRecord(this.#key.secret, { timestamp: this.#parts.time.now(), task, request, told })
  }

  /** Returns false where the gateway ends before the broker has it. */
  async #publish(key: string, value: Buffer): Promise<boolean> {
    return await this.#publisher.send(this.#options.answers ?? TOPICS.answers, key, value)
  }
}

/** Commits an offset when all records before it are done, too; by partition. */
class Commits {
  readonly #partitions = new Map<number, { message: Message; isDone: boolean }[]>()

  begin(message: Message): (failed: (error: unknown) => void) => void {
    const records = this.#partitions.get(message.partition) ?? []
    this.#partitions.set(message.partition, records)
    const record = { message, isDone: false }
    records.push(record)
    return (failed) => {
      record.isDone = true
      const open = records.findIndex(({ isDone }) => !isDone)
      const last = records.splice(0, open === -1 ? records.length : open).at(-1)
      // What is not committed comes again, and is answered from the journal.
      Promise.resolve(last?.message.commit()).catch(failed)
    }
  }
}

/** Of a record that nobody signed. */
function printable(task: string): string {
  return /^[a-z]{1,16}$/.test(task) ? task : 'unknown'
}
