/**
 * `./dev bench crypto`: what the cryptography of a packet costs in the builds that are used, beside JavaScript's and
 * Node's own, in turn within one run; and what that does to the packets a second of two joined connections.
 */
import { createCipheriv, createDecipheriv, createECDH, createHmac, hash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { Command } from 'commander'
import { sealInto, TAG_BYTES, unseal } from '../src/wire/aead.ts'
import { isPoint, multiply, publicKey, quickMultiply } from '../src/wire/curve.ts'
import { hmacSha256, hmacSha256Again, sha256 as usedSha256 } from '../src/wire/hashes.ts'
import { prepareSodium } from '../src/wire/sodium.ts'
import { threadMs } from './crypto/thread-ms.ts'
import { type Section, sectionsAsMarkdown, sectionsAsText } from './report/sections.ts'
import { measurePackets } from './sim/packets.ts'
import { median } from './sim/statistics.ts'

const RESULTS = new URL('results/', import.meta.url)
const ROUNDS = 11
/** Processor time of one batch, and of what warms up before the first. */
const BATCH_MS = 10
const WARM_UP_MS = 50

const options = new Command('crypto')
  .description('Measures the builds of what seals packets and opens onions.')
  .option('--json', 'print one JSON object on the last line', false)
  .option('--write', 'write bench/results/crypto.md and crypto.json', false)
  .parse()
  .opts<{ readonly json: boolean; readonly write: boolean }>()

/** Builds of one operation. `used` is what src calls; Node has none where it can't give the same bytes. */
interface Operation {
  readonly name: string
  readonly noble: () => unknown
  readonly used: () => unknown
  readonly node?: () => unknown
}

const key = new Uint8Array(32).fill(7)
const other = new Uint8Array(32).fill(9)
const point = publicKey(other)
const nonce = new Uint8Array(12)
const associated = new Uint8Array(36)
const preimage = new Uint8Array(32).fill(3)
const number = new Uint8Array(9)
const onion = new Uint8Array(1_332)

function seals(bytes: number): Operation[] {
  const plaintext = new Uint8Array(bytes).fill(1)
  const sealed = new Uint8Array(bytes + TAG_BYTES)
  sealInto(sealed, 0, { key, number: 0, associated, plaintext })
  const record = new Uint8Array(sealed.length)
  const authTagLength = TAG_BYTES
  return [
    {
      name: `seal ${bytes} bytes`,
      noble: () => chacha20poly1305(key, nonce, associated).encrypt(plaintext, record),
      used: () => sealInto(record, 0, { key, number: 0, associated, plaintext }),
      node: () => {
        const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength })
        cipher.setAAD(associated, { plaintextLength: bytes })
        return [cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]
      },
    },
    {
      name: `open ${bytes} bytes`,
      noble: () => chacha20poly1305(key, nonce, associated).decrypt(sealed),
      used: () => unseal(key, 0, associated, sealed),
      node: () => {
        const cipher = createDecipheriv('chacha20-poly1305', key, nonce, { authTagLength })
        cipher.setAAD(associated, { plaintextLength: bytes })
        cipher.setAuthTag(sealed.subarray(bytes))
        return [cipher.update(sealed.subarray(0, bytes)), cipher.final()]
      },
    },
  ]
}

function curve(): Operation[] {
  const { Point } = secp256k1
  const scalar = Point.Fn.fromBytes(key)
  const ecdh = createECDH('secp256k1')
  ecdh.setPrivateKey(key)
  return [
    {
      name: 'point x secret (a handshake)',
      noble: () => secp256k1.getSharedSecret(key, point, true),
      used: () => multiply(key, point),
      // Without the half of the plane that the point is in, which BOLT 4 and BOLT 8 need.
      node: () => ecdh.computeSecret(point),
    },
    {
      name: "point x a path's key (an onion)",
      noble: () => Point.fromBytes(point).multiplyUnsafe(scalar).toBytes(true),
      used: () => quickMultiply(key, point),
    },
    {
      name: 'public key',
      noble: () => secp256k1.getPublicKey(key, true),
      used: () => publicKey(key),
    },
    {
      name: 'is it a point',
      noble: () => secp256k1.utils.isValidPublicKey(point, true),
      used: () => isPoint(point),
    },
  ]
}

function hashed(name: string, message: Uint8Array): Operation {
  return {
    name: `SHA-256 of ${name}`,
    noble: () => sha256(message),
    used: () => usedSha256(message),
    node: () => hash('sha256', message, 'buffer'),
  }
}

function keyed(name: string, message: Uint8Array, used: typeof hmacSha256): Operation {
  return {
    name: `HMAC-SHA-256 of ${name}`,
    noble: () => hmac(sha256, key, message),
    used: () => used(key, message),
    node: () => createHmac('sha256', key).update(message).digest(),
  }
}

function hashes(): Operation[] {
  return [
    hashed('32 bytes (a payment hash)', preimage),
    keyed('9 bytes (a preimage)', number, hmacSha256Again),
    keyed('1332 bytes (an onion)', onion, hmacSha256),
  ]
}

/** Microseconds of processor time of one call, the median of batches that take turns. */
function measure({ noble, used, node }: Operation): { noble: number; used: number; node?: number } {
  const builds = [noble, used, ...(node ? [node] : [])]
  const batches = builds.map((run) => {
    let calls = 0
    const before = threadMs()
    while (threadMs() - before < WARM_UP_MS) for (let i = 0; i < 10; i++, calls++) run()
    return { run, calls: Math.ceil((calls * BATCH_MS) / WARM_UP_MS), times: [] as number[] }
  })
  for (let round = 0; round < ROUNDS; round++)
    for (const { run, calls, times } of batches) {
      const before = threadMs()
      for (let i = 0; i < calls; i++) run()
      times.push(((threadMs() - before) * 1_000) / calls)
    }
  const [ofNoble = NaN, ofUsed = NaN, ofNode] = batches.map(({ times }) => Number(median(times).toPrecision(3)))
  return { noble: ofNoble, used: ofUsed, ...(ofNode !== undefined && { node: ofNode }) }
}

await prepareSodium()
const operations = [...seals(32), ...seals(1_084), ...seals(1_284), ...curve(), ...hashes()]
const rows = operations.map((operation) => ({ name: operation.name, ...measure(operation) }))
const [portable, used] = [await measurePackets({ portable: true }), await measurePackets()]

const sections: Section[] = [
  {
    title: 'One call, microseconds of processor time',
    text: [
      `Medians of ${ROUNDS} batches that take turns. noble: JavaScript, which all of it was before. used: libsodium and`,
      'libsecp256k1 in WebAssembly, and noble for SHA-256. Node: OpenSSL, with the objects that Node makes for a call;',
      'of a product of the curve it gives one coordinate only.',
    ],
    head: ['', 'noble', 'used', 'Node', 'noble / used'],
    rows: rows.map(({ name, noble, used: now, node }) => [
      name,
      String(noble),
      String(now),
      node === undefined ? '' : String(node),
      (noble / now).toFixed(2),
    ]),
  },
  {
    title: 'Packets a second of two joined connections',
    text: ['In one thread, by its processor time, sealed and opened in JavaScript and as they are.'],
    head: ['lane', 'in JavaScript', 'used'],
    rows: used.map(({ lane, packetsPerSecond }, i) => [
      lane,
      String(portable[i]?.packetsPerSecond),
      String(packetsPerSecond),
    ]),
  },
]
console.log(sectionsAsText(sections, (text) => text))
if (options.write) {
  await mkdir(RESULTS, { recursive: true })
  const title = `# Bench: crypto\n\n\`./dev bench crypto --write\`, Node.js ${process.versions.node}.`
  await writeFile(new URL('crypto.md', RESULTS), `${title}\n\n${sectionsAsMarkdown(sections)}\n`)
  await writeFile(new URL('crypto.json', RESULTS), `${JSON.stringify({ rows, portable, used }, undefined, 2)}\n`)
}
if (options.json) console.log(JSON.stringify({ bench: 'crypto', rows, portable, used }))
