import { concat } from '../../floor/bytes.ts'
import { KEY_BYTES } from '../keys.ts'
import { BoltError } from './errors.ts'
import { msatBytes, readMsat } from './integers.ts'
import {
  blocksField,
  bytesField,
  decodeFields,
  encodeFields,
  fixedField,
  msatField,
  parsedField,
  pointField,
  shortChannelIdField,
  type FieldCodec,
  type FieldTable,
  encodeTlvStream,
} from './tlv.ts'

/** What a layer of an onion says to its hop (BOLT 4 "payload format"). */

/** TLV types from here on are custom records (BOLT 1 "Type-Length-Value Format"). */
export const FIRST_CUSTOM_TYPE = 65_536n
/** The largest type that a TLV can have. */
const MAX_CUSTOM_TYPE = 2n ** 64n - 1n
/** The custom record that carries a keysend's preimage (bLIP 3). */
export const KEYSEND_TYPE = 5_482_373_484n
/** The custom record that carries keysock's packets: ASCII "sock" (spec/tlv-registry.md). */
export const RECORD_TYPE = 1_936_679_787n

/** Whether these are records that others may send beside a keysend: each once, none of ours, none of the keysend. */
export function areForeign(records: readonly { readonly type: bigint }[]): boolean {
  const types = new Set(records.map(({ type }) => type))
  if (types.size !== records.length) return false
  return [...types].every(
    (type) => type >= FIRST_CUSTOM_TYPE && type <= MAX_CUSTOM_TYPE && type !== KEYSEND_TYPE && type !== RECORD_TYPE,
  )
}

/** payment_data: what an invoice's payer shows. */
interface PaymentData {
  /** 32 bytes. */
  readonly paymentSecret: Uint8Array
  /** Millisatoshi of all parts together. */
  readonly totalMsat: bigint
}

interface KnownFields {
  /** amt_to_forward, in millisatoshi. At the last hop: what is to arrive at least. */
  readonly amountMsat?: bigint
  /** outgoing_cltv_value, a block height. At the last hop: the least expiry of the incoming HTLC. */
  readonly cltvExpiry?: number
  /** The outgoing channel, as a number (`packShortChannelId`). */
  readonly shortChannelId?: bigint
  readonly paymentData?: PaymentData
  /** encrypted_recipient_data, still sealed. */
  readonly encryptedData?: Uint8Array
  /** current_path_key, 33 bytes: at the introduction node of a blinded path. */
  readonly pathKey?: Uint8Array
  readonly paymentMetadata?: Uint8Array
  /** total_amount_msat: of all parts together, on a blinded path. */
  readonly totalAmountMsat?: bigint
  /** 32 bytes. */
  readonly keysendPreimage?: Uint8Array
}

/** A hop's payload. */
export interface Payload extends KnownFields {
  /** By type, 65,536 or more; without the keysend record. */
  readonly customRecords: ReadonlyMap<bigint, Uint8Array>
}

/** The payload of a last hop that was addressed by its own key. */
export interface ClearFinalPayload {
  readonly amountMsat: bigint
  readonly cltvExpiry: number
  /** Of payment_data; without it, the amount of this HTLC. */
  readonly totalMsat: bigint
  readonly paymentSecret?: Uint8Array
  readonly paymentMetadata?: Uint8Array
  readonly keysendPreimage?: Uint8Array
  readonly customRecords: ReadonlyMap<bigint, Uint8Array>
}

/** The payload of the last hop of a blinded path. */
export interface BlindedFinalPayload {
  readonly amountMsat: bigint
  readonly cltvExpiry: number
  readonly totalMsat: bigint
  /** To be opened with `openEncryptedData`. */
  readonly encryptedData: Uint8Array
  readonly keysendPreimage?: Uint8Array
  readonly customRecords: ReadonlyMap<bigint, Uint8Array>
}

const paymentDataField: FieldCodec<PaymentData> = parsedField(8n, {
  encode({ paymentSecret, totalMsat }) {
    if (paymentSecret.length !== KEY_BYTES) throw new RangeError(`a payment secret has ${KEY_BYTES} bytes`)
    return concat(paymentSecret, msatBytes(totalMsat))
  },
  decode: (reader) => ({ paymentSecret: reader.take(KEY_BYTES), totalMsat: readMsat(reader.rest()) }),
})

const table: FieldTable<KnownFields> = {
  amountMsat: msatField(2n),
  cltvExpiry: blocksField(4n),
  shortChannelId: shortChannelIdField(6n),
  paymentData: paymentDataField,
  encryptedData: bytesField(10n),
  pathKey: pointField(12n),
  paymentMetadata: bytesField(16n),
  totalAmountMsat: msatField(18n),
  keysendPreimage: fixedField(KEYSEND_TYPE, KEY_BYTES),
}

/**
 * The TLV stream of a payload; its length is what the hop takes of the onion, besides 1 or 3 bytes of length and
 * 32 of HMAC.
 *
 * @throws RangeError for a value out of its range or a custom record below type 65,536
 */
export function encodePayload({ customRecords, ...fields }: Payload): Uint8Array {
  const custom = [...customRecords].map(([type, value]) => ({ type, value }))
  const low = custom.find(({ type }) => type < FIRST_CUSTOM_TYPE)
  if (low) throw new RangeError(`custom records begin at type ${FIRST_CUSTOM_TYPE}; ${low.type} is not one`)
  return encodeTlvStream([...encodeFields(table, fields), ...custom])
}

/**
 * The payload of any hop. Which fields a hop needs depends on its place: `decodeClearFinal` and
 * `decodeBlindedFinal` check that for a last hop.
 *
 * @throws BoltError `syntax`, `point`, or `unknown-even` for an even type below 65,536 that is not listed here (a
 *   custom record, even or odd, is the application's to judge)
 */
export function decodePayload(stream: Uint8Array): Payload {
  const { unknownTypes: _, ...payload } = readPayload(stream)
  return payload
}

/**
 * The payload of a last hop that is not on a blinded path (BOLT 4 "payload format", the reader).
 *
 * @throws BoltError as `decodePayload`; `missing` without amount or expiry; `forbidden` with a channel to send on
 *   or a field of blinded paths
 */
export function decodeClearFinal(stream: Uint8Array): ClearFinalPayload {
  const payload = decodePayload(stream)
  forbid(payload, ['shortChannelId', 'encryptedData', 'pathKey'])
  const { paymentData, paymentMetadata, keysendPreimage, customRecords } = payload
  const amountMsat = needed(payload, 'amountMsat')
  return {
    amountMsat,
    cltvExpiry: needed(payload, 'cltvExpiry'),
    totalMsat: paymentData?.totalMsat ?? payload.totalAmountMsat ?? amountMsat,
    ...(paymentData && { paymentSecret: paymentData.paymentSecret }),
    ...(paymentMetadata && { paymentMetadata }),
    ...(keysendPreimage && { keysendPreimage }),
    customRecords,
  }
}

/**
 * The payload of the last hop of a blinded path whose path key came with the HTLC (BOLT 4 "payload format", the
 * reader). Custom records and a keysend record are taken here although BOLT 4 allows a last hop no field besides
 * its own: they are what the phantom lane is for.
 *
 * @throws BoltError as `decodePayload`; `missing` without amount, expiry, total or encrypted data; `forbidden` with
 *   any other field, known or not
 */
export function decodeBlindedFinal(stream: Uint8Array): BlindedFinalPayload {
  const { unknownTypes, ...payload } = readPayload(stream)
  forbid(payload, ['shortChannelId', 'paymentData', 'pathKey', 'paymentMetadata'])
  const [unknown] = unknownTypes
  if (unknown !== undefined) throw new BoltError('forbidden', `a blinded payload has type ${unknown}`, unknown)
  const { keysendPreimage, customRecords } = payload
  return {
    amountMsat: needed(payload, 'amountMsat'),
    cltvExpiry: needed(payload, 'cltvExpiry'),
    totalMsat: needed(payload, 'totalAmountMsat'),
    encryptedData: needed(payload, 'encryptedData'),
    ...(keysendPreimage && { keysendPreimage }),
    customRecords,
  }
}

function readPayload(stream: Uint8Array): Payload & { readonly unknownTypes: readonly bigint[] } {
  const { fields, others } = decodeFields(table, stream)
  const customRecords = new Map<bigint, Uint8Array>()
  const unknownTypes: bigint[] = []
  for (const { type, value } of others) {
    if (type >= FIRST_CUSTOM_TYPE) customRecords.set(type, value)
    else if (type % 2n === 0n) throw new BoltError('unknown-even', `a payload has the unknown even type ${type}`, type)
    else unknownTypes.push(type)
  }
  return { ...fields, customRecords, unknownTypes }
}

function needed<Name extends keyof KnownFields>(payload: Payload, name: Name): Exclude<Payload[Name], undefined> {
  const value = payload[name]
  if (value === undefined) throw new BoltError('missing', `a payload has no ${name}`, table[name].type)
  return value as Exclude<Payload[Name], undefined>
}

function forbid(payload: Payload, names: readonly (keyof KnownFields)[]): void {
  const name = names.find((each) => payload[each] !== undefined)
  if (name) throw new BoltError('forbidden', `a last hop's payload has ${name}`, table[name].type)
}
