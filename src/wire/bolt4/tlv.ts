/** The types of BOLT 1 that have no fixed size, TLV streams of them, and tables of the fields in a stream. */
import { concat } from '../../floor/bytes.ts'
import { POINT_BYTES } from '../keys.ts'
import { BoltError } from './errors.ts'
import { msatBytes, readMsat, readTruncated, truncatedBytes, uintBytes } from './integers.ts'
import { checkedPoint } from './sphinx.ts'

/**
 * Reads the fields of BOLT messages one after another and never past the end.
 *
 * @throws BoltError `syntax` where bytes are missing
 */
export class FieldReader {
  readonly #bytes: Uint8Array
  #position = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Bytes left. */
  get remaining(): number {
    return this.#bytes.length - this.#position
  }

  /** The next `length` bytes in a new array, which keeps nothing else alive. */
  take(length: number): Uint8Array {
    if (length > this.remaining) throw new BoltError('syntax', `${length} bytes are due and ${this.remaining} are left`)
    const start = this.#position
    this.#position += length
    return this.#bytes.slice(start, this.#position)
  }

  /** All bytes that are left. */
  rest(): Uint8Array {
    return this.take(this.remaining)
  }

  /** An unsigned big-endian integer of `size` bytes: BOLT 1's byte, u16, u32 and u64. */
  uint(size: 1 | 2 | 4 | 8): bigint {
    let value = 0n
    for (const byte of this.take(size)) value = (value << 8n) | BigInt(byte)
    return value
  }
}

/** Bytes that a bigsize takes: 1, 3, 5 or 9 (BOLT 1 appendix A). @throws RangeError unless 0 <= value < 2^64. */
export function bigSizeBytes(value: bigint): 1 | 3 | 5 | 9 {
  if (value < 0n || value >= 1n << 64n) throw new RangeError(`not a bigsize: ${value}`)
  if (value < 0xfdn) return 1
  if (value < 0x1_0000n) return 3
  return value < 0x1_0000_0000n ? 5 : 9
}

/** BOLT 1's bigsize in its shortest form. @throws RangeError unless 0 <= value < 2^64. */
export function encodeBigSize(value: bigint): Uint8Array {
  const size = bigSizeBytes(value)
  if (size === 1) return uintBytes(value, 1)
  const bytes = new Uint8Array(size)
  // 0xfd announces 2 bytes, 0xfe 4 and 0xff 8.
  bytes[0] = size === 3 ? 0xfd : size === 5 ? 0xfe : 0xff
  bytes.set(size === 3 ? uintBytes(value, 2) : uintBytes(value, size === 5 ? 4 : 8), 1)
  return bytes
}

/** A bigsize from the reader. @throws BoltError `syntax` when it is cut off or not in its shortest form. */
export function readBigSize(reader: FieldReader): bigint {
  const first = reader.uint(1)
  if (first < 0xfdn) return first
  const width = first === 0xfdn ? 2 : first === 0xfen ? 4 : 8
  const value = reader.uint(width)
  if (bigSizeBytes(value) !== width + 1) throw new BoltError('syntax', 'a bigsize is not in its shortest form')
  return value
}

/** One record of a TLV stream (BOLT 1 "Type-Length-Value Format"). */
export interface TlvRecord {
  /** 0 to 2^64 - 1. Even ones must be understood; those below 65,536 belong to the BOLTs. */
  readonly type: bigint
  readonly value: Uint8Array
}

/**
 * The stream of these records, sorted by type.
 *
 * @throws RangeError when two have the same type or a type has no bigsize
 */
export function encodeTlvStream(records: readonly TlvRecord[]): Uint8Array {
  const sorted = records.toSorted((a, b) => (a.type < b.type ? -1 : Number(a.type > b.type)))
  const parts: Uint8Array[] = []
  let last = -1n
  for (const { type, value } of sorted) {
    if (type === last) throw new RangeError(`two records have type ${type}`)
    last = type
    parts.push(encodeBigSize(type), encodeBigSize(BigInt(value.length)), value)
  }
  return concat(...parts)
}

/**
 * The records of a stream, in ascending order of their types; values are copies.
 *
 * @throws BoltError `syntax` when a type or a length is not in its shortest form, types do not ascend strictly, or
 *   a record runs past the end
 */
export function decodeTlvStream(bytes: Uint8Array): TlvRecord[] {
  const reader = new FieldReader(bytes)
  const records: TlvRecord[] = []
  let last = -1n
  while (reader.remaining > 0) {
    const type = readBigSize(reader)
    if (type <= last) throw new BoltError('syntax', `type ${type} comes after type ${last}`, type)
    last = type
    const length = readBigSize(reader)
    if (length > BigInt(reader.remaining)) throw new BoltError('syntax', 'a record runs past the end', type)
    records.push({ type, value: reader.take(Number(length)) })
  }
  return records
}

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
