import { sha256 } from '@noble/hashes/sha2.js'
import { describe, expect, it } from 'vitest'
import {
  buildBlindedPath,
  deriveBlindedKey,
  nextPathKey,
  type BlindedPath,
} from '../../../src/wire/bolt4/blinded-path.ts'
import { decodeEncryptedData, encodePadded, openEncryptedData } from '../../../src/wire/bolt4/encrypted-data.ts'
import { encodeFailure, sealFailure } from '../../../src/wire/bolt4/failure.ts'
import { peelOnion, type PeeledOnion } from '../../../src/wire/bolt4/onion.ts'
import { decodeBlindedFinal, decodeClearFinal, decodePayload, encodePayload } from '../../../src/wire/bolt4/payload.ts'
import { packShortChannelId } from '../../../src/wire/bolt4/short-channel-id.ts'
import { fromHex } from '../../../src/floor/bytes.ts'
import { publicKey } from '../../../src/wire/keys.ts'
import { boltCode } from './arbitraries.ts'
import { openFailure, wrapFailure } from './failure-opener.ts'
import { buildOnion, framed } from './onion-builder.ts'

const key = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)
const [relayKey, introductionKey, nodeKey, phantomKey] = [key(1), key(2), key(3), key(4)] as const
const RECORD_TYPE = 1_936_679_787n
const hash = sha256(key(9))
const none = new Map<bigint, Uint8Array>()
const packet = new Uint8Array(700).fill(0x55)
const channel = packShortChannelId({ block: 800_000, transaction: 12, output: 1 })
const madeUp = packShortChannelId({ block: 16_500_000, transaction: 4_711, output: 3 })
const paymentRelay = { cltvExpiryDelta: 80, feeProportionalMillionths: 100, feeBaseMsat: 1_000 }
const paymentConstraints = { maxCltvExpiry: 802_000, htlcMinimumMsat: 1_000n }

function peel(onion: Uint8Array, privateKey: Uint8Array): PeeledOnion {
  return peelOnion({ onion, privateKey, associatedData: hash })
}

/** What a relay does: its payload, and the onion to hand on. */
function relay(onion: Uint8Array, privateKey: Uint8Array): { payload: Uint8Array; nextOnion: Uint8Array } {
  const peeled = peel(onion, privateKey)
  if (peeled.hop !== 'relay') throw new Error('the onion ends at a relay')
  return peeled
}

describe('a payment to a phantom behind a node, over a blinded path', () => {
  const data = encodePadded([
    { shortChannelId: channel, paymentRelay, paymentConstraints },
    { shortChannelId: madeUp, paymentRelay, paymentConstraints },
    { pathId: fromHex('0badcafe') },
  ])
  const nodeIds = [introductionKey, nodeKey, phantomKey].map((secret) => publicKey(secret))
  const built = buildBlindedPath({
    sessionKey: key(5),
    hops: nodeIds.map((nodeId, i) => ({ nodeId, data: data[i]! })),
  })
  const path: BlindedPath = built.path
  const { lastPathKey } = built
  const phantom = deriveBlindedKey({ privateKey: phantomKey, pathKey: lastPathKey })
  const [introduction, node, last] = path.hops

  // The payer: one relay in the clear, then the path (BOLT 4 "payload format", the writer).
  const { onion, sharedSecrets } = buildOnion({
    sessionKey: key(6),
    associatedData: hash,
    hops: [
      { publicKey: publicKey(relayKey), payload: { amountMsat: 5_000n, cltvExpiry: 801_000, shortChannelId: 1n } },
      {
        publicKey: path.introductionNodeId,
        payload: { encryptedData: introduction!.encryptedData, pathKey: path.pathKey },
      },
      { publicKey: node!.blindedNodeId, payload: { encryptedData: node!.encryptedData } },
      {
        publicKey: last!.blindedNodeId,
        payload: {
          amountMsat: 2_000n,
          cltvExpiry: 800_500,
          totalAmountMsat: 2_000n,
          encryptedData: last!.encryptedData,
        },
        records: new Map([[RECORD_TYPE, packet]]),
      },
    ].map(({ publicKey: to, payload, records = none }) => ({
      publicKey: to,
      framed: framed(encodePayload({ ...payload, customRecords: records })),
    })),
  })

  // The hops before the phantom: stock nodes.
  function offer(): Uint8Array {
    const first = relay(onion, relayKey)
    const second = relay(first.nextOnion, introductionKey)
    const atIntroduction = decodePayload(second.payload)
    const introductionPath = deriveBlindedKey({ privateKey: introductionKey, pathKey: atIntroduction.pathKey! })
    const said = decodeEncryptedData(openEncryptedData(introductionPath.sharedSecret, atIntroduction.encryptedData!))
    expect(said).toMatchObject({ shortChannelId: channel, paymentRelay, paymentConstraints })
    const nodePathKey = nextPathKey(atIntroduction.pathKey!, introductionPath.sharedSecret)
    const nodePath = deriveBlindedKey({ privateKey: nodeKey, pathKey: nodePathKey })
    const third = relay(second.nextOnion, nodePath.privateKey)
    const toNode = openEncryptedData(nodePath.sharedSecret, decodePayload(third.payload).encryptedData!)
    expect(decodeEncryptedData(toNode)).toMatchObject({ shortChannelId: madeUp })
    expect(nextPathKey(nodePathKey, nodePath.sharedSecret)).toEqual(lastPathKey)
    return third.nextOnion
  }

  it('ends at the phantom, which reads the record and its own mark', () => {
    const peeled = peel(offer(), phantom.privateKey)
    expect(peeled.hop).toBe('final')
    const payload = decodeBlindedFinal(peeled.payload)
    expect(payload).toMatchObject({ amountMsat: 2_000n, cltvExpiry: 800_500, totalMsat: 2_000n })
    expect(payload.customRecords).toEqual(new Map([[RECORD_TYPE, packet]]))
    const mark = decodeEncryptedData(openEncryptedData(phantom.sharedSecret, payload.encryptedData))
    expect(mark.pathId).toEqual(fromHex('0badcafe'))
  })

  it('cannot be read with the phantom’s own key, nor under another payment hash', () => {
    const onionAtPhantom = offer()
    expect(boltCode(() => peel(onionAtPhantom, phantomKey))).toBe('onion-hmac')
    const another = { onion: onionAtPhantom, privateKey: phantom.privateKey, associatedData: key(8) }
    expect(boltCode(() => peelOnion(another))).toBe('onion-hmac')
  })

  it('has encrypted data of one length at every hop', () => {
    expect(new Set(path.hops.map(({ encryptedData }) => encryptedData.length)).size).toBe(1)
  })

  it('fails with a reason that the payer reads as the phantom’s, as long as the relays hand it on', () => {
    const peeled = peel(offer(), phantom.privateKey)
    const message = encodeFailure({ name: 'incorrect_or_unknown_payment_details', htlcMsat: 2_000n, height: 13 })
    const sealed = sealFailure(peeled.sharedSecret, message)
    const arrived = sharedSecrets.slice(0, -1).reduceRight((failure, secret) => wrapFailure(secret, failure), sealed)
    expect(openFailure(sharedSecrets, arrived)).toEqual({ hop: 3, message })
  })
})

describe('a payment to a phantom behind a node, without blinding', () => {
  it('ends at the phantom, which reads the record', () => {
    const payloads = [
      { amountMsat: 2_000n, cltvExpiry: 800_600, shortChannelId: madeUp, customRecords: none },
      { amountMsat: 2_000n, cltvExpiry: 800_500, customRecords: new Map([[RECORD_TYPE, packet]]) },
    ]
    const { onion } = buildOnion({
      sessionKey: key(6),
      associatedData: hash,
      hops: [nodeKey, phantomKey].map((secret, i) => ({
        publicKey: publicKey(secret),
        framed: framed(encodePayload(payloads[i]!)),
      })),
    })
    const { payload, hop } = peel(relay(onion, nodeKey).nextOnion, phantomKey)
    expect(hop).toBe('final')
    expect(decodeClearFinal(payload).customRecords).toEqual(new Map([[RECORD_TYPE, packet]]))
  })
})
