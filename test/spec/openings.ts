/**
 * The rows of spec/vectors/openings.json: OPENs, and other packets of strangers, with what becomes of each on
 * either lane (spec §6.2 to §6.16). `./dev node test/spec/openings.ts` writes the file.
 */
import { writeFileSync } from 'node:fs'
import { fromHex, toHex } from '../../src/floor/bytes.ts'
import * as noise from '../wire/noise.ts'

/** One packet and its payment; `node` and `phantom` are what becomes of it on the two lanes. */
interface OpeningArrival {
  readonly packet: string
  readonly hash: string
  readonly amountMsat: number
  /** 'taken', 'dropped', the code of a REFUSE, or 'unspecified': another lane is what the row is about. */
  readonly node: string
  /** 'settle', or the code of the refusal; with PRICE, what it names. */
  readonly phantom: string
}

export interface OpeningRow {
  readonly name: string
  readonly clauses: readonly string[]
  /** Of e_i: opens what is answered. */
  readonly initiatorEphemeralSecret: string
  /** The connections that the application has at the end. */
  readonly accepted: number
  readonly arrivals: readonly OpeningArrival[]
}

export interface OpeningFile {
  readonly nodeSecret: string
  readonly height: number
  readonly port: number
  readonly pricedPort: number
  readonly openingPriceMsat: number
  readonly deniedPort: number
  readonly rows: readonly OpeningRow[]
}

const NODE_SECRET = new Uint8Array(32).fill(7)
const HEIGHT = 1_000
const PORT = 7
const PRICED_PORT = 9
const OPENING_PRICE_MSAT = 2_500
const DENIED_PORT = 10
const CID = '0102030405060708'
const OTHER_CID = '1112131415161718'
const REPLY_KEY = toHex(noise.publicKey(new Uint8Array(32).fill(9)))
const SECRET = new Uint8Array(32).fill(0x22)
const OTHER_SECRET = new Uint8Array(32).fill(0x23)

function varint(value: number): string {
  if (value < 0x40) return value.toString(16).padStart(2, '0')
  if (value < 0x4000) return (value + 0x4000).toString(16)
  return (value + 0x8000_0000).toString(16)
}

function frame(type: string, body: string): string {
  return type + varint(body.length / 2) + body
}

/** The frame OPEN; answered over the node lane unless `parameters` say otherwise. */
function openFrame({ port = PORT, height = HEIGHT, parameters = `0621${REPLY_KEY}` } = {}): string {
  return frame('22', port.toString(16).padStart(4, '0') + varint(height) + parameters)
}

const PATHS = '100501010a01aa'

interface Made {
  readonly frames?: string
  readonly cid?: string
  readonly secret?: Uint8Array
  readonly attempt?: number
  readonly nodeSecret?: Uint8Array
  readonly amountMsat?: number
  /** Changes the packet after it was sealed. */
  readonly change?: (packet: string) => string
  /** Changes the payment hash. */
  readonly otherHash?: boolean
}

function transcriptOf({
  frames = openFrame(),
  cid = CID,
  secret = SECRET,
  nodeSecret = NODE_SECRET,
}: Made): noise.Transcript {
  return noise.handshake({
    responderSecret: nodeSecret,
    initiatorEphemeralSecret: secret,
    responderEphemeralSecret: new Uint8Array(32).fill(0x33),
    cid: fromHex(cid),
    frames: fromHex(frames),
  })
}

function arrival(
  packet: Uint8Array,
  settleKey: Uint8Array,
  number: number,
  made: Made,
  fate: readonly [string, string],
): OpeningArrival {
  const { attempt = 0, amountMsat = 1_000, change = (same) => same, otherHash = false } = made
  const message = Buffer.alloc(9)
  message.writeBigUInt64BE(BigInt(number))
  message[8] = attempt
  const hash = noise.sha256(noise.hmac(settleKey, message))
  if (otherHash) hash[0] = (hash[0] ?? 0) ^ 1
  return { packet: change(toHex(packet)), hash: toHex(hash), amountMsat, node: fate[0], phantom: fate[1] }
}

function open(made: Made, ...fate: readonly [string, string]): OpeningArrival {
  const transcript = transcriptOf(made)
  const packet = Uint8Array.from(transcript.open)
  packet[9] = made.attempt ?? 0
  return arrival(packet, transcript.earlySettle, 0, made, fate)
}

/** A packet after the OPEN that `made` describes. */
function later(
  kind: 'early' | 'data' | 'reply',
  number: number,
  frames: string,
  made: Made,
  ...fate: readonly [string, string]
): OpeningArrival {
  const transcript = transcriptOf(made)
  const header = fromHex({ early: '19', data: '1a', reply: '1c' }[kind] + (made.cid ?? CID) + varint(number))
  const keys = {
    early: [transcript.earlySeal, transcript.h1, transcript.earlySettle],
    data: [transcript.mainSealToResponder, transcript.h2, transcript.mainSettleToResponder],
    reply: [transcript.mainSealToInitiator, transcript.h2, transcript.mainSettleToInitiator],
  }[kind] as [Buffer, Buffer, Buffer]
  const sealed = noise.encrypt(keys[0], number, Buffer.concat([keys[1], header]), fromHex(frames))
  return arrival(Buffer.concat([header, sealed]), keys[2], number, { ...made, attempt: 0 }, fate)
}

/** One OPEN; taken by the application where neither lane turns it down. */
function one(name: string, clauses: readonly string[], made: Made, node: string, phantom: string): OpeningRow {
  return sequence(name, clauses, node === 'taken' ? 1 : 0, [open(made, node, phantom)])
}

function sequence(
  name: string,
  clauses: readonly string[],
  accepted: number,
  arrivals: readonly OpeningArrival[],
): OpeningRow {
  return { name, clauses, initiatorEphemeralSecret: toHex(SECRET), accepted, arrivals }
}

const CALLER_SECRET = new Uint8Array(32).fill(0x44)

/** The parameter identity (§6.16), of a caller with this node key, for this OPEN alone. */
function identity({ secret = SECRET, cid = CID } = {}): string {
  const { openHash } = transcriptOf({ secret, cid })
  const shared = noise.ecdh(CALLER_SECRET, noise.publicKey(NODE_SECRET))
  const proof = noise.hmac(shared, Buffer.from('keysock identify open'), openHash)
  return `0a4041${toHex(noise.publicKey(CALLER_SECRET))}${toHex(proof)}`
}

const NOT_ON_CURVE = `02${'00'.repeat(31)}05`
const lastByte = (packet: string): string =>
  packet.slice(0, -2) + (Number.parseInt(packet.slice(-2), 16) ^ 1).toString(16).padStart(2, '0')

const rows: readonly OpeningRow[] = [
  one('a plain OPEN', ['§6.3'], {}, 'taken', 'settle'),
  one('its last possible copy', ['§3.8', '§4.8'], { attempt: 255 }, 'taken', 'settle'),
  one('paths in place of direct_reply', ['§9.1'], { frames: openFrame({ parameters: '' }) + PATHS }, 'taken', 'settle'),
  one('paths beside direct_reply', ['§9.1'], { frames: openFrame() + PATHS }, 'taken', 'settle'),
  one('early data and its end', ['§4.9'], { frames: `${openFrame()}0a0400616263` }, 'taken', 'settle'),
  one('version 2', ['§3.7'], { change: (packet) => `2${packet.slice(1)}` }, 'dropped', 'PROTOCOL'),
  one(
    'e_i that is no point',
    ['§6.2', '§1.5'],
    { change: (packet) => packet.slice(0, 20) + NOT_ON_CURVE + packet.slice(86) },
    'dropped',
    'PROTOCOL',
  ),
  one('a wrong tag', ['§6.2', '§4.10'], { change: lastByte }, 'dropped', 'PROTOCOL'),
  one('made for another node', ['§6.7'], { nodeSecret: new Uint8Array(32).fill(8) }, 'dropped', 'PROTOCOL'),
  one(
    'another connection id than it was sealed with',
    ['§4.2'],
    { change: (packet) => packet.replace(CID, OTHER_CID) },
    'dropped',
    'PROTOCOL',
  ),
  one('a malformed frame', ['§6.2'], { frames: `${openFrame()}0400` }, 'dropped', 'PROTOCOL'),
  one('port 0', ['§5.8'], { frames: openFrame({ port: 0 }) }, 'dropped', 'PROTOCOL'),
  one(
    'a frame that an OPEN must not carry',
    ['§5.13', '§6.2'],
    { frames: `${openFrame()}120100` },
    'dropped',
    'PROTOCOL',
  ),
  one('STREAM before OPEN', ['§5.8'], { frames: `080200aa${openFrame()}` }, 'dropped', 'PROTOCOL'),
  one('no way to answer', ['§6.2'], { frames: openFrame({ parameters: '' }) }, 'dropped', 'PROTOCOL'),
  one(
    'an unknown even frame and no way to answer',
    ['§6.2'],
    { frames: `${openFrame({ parameters: '' })}3e00` },
    'dropped',
    'PROTOCOL',
  ),
  one(
    'an unknown even frame and a malformed one',
    ['§5.14'],
    { frames: `${openFrame()}3e000400` },
    'dropped',
    'PROTOCOL',
  ),
  one(
    'an unknown even frame and one that is forbidden',
    ['§5.14'],
    { frames: `${openFrame()}3e00120100` },
    'dropped',
    'PROTOCOL',
  ),
  one('an unknown even frame', ['§5.2', '§6.2'], { frames: `${openFrame()}3e00` }, 'UNSUPPORTED', 'UNSUPPORTED'),
  one(
    'an unknown even parameter',
    ['§5.9', '§6.2'],
    { frames: openFrame({ parameters: `0621${REPLY_KEY}0c00` }) },
    'UNSUPPORTED',
    'UNSUPPORTED',
  ),
  one(
    'an unknown odd parameter and an unknown odd frame',
    ['§5.2', '§5.9'],
    { frames: `${openFrame({ parameters: `0621${REPLY_KEY}0b0100` })}2500` },
    'taken',
    'settle',
  ),
  one(
    'a byte at the limit',
    ['§6.2', '§7.2'],
    { frames: `${openFrame()}0c80040000aa` },
    'FLOW_CONTROL',
    'FLOW_CONTROL',
  ),
  one('the last byte below the limit', ['§7.2'], { frames: `${openFrame()}0c8003ffffaa` }, 'taken', 'settle'),
  one(
    'an empty STREAM without FIN, far beyond the limit',
    ['§5.5', '§6.2'],
    { frames: `${openFrame()}0cc010000000000000` },
    'taken',
    'settle',
  ),
  one('two ends', ['§6.2', '§7.4'], { frames: `${openFrame()}0a0200610a0100` }, 'FINAL_OFFSET', 'FINAL_OFFSET'),
  one(
    'an unknown even frame and a height that is too old',
    ['§6.2'],
    { frames: `${openFrame({ height: 1 })}3e00` },
    'UNSUPPORTED',
    'UNSUPPORTED',
  ),
  one('a height 144 below', ['§6.2'], { frames: openFrame({ height: HEIGHT - 144 }) }, 'taken', 'settle'),
  one('a height 145 below', ['§6.2'], { frames: openFrame({ height: HEIGHT - 145 }) }, 'STALE', 'STALE'),
  one('a height 12 above', ['§6.2'], { frames: openFrame({ height: HEIGHT + 12 }) }, 'taken', 'settle'),
  one('a height 13 above', ['§6.2'], { frames: openFrame({ height: HEIGHT + 13 }) }, 'STALE', 'STALE'),
  one('a port on which nobody listens', ['§6.2'], { frames: openFrame({ port: 8 }) }, 'NO_LISTENER', 'NO_LISTENER'),
  one(
    'a height that is too old, and a port on which nobody listens',
    ['§6.2'],
    { frames: openFrame({ port: 8, height: 1 }) },
    'STALE',
    'STALE',
  ),
  sequence('a preimage that is not that of the payment', ['§2.4', '§6.9'], 0, [
    { ...open({ otherHash: true }, 'dropped', 'PROTOCOL'), node: 'unspecified' },
  ]),
  one('a PAYMENT in an OPEN', ['§5.13', '§6.2'], { frames: `${openFrame()}1c0401000001` }, 'dropped', 'PROTOCOL'),
  sequence('a copy of an OPEN that was taken', ['§6.5'], 1, [
    open({}, 'taken', 'settle'),
    open({ attempt: 1 }, 'taken', 'settle'),
  ]),
  sequence('other bytes under its e_i', ['§6.12'], 1, [
    open({}, 'taken', 'settle'),
    open({ attempt: 1, change: lastByte }, 'dropped', 'PROTOCOL'),
  ]),
  sequence('its e_i under another connection id', ['§6.12'], 1, [
    open({}, 'taken', 'settle'),
    open({ cid: OTHER_CID, attempt: 1 }, 'dropped', 'CLOSED'),
  ]),
  sequence('its connection id for another e_i', ['§6.8'], 1, [
    open({}, 'taken', 'settle'),
    open({ secret: OTHER_SECRET }, 'dropped', 'CLOSED'),
  ]),
  sequence('two OPENs', ['§6.3'], 2, [
    open({}, 'taken', 'settle'),
    open({ secret: OTHER_SECRET, cid: OTHER_CID }, 'taken', 'settle'),
  ]),
  one(
    'a proof of who opens',
    ['§6.16'],
    { frames: openFrame({ parameters: `0621${REPLY_KEY}${identity()}` }) },
    'taken',
    'settle',
  ),
  one(
    'a proof that was made for another OPEN',
    ['§6.16'],
    { frames: openFrame({ parameters: `0621${REPLY_KEY}${identity({ secret: OTHER_SECRET })}` }) },
    'PROTOCOL',
    'PROTOCOL',
  ),
  one(
    'a key that is no point',
    ['§6.16', '§5.9'],
    { frames: openFrame({ parameters: `0621${REPLY_KEY}0a4041${NOT_ON_CURVE}${'00'.repeat(32)}` }) },
    'dropped',
    'PROTOCOL',
  ),
  one('an application that turns it down', ['§6.14'], { frames: openFrame({ port: DENIED_PORT }) }, 'DENIED', 'DENIED'),
  sequence('one that its application turned down comes again', ['§6.9', '§6.14'], 0, [
    open({ frames: openFrame({ port: DENIED_PORT }) }, 'DENIED', 'DENIED'),
    open({ frames: openFrame({ port: DENIED_PORT }), attempt: 1 }, 'dropped', 'DENIED'),
  ]),
  sequence('a price that is not paid, then it is, then again', ['§6.15', '§6.5'], 1, [
    open({ frames: openFrame({ port: PRICED_PORT }) }, 'taken', 'PRICE of 3 sat'),
    open({ frames: openFrame({ port: PRICED_PORT }), attempt: 1, amountMsat: 3_000 }, 'taken', 'settle'),
    open({ frames: openFrame({ port: PRICED_PORT }), attempt: 2, amountMsat: 3_000 }, 'taken', 'DUPLICATE'),
  ]),
  sequence('a price that is paid exactly', ['§6.15'], 1, [
    open({ frames: openFrame({ port: PRICED_PORT }), amountMsat: OPENING_PRICE_MSAT }, 'taken', 'settle'),
  ]),
  sequence('EARLY before its OPEN', ['§6.6', '§6.13'], 1, [
    later('early', 1, '0803036465', {}, 'dropped', 'STALE'),
    open({ frames: `${openFrame()}0c00616263` }, 'taken', 'settle'),
  ]),
  sequence('DATA, and REPLY, for a connection that nobody knows', ['§8.12', '§3.3'], 0, [
    later('data', 2, '120100', {}, 'dropped', 'CLOSED'),
    later('reply', 2, '120100', {}, 'dropped', 'CLOSED'),
  ]),
]

/** What stands in spec/vectors/openings.json. */
export function openingText(): string {
  const file: OpeningFile = {
    nodeSecret: toHex(NODE_SECRET),
    height: HEIGHT,
    port: PORT,
    pricedPort: PRICED_PORT,
    openingPriceMsat: OPENING_PRICE_MSAT,
    deniedPort: DENIED_PORT,
    rows,
  }
  return `${JSON.stringify(file, null, 1)}\n`
}

if (process.argv[1] === import.meta.filename) {
  writeFileSync(new URL('../../spec/vectors/openings.json', import.meta.url), openingText())
}
