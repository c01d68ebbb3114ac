/**
 * What stands in spec/vectors, made from fixed secrets. Handshake and packets come from noise.ts, not from
 * src/wire, so that the files are a second opinion. `./dev node test/wire/vectors.ts` writes them.
 */
import { writeFileSync } from 'node:fs'
import { Code, codeName } from '../../src/wire/errors.ts'
import type { Frame } from '../../src/wire/frames.ts'
import { invalidFrames, unsupportedFrames, validFrames } from './frame-cases.ts'
import * as noise from './noise.ts'
import { hex, toJson } from './vectors-json.ts'
import { exchangeVectors } from './vectors-exchange.ts'
import { messageVectors } from './vectors-messages.ts'
import { failureVectors, paymentVectors, replyPathVectors } from './vectors-payments.ts'
import { addressVectors, hostNameVectors, placeVectors, priceVectors, varintVectors } from './vectors-wire.ts'

/** A frame with bytes as hexadecimal and amounts as numbers. */
type FrameJson = Readonly<Record<string, unknown>>

function frameVectors(): object {
  const frames = (list: readonly Frame[]): FrameJson[] => list.map((frame) => toJson(frame) as FrameJson)
  return {
    valid: validFrames.map((row) => ({ ...row, frames: frames(row.frames) })),
    invalid: [
      ...invalidFrames.map((row) => ({ ...row, code: codeName(Code.PROTOCOL) })),
      ...unsupportedFrames.map(({ name, hex: bytes }) => ({ name, hex: bytes, code: codeName(Code.UNSUPPORTED) })),
    ],
  }
}

const secrets: noise.Secrets = {
  responderSecret: Buffer.alloc(32, 0x11),
  initiatorEphemeralSecret: Buffer.alloc(32, 0x22),
  responderEphemeralSecret: Buffer.alloc(32, 0x33),
  cid: Buffer.from('0102030405060708', 'hex'),
  // OPEN: port 7, height 900,000, two reply paths; STREAM: "hello", to the end of the packet.
  frames: Buffer.from(
    '2206 0007 800dbba0 100f 00 02 800dbda0 01aa 800dbda0 02bbcc 0c 00 68656c6c6f'.replaceAll(' ', ''),
    'hex',
  ),
}
const transcript = noise.handshake(secrets)

function handshakeVectors(): object {
  const identifySecret = Buffer.alloc(32, 0x44)
  const identifyShared = noise.ecdh(identifySecret, transcript.responderEphemeral)
  const identityShared = noise.ecdh(identifySecret, transcript.responderKey)
  return toJson({
    ...secrets,
    ...transcript,
    identify: {
      secret: identifySecret,
      key: noise.publicKey(identifySecret),
      shared: identifyShared,
      proof: noise.hmac(identifyShared, Buffer.from('keysock identify'), transcript.h2),
    },
    openIdentity: {
      secret: identifySecret,
      key: noise.publicKey(identifySecret),
      shared: identityShared,
      proof: noise.hmac(identityShared, Buffer.from('keysock identify open'), transcript.openHash),
    },
    preimages: [
      preimageVector('OPEN, attempt 0', 'early', 0, 0),
      preimageVector('OPEN, attempt 255', 'early', 0, 255),
      preimageVector('EARLY', 'early', 1, 0),
      preimageVector('DATA', 'toResponder', 2, 0),
      preimageVector('the last DATA there can be', 'toResponder', Number.MAX_SAFE_INTEGER, 0),
      preimageVector('ANSWER', 'toInitiator', 0, 0),
    ],
  }) as object
}

const keySets = {
  early: { seal: transcript.earlySeal, settle: transcript.earlySettle, transcript: transcript.h1 },
  toResponder: {
    seal: transcript.mainSealToResponder,
    settle: transcript.mainSettleToResponder,
    transcript: transcript.h2,
  },
  toInitiator: {
    seal: transcript.mainSealToInitiator,
    settle: transcript.mainSettleToInitiator,
    transcript: transcript.h2,
  },
}

type KeySet = keyof typeof keySets

function preimageVector(name: string, keys: KeySet, number: number, attempt: number): object {
  const message = Buffer.alloc(9)
  message.writeBigUInt64BE(BigInt(number))
  message[8] = attempt
  const preimage = noise.hmac(keySets[keys].settle, message)
  return { name, keys, number, attempt, preimage, hash: noise.sha256(preimage) }
}

interface PacketInput {
  readonly name: string
  readonly kind: 'early' | 'data' | 'answer' | 'reply'
  readonly keys: KeySet
  readonly cid: boolean
  readonly number: number
  /** The number as a varint, in hexadecimal. */
  readonly varint: string
  readonly frames: string
}

const packetInputs: readonly PacketInput[] = [
  { name: 'EARLY', kind: 'early', keys: 'early', cid: true, number: 1, varint: '01', frames: '0c0568692e' },
  { name: 'DATA', kind: 'data', keys: 'toResponder', cid: true, number: 64, varint: '4040', frames: '120100' },
  {
    name: 'DATA over a path of its own connection',
    kind: 'data',
    keys: 'toResponder',
    cid: false,
    number: 16_384,
    varint: '80004000',
    frames: '0404800800000e0aff',
  },
  { name: 'ANSWER', kind: 'answer', keys: 'toInitiator', cid: true, number: 0, varint: '00', frames: '20000c006f6b' },
  {
    name: 'ANSWER over a path of its own connection',
    kind: 'answer',
    keys: 'toInitiator',
    cid: false,
    number: 1,
    varint: '01',
    frames: '1603056e6f',
  },
  {
    name: 'REPLY with the highest number',
    kind: 'reply',
    keys: 'toInitiator',
    cid: true,
    number: Number.MAX_SAFE_INTEGER,
    varint: 'c01fffffffffffff',
    frames: '020400000000',
  },
  { name: 'the smallest packet', kind: 'reply', keys: 'toInitiator', cid: false, number: 2, varint: '02', frames: '' },
]

const kindNumbers = { early: 1, data: 2, answer: 3, reply: 4 }

function packet({ kind, keys, cid, number, varint, frames }: PacketInput): Buffer {
  const header = Buffer.concat([
    Buffer.of(0x10 | (cid ? 8 : 0) | kindNumbers[kind]),
    cid ? secrets.cid : Buffer.alloc(0),
    kind === 'answer' ? transcript.responderEphemeral : Buffer.alloc(0),
    Buffer.from(varint, 'hex'),
  ])
  const { seal, transcript: hash } = keySets[keys]
  return Buffer.concat([header, noise.encrypt(seal, number, Buffer.concat([hash, header]), Buffer.from(frames, 'hex'))])
}

function packetVectors(): object {
  const valid = packetInputs.map((input) => ({
    name: input.name,
    kind: input.kind,
    keys: input.keys,
    cid: input.cid ? hex(secrets.cid) : null,
    ephemeral: input.kind === 'answer' ? hex(transcript.responderEphemeral) : null,
    number: input.number,
    frames: input.frames,
    packet: hex(packet(input)),
  }))
  return { keySets: toJson(keySets), valid, invalid: invalidPackets() }
}

interface SealParts {
  readonly key: Uint8Array
  readonly nonce: number | bigint
  readonly hash: Uint8Array
  readonly associatedHeader: Uint8Array
}

/** A byte with its lowest bit turned. */
function flipped(byte: string): string {
  return (Number.parseInt(byte, 16) ^ 1).toString(16).padStart(2, '0')
}

function invalidPackets(): object[] {
  const cid = hex(secrets.cid)
  const tag = '00'.repeat(16)
  const e = hex(transcript.initiatorEphemeral)
  const data = hex(packet(packetInputs[1] as PacketInput))
  const malformed = (name: string, named: boolean, bytes: string): object => ({
    name,
    cid: named,
    packet: bytes,
    error: codeName(Code.PROTOCOL),
  })
  const wrongTag = (name: string, bytes: string, keys: KeySet = 'toResponder'): object => ({
    name,
    cid: true,
    packet: bytes,
    keys,
    error: 'tag',
  })
  /** DATA with number 64, sealed in a way that is not that of spec §3.2 and §4.7. */
  const sealedOtherwise = (name: string, change: Partial<SealParts>): object => {
    const header = Buffer.from(data.slice(0, 2 + 16 + 4), 'hex')
    const { seal, transcript: hash } = keySets.toResponder
    const parts: SealParts = { key: seal, nonce: 64, hash, associatedHeader: header, ...change }
    const associated = Buffer.concat([parts.hash, parts.associatedHeader])
    const sealed = noise.encrypt(parts.key, parts.nonce, associated, Buffer.from('120100', 'hex'))
    return wrongTag(name, hex(Buffer.concat([header, sealed])))
  }
  const early = hex(packet(packetInputs[0] as PacketInput))
  const answer = hex(packet(packetInputs[3] as PacketInput))
  const otherPoint = hex(noise.publicKey(Buffer.alloc(32, 0x55)))
  return [
    { name: 'version 2', cid: true, packet: `2${data.slice(1)}`, error: codeName(Code.VERSION) },
    { name: 'version 0', cid: true, packet: `0${data.slice(1)}`, error: codeName(Code.VERSION) },
    malformed('17 bytes', false, `1201${tag.slice(2)}`),
    malformed('1,301 bytes', false, `1201${'00'.repeat(1299)}`),
    malformed('kind 5', true, `1d${data.slice(2)}`),
    malformed('a connection id over a path of its own connection', false, data),
    malformed('no connection id on the node lane', true, `1201${tag}${tag}`),
    malformed('an OPEN without a connection id', false, `1000${e}${tag}`),
    malformed('an OPEN over a path of a connection', false, `18${cid}00${e}${tag}`),
    malformed('an OPEN whose key is not on the curve', true, `18${cid}0002${'00'.repeat(31)}05${tag}`),
    malformed('an EARLY without a connection id', false, `1101${tag}`),
    malformed('a tag cut short', true, `1a${cid}01${tag.slice(2)}`),
    malformed('a number not in its shortest form', false, `124001${tag}`),
    malformed('a number above 2^53 - 1', false, `12c020000000000000${tag}`),
    wrongTag('a tag with one bit turned', data.slice(0, -2) + flipped(data.slice(-2))),
    wrongTag('another number', data.replace('4040', '4041')),
    wrongTag('another connection id', data.replace(cid, '0202030405060708')),
    wrongTag('another kind', `1c${data.slice(2)}`),
    wrongTag('DATA under the early key', data, 'early'),
    wrongTag('DATA under the key of the other direction', data, 'toInitiator'),
    wrongTag('EARLY under a main key', early, 'toResponder'),
    wrongTag('ANSWER under the key of the other direction', answer, 'toResponder'),
    wrongTag('ANSWER with another e_r', answer.replace(hex(transcript.responderEphemeral), otherPoint), 'toInitiator'),
    wrongTag('a byte of the frames changed', `${data.slice(0, 22)}${flipped(data.slice(22, 24))}${data.slice(24)}`),
    sealedOtherwise('sealed with the settle key', { key: keySets.toResponder.settle }),
    sealedOtherwise('sealed with h1 in place of h2', { hash: keySets.early.transcript }),
    sealedOtherwise('sealed without the header', { associatedHeader: Buffer.alloc(0) }),
    sealedOtherwise('sealed with the nonce of number 65', { nonce: 65 }),
    sealedOtherwise('sealed with the number big-endian in the nonce', { nonce: 64n << 56n }),
  ]
}

/** spec §2.9, with Node's own hash. Counts above 0 are one in 2^127, so that no vector can show one. */
function phantomVectors(): object[] {
  return [1, 2, 3].map((secret) => {
    const node = noise.publicKey(Buffer.alloc(32, secret))
    const phantomSecret = noise.sha256(Buffer.from('keysock phantom key'), node, Uint8Array.of(0))
    const seed = noise.sha256(Buffer.from('keysock phantom channel'), node)
    const block = 16_300_000 + (seed.readUInt32BE(0) % 477_216)
    const shortChannelId = `${block}x${seed.readUIntBE(4, 3)}x${seed.readUInt16BE(7)}`
    return { node: hex(node), secret: hex(phantomSecret), key: hex(noise.publicKey(phantomSecret)), shortChannelId }
  })
}

/** File name to content. */
export function vectorFiles(): ReadonlyMap<string, string> {
  const text = (content: object): string => `${JSON.stringify(content, null, 2)}\n`
  return new Map([
    ['handshake.json', text(handshakeVectors())],
    ['packets.json', text(packetVectors())],
    ['frames.json', text(frameVectors())],
    ['phantoms.json', text(phantomVectors())],
    ['varints.json', text(varintVectors())],
    ['addresses.json', text(addressVectors())],
    ['host-names.json', text(hostNameVectors())],
    ['places.json', text(placeVectors())],
    ['prices.json', text(priceVectors())],
    ['reply-paths.json', text(replyPathVectors())],
    ['payments.json', text(paymentVectors())],
    ['failures.json', text(failureVectors())],
    ['exchange.json', text(exchangeVectors())],
    ['messages.json', text(messageVectors())],
  ])
}

/** Where the files are. */
export const vectorFolder: URL = new URL('../../spec/vectors/', import.meta.url)

if (process.argv[1] === import.meta.filename) {
  for (const [name, content] of vectorFiles()) writeFileSync(new URL(name, vectorFolder), content)
}
