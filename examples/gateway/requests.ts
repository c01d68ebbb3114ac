/** What a caller asks, and what it hears: JSON in, plain values out, every field looked at. */
import { createHash } from 'node:crypto'
import { GatewayError, isCode, type Failure } from './errors.ts'
import { EXPIRY_S, MAX_DESCRIPTION_BYTES, MAX_ID, MAX_LINE_BYTES, MAX_MSAT, TIMEOUT_MS } from './limits.ts'

export const TASKS = ['decode', 'create', 'pay', 'events'] as const
export type Task = (typeof TASKS)[number]

/** What is to be done. Amounts are millisatoshi. */
export type Order =
  | { readonly task: 'decode'; readonly paymentRequest: string }
  | {
      readonly task: 'create'
      /** 0n: the payer says how much. */
      readonly amountMsat: bigint
      readonly description: string
      readonly expirySeconds: number
    }
  | {
      readonly task: 'pay'
      readonly paymentRequest: string
      /** For an invoice without an amount. */
      readonly amountMsat: bigint | undefined
      readonly maxFeeMsat: bigint | undefined
      readonly timeoutMs: number
    }
  | { readonly task: 'events'; readonly after: number }

export interface Request {
  readonly key: string
  /** ms since 1970, by the caller's clock. */
  readonly timestamp: number
  readonly id: string
  readonly order: Order
}

/** An answer's fields, all of them strings or numbers. */
export type Result = Readonly<Record<string, string | number | null>>

export type Answer = { readonly result: Result } | { readonly error: Failure }

/** An invoice of the key was paid. */
export interface PaidEvent {
  /** Counts up; of all keys of a gateway, so a key sees gaps. */
  readonly sequence: number
  readonly hash: string
  readonly amountMsat: string
  /** ms since 1970. */
  readonly settledAt: number
  /** The id of the request that made the invoice. */
  readonly createdBy: string
}

const ORDER_FIELDS: Readonly<Record<Task, readonly string[]>> = {
  decode: ['paymentRequest'],
  create: ['amountMsat', 'description', 'expirySeconds'],
  pay: ['paymentRequest', 'amountMsat', 'maxFeeMsat', 'timeoutMs'],
  events: ['after'],
}
const FIELDS: readonly string[] = ['type', 'key', 'timestamp', 'id', 'task']

type Fields = Readonly<Record<string, unknown>>

export function jsonObject(bytes: Uint8Array): Fields | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined
  } catch {
    return undefined
  }
}

/** Whose secret signs a message; read before anything in it is believed. */
export function keyOf(fields: Fields): string | undefined {
  const { key } = fields
  return typeof key === 'string' && isName(key) ? key : undefined
}

/** Letters, digits, dots, hyphens, underscores and colons. */
export function isName(text: string): boolean {
  return text.length <= MAX_ID && /^[\w.:-]+$/.test(text)
}

/** @throws GatewayError 'invalid', with the field that is wrong */
export function readRequest(fields: Fields): Request {
  const { type, key, timestamp, id, task } = fields
  if (type !== 'request') throw invalid('"type" is to be "request"')
  if (typeof key !== 'string' || !isName(key)) throw invalid('"key" is to be the name of a key')
  if (typeof id !== 'string' || !isName(id)) throw invalid(`"id" is to have 1 to ${MAX_ID} of A-Z a-z 0-9 . _ : -`)
  if (typeof timestamp !== 'number' || !Number.isSafeInteger(timestamp) || timestamp < 0)
    throw invalid('"timestamp" is to be whole milliseconds since 1970')
  const known = TASKS.find((name) => name === task)
  if (known === undefined) throw invalid(`"task" is to be one of ${TASKS.join(', ')}`)
  const allowed = [...FIELDS, ...ORDER_FIELDS[known]]
  const strange = Object.keys(fields).find((name) => !allowed.includes(name))
  if (strange !== undefined) throw invalid(`a request to ${known} has no field "${strange.slice(0, MAX_ID)}"`)
  return { key, timestamp, id, order: readOrder(known, fields) }
}

function readOrder(task: Task, fields: Fields): Order {
  switch (task) {
    case 'decode':
      return { task, paymentRequest: paymentRequestOf(fields['paymentRequest']) }
    case 'create': {
      const { amountMsat, description = '', expirySeconds = EXPIRY_S.default } = fields
      if (typeof description !== 'string' || Buffer.byteLength(description) > MAX_DESCRIPTION_BYTES)
        throw invalid(`"description" is to be text of ${MAX_DESCRIPTION_BYTES} bytes at most`)
      return {
        task,
        amountMsat: msatOf('amountMsat', amountMsat) ?? 0n,
        description,
        expirySeconds: wholeOf('expirySeconds', expirySeconds, EXPIRY_S),
      }
    }
    case 'pay': {
      const { paymentRequest, amountMsat, maxFeeMsat, timeoutMs = TIMEOUT_MS.default } = fields
      return {
        task,
        paymentRequest: paymentRequestOf(paymentRequest),
        amountMsat: msatOf('amountMsat', amountMsat),
        maxFeeMsat: msatOf('maxFeeMsat', maxFeeMsat),
        timeoutMs: wholeOf('timeoutMs', timeoutMs, TIMEOUT_MS),
      }
    }
    case 'events':
      return { task, after: wholeOf('after', fields['after'] ?? 0, { least: 0, most: Number.MAX_SAFE_INTEGER }) }
  }
}

function paymentRequestOf(value: unknown): string {
  if (typeof value !== 'string' || value === '' || value.length > MAX_LINE_BYTES)
    throw invalid('"paymentRequest" is to be a BOLT 11 invoice')
  return value.toLowerCase()
}

function msatOf(name: string, value: unknown): bigint | undefined {
  if (value === undefined) return undefined
  const isDecimal = typeof value === 'string' && /^(?:0|[1-9]\d{0,18})$/.test(value)
  if (!isDecimal || BigInt(value) > MAX_MSAT) throw invalid(`"${name}" is to be millisatoshi, in decimal, as a string`)
  return BigInt(value)
}

function wholeOf(
  name: string,
  value: unknown,
  { least, most }: { readonly least: number; readonly most: number },
): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least || value > most)
    throw invalid(`"${name}" is to be a whole number from ${least} to ${most}`)
  return value
}

function invalid(message: string): GatewayError {
  return new GatewayError('invalid', message)
}

/** What makes two requests the same; how long a caller waits is no part of it. SHA-256, hexadecimal. */
export function contentOf(order: Order): string {
  const content: readonly (string | number)[] = (() => {
    switch (order.task) {
      case 'decode':
        return [order.paymentRequest]
      case 'create':
        return [String(order.amountMsat), order.description, order.expirySeconds]
      case 'pay':
        return [order.paymentRequest, String(order.amountMsat ?? ''), String(order.maxFeeMsat ?? '')]
      case 'events':
        return [order.after]
    }
  })()
  return createHash('sha256')
    .update(JSON.stringify([order.task, ...content]))
    .digest('hex')
}

/** What the gateway sends about a request, or by itself. */
export type Told =
  | { readonly type: 'answer'; readonly id: string; readonly answer: Answer }
  | { readonly type: 'event'; readonly event: PaidEvent }

/** What a caller reads of a message of the gateway whose signature is right; undefined where it is none. */
export function readTold(fields: Fields): (Told & { readonly key: string; readonly timestamp: number }) | undefined {
  const { type, key, timestamp, id, result, error, event } = fields
  if (typeof key !== 'string' || typeof timestamp !== 'number') return undefined
  if (type === 'event' && isRecord(event)) return { type, key, timestamp, event: event as unknown as PaidEvent }
  if (type !== 'answer' || typeof id !== 'string') return undefined
  if (isRecord(result)) return { type, key, timestamp, id, answer: { result: result as Result } }
  const failure = failureOf(error)
  return failure === undefined ? undefined : { type, key, timestamp, id, answer: { error: failure } }
}

export function failureOf(error: unknown): Failure | undefined {
  if (!isRecord(error)) return undefined
  const { code, message, final } = error
  if (typeof code !== 'string' || !isCode(code) || typeof message !== 'string' || typeof final !== 'boolean')
    return undefined
  return { code, message, final }
}

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
