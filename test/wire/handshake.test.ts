import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { equalBytes, fromHex, toHex } from '../../src/floor/bytes.ts'
import { ProtocolError } from '../../src/wire/errors.ts'
import {
  completeInitiator,
  completeResponder,
  type Initiation,
  initiate,
  respond,
  type Response,
  withAttempt,
} from '../../src/wire/handshake.ts'
import { checkedPoint, ecdh, identifyProof, paymentHash, preimage, publicKey } from '../../src/wire/keys.ts'
import { decodeHeader, openPacket, sealPacket } from '../../src/wire/packets.ts'
import { bytesOf } from './arbitraries.ts'
import * as noise from './noise.ts'

const secrets: noise.Secrets = {
  responderSecret: new Uint8Array(32).fill(0x11),
  initiatorEphemeralSecret: new Uint8Array(32).fill(0x22),
  responderEphemeralSecret: new Uint8Array(32).fill(0x33),
  cid: fromHex('0102030405060708'),
  frames: fromHex('2203000700'),
}

function initiateWith({ responderSecret, initiatorEphemeralSecret, cid, frames }: noise.Secrets): Initiation {
  return initiate({ responderKey: publicKey(responderSecret), cid, ephemeralSecret: initiatorEphemeralSecret, frames })
}

function respondTo(packet: Uint8Array, { responderSecret }: noise.Secrets): Response | undefined {
  const { header, sealedOffset } = decodeHeader(packet, 'cid')
  if (header.kind !== 'open') throw new Error('not an OPEN')
  return respond({
    responderKey: publicKey(responderSecret),
    cid: header.cid,
    ephemeral: header.ephemeral,
    sharedSecret: ecdh(responderSecret, header.ephemeral),
    sealed: packet.subarray(sealedOffset),
  })
}

function agreeWithNoise(given: noise.Secrets): void {
  const reference = noise.handshake(given)
  const initiation = initiateWith(given)
  const response = respondTo(initiation.packet, given)
  if (response === undefined) throw new Error('the OPEN did not open')
  const completed = completeResponder(response, given.responderEphemeralSecret)
  const main = completeInitiator(initiation, completed.ephemeral)
  expect(toHex(initiation.packet)).toBe(reference.open.toString('hex'))
  expect(toHex(response.frames)).toBe(toHex(given.frames))
  expect(toHex(completed.ephemeral)).toBe(reference.responderEphemeral.toString('hex'))
  for (const early of [initiation.early, response.early]) {
    expect(toHex(early.transcript)).toBe(reference.h1.toString('hex'))
    expect(toHex(early.seal)).toBe(reference.earlySeal.toString('hex'))
    expect(toHex(early.settle)).toBe(reference.earlySettle.toString('hex'))
  }
  for (const keys of [main, completed.main]) {
    expect(toHex(keys.toResponder.transcript)).toBe(reference.h2.toString('hex'))
    expect(toHex(keys.toInitiator.transcript)).toBe(reference.h2.toString('hex'))
    expect(toHex(keys.toResponder.seal)).toBe(reference.mainSealToResponder.toString('hex'))
    expect(toHex(keys.toResponder.settle)).toBe(reference.mainSettleToResponder.toString('hex'))
    expect(toHex(keys.toInitiator.seal)).toBe(reference.mainSealToInitiator.toString('hex'))
    expect(toHex(keys.toInitiator.settle)).toBe(reference.mainSettleToInitiator.toString('hex'))
  }
}

describe('the handshake', () => {
  it('leads both sides to the packet and keys of an independent implementation of Noise', () => {
    agreeWithNoise(secrets)
  })

  it('does so for any secrets, ids and frames', () => {
    const secret = bytesOf(32).filter((bytes) => bytes.some((byte) => byte > 0) && (bytes[0] ?? 0) < 0xff)
    fc.assert(
      fc.property(
        fc.record({
          responderSecret: secret,
          initiatorEphemeralSecret: secret,
          responderEphemeralSecret: secret,
          cid: bytesOf(8),
          frames: fc.uint8Array({ maxLength: 1200, size: 'max' }),
        }),
        agreeWithNoise,
      ),
      { numRuns: 6 },
    )
  })

  it('does not open an OPEN at another node', () => {
    const { packet } = initiateWith(secrets)
    expect(respondTo(packet, { ...secrets, responderSecret: new Uint8Array(32).fill(0x12) })).toBeUndefined()
  })

  it('does not open an OPEN under another connection id', () => {
    const { packet } = initiateWith(secrets)
    packet[1] = 0xff
    expect(respondTo(packet, secrets)).toBeUndefined()
  })

  it('does not open an OPEN with any bit of its sealed part turned', () => {
    const { packet } = initiateWith(secrets)
    for (let at = 43; at < packet.length; at++) {
      const turned = packet.slice()
      turned[at] = (turned[at] ?? 0) ^ 0x80
      expect(respondTo(turned, secrets), `byte ${at}`).toBeUndefined()
    }
  })

  it('makes copies of an OPEN that differ in the attempt alone and open alike', () => {
    const { packet } = initiateWith(secrets)
    const copy = withAttempt(packet, 255)
    expect(decodeHeader(copy, 'cid').header).toMatchObject({ attempt: 255 })
    expect(decodeHeader(packet, 'cid').header).toMatchObject({ attempt: 0 })
    expect(respondTo(copy, secrets)).toEqual(respondTo(packet, secrets))
    expect(withAttempt(copy, 0)).toEqual(packet)
  })

  it('knows no attempt below 0 or above 255', () => {
    const { packet } = initiateWith(secrets)
    for (const attempt of [-1, 256, 0.5]) expect(() => withAttempt(packet, attempt)).toThrow(RangeError)
  })

  it('takes no OPEN that would be larger than a packet', () => {
    expect(initiateWith({ ...secrets, frames: new Uint8Array(1241) }).packet.length).toBe(1300)
    expect(() => initiateWith({ ...secrets, frames: new Uint8Array(1242) })).toThrow(RangeError)
  })

  it('rejects an e_r that is not a point', () => {
    const initiation = initiateWith(secrets)
    for (const bad of [new Uint8Array(33), new Uint8Array(33).fill(2, 0, 1), new Uint8Array(32).fill(2), notOnCurve]) {
      expect(() => completeInitiator(initiation, bad)).toThrow(ProtocolError)
    }
  })

  it('seals EARLY and main packets under different keys', () => {
    const initiation = initiateWith(secrets)
    const main = completeInitiator(initiation, publicKey(secrets.responderEphemeralSecret))
    const header = { kind: 'early', cid: secrets.cid, number: 1 } as const
    const packet = sealPacket(header, initiation.early, secrets.frames)
    expect(openPacket(packet, decodeHeader(packet, 'cid'), initiation.early)).toEqual(secrets.frames)
    expect(openPacket(packet, decodeHeader(packet, 'cid'), main.toResponder)).toBeUndefined()
  })
})

// 02 followed by 5: x = 5 has no y on secp256k1.
const notOnCurve = fromHex(`02${'00'.repeat(31)}05`)

describe('points', () => {
  it('are 33 bytes, compressed and on the curve', () => {
    const good = publicKey(secrets.responderSecret)
    expect(checkedPoint(good)).toBe(good)
    const uncompressed = new Uint8Array(65).fill(4)
    for (const bad of [notOnCurve, good.subarray(0, 32), uncompressed, new Uint8Array(33).fill(0xff)]) {
      expect(() => checkedPoint(bad)).toThrow(ProtocolError)
    }
  })
})

describe('preimages', () => {
  it('are HMAC over the number as u64 and the attempt', () => {
    fc.assert(
      fc.property(bytesOf(32), fc.maxSafeNat(), fc.nat({ max: 255 }), (settle, number, attempt) => {
        const message = Buffer.alloc(9)
        message.writeBigUInt64BE(BigInt(number))
        message[8] = attempt
        const expected = noise.hmac(settle, message)
        expect(toHex(preimage(settle, number, attempt))).toBe(expected.toString('hex'))
        expect(toHex(paymentHash(expected))).toBe(noise.sha256(expected).toString('hex'))
      }),
    )
  })
})

describe('IDENTIFY', () => {
  it('has a proof that both sides compute alike', () => {
    const nodeSecret = new Uint8Array(32).fill(0x44)
    const main = completeInitiator(initiateWith(secrets), publicKey(secrets.responderEphemeralSecret))
    const { transcript } = main.toResponder
    const proof = identifyProof(ecdh(nodeSecret, publicKey(secrets.responderEphemeralSecret)), transcript)
    const checked = identifyProof(ecdh(secrets.responderEphemeralSecret, publicKey(nodeSecret)), transcript)
    const shared = noise.ecdh(nodeSecret, publicKey(secrets.responderEphemeralSecret))
    expect(equalBytes(proof, checked)).toBe(true)
    expect(toHex(proof)).toBe(noise.hmac(shared, Buffer.from('keysock identify'), transcript).toString('hex'))
  })
})
