import { concat } from '../../../src/floor/bytes.ts'
import { encodeBigSize } from '../../../src/wire/bolt4/tlv.ts'
import { HOP_PAYLOADS_BYTES } from '../../../src/wire/bolt4/onion.ts'
import { blindingFactor, deriveKey, sharedSecret, tweakSecret, xorStream } from '../../../src/wire/bolt4/sphinx.ts'
import { hmacSha256, publicKey } from '../../../src/wire/keys.ts'

/** The payer's side of an onion (BOLT 4 "Packet Construction"). In the product lnd does this. */

export interface OnionHop {
  /** What the layer is encrypted to: a node id, or a blinded one. */
  readonly publicKey: Uint8Array
  /** The payload with its length in front (`framed`). */
  readonly framed: Uint8Array
}

export interface Onion {
  readonly onion: Uint8Array
  /** By hop: what opens failures. */
  readonly sharedSecrets: readonly Uint8Array[]
}

/** A payload with its length in front. */
export function framed(payload: Uint8Array): Uint8Array {
  return concat(encodeBigSize(BigInt(payload.length)), payload)
}

export function buildOnion(options: {
  readonly sessionKey: Uint8Array
  readonly associatedData: Uint8Array
  readonly hops: readonly OnionHop[]
}): Onion {
  const { sessionKey, associatedData, hops } = options
  const secrets = hopSecrets(
    sessionKey,
    hops.map((hop) => hop.publicKey),
  )
  const rhos = secrets.map((secret) => deriveKey('rho', secret))
  const filler = makeFiller(
    rhos,
    hops.map((hop) => hop.framed.length + 32),
  )
  let mix = xorStream(deriveKey('pad', sessionKey), new Uint8Array(HOP_PAYLOADS_BYTES))
  let hmac: Uint8Array = new Uint8Array(32)
  for (const [i, hop] of [...hops.entries()].toReversed()) {
    mix = xorStream(rhos[i]!, concat(hop.framed, hmac, mix).slice(0, HOP_PAYLOADS_BYTES))
    if (i === hops.length - 1) mix.set(filler, HOP_PAYLOADS_BYTES - filler.length)
    hmac = hmacSha256(deriveKey('mu', secrets[i]!), concat(mix, associatedData))
  }
  return { onion: concat(Uint8Array.of(0), publicKey(sessionKey), mix, hmac), sharedSecrets: secrets }
}

/** The secrets that the payer shares with each hop (BOLT 4 "Packet Construction"). */
export function hopSecrets(sessionKey: Uint8Array, publicKeys: readonly Uint8Array[]): Uint8Array[] {
  let ephemeral = sessionKey
  return publicKeys.map((point) => {
    const secret = sharedSecret(ephemeral, point)
    ephemeral = tweakSecret(ephemeral, blindingFactor(publicKey(ephemeral), secret))
    return secret
  })
}

/** What the relays before the last hop leave at the end of hop_payloads (BOLT 4 "Filler Generation"). */
function makeFiller(rhos: readonly Uint8Array[], sizes: readonly number[]): Uint8Array {
  let filler: Uint8Array = new Uint8Array(0)
  for (let i = 0; i < sizes.length - 1; i++) {
    const size = sizes[i]!
    const stream = xorStream(rhos[i]!, new Uint8Array(HOP_PAYLOADS_BYTES + size))
    const start = HOP_PAYLOADS_BYTES - filler.length
    if (start < 0) throw new RangeError('these payloads do not fit into an onion')
    filler = concat(filler, new Uint8Array(size)).map((byte, at) => byte ^ stream[start + at]!)
  }
  if (filler.length + (sizes.at(-1) ?? 0) > HOP_PAYLOADS_BYTES) {
    throw new RangeError('these payloads do not fit into an onion')
  }
  return filler
}
