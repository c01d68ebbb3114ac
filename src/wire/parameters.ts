import { malformed } from './errors.ts'
import { checkedPoint, KEY_BYTES, POINT_BYTES } from './keys.ts'
import type { Reader } from './reader.ts'
import { varintSize, type Writer } from './writer.ts'

/** Who opens a connection, and its proof (spec §6.16). */
export interface OpenIdentity {
  /** The initiator's node key, 33 bytes. */
  readonly key: Uint8Array
  /** 32 bytes: `openIdentityProof`. */
  readonly proof: Uint8Array
}

/** What each side tells the other about itself, once (spec §5.9). */
export interface Parameters {
  /** Bytes that the writer of this will take from offset 0: 262,144 to 2^53 - 1. */
  readonly maxData: number
  /** 0 for none, else 10,000 ms at least. */
  readonly idleTimeoutMs: number
  /** The initiator's node key, 33 bytes: replies go there over the node lane. In OPEN only. */
  readonly directReply?: Uint8Array
  /** The longest time that the writer holds back an ACK: 0 to 60,000 ms. */
  readonly ackDelayMs: number
  /** In OPEN only. */
  readonly identity?: OpenIdentity
}

/** What holds for a parameter that is absent; such values are not written (spec §5.9). */
export const DEFAULT_PARAMETERS: Parameters = { maxData: 262_144, idleTimeoutMs: 1_800_000, ackDelayMs: 30_000 }

type NumberKey = 'maxData' | 'idleTimeoutMs' | 'ackDelayMs'

// Every parameter of version 1, in ascending order of id (spec §5.9).
const table = [
  { id: 0x02, key: 'maxData', valid: (value: number): boolean => value >= 262_144 },
  { id: 0x04, key: 'idleTimeoutMs', valid: (value: number): boolean => value === 0 || value >= 10_000 },
  { id: 0x06, key: 'directReply' },
  { id: 0x08, key: 'ackDelayMs', valid: (value: number): boolean => value <= 60_000 },
  { id: 0x0a, key: 'identity' },
] as const

/** Bytes that `writeParameters` will take. @throws RangeError for values that spec §5.9 does not allow. */
export function parametersSize(parameters: Parameters): number {
  let size = 0
  for (const row of table) {
    const length = valueSize(parameters, row)
    if (length > 0) size += varintSize(row.id) + varintSize(length) + length
  }
  return size
}

// 0 for what is not written.
function valueSize(parameters: Parameters, row: (typeof table)[number]): number {
  if (row.key === 'directReply') {
    const key = parameters.directReply
    if (key !== undefined && key.length !== POINT_BYTES) throw new RangeError('directReply is 33 bytes')
    return key === undefined ? 0 : POINT_BYTES
  }
  if (row.key === 'identity') {
    const { identity } = parameters
    if (identity === undefined) return 0
    const isSized = identity.key.length === POINT_BYTES && identity.proof.length === KEY_BYTES
    if (!isSized) throw new RangeError('an identity is a key of 33 bytes and a proof of 32')
    return POINT_BYTES + KEY_BYTES
  }
  const value = parameters[row.key]
  if (!row.valid(value)) throw new RangeError(`${row.key} ${value}`)
  return value === DEFAULT_PARAMETERS[row.key] ? 0 : varintSize(value)
}

/** Writes what differs from the defaults, in ascending order of id. */
export function writeParameters(writer: Writer, parameters: Parameters): void {
  for (const row of table) {
    const length = valueSize(parameters, row)
    if (length === 0) continue
    writer.varint(row.id)
    writer.varint(length)
    if (row.key === 'directReply') writer.put(parameters.directReply ?? new Uint8Array())
    else if (row.key === 'identity') {
      writer.put(parameters.identity?.key ?? new Uint8Array())
      writer.put(parameters.identity?.proof ?? new Uint8Array())
    } else writer.varint(parameters[row.key])
  }
}

/**
 * Reads parameters up to the end of their frame. An unknown odd one is skipped; an unknown even one is
 * skipped as well and noted in `reader.unsupported`.
 *
 * @throws ProtocolError PROTOCOL for wrong order, duplicates, values out of range, bytes left over
 */
export function readParameters(reader: Reader, frame: 'open' | 'accept'): Parameters {
  const numbers: Record<NumberKey, number> = {
    maxData: DEFAULT_PARAMETERS.maxData,
    idleTimeoutMs: DEFAULT_PARAMETERS.idleTimeoutMs,
    ackDelayMs: DEFAULT_PARAMETERS.ackDelayMs,
  }
  let directReply: Uint8Array | undefined
  let identity: OpenIdentity | undefined
  let previous = -1
  while (reader.remaining > 0) {
    const id = reader.varint()
    if (id <= previous) throw malformed('parameters out of order, or one twice')
    previous = id
    const outer = reader.enter(reader.varint())
    const row = table.find((candidate) => candidate.id === id)
    if (row === undefined) {
      reader.skipUnknown('parameter', id)
    } else if (row.key === 'directReply') {
      if (frame === 'accept') throw malformed('direct_reply in an ACCEPT')
      directReply = checkedPoint(reader.rest()).slice()
    } else if (row.key === 'identity') {
      if (frame === 'accept') throw malformed('identity in an ACCEPT')
      const key = checkedPoint(reader.take(POINT_BYTES)).slice()
      identity = { key, proof: reader.take(KEY_BYTES).slice() }
    } else {
      const value = reader.varint()
      if (!row.valid(value)) throw malformed(`parameter ${row.key} of ${value}`)
      numbers[row.key] = value
    }
    reader.leave(outer)
  }
  return {
    ...numbers,
    ...(directReply === undefined ? {} : { directReply }),
    ...(identity === undefined ? {} : { identity }),
  }
}
