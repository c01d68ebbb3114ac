import { buildBlindedPath, deriveBlindedKey, type HopPlan } from '../../../wire/bolt4/blinded-path.ts'
import { encodeEncryptedData, encodePadded, type EncryptedData } from '../../../wire/bolt4/encrypted-data.ts'
import { CHANNEL_SEED_BYTES, madeUpChannel } from '../../../wire/bolt4/phantom.ts'
import { fromHex } from '../../../floor/bytes.ts'
import { isSecret, publicKey } from '../../../wire/curve.ts'
import type { Entropy } from '../../../floor/entropy.ts'
import type { ReplyPath } from '../../../medium/reply-path.ts'
import { PHANTOM_DELTA_BLOCKS, type RelayCost } from '../../paths/path-classes.ts'
import { EXPIRY_MARGIN_BLOCKS } from '../../../medium/limits.ts'
import { MAX_SHADOW_BLOCKS, RELAY_DATA_BYTES } from '../limits.ts'
import type { Introduction } from './introductions.ts'
import type { NodePhantomKey } from './node-phantom.ts'
import { encodePath } from '../../paths/reply-path.ts'

/** The keys that open payments over one path. Plain data; holds secrets. */
export interface PhantomKey extends NodePhantomKey {
  readonly pathId: string
  /** 32 bytes: opens the phantom's own encrypted data. */
  readonly dataSecret: Uint8Array
  /** From this height on, payments over the path are refused. */
  readonly expiryHeight: number
}

/** Makes one path over a chain, with fresh keys and a fresh channel id (spec/lnd.md §5). */
export function makeBlindedPath(options: {
  readonly pathId: string
  /** Hex. */
  readonly ownKey: string
  readonly chain: Introduction
  readonly expiryHeight: number
  readonly entropy: Entropy
}): { readonly path: ReplyPath; readonly key: PhantomKey } {
  const { pathId, chain, expiryHeight, entropy } = options
  const phantomSecret = freshSecret(entropy)
  const phantomChannel = madeUpChannel(entropy.bytes(CHANNEL_SEED_BYTES))
  const nodes = [...chain.links.map((link) => link.from), options.ownKey]
  const data = relayData(chain, expiryHeight, phantomChannel)
  const hops: HopPlan[] = nodes.map((node, i) => ({ nodeId: fromHex(node), data: data[i] as Uint8Array }))
  hops.push({ nodeId: publicKey(phantomSecret), data: encodeEncryptedData({}) })
  const { path, lastPathKey } = buildBlindedPath({ sessionKey: freshSecret(entropy), hops })
  const { privateKey, sharedSecret } = deriveBlindedKey({ privateKey: phantomSecret, pathKey: lastPathKey })
  const bytes = encodePath({
    introduction: path.introductionNodeId,
    pathKey: path.pathKey,
    blindedIds: path.hops.slice(1).map((hop) => hop.blindedNodeId),
    data: path.hops.map((hop) => hop.encryptedData),
    totals: chain.totals,
  })
  const chanId = phantomChannel.toString()
  return {
    path: { pathId, bytes, expiryHeight },
    key: { pathId, chanId, privateKey, dataSecret: sharedSecret, expiryHeight },
  }
}

/** The encrypted data for each relay, this node last, all of one length. */
function relayData({ links, costs, totals }: Introduction, expiryHeight: number, phantomChannel: bigint): Uint8Array[] {
  // The last block at which a payment that is sent in the path's last block can be under way, with all margins.
  let maxCltvExpiry = expiryHeight + totals.cltvDelta + EXPIRY_MARGIN_BLOCKS + MAX_SHADOW_BLOCKS
  const relays: EncryptedData[] = []
  for (const [i, link] of links.entries()) {
    const { baseFeeMsat, feePpm } = costs[i] as RelayCost
    relays.push({
      shortChannelId: BigInt(link.chanId),
      paymentRelay: {
        cltvExpiryDelta: link.cltvDelta,
        feeProportionalMillionths: feePpm,
        feeBaseMsat: baseFeeMsat,
      },
      paymentConstraints: { maxCltvExpiry, htlcMinimumMsat: link.minHtlcMsat },
    })
    maxCltvExpiry -= link.cltvDelta
  }
  relays.push({
    shortChannelId: phantomChannel,
    paymentRelay: { cltvExpiryDelta: PHANTOM_DELTA_BLOCKS, feeProportionalMillionths: 0, feeBaseMsat: 0 },
    paymentConstraints: { maxCltvExpiry, htlcMinimumMsat: 1n },
  })
  return encodePadded(relays, RELAY_DATA_BYTES)
}

function freshSecret(entropy: Entropy): Uint8Array {
  for (;;) {
    const secret = entropy.bytes(32)
    if (isSecret(secret)) return secret
  }
}
