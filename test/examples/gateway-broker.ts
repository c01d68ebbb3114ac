/** What the gateway and its client use of @platformatic/kafka, over topics in memory of one partition each. */

interface Written {
  readonly topic: string
  readonly value: Buffer | undefined
}

interface Read {
  readonly partition: number
  readonly offset: bigint
  readonly value: Buffer | undefined
  commit(): Promise<void>
}

interface Consumption {
  readonly topics: readonly string[]
  readonly offsets?: readonly { readonly offset: bigint }[]
}

const topics = new Map<string, (Buffer | undefined)[]>()
const committed = new Map<string, number>()
const readers = new Set<() => void>()

/** What stands in a topic. */
export function recordsOf(topic: string): (Buffer | undefined)[] {
  const records = topics.get(topic) ?? []
  topics.set(topic, records)
  return records
}

/** How many records of a topic are committed. */
export function committedOf(topic: string): number {
  return committed.get(topic) ?? 0
}

/** Puts a record there, as any program may. */
export function write(topic: string, value: Buffer | undefined): void {
  recordsOf(topic).push(value)
  for (const wake of readers) wake()
}

export function empty(): void {
  topics.clear()
  committed.clear()
}

export class Producer {
  send({ messages }: { readonly messages: readonly Written[] }): Promise<void> {
    for (const { topic, value } of messages) write(topic, value)
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

export class Consumer {
  listOffsets({ topics: names }: Consumption): Promise<Map<string, bigint[]>> {
    return Promise.resolve(new Map(names.map((name) => [name, [BigInt(recordsOf(name).length)]])))
  }

  consume({ topics: [topic = ''], offsets }: Consumption): Promise<Stream> {
    return Promise.resolve(new Stream(topic, Number(offsets?.[0]?.offset ?? committedOf(topic))))
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

class Stream {
  readonly #topic: string
  #next: number
  #isClosed = false
  #news = Promise.withResolvers<void>()
  readonly #wake = (): void => {
    this.#news.resolve()
    this.#news = Promise.withResolvers()
  }

  constructor(topic: string, next: number) {
    this.#topic = topic
    this.#next = next
    readers.add(this.#wake)
  }

  close(): Promise<void> {
    this.#isClosed = true
    readers.delete(this.#wake)
    this.#wake()
    return Promise.resolve()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Read> {
    while (!this.#isClosed) {
      const records = recordsOf(this.#topic)
      if (this.#next >= records.length) {
        await this.#news.promise
        continue
      }
      const offset = this.#next++
      yield {
        partition: 0,
        offset: BigInt(offset),
        value: records[offset],
        commit: () => {
          committed.set(this.#topic, offset + 1)
          return Promise.resolve()
        },
      }
    }
  }
}
