import { secp256k1 } from '@noble/curves/secp256k1.js'
import { BackendError } from '../backend.ts'
import type { PathTotals } from '../paths/path-classes.ts'

/**
 * The bytes of a reply path: what BOLT 4's blinded_path and blinded_payinfo hold,
 * in the sizes of the real thing. The keys and the encrypted data are random; only
 * the simulated network knows, by a table of its own, where a path leads.
 *
 *   version 1 | hops after the introduction node 1 | introduction node 33 | path key 33 |
 *   blinded node id 33 of every hop after the introduction node |
 *   for each hop: length 1, encrypted data |
 *   base fee 4 | proportional fee 4 | cltv delta 2 | least amount 4
 */
export interface PathParts {
  /** 33 bytes. */
  readonly introduction: Uint8Array
  /** 33 bytes; names the path in the network's table. */
  readonly pathKey: Uint8Array
  /** The nodes after the introduction node, the phantom last: 33 bytes each. */
  readonly blindedIds: readonly Uint8Array[]
  /** Of the introduction node first, of the phantom last. */
  readonly encryptedBytes: readonly number[]
  readonly totals: PathTotals
}

const VERSION = 1
const POINT_BYTES = 33
const TOTALS_BYTES = 14
/** Encrypted data of a relay: 25 bytes of short_channel_id, payment_relay and payment_constraints, padded, and a tag of 16. */
export const RELAY_DATA_BYTES = 41
/** Encrypted data of the phantom: one byte of padding and a tag of 16. */
export const PHANTOM_DATA_BYTES = 17

/** Writes a path. `data`: encrypted data per hop, in the hops' order. */
export function encodePath(parts: PathParts, data: readonly Uint8Array[]): Uint8Array {
  const dataBytes = data.reduce((sum, piece) => sum + 1 + piece.length, 0)
  const out = new Uint8Array(2 + POINT_BYTES * (2 + parts.blindedIds.length) + dataBytes + TOTALS_BYTES)
  const view = new DataView(out.buffer)
  out[0] = VERSION
  out[1] = parts.blindedIds.length
  let at = 2
  for (const point of [parts.introduction, parts.pathKey, ...parts.blindedIds]) {
    out.set(point, at)
    at += POINT_BYTES
  }
  for (const piece of data) {
    out[at] = piece.length
    out.set(piece, at + 1)
    at += 1 + piece.length
  }
  view.setUint32(at, parts.totals.baseFeeMsat)
  view.setUint32(at + 4, parts.totals.feePpm)
  view.setUint16(at + 8, parts.totals.cltvDelta)
  view.setUint32(at + 10, parts.totals.minHtlcMsat)
  return out
}

/** Reads a path that another party gave. Throws BackendError 'bad-request' unless it has exactly the form above. */
export function decodePath(bytes: Uint8Array): PathParts {
  if (bytes.length < 2 || bytes[0] !== VERSION) refuse('it does not start with the version')
  const behind = bytes[1] as number
  if (behind < 2 || behind > 3) refuse(`${behind} hops after the introduction node, where 2 or 3 are possible`)
  const hops = behind + 1
  const length =
    2 + POINT_BYTES * (2 + behind) + behind * (1 + RELAY_DATA_BYTES) + 1 + PHANTOM_DATA_BYTES + TOTALS_BYTES
  if (bytes.length !== length) refuse(`${bytes.length} bytes in place of ${length}`)
  const points: Uint8Array[] = []
  for (let i = 0; i < 2 + behind; i++) points.push(readPoint(bytes, 2 + i * POINT_BYTES))
  let at = 2 + POINT_BYTES * (2 + behind)
  const encryptedBytes: number[] = []
  for (let i = 0; i < hops; i++) {
    const expected = i === hops - 1 ? PHANTOM_DATA_BYTES : RELAY_DATA_BYTES
    if (bytes[at] !== expected) refuse(`encrypted data of ${bytes[at]} bytes in place of ${expected}`)
    encryptedBytes.push(expected)
    at += 1 + expected
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, TOTALS_BYTES)
  return {
    introduction: points[0] as Uint8Array,
    pathKey: points[1] as Uint8Array,
    blindedIds: points.slice(2),
    encryptedBytes,
    totals: {
      baseFeeMsat: view.getUint32(0),
      feePpm: view.getUint32(4),
      cltvDelta: view.getUint16(8),
      minHtlcMsat: view.getUint32(10),
    },
  }
}

function readPoint(bytes: Uint8Array, at: number): Uint8Array {
  const point = bytes.slice(at, at + POINT_BYTES)
  if (!secp256k1.utils.isValidPublicKey(point, true)) refuse(`there is no point of the curve at byte ${at}`)
  return point
}

function refuse(why: string): never {
  throw new BackendError(
    'bad-request',
    `these bytes are no reply path: ${why}. Pass on what makePaths gave, unchanged.`,
  )
}
