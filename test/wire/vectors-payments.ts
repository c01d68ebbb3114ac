/**
 * Vectors of what payments carry: a reply path with its blinded hops, the payloads of last hops, a sealed
 * failure. Made with noise.ts and Node's ciphers, from the text of spec §2.10, §2.11, §9.10 and §9.11 alone.
 */
import { createCipheriv } from 'node:crypto'
import * as noise from './noise.ts'

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex')
}

/** A number as big-endian bytes. */
function uint(value: bigint | number, length: number): Buffer {
  return Buffer.from(
    BigInt(value)
      .toString(16)
      .padStart(2 * length, '0'),
    'hex',
  )
}

/** A number as big-endian bytes without zeros in front; 0 has none (BOLT 1: tu32, tu64). */
function truncated(value: bigint | number): Buffer {
  const hex = BigInt(value).toString(16)
  return BigInt(value) === 0n ? Buffer.alloc(0) : Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
}

/** BOLT 1's bigsize. */
function bigSize(value: bigint): Buffer {
  if (value < 0xfdn) return uint(value, 1)
  if (value < 0x10000n) return Buffer.concat([Buffer.of(0xfd), uint(value, 2)])
  if (value < 0x100000000n) return Buffer.concat([Buffer.of(0xfe), uint(value, 4)])
  return Buffer.concat([Buffer.of(0xff), uint(value, 8)])
}

function tlv(...records: readonly (readonly [bigint | number, Uint8Array])[]): Buffer {
  return Buffer.concat(
    records.flatMap(([type, value]) => [bigSize(BigInt(type)), bigSize(BigInt(value.length)), value]),
  )
}

function times(factor: Uint8Array, secret: Uint8Array): Buffer {
  return uint(
    (BigInt(`0x${Buffer.from(factor).toString('hex')}`) * BigInt(`0x${Buffer.from(secret).toString('hex')}`)) % ORDER,
    32,
  )
}

function labelled(label: string, secret: Uint8Array): Buffer {
  return noise.hmac(Buffer.from(label), secret)
}

/** XORed with the ChaCha20 stream of a key, nonce 0, from block 0 on. */
function xorStream(key: Uint8Array, data: Uint8Array): Buffer {
  const cipher = createCipheriv('chacha20', key, Buffer.alloc(16))
  return Buffer.concat([cipher.update(data), cipher.final()])
}

const BLOCK = (block: number, transaction: number, output: number): bigint =>
  (BigInt(block) << 40n) | (BigInt(transaction) << 16n) | BigInt(output)

/** What one path is made of. */
interface PathCase {
  readonly name: string
  readonly sessionSecret: Buffer
  readonly phantomSecret: Buffer
  readonly expiryHeight: number
  /** The relays before the maker's node, the introduction node first. */
  readonly relays: readonly {
    readonly secret: Buffer
    readonly shortChannelId: bigint
    readonly delta: number
    readonly ppm: number
    readonly baseMsat: number
    readonly leastMsat: number
  }[]
  readonly nodeSecret: Buffer
  /** 9 bytes, as d of spec §2.9. */
  readonly channelSeed: Buffer
}

const CASES: readonly PathCase[] = [
  {
    name: 'one relay, the introduction node',
    sessionSecret: Buffer.alloc(32, 0x51),
    phantomSecret: Buffer.alloc(32, 0x52),
    expiryHeight: 900_144,
    relays: [
      {
        secret: Buffer.alloc(32, 0x53),
        shortChannelId: BLOCK(800_000, 12, 1),
        delta: 80,
        ppm: 100,
        baseMsat: 1_000,
        leastMsat: 1_000,
      },
    ],
    nodeSecret: Buffer.alloc(32, 0x54),
    channelSeed: bytes('00 00 00 07 00 12 67 00 03'),
  },
  {
    name: 'two relays',
    sessionSecret: Buffer.alloc(32, 0x61),
    phantomSecret: Buffer.alloc(32, 0x62),
    expiryHeight: 900_144,
    relays: [
      {
        secret: Buffer.alloc(32, 0x63),
        shortChannelId: BLOCK(800_000, 12, 1),
        delta: 40,
        ppm: 300,
        baseMsat: 0,
        leastMsat: 1,
      },
      {
        secret: Buffer.alloc(32, 0x53),
        shortChannelId: BLOCK(16_000_001, 255, 65_535),
        delta: 144,
        ppm: 250,
        baseMsat: 700,
        leastMsat: 5_000,
      },
    ],
    nodeSecret: Buffer.alloc(32, 0x54),
    channelSeed: bytes('ff ff ff ff ff ff ff ff ff'),
  },
]

const CLASSES = {
  base: [0, 1_000, 2_000, 5_000, 10_000, 50_000],
  ppm: [2_500, 10_000],
  delta: [216, 288],
  least: [1, 1_000, 10_000, 100_000, 1_000_000],
}

function classOf(name: keyof typeof CLASSES, value: number): number {
  const found = CLASSES[name].find((limit) => value <= limit)
  if (found === undefined) throw new Error(`${name} ${value} is beyond the classes`)
  return found
}

function totals({ relays }: PathCase): Record<'base' | 'ppm' | 'delta' | 'least', number> {
  let [base, ppm, delta, least] = [0, 0, 32, 0]
  for (const relay of relays.toReversed()) {
    base = relay.baseMsat + Math.ceil((base * (1_000_000 + relay.ppm)) / 1_000_000)
    ppm = relay.ppm + ppm + Math.ceil((ppm * relay.ppm) / 1_000_000)
    delta += relay.delta
    least = Math.max(least, relay.leastMsat)
  }
  return {
    base: classOf('base', base),
    ppm: classOf('ppm', ppm),
    delta: classOf('delta', delta),
    least: classOf('least', least),
  }
}

function relayData(made: PathCase, deltaOfPath: number): Buffer[] {
  const block = 16_300_000 + (made.channelSeed.readUInt32BE(0) % 477_216)
  const channel = BLOCK(block, made.channelSeed.readUIntBE(4, 3), made.channelSeed.readUInt16BE(7))
  let maxExpiry = made.expiryHeight + deltaOfPath + 82
  const hops = [...made.relays, { shortChannelId: channel, delta: 32, ppm: 0, baseMsat: 0, leastMsat: 1 }].map(
    ({ shortChannelId, delta, ppm, baseMsat, leastMsat }) => {
      const records: (readonly [number, Buffer])[] = [
        [2, uint(shortChannelId, 8)],
        [10, Buffer.concat([uint(delta, 2), uint(ppm, 4), truncated(baseMsat)])],
        [12, Buffer.concat([uint(maxExpiry, 4), truncated(leastMsat)])],
      ]
      maxExpiry -= delta
      return records
    },
  )
  return hops.map((records) => {
    const bare = tlv(...records).length
    return tlv([1, Buffer.alloc(32 - bare - 2)], ...records)
  })
}

function pathVector(made: PathCase): object {
  const sums = totals(made)
  const secrets = [...made.relays.map(({ secret }) => secret), made.nodeSecret, made.phantomSecret]
  const data = [...relayData(made, sums.delta), Buffer.alloc(0)]
  let ephemeral = made.sessionSecret
  const pathKey = noise.publicKey(ephemeral)
  const hops = secrets.map((secret, i) => {
    const plain = data[i] ?? Buffer.alloc(0)
    const sharedSecret = noise.ecdh(secret, noise.publicKey(ephemeral))
    const blindedSecret = times(labelled('blinded_node_id', sharedSecret), secret)
    const hop = {
      nodeSecret: secret.toString('hex'),
      node: noise.publicKey(secret).toString('hex'),
      pathKey: noise.publicKey(ephemeral).toString('hex'),
      sharedSecret: sharedSecret.toString('hex'),
      blindedSecret: blindedSecret.toString('hex'),
      blindedId: noise.publicKey(blindedSecret).toString('hex'),
      data: plain.toString('hex'),
      encryptedData: noise.encrypt(labelled('rho', sharedSecret), 0, Buffer.alloc(0), plain).toString('hex'),
    }
    ephemeral = times(noise.sha256(noise.publicKey(ephemeral), sharedSecret), ephemeral)
    return hop
  })
  const path = Buffer.concat([
    Buffer.of(1, hops.length - 1),
    bytes(hops[0]?.node ?? ''),
    pathKey,
    ...hops.slice(1).map(({ blindedId }) => bytes(blindedId)),
    ...hops.map(({ encryptedData }) => Buffer.concat([uint(encryptedData.length / 2, 1), bytes(encryptedData)])),
    uint(sums.base, 4),
    uint(sums.ppm, 4),
    uint(sums.delta, 2),
    uint(sums.least, 4),
  ])
  return {
    name: made.name,
    sessionSecret: made.sessionSecret.toString('hex'),
    expiryHeight: made.expiryHeight,
    channelSeed: made.channelSeed.toString('hex'),
    relays: made.relays.map(({ shortChannelId, delta, ppm, baseMsat, leastMsat }) => ({
      shortChannelId: `${shortChannelId >> 40n}x${(shortChannelId >> 16n) & 0xffffffn}x${shortChannelId & 0xffffn}`,
      delta,
      ppm,
      baseMsat,
      leastMsat,
    })),
    hops,
    baseMsat: sums.base,
    ppm: sums.ppm,
    delta: sums.delta,
    leastMsat: sums.least,
    path: path.toString('hex'),
  }
}

/** Reply paths (spec §9.10, §9.11), and bytes that are none. */
export function replyPathVectors(): object {
  const valid = CASES.map((made) => pathVector(made))
  const { path } = valid[0] as { path: string }
  const ids = 2 + 4 * 66
  const encrypted = 4 + 4 * 66
  return {
    valid,
    invalid: [
      { name: 'nothing', path: '' },
      { name: 'version 2', path: `02${path.slice(2)}` },
      {
        name: 'one hop after the introduction node',
        path: `0101${path.slice(4, 4 + 3 * 66)}${path.slice(encrypted + 98)}`,
      },
      { name: 'four hops after the introduction node', path: `0104${path.slice(4)}` },
      { name: 'an introduction node that is no point', path: `${path.slice(0, 4)}05${path.slice(6)}` },
      { name: 'a blinded id that is no point', path: `${path.slice(0, ids - 64)}00${path.slice(ids - 62)}` },
      { name: 'encrypted data of no bytes', path: `${path.slice(0, encrypted)}00${path.slice(encrypted + 98)}` },
      { name: 'a byte left over', path: `${path}00` },
      { name: 'a byte too few', path: path.slice(0, -2) },
    ],
  }
}

const RECORD_TYPE = 1_936_679_787n
const KEYSEND_TYPE = 5_482_373_484n

/** Payloads of last hops, with the expiries of spec §2.11. */
export function paymentVectors(): object[] {
  const height = 900_000
  const record = Buffer.from('a packet, of which only the length matters here')
  const preimage = Buffer.alloc(32, 0x77)
  const rows = [
    { name: 'node lane', lane: 'node', amountMsat: 1_000, shadow: 0 },
    { name: 'node lane, the longest shadow', lane: 'node', amountMsat: 0x1_0000, shadow: 72 },
    { name: 'unblinded phantom lane', lane: 'unblinded', amountMsat: 1, shadow: 30 },
    { name: 'over a path', lane: 'path', amountMsat: 1_000, shadow: 5 },
  ] as const
  const path = pathVector(CASES[0] as PathCase) as {
    hops: { encryptedData: string }[]
    baseMsat: number
    ppm: number
    delta: number
  }
  const encrypted = bytes(path.hops.at(-1)?.encryptedData ?? '')
  return rows.map(({ name, lane, amountMsat, shadow }) => {
    const finalExpiry = height + 10 + shadow + (lane === 'node' ? 40 : 0)
    const common: (readonly [bigint | number, Uint8Array])[] = [
      [2, truncated(amountMsat)],
      [4, truncated(finalExpiry)],
    ]
    const custom: (readonly [bigint, Uint8Array])[] = [[RECORD_TYPE, record]]
    const payload = {
      node: tlv(...common, ...custom, [KEYSEND_TYPE, preimage]),
      unblinded: tlv(...common, ...custom),
      path: tlv(...common, [10, encrypted], [18, truncated(amountMsat)], ...custom),
    }[lane]
    // What the last clear node sees: the receiver's, K, or the introduction node.
    const beyond = { node: 0, unblinded: 32, path: path.delta }[lane]
    const feeMsat = lane === 'path' ? path.baseMsat + Math.ceil((amountMsat * path.ppm) / 1_000_000) : 0
    return {
      name,
      lane,
      height,
      shadow,
      amountMsat,
      record: record.toString('hex'),
      preimage: lane === 'node' ? preimage.toString('hex') : null,
      encryptedData: lane === 'path' ? encrypted.toString('hex') : null,
      finalExpiry,
      payload: payload.toString('hex'),
      lastClearNode: { amountMsat: amountMsat + feeMsat, expiry: finalExpiry + beyond },
    }
  })
}

/** Refusals with a reason (spec §2.10). */
export function failureVectors(): object[] {
  const ephemeralSecret = Buffer.alloc(32, 0x71)
  const node = noise.publicKey(Buffer.alloc(32, 1))
  const phantomSecret = noise.sha256(Buffer.from('keysock phantom key'), node, Uint8Array.of(0))
  const sharedSecret = noise.ecdh(phantomSecret, noise.publicKey(ephemeralSecret))
  const rows = [
    { name: 'NO_LISTENER', htlcMsat: 1_000n, code: 5 },
    { name: 'BUSY', htlcMsat: 1n, code: 14 },
    { name: "the largest application's code", htlcMsat: 2n ** 53n - 1n, code: 2 ** 32 - 1 },
    { name: 'a code that does not fit: NO_ERROR', htlcMsat: 1_000n, code: 2 ** 32 },
  ]
  return rows.map(({ name, htlcMsat, code }) => {
    const message = Buffer.concat([bytes('400f'), uint(htlcMsat, 8), uint(code < 2 ** 32 ? code : 0, 4)])
    const body = Buffer.concat([bytes('000e'), message, bytes('00f2'), Buffer.alloc(242)])
    const sealed = xorStream(
      labelled('ammag', sharedSecret),
      Buffer.concat([noise.hmac(labelled('um', sharedSecret), body), body]),
    )
    return {
      name,
      node: node.toString('hex'),
      onionKey: noise.publicKey(ephemeralSecret).toString('hex'),
      sharedSecret: sharedSecret.toString('hex'),
      htlcMsat: Number(htlcMsat),
      code,
      message: message.toString('hex'),
      sealed: sealed.toString('hex'),
    }
  })
}
