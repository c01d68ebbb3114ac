import { sha256 } from '@noble/hashes/sha2.js'
import { concat } from '../../floor/bytes.ts'
import { hmacSha256, KEY_BYTES } from '../keys.ts'
import { encodeBigSize } from './tlv.ts'
import { uintBytes } from './integers.ts'
import { deriveKey, xorStream } from './sphinx.ts'

/**
 * Bytes of a sealed failure: HMAC, two lengths, and 256 for message and padding (BOLT 4 "Returning Errors").
 * lnd v0.21 ends an interceptor's stream over a `failure_message` of any other length.
 */
export const SEALED_FAILURE_BYTES: number = KEY_BYTES + 2 + 2 + 256
/** The longest message that a sealed failure of the usual size holds, in bytes. */
export const MAX_FAILURE_BYTES = 256

/** The failures that the last hop of a payment has a use for (BOLT 4 "Failure Messages"). */
export type Failure =
  | { readonly name: 'temporary_node_failure' }
  | { readonly name: 'permanent_node_failure' }
  /** Unknown hash, too little, too late, or just no. `height` (32 bits) reaches the payer's application unchanged. */
  | { readonly name: 'incorrect_or_unknown_payment_details'; readonly htlcMsat: bigint; readonly height: number }
  /** The HTLC expires before the payload's cltvExpiry; the HTLC's own expiry. */
  | { readonly name: 'final_incorrect_cltv_expiry'; readonly cltvExpiry: number }
  /** The HTLC carries less than the payload's amount; the HTLC's own amount. */
  | { readonly name: 'final_incorrect_htlc_amount'; readonly incomingMsat: bigint }
  /** `type` and `offset` in the payload, where one field is at fault (`BoltError.tlvType`); 0 where none is. */
  | { readonly name: 'invalid_onion_payload'; readonly type: bigint; readonly offset: number }
  /** The one failure of blinded paths. `onion`: the 1366 bytes that came. */
  | { readonly name: 'invalid_onion_blinding'; readonly onion: Uint8Array }

/** The failure_code of each failure: flags BADONION 0x8000, PERM 0x4000, NODE 0x2000 and a number. */
export const failureCodes: { readonly [Name in Failure['name']]: number } = {
  temporary_node_failure: 0x2002,
  permanent_node_failure: 0x6002,
  incorrect_or_unknown_payment_details: 0x400f,
  final_incorrect_cltv_expiry: 18,
  final_incorrect_htlc_amount: 19,
  invalid_onion_payload: 0x4016,
  invalid_onion_blinding: 0xc018,
}

/** failuremsg: a code of 2 bytes and its data, 2 to 34 bytes. @throws RangeError for a value out of its range. */
export function encodeFailure(failure: Failure): Uint8Array {
  return concat(uintBytes(failureCodes[failure.name], 2), failureData(failure))
}

function failureData(failure: Failure): Uint8Array {
  switch (failure.name) {
    case 'temporary_node_failure':
    case 'permanent_node_failure':
      return new Uint8Array(0)
    case 'incorrect_or_unknown_payment_details':
      return concat(uintBytes(failure.htlcMsat, 8), uintBytes(failure.height, 4))
    case 'final_incorrect_cltv_expiry':
      return uintBytes(failure.cltvExpiry, 4)
    case 'final_incorrect_htlc_amount':
      return uintBytes(failure.incomingMsat, 8)
    case 'invalid_onion_payload':
      return concat(encodeBigSize(failure.type), uintBytes(failure.offset, 2))
    case 'invalid_onion_blinding':
      return sha256(failure.onion)
  }
}

/**
 * Seals a failure as the hop at which it happened (BOLT 4 "Returning Errors", the erring node): 292 bytes, which
 * only the payer can open. This is what lnd's interceptor takes as `failure_message` of a FAIL: the node before the
 * phantom adds its own layer and sends it back. On a blinded lane that node throws it away and answers
 * invalid_onion_blinding whatever it says (lnd v0.21, htlcswitch/link.go), so there a FAIL needs no message.
 *
 * @param sharedSecret of the layer that was peeled (`PeeledOnion.sharedSecret`), 32 bytes; seals one failure
 * @param message `encodeFailure`, at most 256 bytes
 * @throws RangeError when the message is longer
 */
export function sealFailure(sharedSecret: Uint8Array, message: Uint8Array): Uint8Array {
  const padding = MAX_FAILURE_BYTES - message.length
  if (padding < 0) throw new RangeError(`a failure message has at most ${MAX_FAILURE_BYTES} bytes`)
  const body = concat(uintBytes(message.length, 2), message, uintBytes(padding, 2), new Uint8Array(padding))
  const hmac = hmacSha256(deriveKey('um', sharedSecret), body)
  return xorStream(deriveKey('ammag', sharedSecret), concat(hmac, body))
}
