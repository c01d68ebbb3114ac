import { POINT_BYTES } from '../keys.ts'
import { BoltError } from './errors.ts'
import { FieldReader } from './field-reader.ts'
import { msatBytes, readMsat, readTruncated, truncatedBytes, uintBytes } from './integers.ts'
import { checkedPoint } from './sphinx.ts'
import { decodeTlvStream, type TlvRecord } from './tlv.ts'

/** How the value of one TLV type becomes bytes and comes back. `decode` throws BoltError, `encode` RangeError. */
export interface FieldCodec<Value> {
  readonly type: bigint
  readonly encode: (value: Value) => Uint8Array
  readonly decode: (bytes: Uint8Array) => Value
}

/** The known types of a namespace: one codec for each field of `Fields`. */
export type FieldTable<Fields> = { readonly [Name in keyof Fields]-?: FieldCodec<NonNullable<Fields[Name]>> }

/** What a stream holds: known fields by name, everything else as it came. */
export interface DecodedFields<Fields> {
  readonly fields: Partial<Fields>
  readonly others: readonly TlvRecord[]
}

/** The records of all fields that are present, in the order of the table. */
export function encodeFields<Fields extends object>(table: FieldTable<Fields>, fields: Fields): TlvRecord[] {
  const records: TlvRecord[] = []
  for (const name in table) {
    const value = fields[name]
    if (value !== undefined) records.push(encodeValue(table[name], value as NonNullable<typeof value>))
  }
  return records
}

/**
 * Reads a stream by a table. Says nothing about the types that are not in it.
 *
 * @throws BoltError for what is malformed
 */
export function decodeFields<Fields extends object>(
  table: FieldTable<Fields>,
  stream: Uint8Array,
): DecodedFields<Fields> {
  const fields: Partial<Fields> = {}
  const others: TlvRecord[] = []
  for (const record of decodeTlvStream(stream)) {
    const name = nameOf(table, record.type)
    if (name === undefined) others.push(record)
    else fields[name] = decodeValue(table[name], record)
  }
  return { fields, others }
}

function nameOf<Fields extends object>(table: FieldTable<Fields>, type: bigint): keyof Fields | undefined {
  for (const name in table) if (table[name].type === type) return name
  return undefined
}

function encodeValue<Value>(codec: FieldCodec<Value>, value: Value): TlvRecord {
  return { type: codec.type, value: codec.encode(value) }
}

function decodeValue<Value>(codec: FieldCodec<Value>, { type, value }: TlvRecord): Value {
  try {
    return codec.decode(value)
  } catch (error) {
    if (error instanceof BoltError) throw new BoltError(error.code, `type ${type}: ${error.message}`, type)
    throw error
  }
}

/** Bytes as they are, of any length. */
export function bytesField(type: bigint): FieldCodec<Uint8Array> {
  return { type, encode: (value) => value, decode: (bytes) => bytes }
}

/** Exactly `length` bytes. */
export function fixedField(type: bigint, length: number): FieldCodec<Uint8Array> {
  return {
    type,
    encode(value) {
      if (value.length !== length) throw new RangeError(`type ${type} takes ${length} bytes, not ${value.length}`)
      return value
    },
    decode(bytes) {
      if (bytes.length !== length) throw new BoltError('syntax', `${bytes.length} bytes where ${length} are due`)
      return bytes
    },
  }
}

/** A compressed point of secp256k1, 33 bytes. */
export function pointField(type: bigint): FieldCodec<Uint8Array> {
  return { ...fixedField(type, POINT_BYTES), decode: checkedPoint }
}

/** An amount in millisatoshi as tu64. */
export function msatField(type: bigint): FieldCodec<bigint> {
  return { type, encode: msatBytes, decode: readMsat }
}

/** A short channel id as 8 bytes: 0 to 2^64 - 1. */
export function shortChannelIdField(type: bigint): FieldCodec<bigint> {
  return parsedField(type, {
    encode: (id) => uintBytes(id, 8),
    decode: (reader) => reader.uint(8),
  })
}

/** A value that is read part by part. What the parts leave over is an error. */
export function parsedField<Value>(
  type: bigint,
  { encode, decode }: { encode: (value: Value) => Uint8Array; decode: (reader: FieldReader) => Value },
): FieldCodec<Value> {
  return {
    type,
    encode,
    decode(bytes) {
      const reader = new FieldReader(bytes)
      const value = decode(reader)
      if (reader.remaining > 0) throw new BoltError('syntax', `${reader.remaining} bytes are left over`)
      return value
    },
  }
}

/** A number below 2^32 as tu32: a block height or delta. */
export function blocksField(type: bigint): FieldCodec<number> {
  return {
    type,
    encode: (value) => truncatedBytes(value, 4),
    decode: (bytes) => Number(readTruncated(bytes, 4)),
  }
}
