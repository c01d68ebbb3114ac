import { concat, equalBytes } from '../../floor/bytes.ts'
import { checkedSecret, isPoint, POINT_BYTES } from '../curve.ts'
import { hmacSha256, KEY_BYTES } from '../keys.ts'
import { readBigSize, FieldReader } from './tlv.ts'
import { BoltError } from './errors.ts'
import { blindingFactor, deriveKey, quickSharedSecret, tweakPoint, xorStream } from './sphinx.ts'

/** Bytes of hop_payloads: all hops' payloads with their lengths and HMACs (BOLT 4 "Packet Structure"). */
export const HOP_PAYLOADS_BYTES = 1300
/** Bytes of a payment's onion: version, ephemeral key, hop_payloads, HMAC (BOLT 4 "Packet Structure"). */
export const ONION_BYTES: number = 1 + POINT_BYTES + HOP_PAYLOADS_BYTES + KEY_BYTES

const NO_HMAC = new Uint8Array(KEY_BYTES)
/** Lengths 0 and 1 are reserved (BOLT 4 "Packet Structure"). */
const MIN_PAYLOAD_BYTES = 2

interface Layer {
  /** The hop's payload, without its length: a TLV stream. */
  readonly payload: Uint8Array
  /** 32 bytes: what this hop seals failures with (`sealFailure`). */
  readonly sharedSecret: Uint8Array
}

/** One layer of an onion, taken off. */
export type PeeledOnion =
  /** The onion ends here. */
  | (Layer & { readonly hop: 'final' })
  /** 1366 bytes for the next hop. */
  | (Layer & { readonly hop: 'relay'; readonly nextOnion: Uint8Array })

/**
 * Takes off a layer (BOLT 4 "Onion Decryption").
 *
 * @param options.onion 1366 bytes
 * @param options.privateKey the key that the layer is encrypted to, 32 bytes: a node's own, or on a blinded path
 *   `BlindedKey.privateKey`
 * @param options.associatedData what the HMAC covers besides the onion: the payment hash
 * @throws BoltError `onion-size`, `onion-version`, `onion-key`, `onion-hmac`, or `syntax` for an authentic layer
 *   without a payload
 * @throws RangeError when the private key is none
 */
export function peelOnion(options: {
  readonly onion: Uint8Array
  readonly privateKey: Uint8Array
  readonly associatedData: Uint8Array
}): PeeledOnion {
  const { onion, associatedData } = options
  const privateKey = checkedSecret(options.privateKey)
  const { ephemeralKey, hopPayloads, hmac } = splitOnion(onion)
  const secret = quickSharedSecret(privateKey, ephemeralKey)
  const expected = hmacSha256(deriveKey('mu', secret), concat(hopPayloads, associatedData))
  if (!equalBytes(expected, hmac)) {
    throw new BoltError('onion-hmac', 'an onion is for another key or payment, or was changed')
  }
  const reader = new FieldReader(unwrap(hopPayloads, secret))
  const length = readBigSize(reader)
  if (length < MIN_PAYLOAD_BYTES || length > HOP_PAYLOADS_BYTES) {
    throw new BoltError('syntax', `an onion's payload cannot have ${length} bytes`)
  }
  const payload = reader.take(Number(length))
  const nextHmac = reader.take(KEY_BYTES)
  if (reader.remaining < HOP_PAYLOADS_BYTES) throw new BoltError('syntax', "an onion's payload runs past its end")
  const layer = { payload, sharedSecret: secret }
  if (equalBytes(nextHmac, NO_HMAC)) return { ...layer, hop: 'final' }
  const nextKey = tweakPoint(ephemeralKey, blindingFactor(ephemeralKey, secret))
  return { ...layer, hop: 'relay', nextOnion: joinOnion(nextKey, reader.take(HOP_PAYLOADS_BYTES), nextHmac) }
}

/**
 * The first layer's payload, then 1300 bytes or more for the next hop: filler at the end makes up for what a hop takes
 * out in front.
 */
function unwrap(hopPayloads: Uint8Array, secret: Uint8Array): Uint8Array {
  const extended = new Uint8Array(2 * HOP_PAYLOADS_BYTES)
  extended.set(hopPayloads)
  return xorStream(deriveKey('rho', secret), extended)
}

interface OnionParts {
  readonly ephemeralKey: Uint8Array
  readonly hopPayloads: Uint8Array
  readonly hmac: Uint8Array
}

function splitOnion(onion: Uint8Array): OnionParts {
  if (onion.length !== ONION_BYTES) throw new BoltError('onion-size', `an onion has ${ONION_BYTES} bytes`)
  const reader = new FieldReader(onion)
  if (reader.uint(1) !== 0n) throw new BoltError('onion-version', 'an onion has a version other than 0')
  const ephemeralKey = reader.take(POINT_BYTES)
  if (!isPoint(ephemeralKey)) throw new BoltError('onion-key', "an onion's ephemeral key is no point of secp256k1")
  return { ephemeralKey, hopPayloads: reader.take(HOP_PAYLOADS_BYTES), hmac: reader.take(KEY_BYTES) }
}

function joinOnion(ephemeralKey: Uint8Array, hopPayloads: Uint8Array, hmac: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(0), ephemeralKey, hopPayloads, hmac)
}
