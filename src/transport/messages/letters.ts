import { fromHex, toHex } from '../../floor/bytes.ts'
import type { CustomRecord, Lane } from '../../medium/payment.ts'
import type { StoredLetter } from '../store/store.ts'

/** The port under which plain keysends are kept: no listener has it. */
export const KEYSEND_PORT = 0

/** A message that came and was paid, before it has its place among those that wait. */
export interface PaidMessage {
  /** 0: a plain keysend. */
  readonly port: number
  /** 32 hexadecimal digits; of a plain keysend the 64 of its hash. */
  readonly id: string
  readonly data: Uint8Array
  /** Of a plain keysend. */
  readonly records: readonly CustomRecord[]
  readonly amountMsat: bigint
  readonly lane: Lane
  /** The payment's, 32 bytes. */
  readonly hash: Uint8Array
}

/** One that waits to be read. */
export type WaitingMessage = PaidMessage & { readonly serial: number }

interface Written {
  readonly id: string
  readonly data: string
  readonly records?: readonly (readonly [string, string])[]
  readonly amountMsat: string
  readonly lane: Lane
  readonly hash: string
}

/** As the store keeps it. */
export function writeLetter({ port, serial, ...message }: WaitingMessage): StoredLetter {
  const { id, data, records, amountMsat, lane, hash } = message
  const written: Written = {
    id,
    data: toBase64(data),
    ...(records.length === 0 ? {} : { records: records.map(({ type, value }) => [String(type), toBase64(value)]) }),
    amountMsat: String(amountMsat),
    lane,
    hash: toHex(hash),
  }
  return { port, serial, text: JSON.stringify(written) }
}

/** What was kept: it stands behind a checksum, so it is what `writeLetter` wrote. */
export function readLetter({ port, serial, text }: StoredLetter): WaitingMessage {
  const { id, data, records = [], amountMsat, lane, hash } = JSON.parse(text) as Written
  return {
    port,
    serial,
    id,
    data: fromBase64(data),
    records: records.map(([type, value]) => ({ type: BigInt(type), value: fromBase64(value) })),
    amountMsat: BigInt(amountMsat),
    lane,
    hash: fromHex(hash),
  }
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'base64'))
}
