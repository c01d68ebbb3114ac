import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { GatewayClient } from '../../examples/gateway/client.ts'
import { readAnswerRecord, requestRecord, type RecordOrder } from '../../examples/gateway/fixed-width.ts'
import { serveKafka, TOPICS } from '../../examples/gateway/kafka-server.ts'
import { KafkaClient } from '../../examples/gateway/kafka-client.ts'
import type { Answer } from '../../examples/gateway/requests.ts'
import { committedOf, empty, recordsOf, write } from './gateway-broker.ts'
import { KEYS, SECRET, TestGateway } from './gateway-fakes.ts'

vi.mock('@platformatic/kafka', () => import('./gateway-broker.ts'))

const secret = Buffer.from(SECRET, 'hex')
const brokers = ['localhost:9092']
const tea: RecordOrder = { task: 'create', amountMsat: 5_000n, description: 'tea', expirySeconds: 600 }

const order = { amountMsat: 5_000n, description: 'tea' }

beforeEach(empty)

/** A shop's program. */
function shopOf({ time }: TestGateway): GatewayClient {
  const client = new GatewayClient(new KafkaClient({ brokers, key: { name: 'shop', secret }, time }))
  onTestFinished(() => client.close())
  return client
}

/** A gateway that reads from the broker, and what it logs. */
async function gatewayOnKafka(): Promise<TestGateway & { readonly lines: string[] }> {
  const gateway = await TestGateway.open()
  const lines: string[] = []
  const { service, book, time } = gateway
  const log = (line: string): number => lines.push(line)
  const server = serveKafka({ service, book, keys: KEYS, time, log }, { brokers, key: 'shop' })
  onTestFinished(() => server.close())
  return Object.assign(gateway, { lines })
}

function answers(): readonly Answer[] {
  return recordsOf(TOPICS.answers).map((record) => {
    const read = record === undefined ? undefined : readAnswerRecord(secret, record)
    if (read === undefined) throw new Error('this answer is not signed')
    return read.told as Answer
  })
}

describe('the gateway on Kafka', () => {
  it('answers a record without a value, commits it, and goes on', async () => {
    const gateway = await gatewayOnKafka()
    write(TOPICS.requests, undefined)
    write(TOPICS.requests, requestRecord(secret, gateway.time.now(), tea))
    await gateway.settle()
    expect(answers()).toMatchObject([{ error: { code: 'unauthorized' } }, { result: {} }])
    expect(committedOf(TOPICS.requests)).toBe(2)
  })

  it('logs what goes wrong with a record, and leaves its offset where it is', async () => {
    const gateway = await gatewayOnKafka()
    vi.spyOn(gateway.book, 'told').mockRejectedValue(new Error('the disk is full'))
    write(TOPICS.requests, requestRecord(secret, gateway.time.now(), tea))
    await gateway.settle()
    expect(gateway.lines).toEqual([expect.stringContaining('the disk is full')])
    expect(committedOf(TOPICS.requests)).toBe(0)
  })
})

describe('a shop on Kafka', () => {
  it('has an invoice for each of two orders that are the same, in the same millisecond', async () => {
    const gateway = await gatewayOnKafka()
    const shop = shopOf(gateway)
    const made = Promise.all([shop.create(order), shop.create(order), shop.create(order)])
    await gateway.settle()
    expect(new Set((await made).map(({ hash }) => hash)).size).toBe(3)
  })

  it('asks for the same with the same timestamp, also at once and from another program, and has one answer', async () => {
    const gateway = await gatewayOnKafka()
    const [shop, restarted] = [shopOf(gateway), shopOf(gateway)]
    const once = { timestamp: gateway.time.now() }
    const made = Promise.all([shop.create(order, once), shop.create(order, once), restarted.create(order, once)])
    await gateway.settle()
    const again = restarted.create(order, once)
    await gateway.settle()
    expect(new Set([...(await made), await again].map(({ hash }) => hash)).size).toBe(1)
    expect(gateway.node.invoices.size).toBe(1)
  })

  it('has the same answer under the id of this program', async () => {
    const gateway = await gatewayOnKafka()
    const shop = shopOf(gateway)
    const [first, again] = [shop.create(order, { id: 'o' }), shop.create(order, { id: 'o' })]
    await gateway.settle()
    expect(await again).toEqual(await first)
  })

  it('is told that events of before do not come', async () => {
    const shop = shopOf(await gatewayOnKafka())
    const missed = shop.events(7, new AbortController().signal)[Symbol.asyncIterator]()
    await expect(missed.next()).rejects.toMatchObject({ code: 'invalid' })
  })
})
