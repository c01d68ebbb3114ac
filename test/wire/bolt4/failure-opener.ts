import { equalBytes } from '../../../src/floor/bytes.ts'
import { deriveKey, xorStream } from '../../../src/wire/bolt4/sphinx.ts'
import { FieldReader } from '../../../src/wire/bolt4/tlv.ts'
import { hmacSha256 } from '../../../src/wire/keys.ts'

/** The layer that a relay puts around a failure on its way back (BOLT 4 "Returning Errors", intermediate nodes). */
export function wrapFailure(sharedSecret: Uint8Array, failure: Uint8Array): Uint8Array {
  return xorStream(deriveKey('ammag', sharedSecret), failure)
}

/** What the payer reads: at which hop it failed, and the message (BOLT 4 "Returning Errors", the origin node). */
export function openFailure(
  sharedSecrets: readonly Uint8Array[],
  failure: Uint8Array,
): { hop: number; message: Uint8Array } | undefined {
  let layer = failure
  for (const [hop, secret] of sharedSecrets.entries()) {
    layer = wrapFailure(secret, layer)
    const hmac = layer.slice(0, 32)
    const body = layer.slice(32)
    if (!equalBytes(hmac, hmacSha256(deriveKey('um', secret), body))) continue
    const reader = new FieldReader(body)
    return { hop, message: reader.take(Number(reader.uint(2))) }
  }
  return undefined
}
