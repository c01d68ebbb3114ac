/** What is read of onions and paths: a payer's, of which a node has taken off its own layer. */
import { isDeepStrictEqual } from 'node:util'
import { BackendError } from '../../../src/backends/backend.ts'
import type { PhantomKey } from '../../../src/backends/lnd/phantom/blinded-paths.ts'
import { examineOffer } from '../../../src/backends/lnd/phantom/examine-offer.ts'
import { nodePhantomKey, type NodePhantomKey } from '../../../src/backends/lnd/phantom/node-phantom.ts'
import { SEALED_FAILURE_BYTES } from '../../../src/wire/bolt4/failure.ts'
import { decodePath, encodePath } from '../../../src/backends/paths/reply-path.ts'
import { toHex } from '../../../src/floor/bytes.ts'
import {
  decodeEncryptedData,
  encodeEncryptedData,
  openEncryptedData,
  sealEncryptedData,
} from '../../../src/wire/bolt4/encrypted-data.ts'
import { BoltError } from '../../../src/wire/bolt4/errors.ts'
import { peelOnion } from '../../../src/wire/bolt4/onion.ts'
import {
  decodeBlindedFinal,
  decodeClearFinal,
  decodePayload,
  encodePayload,
  RECORD_TYPE,
} from '../../../src/wire/bolt4/payload.ts'
import { FieldReader, readBigSize } from '../../../src/wire/bolt4/tlv.ts'
import { MAX_PATH_BYTES } from '../../../src/wire/frames.ts'
import { publicKey } from '../../../src/wire/keys.ts'
import { must, onlyThrows, type Target } from '../../../tools/fuzz/target.ts'
import { buildOnion, framed } from '../../wire/bolt4/onion-builder.ts'

const key = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)
const HEIGHT = 800_000
const NODE = publicKey(key(3))
const HASH = key(9)

/** Where the records of a TLV stream begin. */
function recordStarts(bytes: Uint8Array): readonly number[] {
  const starts: number[] = []
  const reader = new FieldReader(bytes)
  onlyThrows([BoltError], () => {
    for (let left = bytes.length; left > 0;) {
      starts.push(bytes.length - left)
      readBigSize(reader)
      const size = Number(readBigSize(reader))
      reader.take(size)
      left = reader.remaining
    }
  })
  return starts
}

const record = new Uint8Array(40).fill(0x55)
const clear = {
  amountMsat: 5_000n,
  cltvExpiry: HEIGHT + 200,
  customRecords: new Map([[RECORD_TYPE, record]]),
}
const whole = {
  ...clear,
  shortChannelId: 900_000n << 40n,
  paymentData: { paymentSecret: key(4), totalMsat: 6_000n },
  encryptedData: key(5),
  pathKey: NODE,
  paymentMetadata: key(6),
  totalAmountMsat: 5_000n,
  keysendPreimage: key(7),
}

const payload: Target = {
  name: 'payload',
  maxBytes: 1_300,
  runsInCi: 8_000,
  fields: recordStarts,
  seeds: () => [encodePayload(clear), encodePayload(whole)],
  run(input) {
    const decoded = onlyThrows([BoltError], () => decodePayload(input))
    onlyThrows([BoltError], () => decodeClearFinal(input))
    onlyThrows([BoltError], () => decodeBlindedFinal(input))
    if (decoded !== undefined)
      must(isDeepStrictEqual(decodePayload(encodePayload(decoded)), decoded), 'a payload that does not come back')
  },
}

const encryptedData: Target = {
  name: 'encrypted-data',
  maxBytes: 600,
  runsInCi: 8_000,
  fields: recordStarts,
  seeds: () => [
    encodeEncryptedData({
      paddingBytes: 5,
      shortChannelId: 800_000n << 40n,
      nextNodeId: NODE,
      pathId: key(1),
      nextPathKeyOverride: NODE,
      paymentRelay: { cltvExpiryDelta: 80, feeProportionalMillionths: 100, feeBaseMsat: 1_000 },
      paymentConstraints: { maxCltvExpiry: HEIGHT + 2_000, htlcMinimumMsat: 1_000n },
      allowedFeatures: Uint8Array.of(1),
    }),
    encodeEncryptedData({ pathId: key(2) }),
  ],
  run(input) {
    const decoded = onlyThrows([BoltError], () => decodeEncryptedData(input))
    if (decoded !== undefined)
      must(
        isDeepStrictEqual(decodeEncryptedData(encodeEncryptedData(decoded)), decoded),
        'data that does not come back',
      )
    onlyThrows([BoltError], () => openEncryptedData(key(8), input))
    must(toHex(openEncryptedData(key(8), sealEncryptedData(key(8), input))) === toHex(input), 'sealed, and not opened')
  },
}

const nodeKey: NodePhantomKey = nodePhantomKey(NODE)
const pathKey: PhantomKey = {
  ...nodeKey,
  pathId: 'p',
  dataSecret: key(8),
  expiryHeight: HEIGHT + 100,
}

/** An HTLC as lnd tells of it, of which the payer chose everything that is not the node's. */
function offerOf(onion: Uint8Array, amountMsat: number, expiry: number): Parameters<typeof examineOffer>[0] {
  return {
    incoming_circuit_key: { chan_id: '1', htlc_id: '1' },
    incoming_amount_msat: String(amountMsat),
    incoming_expiry: expiry,
    payment_hash: HASH,
    outgoing_requested_chan_id: nodeKey.chanId,
    onion_blob: onion,
    auto_fail_height: expiry - 13,
  }
}

function checkOffer(onion: Uint8Array, amountMsat: number, expiry: number): void {
  for (const each of [nodeKey, pathKey]) {
    const examined = examineOffer(offerOf(onion, amountMsat, expiry), each, HEIGHT)
    if (!examined.ok) {
      // lnd ends the stream over any other length.
      must(
        examined.failure === undefined || examined.failure.length === SEALED_FAILURE_BYTES,
        'a failure of this length',
      )
      continue
    }
    must(examined.amountMsat <= BigInt(amountMsat), 'more than came counts')
    must(expiry >= HEIGHT, 'an HTLC that has expired is taken')
  }
}

/** The first byte says how: an onion of these bytes as they are, or the payload of its last layer, or of a relay's. */
const onion: Target = {
  name: 'onion',
  maxBytes: 1_400,
  runsInCi: 300,
  fields: (input) => [0, 1, 5, ...recordStarts(input.subarray(9)).map((start) => start + 9)],
  seeds: () => {
    const head = Buffer.alloc(9)
    head.writeUInt32BE(5_000, 1)
    head.writeUInt32BE(HEIGHT + 200, 5)
    const blinded = {
      ...clear,
      totalAmountMsat: 5_000n,
      encryptedData: sealEncryptedData(key(8), encodeEncryptedData({ pathId: key(2) })),
    }
    const made = buildOnion({
      sessionKey: key(6),
      associatedData: HASH,
      hops: [{ publicKey: publicKey(nodeKey.privateKey), framed: framed(encodePayload(clear)) }],
    })
    return [
      Buffer.concat([head.fill(1, 0, 1), encodePayload(clear)]),
      Buffer.concat([head, encodePayload(blinded)]),
      Buffer.concat([head.fill(2, 0, 1), encodePayload(clear)]),
      Buffer.concat([head.fill(3, 0, 1), framed(encodePayload(clear))]),
      Buffer.concat([head.fill(0, 0, 1), made.onion]),
    ]
  },
  run(input) {
    const head = Buffer.from(input.subarray(0, 9))
    const rest = input.subarray(9)
    const how = (head[0] ?? 0) % 4
    const amountMsat = head.length < 5 ? 0 : head.readUInt32BE(1)
    const expiry = head.length < 9 ? 0 : head.readUInt32BE(5)
    const last = publicKey(nodeKey.privateKey)
    if (how === 0) {
      onlyThrows([BoltError], () => peelOnion({ onion: rest, privateKey: nodeKey.privateKey, associatedData: HASH }))
      return checkOffer(rest, amountMsat, expiry)
    }
    const hops = [
      { publicKey: last, framed: how === 3 ? rest : framed(rest) },
      ...(how === 2 ? [{ publicKey: NODE, framed: framed(encodePayload(clear)) }] : []),
    ]
    const built = onlyThrows([RangeError], () => buildOnion({ sessionKey: key(6), associatedData: HASH, hops }))
    if (built !== undefined) checkOffer(built.onion, amountMsat, expiry)
  },
}

const path: Target = {
  name: 'path',
  maxBytes: MAX_PATH_BYTES + 1,
  runsInCi: 1_500,
  fields: (input) => [0, 1, 2, 35, 68, 101, 134, Math.max(0, input.length - 14)],
  seeds: () =>
    [2, 3].map((behind) =>
      encodePath({
        introduction: NODE,
        pathKey: NODE,
        blindedIds: Array.from({ length: behind }, () => NODE),
        data: Array.from({ length: behind + 1 }, () => key(1)),
        totals: { baseFeeMsat: 2_000, feePpm: 20, cltvDelta: 160, minHtlcMsat: 1_000 },
      }),
    ),
  run(input) {
    const decoded = onlyThrows([BackendError], () => decodePath(input))
    if (decoded !== undefined) must(toHex(encodePath(decoded)) === toHex(input), 'a path that does not come back')
  },
}

export const targets: readonly Target[] = [payload, encryptedData, onion, path]
