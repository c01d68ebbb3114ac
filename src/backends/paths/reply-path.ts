import { MAX_PATH_BYTES } from '../../wire/frames.ts'
import { isPoint, POINT_BYTES } from '../../wire/curve.ts'
import { BackendError } from '../backend.ts'
import type { PathTotals } from './path-classes.ts'

/**
 * The bytes of a reply path: what a payer needs of BOLT 4's blinded_path and
 * blinded_payinfo (spec/lnd.md has the same table).
 *
 *   version 1 | hops after the introduction node 1 | introduction node 33 | path key 33 |
 *   blinded node id 33 of every hop after the introduction node |
 *   for each hop: length 1, encrypted data |
 *   base fee 4 | proportional fee 4 | cltv delta 2 | least amount 4
 */
export interface PathParts {
  /** 33 bytes. */
  readonly introduction: Uint8Array
  /** The path key (blinding point) of the introduction node, 33 bytes. */
  readonly pathKey: Uint8Array
  /** The nodes after the introduction node, the phantom last: 33 bytes each. */
  readonly blindedIds: readonly Uint8Array[]
  /** encrypted_recipient_data: of the introduction node first, of the phantom last. */
  readonly data: readonly Uint8Array[]
  readonly totals: PathTotals
}

const VERSION = 1
const TOTALS_BYTES = 14

export function encodePath(parts: PathParts): Uint8Array {
  const { introduction, pathKey, blindedIds, data, totals } = parts
  const dataBytes = data.reduce((sum, piece) => sum + 1 + piece.length, 0)
  const out = new Uint8Array(2 + POINT_BYTES * (2 + blindedIds.length) + dataBytes + TOTALS_BYTES)
  out[0] = VERSION
  out[1] = blindedIds.length
  let at = 2
  for (const point of [introduction, pathKey, ...blindedIds]) {
    out.set(point, at)
    at += POINT_BYTES
  }
  for (const piece of data) {
    out[at] = piece.length
    out.set(piece, at + 1)
    at += 1 + piece.length
  }
  const view = new DataView(out.buffer)
  view.setUint32(at, totals.baseFeeMsat)
  view.setUint32(at + 4, totals.feePpm)
  view.setUint16(at + 8, totals.cltvDelta)
  view.setUint32(at + 10, totals.minHtlcMsat)
  return out
}

/** The path key of bytes that are a path, in a view of them: whether they are one is not looked at. */
export function pathKeyIn(bytes: Uint8Array): Uint8Array {
  const at = 2 + POINT_BYTES
  return bytes.subarray(at, at + POINT_BYTES)
}

/** Reads a path that another party gave. @throws BackendError 'bad-request' unless it has exactly the form above */
export function decodePath(bytes: Uint8Array): PathParts {
  if (bytes.length < 2 || bytes.length > MAX_PATH_BYTES || bytes[0] !== VERSION)
    refuse('it does not start with the version')
  const behind = bytes[1] as number
  if (behind < 2 || behind > 3) refuse(`${behind} hops after the introduction node, where 2 or 3 are possible`)
  const points: Uint8Array[] = []
  for (let i = 0; i < 2 + behind; i++) points.push(readPoint(bytes, 2 + i * POINT_BYTES))
  let at = 2 + POINT_BYTES * (2 + behind)
  const data: Uint8Array[] = []
  for (let i = 0; i <= behind; i++) {
    const length = bytes[at] ?? refuse('it ends within its hops')
    const piece = bytes.slice(at + 1, at + 1 + length)
    if (piece.length !== length || length === 0) refuse('it ends within its hops')
    data.push(piece)
    at += 1 + length
  }
  if (bytes.length - at !== TOTALS_BYTES) refuse(`${bytes.length - at} bytes of totals in place of ${TOTALS_BYTES}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, TOTALS_BYTES)
  const totals: PathTotals = {
    baseFeeMsat: view.getUint32(0),
    feePpm: view.getUint32(4),
    cltvDelta: view.getUint16(8),
    minHtlcMsat: view.getUint32(10),
  }
  return {
    introduction: points[0] as Uint8Array,
    pathKey: points[1] as Uint8Array,
    blindedIds: points.slice(2),
    data,
    totals,
  }
}

function readPoint(bytes: Uint8Array, at: number): Uint8Array {
  const point = bytes.slice(at, at + POINT_BYTES)
  if (!isPoint(point)) refuse(`there is no point of the curve at byte ${at}`)
  return point
}

function refuse(why: string): never {
  throw new BackendError(
    'bad-request',
    `these bytes are no reply path: ${why}. Pass on what makePaths gave, unchanged.`,
  )
}
