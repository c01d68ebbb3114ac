/**
 * The records of the gateway on Kafka. Those that come in have fields of fixed widths, in bytes: UTF-8, each padded
 * with spaces on its right. The last field is the HMAC-SHA256 of all bytes before it.
 */
import { createHash } from 'node:crypto'
import { GatewayError } from './errors.ts'
import { EXPIRY_S, TIMEOUT_MS } from './limits.ts'
import { failureOf, jsonObject, type Answer, type Order, type PaidEvent, type Result } from './requests.ts'
import { isSigned, sign, SIGNATURE_LENGTH } from './signature.ts'

export const WIDTHS = {
  timestamp: 13,
  task: 16,
  paymentRequest: 400,
  amount: 37,
  message: 37,
  expiry: 37,
  request: 64,
  signature: 64,
} as const

const HEAD: number = WIDTHS.timestamp + WIDTHS.task
/** In place of a request's id where nobody asked: an event. */
export const NO_REQUEST: string = '0'.repeat(WIDTHS.request)
const EVENT = 'event'

export type RecordOrder = Exclude<Order, { readonly task: 'events' }>

/** A record that came in. */
export interface RequestRecord {
  /** SHA-256 of the whole record, hexadecimal: what answers name, and what makes a record the same. */
  readonly id: string
  readonly timestamp: number
  readonly signature: string
  readonly order: RecordOrder
}

/** What a record is called, whatever is in it. */
export function idOf(record: Uint8Array): string {
  return createHash('sha256').update(record).digest('hex')
}

/** @throws GatewayError 'invalid' where a field does not fit */
export function requestRecord(secret: Uint8Array, timestamp: number, order: RecordOrder): Buffer {
  const fields: Buffer[] = [padded(String(timestamp), 'timestamp'), padded(order.task, 'task')]
  if (order.task === 'create') {
    fields.push(padded(String(order.amountMsat), 'amount'))
    fields.push(padded(order.description, 'message'))
    fields.push(padded(String(order.expirySeconds), 'expiry'))
  } else fields.push(padded(order.paymentRequest, 'paymentRequest'))
  return signed(secret, Buffer.concat(fields))
}

/** @throws GatewayError 'unauthorized', or 'invalid' where it is signed and yet wrong */
export function readRequestRecord(secret: Uint8Array, record: Buffer): RequestRecord {
  const signature = record.toString('latin1', Math.max(0, record.length - SIGNATURE_LENGTH))
  if (!isSigned(secret, record.subarray(0, -SIGNATURE_LENGTH), signature)) throw new GatewayError('unauthorized')
  const timestamp = field(record, 0, 'timestamp')
  if (!/^\d{13}$/.test(timestamp)) throw invalid('the timestamp is to be milliseconds since 1970, in 13 digits')
  return { id: idOf(record), timestamp: Number(timestamp), signature, order: readOrder(record) }
}

function readOrder(record: Buffer): RecordOrder {
  const task = taskOf(record)
  switch (task) {
    case 'decode':
    case 'pay': {
      checkLength(record, HEAD + WIDTHS.paymentRequest + SIGNATURE_LENGTH)
      const paymentRequest = field(record, HEAD, 'paymentRequest').toLowerCase()
      if (task === 'decode') return { task, paymentRequest }
      return { task, paymentRequest, amountMsat: undefined, maxFeeMsat: undefined, timeoutMs: TIMEOUT_MS.default }
    }
    case 'create': {
      checkLength(record, HEAD + WIDTHS.amount + WIDTHS.message + WIDTHS.expiry + SIGNATURE_LENGTH)
      const amount = field(record, HEAD, 'amount')
      const description = field(record, HEAD + WIDTHS.amount, 'message')
      const expiry = field(record, HEAD + WIDTHS.amount + WIDTHS.message, 'expiry')
      if (!/^\d{1,18}$/.test(amount)) throw invalid('the amount is to be millisatoshi, in decimal')
      const expirySeconds = expiry === '' ? EXPIRY_S.default : Number(expiry)
      if (!Number.isSafeInteger(expirySeconds) || expirySeconds < EXPIRY_S.least || expirySeconds > EXPIRY_S.most)
        throw invalid(`the expiry is to be ${EXPIRY_S.least} to ${EXPIRY_S.most} seconds`)
      return { task, amountMsat: BigInt(amount), description, expirySeconds }
    }
    default:
      throw invalid('the task is to be decode, create or pay')
  }
}

/** The task that a record names, whether or not it is one. */
export function taskOf(record: Buffer): string {
  return field(record, WIDTHS.timestamp, 'task')
}

/** A record that goes out: head, the id of the request, JSON of any length, signature. */
export interface AnswerRecord {
  readonly timestamp: number
  /** The request's, or 'event'. */
  readonly task: string
  readonly request: string
  readonly told: Answer | PaidEvent
}

export function answerRecord(secret: Uint8Array, { timestamp, task, request, told }: AnswerRecord): Buffer {
  const head = [
    padded(String(timestamp), 'timestamp'),
    padded(task.slice(0, WIDTHS.task), 'task'),
    Buffer.from(request),
  ]
  return signed(secret, Buffer.concat([...head, Buffer.from(JSON.stringify(told))]))
}

export function eventRecord(secret: Uint8Array, timestamp: number, event: PaidEvent): Buffer {
  return answerRecord(secret, { timestamp, task: EVENT, request: NO_REQUEST, told: event })
}

/** What a record of the gateway says; undefined where its signature is wrong. */
export function readAnswerRecord(secret: Uint8Array, record: Buffer): AnswerRecord | undefined {
  const end = record.length - SIGNATURE_LENGTH
  if (end < HEAD + WIDTHS.request) return undefined
  const content = record.subarray(0, end)
  if (!isSigned(secret, content, record.toString('latin1', end))) return undefined
  const task = taskOf(record)
  const request = content.toString('latin1', HEAD, HEAD + WIDTHS.request)
  const data = jsonObject(content.subarray(HEAD + WIDTHS.request))
  const timestamp = Number(field(record, 0, 'timestamp'))
  if (data === undefined) return undefined
  if (task === EVENT) return { timestamp, task, request, told: data as unknown as PaidEvent }
  const failure = failureOf(data['error'])
  if (failure !== undefined) return { timestamp, task, request, told: { error: failure } }
  const { result } = data
  return typeof result === 'object' && result !== null
    ? { timestamp, task, request, told: { result: result as Result } }
    : undefined
}

function signed(secret: Uint8Array, content: Buffer): Buffer {
  return Buffer.concat([content, Buffer.from(sign(secret, content))])
}

type Field = keyof typeof WIDTHS

function padded(text: string, name: Field): Buffer {
  const bytes = Buffer.from(text)
  const width = WIDTHS[name]
  if (bytes.length > width) throw invalid(`the ${name} has ${bytes.length} bytes, and there is room for ${width}`)
  return Buffer.concat([bytes, Buffer.alloc(width - bytes.length, ' ')])
}

function field(record: Buffer, from: number, name: Field): string {
  return record.toString('utf8', from, from + WIDTHS[name]).replace(/ +$/, '')
}

function checkLength(record: Buffer, length: number): void {
  if (record.length !== length) throw invalid(`such a record has ${length} bytes, and this one ${record.length}`)
}

function invalid(message: string): GatewayError {
  return new GatewayError('invalid', message)
}
