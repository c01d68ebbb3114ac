import { sha256 } from '@noble/hashes/sha2.js'
import { concat } from '../../floor/bytes.ts'
import { isSecret, publicKey } from '../curve.ts'
import { packShortChannelId, unpackShortChannelId } from './short-channel-id.ts'

/** Block heights of made-up channels: above lnd's aliases, which end at 16,249,999, and within the field's 24 bits. */
const HEIGHT_FIRST = 16_300_000
const HEIGHT_LAST = 0xff_ffff
/** What a made-up channel id is drawn from, in bytes. */
export const CHANNEL_SEED_BYTES = 9

const text = new TextEncoder()

/** The hop that does not exist behind a node. */
export interface Phantom {
  /** 32 bytes. Known to anybody who knows the node's key. */
  readonly secretKey: Uint8Array
  /** 33 bytes. */
  readonly publicKey: Uint8Array
  /** The made-up channel that leads from the node to it. */
  readonly channelId: bigint
}

/**
 * The phantom of a node that does not hide (spec §2.9). Its secret is no secret: the onion for it lies in a layer
 * that only the node itself can take off.
 *
 * @param node the node's public key, 33 bytes
 */
export function phantomOf(node: Uint8Array): Phantom {
  const secretKey = phantomSecret(node)
  const seed = sha256(concat(text.encode('keysock phantom channel'), node))
  return { secretKey, publicKey: publicKey(secretKey), channelId: madeUpChannel(seed.subarray(0, CHANNEL_SEED_BYTES)) }
}

// All but one hash in 2^127 are secrets.
function phantomSecret(node: Uint8Array): Uint8Array {
  for (let count = 0; ; count++) {
    const secret = sha256(concat(text.encode('keysock phantom key'), node, Uint8Array.of(count)))
    if (isSecret(secret)) return secret
  }
}

/** A channel id that is not and cannot be (spec §2.9), from 9 bytes: random ones, or those of a hash. */
export function madeUpChannel(seed: Uint8Array): bigint {
  if (seed.length !== CHANNEL_SEED_BYTES) throw new RangeError(`a made-up channel takes ${CHANNEL_SEED_BYTES} bytes`)
  const view = new DataView(seed.buffer, seed.byteOffset, seed.length)
  return packShortChannelId({
    block: HEIGHT_FIRST + (view.getUint32(0) % (HEIGHT_LAST - HEIGHT_FIRST + 1)),
    transaction: view.getUint32(4) >>> 8,
    output: view.getUint16(7),
  })
}

/** Whether a channel id is of the kind that `madeUpChannel` makes: it leads to a phantom. */
export function isMadeUpChannel(id: bigint): boolean {
  return unpackShortChannelId(id).block >= HEIGHT_FIRST
}
