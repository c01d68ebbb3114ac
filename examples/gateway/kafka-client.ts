/** The client's side of a gateway on Kafka. */
import { randomUUID } from 'node:crypto'
import { EventEmitter, on } from 'node:events'
import { Consumer, type MessagesStream } from '@platformatic/kafka'
import type { Transport, TransportOptions } from './client.ts'
import { GatewayError } from './errors.ts'
import { idOf, NO_REQUEST, readAnswerRecord, requestRecord } from './fixed-width.ts'
import { MAX_KAFKA_IDS, RETRY_MS } from './limits.ts'
import { readRequest, type Answer, type PaidEvent } from './requests.ts'
import { pause, type Time } from './time.ts'
import { KafkaPublisher } from './kafka-publisher.ts'
import { TOPICS } from './kafka-server.ts'

export interface KafkaClientOptions {
  readonly brokers: readonly string[]
  readonly key: { readonly name: string; readonly secret: Uint8Array }
  readonly requests?: string
  readonly answers?: string
  readonly time: Time
}

const CLIENT = 'gateway-client'
const NO_FORMER_EVENTS = 'over Kafka events come from now on; those of before are in the topic of answers'

export class KafkaClient implements Transport {
  readonly #options: KafkaClientOptions
  /** By the hash of the record: all that wait for its answer. */
  readonly #pending = new Map<string, Set<(answer: Answer) => void>>()
  /** By id: what was sent, so that this client sends the same again. */
  readonly #records = new Map<string, Buffer>()
  readonly #events = new EventEmitter()
  readonly #ended = new AbortController()
  readonly #publisher: KafkaPublisher
  #reading: Promise<void> | undefined
  readonly #ready = Promise.withResolvers<void>()
  #heard = 0
  #lastTimestamp = 0

  constructor(options: KafkaClientOptions) {
    this.#options = options
    const { brokers, time } = options
    // A record may come twice: the gateway knows it.
    this.#publisher = new KafkaPublisher({ clientId: CLIENT, brokers, time, signal: this.#ended.signal })
  }

  /** Reads answers from now on; calls do so by themselves. */
  async start(): Promise<void> {
    this.#reading ??= this.#read()
    await this.#ready.promise
  }

  async ask(fields: Readonly<Record<string, unknown>>, { id, timestamp, signal }: TransportOptions): Promise<Answer> {
    const { key } = this.#options
    const kept = timestamp === undefined ? this.#records.get(id) : undefined
    const record = kept ?? recordOf(fields, { id, key, timestamp: timestamp ?? this.#nextTimestamp() })
    if (this.#records.size >= MAX_KAFKA_IDS) this.#records.delete([...this.#records.keys()][0] ?? '')
    this.#records.set(id, record)
    return await this.sendRecord(record, signal)
  }

  /** No two records of this client are the same by chance: two orders of the same tea in one millisecond are two. */
  #nextTimestamp(): number {
    this.#lastTimestamp = Math.max(this.#options.time.now(), this.#lastTimestamp + 1)
    return this.#lastTimestamp
  }

  /** Sends these bytes, and gives what is answered to them: also to such as nobody should send. */
  async sendRecord(record: Buffer, signal?: AbortSignal): Promise<Answer> {
    const { requests: topic = TOPICS.requests } = this.#options
    await this.start()
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const request = idOf(record)
    const give = (): void => reject(signal?.reason as Error)
    signal?.addEventListener('abort', give, { once: true })
    const waiting = this.#pending.get(request) ?? new Set()
    this.#pending.set(request, waiting.add(resolve))
    try {
      await Promise.race([promise, this.#send(topic, request, record)])
      return await promise
    } finally {
      signal?.removeEventListener('abort', give)
      waiting.delete(resolve)
      if (waiting.size === 0) this.#pending.delete(request)
    }
  }

  /** Those that are published from now on. @throws GatewayError 'invalid' where `after` asks for former ones */
  async *events(after: number, signal: AbortSignal): AsyncGenerator<PaidEvent> {
    if (after !== 0) throw new GatewayError('invalid', NO_FORMER_EVENTS)
    this.#heard = 0
    const heard = on(this.#events, 'event', { signal })
    await this.start()
    try {
      for await (const [event] of heard) {
        const { sequence } = event as PaidEvent
        // One that was published twice is told once.
        if (sequence <= this.#heard) continue
        this.#heard = sequence
        yield event as PaidEvent
      }
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  async close(): Promise<void> {
    this.#ended.abort()
    await this.#reading
    await this.#publisher.close()
  }

  async #send(topic: string, key: string, value: Buffer): Promise<void> {
    if (!(await this.#publisher.send(topic, key, value))) throw new Error('the client is closed')
  }

  /** From the moment of `start` on, over restarts of the broker. */
  async #read(): Promise<void> {
    const { brokers, time, answers = TOPICS.answers } = this.#options
    const { signal } = this.#ended
    /** By partition. */
    let next: Map<number, bigint> | undefined
    for (let waitMs: number = RETRY_MS.least; !signal.aborted; waitMs = Math.min(2 * waitMs, RETRY_MS.most)) {
      const consumer = new Consumer({
        clientId: CLIENT,
        // A group of its own each time: in the last one the broker may wait for a reader that is gone.
        groupId: `${CLIENT}-${randomUUID()}`,
        bootstrapBrokers: [...brokers],
        autocreateTopics: true,
        retries: 0,
      })
      try {
        // The end of the topic is read once; from there on nothing is left out.
        next ??= new Map((await consumer.listOffsets({ topics: [answers] })).get(answers)?.entries())
        const stream: MessagesStream<Buffer, Buffer, Buffer, Buffer> = await consumer.consume({
          topics: [answers],
          mode: 'manual',
          offsets: [...next].map(([partition, offset]) => ({ topic: answers, partition, offset })),
          autocommit: false,
          maxWaitTime: RETRY_MS.least,
        })
        signal.addEventListener('abort', () => void stream.close().catch(() => undefined), { once: true })
        this.#ready.resolve()
        waitMs = RETRY_MS.least
        for await (const { partition, offset, value } of stream) {
          next.set(partition, offset + 1n)
          this.#take(value)
        }
      } catch {
        // The broker is away: it is asked again.
      }
      await consumer.close(true).catch(() => undefined)
      await pause(time, waitMs, signal)
    }
    this.#ready.resolve()
  }

  #take(value: Buffer | null | undefined): void {
    const record = value ? readAnswerRecord(this.#options.key.secret, value) : undefined
    if (record === undefined) return
    if (record.request === NO_REQUEST) this.#events.emit('event', record.told)
    else for (const resolve of this.#pending.get(record.request) ?? []) resolve(record.told as Answer)
  }
}

/** @throws GatewayError 'invalid' for what the records have no room for */
function recordOf(
  fields: Readonly<Record<string, unknown>>,
  { id, key, timestamp }: { readonly id: string; readonly key: KafkaClientOptions['key']; readonly timestamp: number },
): Buffer {
  const { order } = readRequest({ type: 'request', key: key.name, timestamp, id, ...fields })
  if (order.task === 'events') throw new GatewayError('invalid', 'events come by themselves')
  const strange = ['maxFeeMsat', 'timeoutMs', ...(order.task === 'pay' ? ['amountMsat'] : [])].find(
    (name) => name in fields,
  )
  if (strange !== undefined) throw new GatewayError('invalid', `records on Kafka have no room for "${strange}"`)
  return requestRecord(key.secret, timestamp, order)
}
