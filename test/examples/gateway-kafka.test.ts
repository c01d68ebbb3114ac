import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { readAnswerRecord, requestRecord, type RecordOrder } from '../../examples/gateway/fixed-width.ts'
import { serveKafka, TOPICS } from '../../examples/gateway/kafka-server.ts'
import type { Answer } from '../../examples/gateway/requests.ts'
import { committedOf, empty, recordsOf, write } from './gateway-broker.ts'
import { KEYS, SECRET, TestGateway } from './gateway-fakes.ts'

vi.mock('@platformatic/kafka', () => import('./gateway-broker.ts'))

const secret = Buffer.from(SECRET, 'hex')
const brokers = ['localhost:9092']
const tea: RecordOrder = { task: 'create', amountMsat: 5_000n, description: 'tea', expirySeconds: 600 }

beforeEach(empty)

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
