/** The vectors of single values, read as another implementation would read them. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { decodePath, encodePath } from '../../src/backends/paths/reply-path.ts'
import { fromHex, toHex } from '../../src/floor/bytes.ts'
import { buildBlindedPath, deriveBlindedKey } from '../../src/wire/bolt4/blinded-path.ts'
import { encodeEncryptedData, encodePadded, type EncryptedData } from '../../src/wire/bolt4/encrypted-data.ts'
import { encodeFailure, sealFailure } from '../../src/wire/bolt4/failure.ts'
import { encodePayload, RECORD_TYPE } from '../../src/wire/bolt4/payload.ts'
import { madeUpChannel, phantomOf } from '../../src/wire/bolt4/phantom.ts'
import { parseShortChannelId } from '../../src/wire/bolt4/short-channel-id.ts'
import { ProtocolError } from '../../src/wire/errors.ts'
import { checkPlaces, decodeFrames } from '../../src/wire/frame-reader.ts'
import { ecdh, publicKey } from '../../src/wire/keys.ts'
import type { Kind } from '../../src/wire/packets.ts'
import { Reader } from '../../src/wire/reader.ts'
import { varintSize, Writer } from '../../src/wire/writer.ts'
import { costsOf, type PriceStep, readAddress, readHostName, writeAddress, writeHostName } from './transport.ts'

function read(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../../spec/vectors/${name}`, import.meta.url), 'utf8'))
}

describe('varints.json', () => {
  const { valid, invalid } = read('varints.json') as {
    valid: { value: number; hex: string }[]
    invalid: { name: string; hex: string }[]
  }

  it.each(valid)('$value is written as $hex', ({ value, hex }) => {
    const bytes = new Uint8Array(varintSize(value))
    new Writer(bytes).varint(value)
    expect(toHex(bytes)).toBe(hex)
    expect(new Reader(fromHex(hex)).varint()).toBe(value)
  })

  it.each(invalid)('$name is none', ({ hex }) => {
    expect(() => new Reader(fromHex(hex)).varint()).toThrow(ProtocolError)
  })
})

describe('addresses.json', () => {
  const { valid, invalid } = read('addresses.json') as {
    valid: { name: string; address: string; written: string; publicKey: string; hints: Record<string, unknown>[] }[]
    invalid: { name: string; address: string }[]
  }

  it.each(valid)('$name is read', ({ address, written, publicKey: key, hints }) => {
    const found = readAddress(address)
    expect(toHex(found.publicKey)).toBe(key)
    expect(
      found.hints.map((hint) => ({
        publicKey: toHex(hint.publicKey),
        channel: hint.channelId,
        baseMsat: Number(hint.feeBaseMsat),
        ppm: hint.feePpm,
        delta: hint.cltvDelta,
        leastMsat: Number(hint.minAmountMsat),
      })),
    ).toEqual(hints)
    expect(writeAddress(found)).toBe(written)
  })

  it.each(invalid)('$name is none', ({ address }) => {
    expect(() => readAddress(address)).toThrow(expect.objectContaining({ code: 'ERR_KEYSOCK_INVALID_OPTION' }))
  })
})

describe('host-names.json', () => {
  const { valid, invalid } = read('host-names.json') as {
    valid: { name: string; host: string; written: string; publicKey: string }[]
    invalid: { name: string; host: string }[]
  }

  it.each(valid)('$name is read', ({ host, written, publicKey: key }) => {
    expect(readHostName(host)).toBe(key)
    expect(toHex(readAddress(host).publicKey)).toBe(key)
    expect(writeHostName(key)).toBe(written)
    expect(writeHostName(`${key}+phantom`)).toBe(written)
  })

  it.each(invalid)('$name is none', ({ host }) => {
    expect(() => readHostName(host)).toThrow(expect.objectContaining({ code: 'ERR_KEYSOCK_HOST_NAME' }))
    expect(() => readAddress(host)).toThrow(expect.objectContaining({ code: expect.stringMatching(/^ERR_KEYSOCK_/) }))
  })
})

describe('places.json', () => {
  const rows = read('places.json') as { name: string; kind: Kind; frames: string; allowed: boolean }[]

  it.each(rows)('$name: $allowed', ({ kind, frames, allowed }) => {
    const check = (): void => checkPlaces(kind, decodeFrames(fromHex(frames)))
    if (allowed) check()
    else expect(check).toThrow(ProtocolError)
  })
})

describe('prices.json', () => {
  const rows = read('prices.json') as { name: string; steps: (PriceStep & { costMsat: number })[] }[]

  it.each(rows)('has the cost of $name', ({ steps }) => {
    expect(costsOf(steps)).toEqual(steps.map(({ costMsat }) => costMsat))
  })
})

interface PathVector {
  readonly name: string
  readonly sessionSecret: string
  readonly expiryHeight: number
  readonly channelSeed: string
  readonly relays: readonly {
    readonly shortChannelId: string
    readonly delta: number
    readonly ppm: number
    readonly baseMsat: number
    readonly leastMsat: number
  }[]
  readonly hops: readonly Readonly<
    Record<
      'nodeSecret' | 'node' | 'pathKey' | 'sharedSecret' | 'blindedSecret' | 'blindedId' | 'data' | 'encryptedData',
      string
    >
  >[]
  readonly baseMsat: number
  readonly ppm: number
  readonly delta: number
  readonly leastMsat: number
  readonly path: string
}

describe('reply-paths.json', () => {
  const { valid, invalid } = read('reply-paths.json') as {
    valid: PathVector[]
    invalid: { name: string; path: string }[]
  }

  /** What the hops are told, made again from the fields of the vector. */
  function hopData({ relays, channelSeed, expiryHeight, delta }: PathVector): Uint8Array[] {
    let maxCltvExpiry = expiryHeight + delta + 82
    const hops: EncryptedData[] = []
    for (const relay of relays) {
      hops.push({
        shortChannelId: parseShortChannelId(relay.shortChannelId),
        paymentRelay: {
          cltvExpiryDelta: relay.delta,
          feeProportionalMillionths: relay.ppm,
          feeBaseMsat: relay.baseMsat,
        },
        paymentConstraints: { maxCltvExpiry, htlcMinimumMsat: BigInt(relay.leastMsat) },
      })
      maxCltvExpiry -= relay.delta
    }
    hops.push({
      shortChannelId: madeUpChannel(fromHex(channelSeed)),
      paymentRelay: { cltvExpiryDelta: 32, feeProportionalMillionths: 0, feeBaseMsat: 0 },
      paymentConstraints: { maxCltvExpiry, htlcMinimumMsat: 1n },
    })
    return [...encodePadded(hops, 32), encodeEncryptedData({})]
  }

  it.each(valid)('is made and read: $name', (vector) => {
    const data = hopData(vector)
    expect(data.map((each) => toHex(each))).toEqual(vector.hops.map((hop) => hop.data))
    const { path, lastPathKey } = buildBlindedPath({
      sessionKey: fromHex(vector.sessionSecret),
      hops: vector.hops.map(({ node }, i) => ({ nodeId: fromHex(node), data: data[i] ?? new Uint8Array() })),
    })
    const parts = {
      introduction: path.introductionNodeId,
      pathKey: path.pathKey,
      blindedIds: path.hops.slice(1).map(({ blindedNodeId }) => blindedNodeId),
      data: path.hops.map(({ encryptedData }) => encryptedData),
      totals: {
        baseFeeMsat: vector.baseMsat,
        feePpm: vector.ppm,
        cltvDelta: vector.delta,
        minHtlcMsat: vector.leastMsat,
      },
    }
    expect(toHex(encodePath(parts))).toBe(vector.path)
    expect(decodePath(fromHex(vector.path))).toEqual(parts)
    const last = vector.hops.at(-1)
    expect(toHex(lastPathKey)).toBe(last?.pathKey)
    const key = deriveBlindedKey({ privateKey: fromHex(last?.nodeSecret ?? ''), pathKey: lastPathKey })
    expect(toHex(key.privateKey)).toBe(last?.blindedSecret)
    expect(toHex(publicKey(key.privateKey))).toBe(last?.blindedId)
  })

  it.each(invalid)('is none: $name', ({ path }) => {
    expect(() => decodePath(fromHex(path))).toThrow(expect.objectContaining({ code: 'bad-request' }))
  })
})

describe('payments.json', () => {
  const rows = read('payments.json') as {
    name: string
    amountMsat: number
    record: string
    preimage: string | null
    encryptedData: string | null
    finalExpiry: number
    payload: string
  }[]

  it.each(rows)('has the payload of the last hop: $name', (row) => {
    const payload = encodePayload({
      amountMsat: BigInt(row.amountMsat),
      cltvExpiry: row.finalExpiry,
      ...(row.encryptedData !== null && {
        encryptedData: fromHex(row.encryptedData),
        totalAmountMsat: BigInt(row.amountMsat),
      }),
      ...(row.preimage !== null && { keysendPreimage: fromHex(row.preimage) }),
      customRecords: new Map([[RECORD_TYPE, fromHex(row.record)]]),
    })
    expect(toHex(payload)).toBe(row.payload)
  })
})

describe('failures.json', () => {
  const rows = read('failures.json') as {
    name: string
    node: string
    onionKey: string
    sharedSecret: string
    htlcMsat: number
    code: number
    message: string
    sealed: string
  }[]

  it.each(rows)('has the refusal with $name', ({ node, onionKey, sharedSecret, htlcMsat, code, message, sealed }) => {
    expect(toHex(ecdh(phantomOf(fromHex(node)).secretKey, fromHex(onionKey)))).toBe(sharedSecret)
    const height = code < 2 ** 32 ? code : 0
    const made = encodeFailure({
      name: 'incorrect_or_unknown_payment_details',
      htlcMsat: BigInt(htlcMsat),
      height,
    })
    expect(toHex(made)).toBe(message)
    expect(toHex(sealFailure(fromHex(sharedSecret), made))).toBe(sealed)
  })
})
