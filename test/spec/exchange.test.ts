/** spec/vectors/exchange.json, and the same exchange as spec §17 prints it. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../src/floor/bytes.ts'
import { checkPlaces, decodeFrames } from '../../src/wire/frame-reader.ts'
import { completeResponder, respond } from '../../src/wire/handshake.ts'
import { ecdh, preimage, publicKey } from '../../src/wire/keys.ts'
import { decodeHeader, openPacket } from '../../src/wire/packets.ts'
import { exchangeText } from '../wire/vectors-exchange.ts'

interface ExchangeFile {
  readonly responderSecret: string
  readonly responderEphemeralSecret: string
  readonly cid: string
  readonly packets: readonly {
    readonly title: string
    readonly lane: string
    readonly kind: 'open' | 'answer' | 'data' | 'reply'
    readonly number: number
    readonly header: readonly { readonly hex: string }[]
    readonly frames: readonly { readonly hex: string }[]
    readonly sealed: string
    readonly packet: string
    readonly preimage: string | null
  }[]
}

const file = JSON.parse(
  readFileSync(new URL('../../spec/vectors/exchange.json', import.meta.url), 'utf8'),
) as ExchangeFile
const [open] = file.packets

function openSession(): NonNullable<ReturnType<typeof respond>> {
  const record = fromHex(open?.packet ?? '')
  const { header, sealedOffset } = decodeHeader(record, 'cid')
  if (header.kind !== 'open') throw new Error('the exchange does not begin with an OPEN')
  const secret = fromHex(file.responderSecret)
  const session = respond({
    responderKey: publicKey(secret),
    cid: header.cid,
    ephemeral: header.ephemeral,
    sharedSecret: ecdh(secret, header.ephemeral),
    sealed: record.subarray(sealedOffset),
  })
  if (session === undefined) throw new Error('the OPEN does not open')
  return session
}

describe('the exchange', () => {
  const session = openSession()
  const { main } = completeResponder(session, fromHex(file.responderEphemeralSecret))

  it.each(file.packets)('opens: $title', (packet) => {
    const join = (parts: readonly { readonly hex: string }[]): string => parts.map(({ hex }) => hex).join('')
    expect(join(packet.header) + packet.sealed).toBe(packet.packet)
    const record = fromHex(packet.packet)
    const keys = packet.kind === 'data' ? main.toResponder : main.toInitiator
    const decoded = decodeHeader(record, packet.lane === 'node' ? 'cid' : 'path')
    expect(decoded.header).toMatchObject({ kind: packet.kind, number: packet.number })
    const plain = packet.kind === 'open' ? session.frames : openPacket(record, decoded, keys)
    expect(toHex(plain ?? new Uint8Array())).toBe(join(packet.frames))
    checkPlaces(packet.kind, decodeFrames(fromHex(join(packet.frames))))
    if (packet.preimage !== null) expect(toHex(preimage(keys.settle, packet.number, 0))).toBe(packet.preimage)
  })

  it('stands in the spec as it is', () => {
    const page = readFileSync(new URL('../../spec/protocol.md', import.meta.url), 'utf8')
    expect(page).toContain(exchangeText())
  })
})
