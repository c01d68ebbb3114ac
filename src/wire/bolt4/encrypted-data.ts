import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { concat } from '../../floor/bytes.ts'
import { TAG_BYTES } from '../aead.ts'
import { BoltError } from './errors.ts'
import { msatBytes, readMsat, readTruncated, truncatedBytes, uintBytes } from './integers.ts'
import { HOP_PAYLOADS_BYTES } from './onion.ts'
import { deriveKey, ZERO_NONCE } from './sphinx.ts'
import {
  bytesField,
  decodeFields,
  encodeFields,
  parsedField,
  pointField,
  shortChannelIdField,
  type FieldCodec,
  type FieldTable,
  encodeTlvStream,
  type TlvRecord,
} from './tlv.ts'

/**
 * encrypted_recipient_data: what the maker of a blinded path tells each hop of it (BOLT 4 "Inside
 * encrypted_recipient_data: encrypted_data_tlv").
 */

/** How a blinded relay computes what it sends on. */
export interface PaymentRelay {
  /** Blocks, 16 bits. */
  readonly cltvExpiryDelta: number
  /** Millionths of what is sent on, 32 bits. */
  readonly feeProportionalMillionths: number
  /** Millisatoshi, 32 bits. */
  readonly feeBaseMsat: number
}

/** What a payment over the path has to keep to at this hop. */
export interface PaymentConstraints {
  /** The incoming expiry is at most this block height. */
  readonly maxCltvExpiry: number
  /** The incoming amount is at least this. */
  readonly htlcMinimumMsat: bigint
}

interface KnownFields {
  /** Zero bytes that fill up to a common length: the length of the value, without its type and length. */
  readonly paddingBytes?: number
  /** The outgoing channel, as a number (`packShortChannelId`). */
  readonly shortChannelId?: bigint
  /** 33 bytes. */
  readonly nextNodeId?: Uint8Array
  /** The maker's own mark on the path; for the last hop. */
  readonly pathId?: Uint8Array
  /** 33 bytes: the path key for the next hop where it is not the one that follows from this hop's. */
  readonly nextPathKeyOverride?: Uint8Array
  readonly paymentRelay?: PaymentRelay
  readonly paymentConstraints?: PaymentConstraints
  /** Feature bits as on the wire: big-endian, empty for none. */
  readonly allowedFeatures?: Uint8Array
}

/** The fields of encrypted_data_tlv, all optional. */
export interface EncryptedData extends KnownFields {
  /** Records of types that BOLT 4 does not define. A reader lets odd ones pass and rejects even ones. */
  readonly unknown?: readonly TlvRecord[]
}

const paddingField: FieldCodec<number> = {
  type: 1n,
  encode: (length) => new Uint8Array(length),
  decode: (bytes) => bytes.length,
}

const relayField: FieldCodec<PaymentRelay> = parsedField(10n, {
  encode: ({ cltvExpiryDelta, feeProportionalMillionths, feeBaseMsat }) =>
    concat(uintBytes(cltvExpiryDelta, 2), uintBytes(feeProportionalMillionths, 4), truncatedBytes(feeBaseMsat, 4)),
  decode: (reader) => ({
    cltvExpiryDelta: Number(reader.uint(2)),
    feeProportionalMillionths: Number(reader.uint(4)),
    feeBaseMsat: Number(readTruncated(reader.rest(), 4)),
  }),
})

const constraintsField: FieldCodec<PaymentConstraints> = parsedField(12n, {
  encode: ({ maxCltvExpiry, htlcMinimumMsat }) => concat(uintBytes(maxCltvExpiry, 4), msatBytes(htlcMinimumMsat)),
  decode: (reader) => ({ maxCltvExpiry: Number(reader.uint(4)), htlcMinimumMsat: readMsat(reader.rest()) }),
})

const table: FieldTable<KnownFields> = {
  paddingBytes: paddingField,
  shortChannelId: shortChannelIdField(2n),
  nextNodeId: pointField(4n),
  pathId: bytesField(6n),
  nextPathKeyOverride: pointField(8n),
  paymentRelay: relayField,
  paymentConstraints: constraintsField,
  allowedFeatures: bytesField(14n),
}

/** The TLV stream of these fields. @throws RangeError for a value out of its range or a type given twice. */
export function encodeEncryptedData({ unknown = [], ...fields }: EncryptedData): Uint8Array {
  return encodeTlvStream([...encodeFields(table, fields), ...unknown])
}

/**
 * The fields of a TLV stream. Whether they fit together is the reader's to judge: a relay, a last hop and a dummy
 * hop need different ones.
 *
 * @throws BoltError `syntax`, `point` or, for an even type that BOLT 4 does not define, `unknown-even`
 */
export function decodeEncryptedData(stream: Uint8Array): EncryptedData {
  const { fields, others } = decodeFields(table, stream)
  const even = others.find(({ type }) => type % 2n === 0n)
  if (even) throw new BoltError('unknown-even', `encrypted data has the unknown even type ${even.type}`, even.type)
  return others.length > 0 ? { ...fields, unknown: others } : fields
}

/**
 * The streams of all hops of a path, padded to one length: the least one, of `leastBytes` or more, that padding can
 * give to each of them (a padding record takes 2 bytes or more, and its length field grows at 253).
 *
 * @throws RangeError as `encodeEncryptedData`, and where that is more than an onion holds
 */
export function encodePadded(hops: readonly EncryptedData[], leastBytes = 0): Uint8Array[] {
  const bare = hops.map((hop) => withoutPadding(hop))
  const lengths = bare.map((hop) => encodeEncryptedData(hop).length)
  let target = Math.max(leastBytes, ...lengths)
  while (!lengths.every((length) => length === target || paddingFor(target - length) !== undefined)) target++
  if (target > HOP_PAYLOADS_BYTES) throw new RangeError(`${target} bytes of data do not fit into an onion`)
  return bare.map((hop, i) => {
    const paddingBytes = paddingFor(target - (lengths[i] ?? target))
    return encodeEncryptedData(paddingBytes === undefined ? hop : { ...hop, paddingBytes })
  })
}

function withoutPadding(hop: EncryptedData): EncryptedData {
  const { paddingBytes: _paddingBytes, ...rest } = hop
  return rest
}

/** Length of the padding whose record adds `bytes` to a stream; undefined where none adds so many. */
function paddingFor(bytes: number): number | undefined {
  if (bytes >= 2 && bytes <= 2 + 0xfc) return bytes - 2
  return bytes >= 4 + 0xfd ? bytes - 4 : undefined
}

/**
 * encrypted_recipient_data: 16 bytes longer than the stream (BOLT 4 "Route Blinding": ChaCha20-Poly1305 under rho,
 * nonce 0). A shared secret seals one stream only.
 */
export function sealEncryptedData(sharedSecret: Uint8Array, stream: Uint8Array): Uint8Array {
  return chacha20poly1305(deriveKey('rho', sharedSecret), ZERO_NONCE).encrypt(stream)
}

/**
 * The stream inside encrypted_recipient_data.
 *
 * @throws BoltError `encrypted-data` when it is not of this path or was changed
 */
export function openEncryptedData(sharedSecret: Uint8Array, encrypted: Uint8Array): Uint8Array {
  if (encrypted.length < TAG_BYTES) throw notOurs()
  const cipher = chacha20poly1305(deriveKey('rho', sharedSecret), ZERO_NONCE)
  try {
    return cipher.decrypt(encrypted)
  } catch {
    // With key, nonce and length as they have to be, the tag alone can be wrong.
    throw notOurs()
  }
}

function notOurs(): BoltError {
  return new BoltError('encrypted-data', 'encrypted data was not made for this key')
}
