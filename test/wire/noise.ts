/**
 * The handshake of spec §4 a second time, as plainly as can be and from other parts than src/wire: curve
 * arithmetic in affine coordinates with bigint, everything else from node:crypto.
 */
import { createCipheriv, createHash, createHmac } from 'node:crypto'

const P = 2n ** 256n - 2n ** 32n - 977n
const G: Point = {
  x: 0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n,
  y: 0x483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8n,
}

interface Point {
  readonly x: bigint
  readonly y: bigint
}

function mod(value: bigint): bigint {
  return ((value % P) + P) % P
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n
  for (let square = mod(base), left = exponent; left > 0n; left >>= 1n, square = mod(square * square)) {
    if ((left & 1n) === 1n) result = mod(result * square)
  }
  return result
}

function add(a: Point | undefined, b: Point | undefined): Point | undefined {
  if (a === undefined) return b
  if (b === undefined) return a
  if (a.x === b.x && mod(a.y + b.y) === 0n) return undefined
  const slope = a.x === b.x ? 3n * a.x * a.x * power(2n * a.y, P - 2n) : (b.y - a.y) * power(b.x - a.x, P - 2n)
  const x = mod(slope * slope - a.x - b.x)
  return { x, y: mod(slope * (a.x - x) - a.y) }
}

function multiply(factor: bigint, point: Point): Point {
  let result: Point | undefined
  let addend: Point | undefined = point
  for (let left = factor; left > 0n; left >>= 1n, addend = add(addend, addend)) {
    if ((left & 1n) === 1n) result = add(result, addend)
  }
  if (result === undefined) throw new Error('the point at infinity')
  return result
}

function compress({ x, y }: Point): Buffer {
  return Buffer.from((y % 2n === 0n ? '02' : '03') + x.toString(16).padStart(64, '0'), 'hex')
}

function decompress(bytes: Uint8Array): Point {
  const x = BigInt('0x' + Buffer.from(bytes.subarray(1)).toString('hex'))
  const root = power(x * x * x + 7n, (P + 1n) / 4n)
  return { x, y: root % 2n === BigInt((bytes[0] ?? 0) % 2) ? root : P - root }
}

function scalar(secret: Uint8Array): bigint {
  return BigInt('0x' + Buffer.from(secret).toString('hex'))
}

export function sha256(...parts: readonly Uint8Array[]): Buffer {
  return createHash('sha256').update(Buffer.concat(parts)).digest()
}

export function hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer {
  return createHmac('sha256', key).update(Buffer.concat(parts)).digest()
}

export function publicKey(secret: Uint8Array): Buffer {
  return compress(multiply(scalar(secret), G))
}

export function ecdh(secret: Uint8Array, point: Uint8Array): Buffer {
  return sha256(compress(multiply(scalar(secret), decompress(point))))
}

function nonce(number: number | bigint): Buffer {
  const bytes = Buffer.alloc(12)
  bytes.writeBigUInt64LE(BigInt(number), 4)
  return bytes
}

export function encrypt(
  key: Uint8Array,
  number: number | bigint,
  associated: Uint8Array,
  plaintext: Uint8Array,
): Buffer {
  const cipher = createCipheriv('chacha20-poly1305', key, nonce(number), { authTagLength: 16 })
  cipher.setAAD(associated, { plaintextLength: plaintext.length })
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

/** Everything that happens in one handshake, seen by someone who knows both sides' secrets. */
export interface Transcript {
  readonly responderKey: Buffer
  readonly initiatorEphemeral: Buffer
  readonly responderEphemeral: Buffer
  readonly es: Buffer
  readonly ee: Buffer
  readonly openKey: Buffer
  readonly openHash: Buffer
  readonly open: Buffer
  readonly ck1: Buffer
  readonly h1: Buffer
  readonly ck2: Buffer
  readonly h2: Buffer
  readonly earlySeal: Buffer
  readonly earlySettle: Buffer
  readonly mainSealToResponder: Buffer
  readonly mainSettleToResponder: Buffer
  readonly mainSealToInitiator: Buffer
  readonly mainSettleToInitiator: Buffer
}

export interface Secrets {
  readonly responderSecret: Uint8Array
  readonly initiatorEphemeralSecret: Uint8Array
  readonly responderEphemeralSecret: Uint8Array
  readonly cid: Uint8Array
  readonly frames: Uint8Array
}

/** spec §4.2 to §4.7, line by line. */
export function handshake(secrets: Secrets): Transcript {
  const s = secrets.responderSecret
  const responderKey = publicKey(s)
  const initiatorEphemeral = publicKey(secrets.initiatorEphemeralSecret)
  const responderEphemeral = publicKey(secrets.responderEphemeralSecret)
  let h = sha256(Buffer.from('Noise_NK_secp256k1_ChaChaPoly_SHA256'))
  let ck = h
  h = sha256(h, Buffer.from('keysock\x01'), secrets.cid)
  h = sha256(h, responderKey)

  h = sha256(h, initiatorEphemeral)
  const es = ecdh(s, initiatorEphemeral)
  let t = hmac(ck, es)
  ck = hmac(t, Buffer.of(1))
  const openKey = hmac(t, ck, Buffer.of(2))
  const openHash = h
  const sealed = encrypt(openKey, 0, h, secrets.frames)
  h = sha256(h, sealed)
  const [ck1, h1] = [ck, h]

  h = sha256(h, responderEphemeral)
  const ee = ecdh(secrets.initiatorEphemeralSecret, responderEphemeral)
  t = hmac(ck, ee)
  ck = hmac(t, Buffer.of(1))
  const [ck2, h2] = [ck, h]

  return {
    responderKey,
    initiatorEphemeral,
    responderEphemeral,
    es,
    ee,
    openKey,
    openHash,
    open: Buffer.concat([Buffer.of(0x18), secrets.cid, Buffer.of(0), initiatorEphemeral, sealed]),
    ck1,
    h1,
    ck2,
    h2,
    earlySeal: hmac(ck1, Buffer.from('keysock early seal')),
    earlySettle: hmac(ck1, Buffer.from('keysock early settle')),
    mainSealToResponder: hmac(ck2, Buffer.from('keysock main seal i2r')),
    mainSettleToResponder: hmac(ck2, Buffer.from('keysock main settle i2r')),
    mainSealToInitiator: hmac(ck2, Buffer.from('keysock main seal r2i')),
    mainSettleToInitiator: hmac(ck2, Buffer.from('keysock main settle r2i')),
  }
}
