/** Why something that came in does not do. The codes are stable; tests and logs may rely on them. */
export type BoltErrorCode =
  /** Bytes are missing or left over, not in their shortest form, out of order, or out of their range. */
  | 'syntax'
  /** A TLV type that must be understood and is not (BOLT 1 "It's OK to be odd"). */
  | 'unknown-even'
  /** A field that this kind of payload needs is absent. */
  | 'missing'
  /** A field stands where it must not. */
  | 'forbidden'
  /** 33 bytes that are no point of secp256k1. */
  | 'point'
  /** encrypted_recipient_data that was not made for this key. */
  | 'encrypted-data'
  /** An onion packet that is not 1366 bytes long. */
  | 'onion-size'
  /** invalid_onion_version of BOLT 4: a version other than 0. */
  | 'onion-version'
  /** invalid_onion_key of BOLT 4: the ephemeral key is no point. */
  | 'onion-key'
  /** invalid_onion_hmac of BOLT 4: made for another key or another payment, or changed on its way. */
  | 'onion-hmac'

/**
 * What came in breaks BOLT 1 or BOLT 4. Everything in this folder that decodes, opens or peels throws this
 * and nothing else for bad input; arguments that are the program's own mistake are a RangeError.
 */
export class BoltError extends Error {
  readonly code: BoltErrorCode
  /** The TLV type that the complaint is about, where it is about one (for invalid_onion_payload). */
  readonly tlvType: bigint | undefined

  constructor(code: BoltErrorCode, message: string, tlvType?: bigint) {
    super(message)
    this.name = 'BoltError'
    this.code = code
    this.tlvType = tlvType
  }
}
