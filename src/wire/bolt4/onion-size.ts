import { POINT_BYTES } from '../keys.ts'
import { bigSizeBytes } from './tlv.ts'
import { HOP_PAYLOADS_BYTES } from './onion.ts'
import { KEYSEND_TYPE, RECORD_TYPE } from './payload.ts'

/**
 * How many bytes of a record an onion has room for, counted from the payloads
 * that BOLT 4 prescribes (bolt04 "Packet Structure", "Route Blinding"). Pure.
 */

const HMAC_BYTES = 32
const PREIMAGE_BYTES = 32
const CHANNEL_ID_BYTES = 8

/** One hop of a route, as its payload needs it. */
export type HopSize =
  /** A relay that knows its next channel: amt_to_forward, outgoing_cltv_value, short_channel_id. */
  | { readonly kind: 'clear'; readonly amountMsat: number; readonly expiry: number }
  /** A blinded relay: encrypted_recipient_data, and blinding_point at the introduction node. */
  | { readonly kind: 'blinded'; readonly encryptedBytes: number; readonly introduction: boolean }
  /** The last hop of a keysend: amount, expiry, preimage, our record. No payment_data. */
  | { readonly kind: 'keysend'; readonly amountMsat: number; readonly expiry: number }
  /** The last hop of a payment to a phantom that does not hide: amount, expiry, our record. */
  | { readonly kind: 'clear-phantom'; readonly amountMsat: number; readonly expiry: number }
  /**
   * The last hop of a blinded path: amount, expiry, total, encrypted data, our record; a preimage only for comparison.
   */
  | {
      readonly kind: 'phantom'
      readonly amountMsat: number
      readonly expiry: number
      readonly encryptedBytes: number
      readonly keysend?: boolean
    }

/** How many bytes a tu64 or tu32 has (bolt01): big endian without leading zeros; 0 has none. */
export function truncatedLength(value: number): number {
  let bytes = 0
  for (let rest = value; rest >= 1; rest /= 256) bytes++
  return bytes
}

/** Bytes of a TLV with this type and value length. */
function tlvBytes(type: bigint, valueBytes: number): number {
  return bigSizeBytes(type) + framedBytes(valueBytes)
}

/** Bytes of what stands behind its length. */
function framedBytes(bytes: number): number {
  return bigSizeBytes(BigInt(bytes)) + bytes
}

/** Bytes of a hop's TLVs without our record. */
function payloadBytes(hop: HopSize): number {
  switch (hop.kind) {
    case 'clear':
      return amountAndExpiry(hop) + tlvBytes(6n, CHANNEL_ID_BYTES)
    case 'blinded':
      return tlvBytes(10n, hop.encryptedBytes) + (hop.introduction ? tlvBytes(12n, POINT_BYTES) : 0)
    case 'keysend':
      return amountAndExpiry(hop) + tlvBytes(KEYSEND_TYPE, PREIMAGE_BYTES)
    case 'clear-phantom':
      return amountAndExpiry(hop)
    case 'phantom':
      return (
        amountAndExpiry(hop) +
        tlvBytes(10n, hop.encryptedBytes) +
        tlvBytes(18n, truncatedLength(hop.amountMsat)) +
        (hop.keysend === true ? tlvBytes(KEYSEND_TYPE, PREIMAGE_BYTES) : 0)
      )
  }
}

function amountAndExpiry(hop: { readonly amountMsat: number; readonly expiry: number }): number {
  return tlvBytes(2n, truncatedLength(hop.amountMsat)) + tlvBytes(4n, truncatedLength(hop.expiry))
}

function framed(payload: number): number {
  return framedBytes(payload) + HMAC_BYTES
}

/** Bytes of the whole route's payloads with a record of `recordBytes` at the last hop. */
export function onionBytes(hops: readonly HopSize[], recordBytes: number): number {
  let bytes = 0
  for (const [i, hop] of hops.entries()) {
    const last = i === hops.length - 1
    bytes += framed(payloadBytes(hop) + (last ? tlvBytes(RECORD_TYPE, recordBytes) : 0))
  }
  return bytes
}

/** How long a record of ours would be that takes the room of these records. */
export function recordEquivalent(records: readonly { readonly type: bigint; readonly value: Uint8Array }[]): number {
  const bytes = records.reduce((sum, { type, value }) => sum + tlvBytes(type, value.length), 0)
  let length = Math.max(0, bytes - tlvBytes(RECORD_TYPE, 0))
  // The length of its length may take two bytes more.
  while (length > 0 && tlvBytes(RECORD_TYPE, length - 1) >= bytes) length--
  return length
}

/**
 * The largest record that fits, in bytes, or -1 where not even an empty one does. `hops`: the payer's first peer to the
 * last.
 */
export function largestRecord(hops: readonly HopSize[]): number {
  // Lengths of lengths change at 253; away from that, one more byte of record is one more byte of onion.
  let size = Math.min(HOP_PAYLOADS_BYTES, Math.max(0, HOP_PAYLOADS_BYTES - onionBytes(hops, 0)))
  while (size >= 0 && onionBytes(hops, size) > HOP_PAYLOADS_BYTES) size--
  return size
}
