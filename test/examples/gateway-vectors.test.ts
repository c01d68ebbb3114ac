import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  answerRecord,
  eventRecord,
  idOf,
  NO_REQUEST,
  readAnswerRecord,
  readRequestRecord,
  requestRecord,
  WIDTHS,
  type RecordOrder,
} from '../../examples/gateway/fixed-width.ts'
import { jsonObject, readRequest, readTold, type Answer, type PaidEvent } from '../../examples/gateway/requests.ts'
import { isSigned, readLine, signedLine } from '../../examples/gateway/signature.ts'
import { ROOT } from '../house/sources.ts'
import { foreignInvoice, hashOf, SECRET, START_MS } from './gateway-fakes.ts'

const FOLDER = join(ROOT, 'examples/gateway')
const secret = Buffer.from(SECRET, 'hex')
const timestamp = START_MS
const paymentRequest = foreignInvoice({ preimage: Buffer.alloc(32, 1) })
const hash = hashOf(paymentRequest)
const head = { type: 'request', key: 'shop', timestamp }
const result = { hash, preimage: '01'.repeat(32), amountMsat: '100000', feeMsat: '1000' }
const error = { code: 'no-route', message: 'no way leads to the payee, or none within the fee', final: true } as const
const event: PaidEvent = { sequence: 7, hash, amountMsat: '5000', settledAt: START_MS, createdBy: 'order-17' }

const LINES: Readonly<Record<string, object>> = {
  'a request to decode': { ...head, id: 'd-1', task: 'decode', paymentRequest },
  'a request to create': {
    ...head,
    id: 'order-17',
    task: 'create',
    amountMsat: '5000',
    description: 'grüner Tee "Sencha"',
    expirySeconds: 600,
  },
  'a request to pay': {
    ...head,
    id: 'p-1',
    task: 'pay',
    paymentRequest,
    maxFeeMsat: '2000',
    timeoutMs: 30_000,
  },
  'a request for events': { ...head, id: 'e-1', task: 'events', after: 6 },
  'an answer': { type: 'answer', key: 'shop', timestamp, id: 'p-1', result },
  'an answer that is an error': { type: 'answer', key: 'shop', timestamp, id: 'p-1', error },
  'an event': { type: 'event', key: 'shop', timestamp, event },
}

const ORDERS: Readonly<Record<string, RecordOrder>> = {
  'a record to decode': { task: 'decode', paymentRequest },
  'a record to create': { task: 'create', amountMsat: 5_000n, description: 'grüner Tee', expirySeconds: 600 },
  'a record to pay': { task: 'pay', paymentRequest, amountMsat: undefined, maxFeeMsat: undefined, timeoutMs: 60_000 },
}

interface VectorRecord {
  readonly name: string
  readonly id: string
  readonly fields: Readonly<Record<string, string>>
  readonly record: string
}

function vectorRecord(name: string, record: Buffer, fields: Readonly<Record<string, string>>): VectorRecord {
  return { name, id: idOf(record), fields, record: record.toString() }
}

function fieldsOf(order: RecordOrder): Readonly<Record<string, string>> {
  const start = { timestamp: String(timestamp), task: order.task }
  if (order.task !== 'create') return { ...start, paymentRequest: order.paymentRequest }
  const { amountMsat, description, expirySeconds } = order
  return { ...start, amount: String(amountMsat), message: description, expiry: String(expirySeconds) }
}

function vectors(): object {
  const lines = Object.entries(LINES).map(([name, message]) => ({
    name,
    json: JSON.stringify(message),
    line: signedLine(secret, message),
  }))
  const records = Object.entries(ORDERS).map(([name, order]) =>
    vectorRecord(name, requestRecord(secret, timestamp, order), fieldsOf(order)),
  )
  const [{ id: request } = { id: '' }] = records
  const start = { timestamp: String(timestamp) }
  const told = (name: string, answer: Answer): VectorRecord =>
    vectorRecord(name, answerRecord(secret, { timestamp, task: 'pay', request, told: answer }), {
      ...start,
      task: 'pay',
      request,
      data: JSON.stringify(answer),
    })
  records.push(told('an answering record', { result }), told('an answering record of an error', { error }))
  records.push(
    vectorRecord('a record of an event', eventRecord(secret, timestamp, event), {
      ...start,
      task: 'event',
      request: NO_REQUEST,
      data: JSON.stringify(event),
    }),
  )
  return { secret: SECRET, widths: WIDTHS, lines, records }
}

describe('the vectors', () => {
  it('are what the gateway makes (vitest -u writes them anew)', async () => {
    await expect(`${JSON.stringify(vectors(), undefined, 2)}\n`).toMatchFileSnapshot(join(FOLDER, 'vectors.json'))
  })

  const python = spawnSync('python3', ['--version']).status === 0
  it.skipIf(!python)(`are made by a client in Python${python ? '' : ' (skipped: there is no python3)'}`, () => {
    const { stdout, stderr } = spawnSync('python3', [join(FOLDER, 'client.py'), 'check'], { encoding: 'utf8' })
    expect(stderr).toBe('')
    expect(stdout).toBe('7 lines and 6 records are right\n')
  })
})

describe('a line', () => {
  it.each(Object.entries(LINES))('reads back: %s', (_, message) => {
    const line = readLine(Buffer.from(signedLine(secret, message).trimEnd()))
    expect(isSigned(secret, line?.bytes ?? Buffer.of(), line?.signature ?? '')).toBe(true)
    const fields = jsonObject(line?.bytes ?? Buffer.of()) ?? {}
    expect(fields).toEqual(message)
    const read = fields['type'] === 'request' ? readRequest(fields) : readTold(fields)
    expect(read).toMatchObject({ key: 'shop', timestamp })
  })

  it('is not signed any more when a single bit of it changes', () => {
    const whole = Buffer.from(signedLine(secret, LINES['a request to pay'] ?? {}).trimEnd())
    for (let i = 0; i < whole.length * 8; i += 7) {
      const bent = Buffer.from(whole)
      bent[i >> 3] = (bent[i >> 3] ?? 0) ^ (1 << (i & 7))
      const line = readLine(bent)
      expect(line !== undefined && isSigned(secret, line.bytes, line.signature)).toBe(false)
    }
  })

  it.each([
    [{ ...head, id: 'a', task: 'pay' }, '"paymentRequest" is to be a BOLT 11 invoice'],
    [{ ...head, id: 'a', task: 'create', amountMsat: 5 }, '"amountMsat" is to be millisatoshi'],
    [{ ...head, id: 'a', task: 'create', expirySeconds: 0 }, '"expirySeconds" is to be a whole number'],
    [{ ...head, id: 'a', task: 'create', description: 'x'.repeat(640) }, '"description" is to be text of 639'],
    [{ ...head, id: 'a b', task: 'create' }, '"id" is to have 1 to 64'],
    [{ ...head, id: 'a', task: 'fly' }, '"task" is to be one of'],
    [{ ...head, id: 'a', task: 'create', amount: '5' }, 'a request to create has no field "amount"'],
    [{ ...head, id: 'a', task: 'create', type: 'answer' }, '"type" is to be "request"'],
    [{ ...head, timestamp: 1.5, id: 'a', task: 'create' }, '"timestamp" is to be whole milliseconds'],
  ])('is refused by name of what is wrong: %j', (fields, message) => {
    expect(() => readRequest(fields)).toThrow(message)
  })
})

describe('a record', () => {
  it.each(Object.entries(ORDERS))('reads back: %s', (_, order) => {
    const record = requestRecord(secret, timestamp, order)
    expect(readRequestRecord(secret, record)).toMatchObject({ timestamp, id: idOf(record), order })
    expect(record.length).toBe(order.task === 'create' ? 204 : 493)
  })

  it('of the gateway reads back', () => {
    const answer = { timestamp, task: 'pay', request: hash, told: { result } }
    expect(readAnswerRecord(secret, answerRecord(secret, answer))).toEqual(answer)
    expect(readAnswerRecord(secret, eventRecord(secret, timestamp, event))).toMatchObject({ told: event })
    expect(readAnswerRecord(Buffer.alloc(32), answerRecord(secret, answer))).toBeUndefined()
  })

  it('that is short, long, bent or signed by another is unauthorized', () => {
    const record = requestRecord(secret, timestamp, { task: 'decode', paymentRequest })
    const bent = Buffer.from(record)
    bent[20] = 0x21
    for (const wrong of [
      Buffer.of(),
      record.subarray(0, 64),
      record.subarray(1),
      Buffer.concat([record, record]),
      bent,
    ])
      expect(() => readRequestRecord(secret, wrong)).toThrow('the key is unknown')
  })

  it('that does not fit is refused before it is sent', () => {
    const tooLong = { task: 'create', amountMsat: 1n, description: 'x'.repeat(38), expirySeconds: 1 } as const
    expect(() => requestRecord(secret, timestamp, tooLong)).toThrow(
      'the message has 38 bytes, and there is room for 37',
    )
    const invoice = { task: 'decode', paymentRequest: 'x'.repeat(401) } as const
    expect(() => requestRecord(secret, timestamp, invoice)).toThrow('there is room for 400')
  })
})
