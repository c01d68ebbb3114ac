/** spec/vectors/openings.json: an endpoint on a scripted backend gets the packets of strangers, on either lane. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { createEndpoint, type Socket } from '../../src/index.ts'
import { fromHex, toHex } from '../../src/floor/bytes.ts'
import { codeName, openingPriceOf } from '../../src/wire/errors.ts'
import { decodeFrames } from '../../src/wire/frame-reader.ts'
import { completeInitiator, respond } from '../../src/wire/handshake.ts'
import { deriveEarlyKeys, ecdh, publicKey } from '../../src/wire/keys.ts'
import { decodeHeader, openPacket } from '../../src/wire/packets.ts'
import { ScriptedBackend, settle } from '../transport/scripted-backend.ts'
import { openingText, type OpeningFile, type OpeningRow } from './openings.ts'

const text = readFileSync(new URL('../../spec/vectors/openings.json', import.meta.url), 'utf8')
const file = JSON.parse(text) as OpeningFile
const nodeSecret = fromHex(file.nodeSecret)

const NO_EFFECT = 'no effect'

/** The code of the REFUSE in a packet that answers `open`; undefined for any other packet. */
function refusal(record: Uint8Array, open: string, row: OpeningRow): string | undefined {
  const { header: asked, sealedOffset } = decodeHeader(fromHex(open), 'cid')
  if (asked.kind !== 'open') return undefined
  const response = respond({
    responderKey: publicKey(nodeSecret),
    cid: asked.cid,
    ephemeral: asked.ephemeral,
    sharedSecret: ecdh(nodeSecret, asked.ephemeral),
    sealed: fromHex(open).subarray(sealedOffset),
  })
  if (response === undefined) return undefined
  const decoded = decodeHeader(record, ((record[0] ?? 0) & 8) === 0 ? 'path' : 'cid')
  if (decoded.header.kind !== 'answer') return undefined
  const early = deriveEarlyKeys(response.chainingKey, response.early.transcript)
  const ephemeralSecret = fromHex(row.initiatorEphemeralSecret)
  const initiation = { packet: fromHex(open), early, chainingKey: response.chainingKey, ephemeralSecret }
  const keys = completeInitiator(initiation, decoded.header.ephemeral).toInitiator
  const [first] = decodeFrames(openPacket(record, decoded, keys) ?? new Uint8Array())
  return first?.type === 'refuse' ? codeName(first.code) : undefined
}

function nameOf(code: number): string {
  const priceMsat = openingPriceOf(code)
  return priceMsat === undefined ? codeName(code) : `PRICE of ${priceMsat / 1_000n} sat`
}

/** What became of the packets of a row, in order, and how many connections the application has. */
async function run(row: OpeningRow, lane: 'node' | 'phantom'): Promise<{ fates: string[]; accepted: number }> {
  const backend = new ScriptedBackend()
  expect(toHex(backend.publicKey)).toBe(toHex(publicKey(nodeSecret)))
  const endpoint = await createEndpoint({ backend })
  const server = endpoint.createServer((socket) => void socket.resume().on('error', () => undefined))
  await server.listen(file.port)
  const reader = (socket: Socket): void => void socket.resume().on('error', () => undefined)
  await endpoint.createServer({ openingPrice: file.openingPriceMsat }, reader).listen(file.pricedPort)
  const denying = endpoint.createServer(reader).on('opening', (request) => void request.refuse())
  await denying.listen(file.deniedPort)
  const fates: string[] = []
  for (const [index, { packet, hash, amountMsat }] of row.arrivals.entries()) {
    const record = fromHex(packet)
    const common = { record, hash: fromHex(hash), amountMsat: BigInt(amountMsat) }
    const taken = endpoint.stats.connectionsAccepted
    const paid = backend.payments.length
    if (lane === 'node') backend.emit({ type: 'arrival', ...common, settleIndex: BigInt(index + 1) })
    else backend.emit({ type: 'offer', ...common, offerId: `${index}`, deadlineMs: backend.clock.now() + 3_000 })
    await settle()
    await backend.clock.advance(100)
    if (lane === 'phantom') {
      const verdict = backend.answers.find(({ offerId }) => offerId === `${index}`)?.verdict
      fates.push(verdict === undefined ? 'no verdict' : verdict.action === 'settle' ? 'settle' : nameOf(verdict.code))
      continue
    }
    const refused = backend.payments.slice(paid).map(({ payment }) => refusal(payment.record, packet, row))
    const isAccepted = endpoint.stats.connectionsAccepted > taken
    // Whether a later packet was taken as a copy or dropped, nobody sees from outside: neither leads to anything.
    const quiet = index > 0 && !isAccepted ? NO_EFFECT : isAccepted ? 'taken' : 'dropped'
    fates.push(refused.find((code) => code !== undefined) ?? quiet)
  }
  const accepted = endpoint.stats.connectionsAccepted
  const closing = endpoint.close()
  await backend.clock.advance(60_000)
  await closing
  return { fates, accepted }
}

describe('openings.json', () => {
  it('holds what test/spec/openings.ts makes', () => {
    expect(text).toBe(openingText())
  })

  it.each(file.rows)('on the phantom lane: $name', async (row) => {
    const { fates, accepted } = await run(row, 'phantom')
    expect(fates).toEqual(row.arrivals.map(({ phantom }) => phantom))
    expect(accepted).toBe(row.accepted)
  })

  it.each(file.rows)('on the node lane: $name', async (row) => {
    const { fates, accepted } = await run(row, 'node')
    const expected = row.arrivals.map(({ node }) => node)
    for (const [i, fate] of fates.entries()) {
      if (fate === NO_EFFECT) expect(['taken', 'dropped']).toContain(expected[i])
      else if (expected[i] !== 'unspecified') expect(fate).toBe(expected[i])
    }
    if (!expected.includes('unspecified')) expect(accepted).toBe(row.accepted)
  })
})
