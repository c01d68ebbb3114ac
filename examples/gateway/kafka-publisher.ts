/** Records for Kafka, through the death of brokers: both sides of a gateway send by it. */
import { Producer } from '@platformatic/kafka'
import { RETRY_MS } from './limits.ts'
import { pause, type Time } from './time.ts'

/** Waits for all replicas. */
const ALL = -1

export interface PublisherOptions {
  readonly clientId: string
  readonly brokers: readonly string[]
  readonly time: Time
  /** Ends all attempts. */
  readonly signal: AbortSignal
  /** Each attempt that failed. */
  readonly onFailure?: (error: unknown) => void
}

export class KafkaPublisher {
  readonly #options: PublisherOptions
  #producer: Producer | undefined

  constructor(options: PublisherOptions) {
    this.#options = options
  }

  async close(): Promise<void> {
    await this.#producer?.close().catch(() => undefined)
  }

  /** Tries until the broker has it. Returns false where it was ended before. */
  async send(topic: string, key: string, value: Buffer): Promise<boolean> {
    const { brokers, clientId, onFailure, signal, time } = this.#options
    for (let waitMs: number = RETRY_MS.least; !signal.aborted; waitMs = Math.min(2 * waitMs, RETRY_MS.most)) {
      this.#producer ??= new Producer({
        clientId,
        bootstrapBrokers: [...brokers],
        autocreateTopics: true,
        acks: ALL,
        retries: 0,
      })
      const producer = this.#producer
      try {
        await producer.send({ messages: [{ topic, key: Buffer.from(key), value }] })
        return true
      } catch (error) {
        onFailure?.(error)
        // Another one knows nothing of connections that are gone.
        if (this.#producer === producer) {
          this.#producer = undefined
          void producer.close().catch(() => undefined)
        }
      }
      await pause(time, waitMs, signal)
    }
    return false
  }
}
