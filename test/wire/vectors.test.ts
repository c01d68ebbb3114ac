/** The files of spec/vectors, read as another implementation would read them. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { phantomOf } from '../../src/wire/bolt4/phantom.ts'
import { formatShortChannelId } from '../../src/wire/bolt4/short-channel-id.ts'
import { equalBytes, fromHex, toHex } from '../../src/floor/bytes.ts'
import { codeName, ProtocolError } from '../../src/wire/errors.ts'
import { decodeFrames } from '../../src/wire/frame-reader.ts'
import { encodeFrames } from '../../src/wire/frame-writer.ts'
import type { Frame } from '../../src/wire/frames.ts'
import { completeInitiator, completeResponder, initiate, openTranscript, respond } from '../../src/wire/handshake.ts'
import {
  type DirectionKeys,
  ecdh,
  identifyProof,
  openIdentityProof,
  type MainKeys,
  paymentHash,
  preimage,
  publicKey,
} from '../../src/wire/keys.ts'
import { decodeHeader, type Header, openPacket, type OpenHeader, sealPacket } from '../../src/wire/packets.ts'
import { vectorFiles, vectorFolder } from './vectors.ts'
import { toJson } from './vectors-json.ts'

function read(name: string): unknown {
  return JSON.parse(readFileSync(new URL(name, vectorFolder), 'utf8'))
}

/** The name of the code that `decode` throws, or undefined. */
function codeOf(decode: () => unknown): string | undefined {
  try {
    decode()
  } catch (error) {
    if (error instanceof ProtocolError) return codeName(error.code)
    throw error
  }
  return undefined
}

describe('spec/vectors', () => {
  it.each([...vectorFiles()])('holds what test/wire/vectors.ts makes: %s', (name, content) => {
    expect(readFileSync(new URL(name, vectorFolder), 'utf8')).toBe(content)
  })
})

interface FramesFile {
  readonly valid: readonly {
    readonly name: string
    readonly hex: string
    readonly frames: readonly object[]
    readonly canonical: boolean
  }[]
  readonly invalid: readonly { readonly name: string; readonly hex: string; readonly code: string }[]
}

/** Fields that hold bytes, and fields that hold amounts. */
const byteFields = new Set(['data', 'bytes', 'id', 'key', 'proof', 'directReply'])

function fromJson(value: unknown, field = ''): unknown {
  if (typeof value === 'string' && byteFields.has(field)) return fromHex(value)
  if (typeof value === 'number' && field.endsWith('Msat')) return BigInt(value)
  if (Array.isArray(value)) return value.map((item) => fromJson(item))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, fromJson(item, name)]))
}

describe('frames.json', () => {
  const file = read('frames.json') as FramesFile

  it.each(file.valid)('is decoded: $name', ({ hex, frames }) => {
    expect(toJson(decodeFrames(fromHex(hex)))).toEqual(frames)
  })

  it.each(file.valid.filter(({ canonical }) => canonical))('is encoded: $name', ({ hex, frames }) => {
    expect(toHex(encodeFrames(fromJson(frames) as Frame[]))).toBe(hex)
  })

  it.each(file.invalid)('is rejected: $name', ({ hex, code }) => {
    expect(codeOf(() => decodeFrames(fromHex(hex)))).toBe(code)
  })
})

type KeySetName = 'early' | 'toResponder' | 'toInitiator'

interface PacketsFile {
  readonly keySets: Readonly<
    Record<KeySetName, { readonly seal: string; readonly settle: string; readonly transcript: string }>
  >
  readonly valid: readonly {
    readonly name: string
    readonly kind: 'early' | 'data' | 'answer' | 'reply'
    readonly keys: KeySetName
    readonly cid: string | null
    readonly ephemeral: string | null
    readonly number: number
    readonly frames: string
    readonly packet: string
  }[]
  readonly invalid: readonly {
    readonly name: string
    readonly cid: boolean
    readonly packet: string
    readonly keys?: KeySetName
    readonly error: string
  }[]
}

describe('packets.json', () => {
  const file = read('packets.json') as PacketsFile

  function keySet(name: KeySetName): DirectionKeys {
    const { seal, settle, transcript } = file.keySets[name]
    return { seal: fromHex(seal), settle: fromHex(settle), transcript: fromHex(transcript) }
  }

  it.each(file.valid)('is sealed and opened: $name', (row) => {
    const header = {
      kind: row.kind,
      cid: row.cid === null ? undefined : fromHex(row.cid),
      ...(row.ephemeral === null ? {} : { ephemeral: fromHex(row.ephemeral) }),
      number: row.number,
    } as Exclude<Header, OpenHeader>
    const keys = keySet(row.keys)
    expect(toHex(sealPacket(header, keys, fromHex(row.frames)))).toBe(row.packet)
    const record = fromHex(row.packet)
    const decoded = decodeHeader(record, row.cid === null ? 'path' : 'cid')
    expect(decoded.header).toEqual(header)
    expect(openPacket(record, decoded, keys)).toEqual(fromHex(row.frames))
    decodeFrames(fromHex(row.frames))
  })

  it.each(file.invalid)('is rejected: $name', ({ packet, cid, keys, error }) => {
    const record = fromHex(packet)
    const addressing = cid ? 'cid' : 'path'
    if (keys === undefined) expect(codeOf(() => decodeHeader(record, addressing))).toBe(error)
    else expect(openPacket(record, decodeHeader(record, addressing), keySet(keys))).toBeUndefined()
  })
})

type HandshakeField =
  | 'responderSecret'
  | 'initiatorEphemeralSecret'
  | 'responderEphemeralSecret'
  | 'cid'
  | 'frames'
  | 'responderKey'
  | 'initiatorEphemeral'
  | 'responderEphemeral'
  | 'es'
  | 'ee'
  | 'open'
  | 'ck1'
  | 'h1'
  | 'h2'
  | 'earlySeal'
  | 'earlySettle'
  | 'mainSealToResponder'
  | 'mainSettleToResponder'
  | 'mainSealToInitiator'
  | 'mainSettleToInitiator'

type HandshakeFile = Readonly<Record<HandshakeField, string>> & {
  readonly identify: Readonly<Record<'secret' | 'key' | 'shared' | 'proof', string>>
  readonly openIdentity: Readonly<Record<'secret' | 'key' | 'shared' | 'proof', string>>
  readonly preimages: readonly {
    readonly name: string
    readonly keys: KeySetName
    readonly number: number
    readonly attempt: number
    readonly preimage: string
    readonly hash: string
  }[]
}

describe('handshake.json', () => {
  const file = read('handshake.json') as HandshakeFile
  const field = (name: HandshakeField): Uint8Array => fromHex(file[name])
  const initiation = initiate({
    responderKey: field('responderKey'),
    cid: field('cid'),
    ephemeralSecret: field('initiatorEphemeralSecret'),
    frames: field('frames'),
  })

  function expectMain(main: MainKeys): void {
    expect(toJson(main)).toEqual({
      toResponder: { seal: file.mainSealToResponder, settle: file.mainSettleToResponder, transcript: file.h2 },
      toInitiator: { seal: file.mainSealToInitiator, settle: file.mainSettleToInitiator, transcript: file.h2 },
    })
  }

  it('is what the initiator computes', () => {
    expect(toHex(publicKey(field('responderSecret')))).toBe(file.responderKey)
    expect(toHex(ecdh(field('initiatorEphemeralSecret'), field('responderKey')))).toBe(file.es)
    expect(toHex(initiation.packet)).toBe(file.open)
    expect(toHex(initiation.chainingKey)).toBe(file.ck1)
    expect(toJson(initiation.early)).toEqual({ seal: file.earlySeal, settle: file.earlySettle, transcript: file.h1 })
    expectMain(completeInitiator(initiation, field('responderEphemeral')))
  })

  it('is what the responder computes', () => {
    const { header, sealedOffset } = decodeHeader(field('open'), 'cid')
    if (header.kind !== 'open') throw new Error('not an OPEN')
    const response = respond({
      responderKey: field('responderKey'),
      cid: header.cid,
      ephemeral: header.ephemeral,
      sharedSecret: field('es'),
      sealed: field('open').subarray(sealedOffset),
    })
    if (response === undefined) throw new Error('the OPEN did not open')
    expect(toHex(response.frames)).toBe(file.frames)
    expect(decodeFrames(response.frames).map(({ type }) => type)).toEqual(['open', 'reply-paths', 'stream'])
    const { ephemeral, main } = completeResponder(response, field('responderEphemeralSecret'))
    expect(toHex(ephemeral)).toBe(file.responderEphemeral)
    expectMain(main)
  })

  it.each(file.preimages)('has the preimage of $name', ({ keys, number, attempt, preimage: expected, hash }) => {
    const main = completeInitiator(initiation, field('responderEphemeral'))
    const { settle } = { early: initiation.early, ...main }[keys]
    const found = preimage(settle, number, attempt)
    expect(toHex(found)).toBe(expected)
    expect(toHex(paymentHash(found))).toBe(hash)
  })

  it('has the proof of an IDENTIFY', () => {
    const { secret, key, shared, proof } = file.identify
    expect(toHex(publicKey(fromHex(secret)))).toBe(key)
    expect(toHex(ecdh(field('responderEphemeralSecret'), fromHex(key)))).toBe(shared)
    expect(equalBytes(identifyProof(fromHex(shared), field('h2')), fromHex(proof))).toBe(true)
  })
})

describe('handshake.json on who opens', () => {
  const file = read('handshake.json') as HandshakeFile & { readonly cid: string; readonly initiatorEphemeral: string }

  it('has the proof in an OPEN, which both nodes can make', () => {
    const { secret, key, shared, proof } = file.openIdentity
    expect(toHex(publicKey(fromHex(secret)))).toBe(key)
    expect(toHex(ecdh(fromHex(secret), fromHex(file.responderKey)))).toBe(shared)
    expect(toHex(ecdh(fromHex(file.responderSecret), fromHex(key)))).toBe(shared)
    const transcript = openTranscript(fromHex(file.responderKey), fromHex(file.cid), fromHex(file.initiatorEphemeral))
    expect(toHex(openIdentityProof(fromHex(shared), transcript))).toBe(proof)
  })
})

describe('phantoms.json', () => {
  interface PhantomVector {
    readonly node: string
    readonly secret: string
    readonly key: string
    readonly shortChannelId: string
  }
  it.each(read('phantoms.json') as PhantomVector[])('has the phantom of $node', ({ node, ...expected }) => {
    const { secretKey, publicKey: key, channelId } = phantomOf(fromHex(node))
    expect({ secret: toHex(secretKey), key: toHex(key), shortChannelId: formatShortChannelId(channelId) }).toEqual(
      expected,
    )
  })
})
