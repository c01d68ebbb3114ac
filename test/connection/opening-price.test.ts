import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PaymentOutcome } from '../../src/medium/payment.ts'
import { Connection } from '../../src/transport/connection/connection.ts'
import type { Attempt, ConnectionFailure } from '../../src/transport/connection/interface.ts'
import { Code, MAX_OPENING_PRICE_MSAT, openingPriceCode, openingPriceOf, peerError } from '../../src/wire/errors.ts'
import { ecdh, openIdentityProof, publicKey } from '../../src/wire/keys.ts'
import { openTranscript } from '../../src/wire/handshake.ts'
import { openOpen } from '../../src/transport/connection/opening.ts'
import { events, only, send, START } from './pair.ts'
import { REFUSED, RICH, ROUTE, SETTINGS } from './joined.ts'
import { randomFrom } from './random.ts'

const random = randomFrom(7)
// The responder of pair.ts.
const RESPONDER_SECRET = new Uint8Array(32).fill(7)
const LIMIT_MSAT = 100_000n

type Identify = NonNullable<Parameters<typeof Connection.connect>[0]['identify']>

function connect(maxOpeningPriceMsat = LIMIT_MSAT, identify?: Identify): Connection {
  return Connection.connect({
    now: START,
    random: (length) => random.bytes(length),
    grow: () => true,
    settings: SETTINGS,
    peerBudget: RICH,
    responderKey: publicKey(RESPONDER_SECRET),
    connectionId: random.bytes(8),
    port: 7,
    lane: 'phantom',
    replies: { lane: 'phantom', paths: [{ pathId: 'a0', bytes: random.bytes(240), expiryHeight: 800_144 }] },
    blockHeight: 800_000,
    maxOpeningPriceMsat,
    ...(identify === undefined ? {} : { identify }),
  })
}

const asked = (priceMsat: bigint): PaymentOutcome => ({ ...REFUSED, refusal: openingPriceCode(priceMsat) })

function failureOf(machine: Connection): ConnectionFailure | undefined {
  return events(machine).find((event) => event.type === 'ended')?.error
}

describe('the code of a price', () => {
  it('says whole satoshi, rounded up, and every code but those says none', () => {
    expect(openingPriceCode(0n)).toBe(0x0100_0000)
    expect(openingPriceCode(1n)).toBe(0x0100_0001)
    expect(openingPriceCode(MAX_OPENING_PRICE_MSAT)).toBe(0x01ff_ffff)
    expect(() => openingPriceCode(MAX_OPENING_PRICE_MSAT + 1n)).toThrow(RangeError)
    expect([Code.PRICE, 256, 0x00ff_ffff, 0x0200_0000].map(openingPriceOf)).toEqual(Array(4).fill(undefined))
    expect(peerError(0x0100_0005, 'refuse')).toBe('ERR_KEYSOCK_PRICE')
  })

  it('is never below the price, nor a satoshi above it', () => {
    const price = fc.bigInt({ min: 0n, max: MAX_OPENING_PRICE_MSAT })
    fc.assert(
      fc.property(price, (msat) => {
        const said = openingPriceOf(openingPriceCode(msat)) ?? -1n
        return said >= msat && said - msat < 1_000n
      }),
    )
  })
})

describe('an initiator that is told an opening price', () => {
  it('pays it with the next copy, at once, under a hash of its own', () => {
    const machine = connect()
    const first = only(send(machine, START))
    machine.resolve(START + 300, first.id, asked(20_000n))
    const second = only(send(machine, START + 300))
    expect([first.amountMsat, second.amountMsat]).toEqual([ROUTE.minAmountMsat, 20_000n])
    expect(second.record.slice(10)).toEqual(first.record.slice(10))
    expect(machine.account.reservedMsat).toBe(20_000n + second.feeMsat)
  })

  it('above its limit ends, naming both', () => {
    const machine = connect()
    machine.resolve(START + 300, only(send(machine, START)).id, asked(LIMIT_MSAT + 1n))
    const openingPriceMsat = LIMIT_MSAT + 1_000n
    expect(failureOf(machine)).toMatchObject({ code: 'ERR_KEYSOCK_PRICE', openingPriceMsat, wireCode: Code.PRICE })
    expect(machine.account).toMatchObject({ spentMsat: 0n, reservedMsat: 0n })
  })

  it('follows eight prices that rise, and no more', () => {
    const machine = connect()
    let priceMsat = 1_000n
    let attempt = only(send(machine, START))
    for (let price = 1; price <= 8; price++) {
      priceMsat += 2_000n
      machine.resolve(START + price, attempt.id, asked(priceMsat))
      attempt = only(send(machine, START + price))
      expect(attempt.amountMsat).toBe(priceMsat)
    }
    machine.resolve(START + 9, attempt.id, asked(priceMsat + 2_000n))
    expect(failureOf(machine)).toMatchObject({ code: 'ERR_KEYSOCK_PRICE' })
  })

  it('that it has paid already ends: nobody is to be paid for saying no', () => {
    const machine = connect()
    machine.resolve(START, only(send(machine, START)).id, asked(20_000n))
    machine.resolve(START + 300, only(send(machine, START)).id, asked(20_000n))
    expect(failureOf(machine)).toMatchObject({ code: 'ERR_KEYSOCK_PRICE' })
  })

  it('pays no price at all where nobody has allowed one', () => {
    const machine = connect(0n)
    machine.resolve(START, only(send(machine, START)).id, asked(2_000n))
    expect(failureOf(machine)).toMatchObject({ code: 'ERR_KEYSOCK_PRICE', openingPriceMsat: 2_000n })
  })

  it('offers a responder that holds its copies back no more than two prices, and one a minute more', () => {
    const machine = connect()
    machine.resolve(START, only(send(machine, START)).id, asked(20_000n))
    const held: Attempt[] = send(machine, START)
    for (let now = START; now < START + 119_000 && machine.state === 'opening'; now += 500) {
      machine.wake(now)
      held.push(...send(machine, now))
      if (now < START + 60_000) expect(held.length).toBeLessThanOrEqual(2)
    }
    expect(held.length).toBeLessThanOrEqual(4)
    expect(held.every(({ amountMsat }) => amountMsat === 20_000n)).toBe(true)
  })
})

describe('an initiator that says who it is in its OPEN', () => {
  const secret = new Uint8Array(32).fill(11)
  const key = publicKey(secret)

  it('waits for its node, and proves its key for this OPEN alone', () => {
    const machine = connect(0n, { publicKey: key, inOpen: true })
    expect(send(machine, START)).toEqual([])
    const request = machine.pollRequest()
    if (request?.type !== 'shared-secret') throw new Error('nothing was asked')
    expect(request.point).toEqual(publicKey(RESPONDER_SECRET))
    machine.provideSecret(START + 10, ecdh(secret, request.point))
    const { record } = only(send(machine, START + 10))
    const ephemeral = record.slice(10, 43)
    const sharedSecret = ecdh(RESPONDER_SECRET, ephemeral)
    const opened = openOpen({ record, responderKey: publicKey(RESPONDER_SECRET), sharedSecret })
    const transcript = openTranscript(publicKey(RESPONDER_SECRET), machine.connectionId, ephemeral)
    expect(opened?.parameters.identity).toEqual({
      key,
      proof: openIdentityProof(ecdh(RESPONDER_SECRET, key), transcript),
    })
  })

  it('ends where its node does not help', () => {
    const machine = connect(0n, { publicKey: key, inOpen: true })
    machine.secretFailed(START + 10, 'no permission')
    expect(failureOf(machine)).toMatchObject({ code: 'ERR_KEYSOCK_IDENTIFY', message: 'no permission' })
  })
})
