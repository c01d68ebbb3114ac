import { concat } from '../../floor/bytes.ts'
import { encodeBigSize, readBigSize } from './bigsize.ts'
import { BoltError } from './errors.ts'
import { FieldReader } from './field-reader.ts'

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
