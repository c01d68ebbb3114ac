import { checkedSecret, publicKey } from '../curve.ts'
import { sealEncryptedData } from './encrypted-data.ts'
import { blindingFactor, deriveKey, sharedSecret, tweakPoint, tweakSecret } from './sphinx.ts'

/** A blinded path as its payer gets it (BOLT 4 "Route Blinding"). All points are 33 bytes. */
export interface BlindedPath {
  /** The first hop, by its real key. */
  readonly introductionNodeId: Uint8Array
  /** The path key (blinding point) of the first hop. */
  readonly pathKey: Uint8Array
  /** Introduction node to payee. */
  readonly hops: readonly BlindedHop[]
}

interface BlindedHop {
  /** What the hop's onion layer is encrypted to. */
  readonly blindedNodeId: Uint8Array
  /** encrypted_recipient_data. */
  readonly encryptedData: Uint8Array
}

/** What the path's maker says of one hop. */
export interface HopPlan {
  /** 33 bytes. */
  readonly nodeId: Uint8Array
  /** The encoded encrypted_data_tlv (`encodePadded`, so that all have one length). */
  readonly data: Uint8Array
}

/** A path and what its maker keeps. */
export interface BuiltPath {
  readonly path: BlindedPath
  /** The path key of the last hop, 33 bytes: `deriveBlindedKey` makes the payee's key of it. */
  readonly lastPathKey: Uint8Array
}

/**
 * Blinds a route (BOLT 4 "Route Blinding", the writer of a blinded_path).
 *
 * @param options.sessionKey e_0: 32 random bytes, fresh for each path
 * @param options.hops introduction node first, payee last; at least one
 * @throws BoltError `point` when a node id is none
 * @throws RangeError when the session key is no private key or there is no hop
 */
export function buildBlindedPath(options: {
  readonly sessionKey: Uint8Array
  readonly hops: readonly HopPlan[]
}): BuiltPath {
  const [introduction] = options.hops
  if (!introduction) throw new RangeError('a blinded path has at least one hop')
  const hops: BlindedHop[] = []
  const pathKey = publicKey(checkedSecret(options.sessionKey))
  let ephemeral = options.sessionKey
  let lastPathKey = pathKey
  for (const { nodeId, data } of options.hops) {
    const secret = sharedSecret(ephemeral, nodeId)
    hops.push({
      blindedNodeId: tweakPoint(nodeId, deriveKey('blinded_node_id', secret)),
      encryptedData: sealEncryptedData(secret, data),
    })
    lastPathKey = publicKey(ephemeral)
    ephemeral = tweakSecret(ephemeral, blindingFactor(lastPathKey, secret))
  }
  return {
    path: { introductionNodeId: introduction.nodeId, pathKey, hops },
    lastPathKey,
  }
}

/** A hop's own keys on one blinded path. */
export interface BlindedKey {
  /** Peels the onions that come over the path (`peelOnion`). 32 bytes. */
  readonly privateKey: Uint8Array
  /** Opens the hop's encrypted data (`openEncryptedData`). 32 bytes. Not the secret that seals failures. */
  readonly sharedSecret: Uint8Array
}

/**
 * The keys of a hop (BOLT 4 "Route Blinding", the reader of encrypted_recipient_data).
 *
 * @param options.privateKey the hop's own key, 32 bytes
 * @param options.pathKey the path key of this hop, 33 bytes: for a path's maker `BuiltPath.lastPathKey`
 * @throws BoltError `point` when the path key is none
 * @throws RangeError when the private key is none
 */
export function deriveBlindedKey(options: {
  readonly privateKey: Uint8Array
  readonly pathKey: Uint8Array
}): BlindedKey {
  const secret = sharedSecret(options.privateKey, options.pathKey)
  return { privateKey: tweakSecret(options.privateKey, deriveKey('blinded_node_id', secret)), sharedSecret: secret }
}

/**
 * The path key that a hop hands on, 33 bytes, unless its data overrides it (BOLT 4 "Route Blinding").
 *
 * @param pathKey the hop's own path key
 * @param secret `BlindedKey.sharedSecret` of the hop
 * @throws BoltError `point` when the path key is none
 */
export function nextPathKey(pathKey: Uint8Array, secret: Uint8Array): Uint8Array {
  return tweakPoint(pathKey, blindingFactor(pathKey, secret))
}
