import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Destination, RouteRequest } from '../../src/medium/route.ts'
import type { Payment, PaymentOutcome } from '../../src/medium/payment.ts'
import * as messages from '../../src/backends/daemon/protocol/messages.ts'
import {
  amount,
  bytes,
  type Codec,
  count,
  list,
  MessageError,
  object,
  oneOf,
  text,
} from '../../src/backends/daemon/protocol/codecs.ts'

const overTheWire = (json: unknown): unknown => JSON.parse(JSON.stringify(json))

/** What a codec makes of a value on the other side. */
function carried<T>(codec: Codec<T>, value: T): T {
  return codec.read(overTheWire(codec.write(value)), 'value')
}

const msat = fc.bigInt({ min: 0n, max: 10n ** 20n - 1n })
const blob = (most: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength: most })
const id = fc.string({ maxLength: 60 })

const destination: fc.Arbitrary<Destination> = fc.oneof(
  fc.record({ lane: fc.constant('node' as const), publicKey: blob(64) }),
  fc.record({ lane: fc.constant('phantom' as const), path: blob(1_024) }),
  fc.record({
    lane: fc.constant('phantom' as const),
    publicKey: blob(64),
    hints: fc.array(
      fc.record(
        {
          publicKey: fc.uint8Array({ minLength: 33, maxLength: 33 }),
          channelId: id,
          feeBaseMsat: msat,
          feePpm: fc.nat(),
          cltvDelta: fc.nat(),
          minAmountMsat: msat,
        },
        { requiredKeys: ['publicKey', 'channelId', 'feeBaseMsat', 'feePpm', 'cltvDelta'] },
      ),
      { maxLength: 4 },
    ),
  }),
)
const routeRequest: fc.Arbitrary<RouteRequest> = fc.record(
  { destination, amountMsat: msat, maxFeeMsat: msat, count: fc.nat(), avoid: fc.array(id) },
  { requiredKeys: ['destination', 'amountMsat', 'maxFeeMsat', 'count'] },
)
const payment: fc.Arbitrary<Payment> = fc.record(
  { routeId: id, hash: blob(64), preimage: blob(64), record: blob(2_048), amountMsat: msat },
  { requiredKeys: ['routeId', 'hash', 'record', 'amountMsat'] },
)
const outcome: fc.Arbitrary<PaymentOutcome> = fc.oneof(
  fc.record({ status: fc.constantFrom('delivered' as const, 'settled' as const), feeMsat: msat }),
  fc.record({ status: fc.constant('unknown' as const) }),
  fc.record(
    {
      status: fc.constant('failed' as const),
      reason: fc.constantFrom('no-slot' as const, 'refused' as const, 'blinded' as const),
      place: fc.constantFrom('local' as const, 'destination' as const),
      channel: id,
      refusal: fc.nat(),
    },
    { requiredKeys: ['status', 'reason', 'place'] },
  ),
)

describe('what the other side would not read', () => {
  it.each<[string, () => unknown]>([
    ['a negative amount', () => amount.write(-1n)],
    ['an amount of more digits than money has', () => amount.write(10n ** 20n)],
    ['a fraction', () => count().write(0.5)],
    ['a count beyond the bound', () => count(3).write(4)],
    ['a text that is too long', () => text(3).write('four')],
    ['too many bytes', () => bytes(2).write(new Uint8Array(3))],
    ['a list that is too long', () => list(count(), 1).write([1, 2])],
    ['a word that is none', () => oneOf(['a']).write('b' as 'a')],
  ])('is not written: %s', (_, write) => {
    expect(write).toThrow(MessageError)
  })
})

describe('values between a daemon and its programs', () => {
  it('come out as they went in', () => {
    fc.assert(
      fc.property(routeRequest, payment, outcome, (request, paid, decided) => {
        expect(carried(messages.routeRequest, request)).toEqual(request)
        expect(carried(messages.payment, paid)).toEqual(paid)
        expect(carried(messages.outcome, decided)).toEqual(decided)
        expect(carried(messages.tracked, decided)).toEqual(decided)
      }),
    )
  })

  it('and the messages around them do', () => {
    fc.assert(
      fc.property(fc.nat(), payment, outcome, blob(32), (number, paid, decided, hash32) => {
        const call = messages.readCall(overTheWire(messages.writeCall(number, 'pay', paid)))
        expect(call).toEqual({ id: number, call: 'pay', argument: paid })
        const result = messages.readDaemonMessage(overTheWire(messages.writeResult(number, 'pay', decided))) as {
          result: unknown
        }
        expect(messages.outcome.read(result.result, 'result')).toEqual(decided)
        const hash = new Uint8Array(32)
        hash.set(hash32)
        const event = { type: 'payment-resolved', hash, outcome: decided } as const
        expect(messages.readDaemonMessage(overTheWire(messages.writeEvent(event)))).toEqual({ event })
      }),
    )
    const error = { code: 'port-in-use', message: 'words' } as const
    expect(messages.readDaemonMessage(overTheWire(messages.writeError(3, error)))).toEqual({ id: 3, error })
  })

  it('whatever comes is read or refused, with nothing else thrown', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        for (const read of [messages.readCall, messages.readDaemonMessage]) {
          try {
            read(json)
          } catch (error) {
            expect(error).toBeInstanceOf(MessageError)
          }
        }
      }),
      { numRuns: 2_000 },
    )
  })

  it('a message with one value changed is read or refused, with nothing else thrown', () => {
    const whole = overTheWire(messages.writeCall(1, 'attach', attach())) as { with: Record<string, unknown> }
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(whole.with)), fc.jsonValue(), (key, value) => {
        try {
          messages.readCall({ ...whole, with: { ...whole.with, [key]: value } })
        } catch (error) {
          expect(error).toBeInstanceOf(MessageError)
        }
      }),
      { numRuns: 2_000 },
    )
  })

  it.each<[string, Codec<unknown>, unknown]>([
    ['base64 that is not canonical', bytes(0, 8), 'AB=='],
    ['base64 of another alphabet', bytes(0, 8), 'AA-_'],
    ['too few bytes', bytes(2), 'AA=='],
    ['too many bytes', bytes(2), 'AAAA'],
    ['a number for an amount', amount, 7],
    ['leading zeros', amount, '007'],
    ['minus zero', amount, '-0'],
    ['a negative amount', amount, '-5000'],
    ['more digits than money has', amount, '1'.repeat(21)],
    ['a fraction', count(), 1.5],
    ['a negative count', count(), -1],
    ['a count beyond the bound', count(3), 4],
    ['a text that is too long', text(3), 'four'],
    ['a list that is too long', list(count(), 1), [1, 2]],
    ['an object for a list', list(count(), 1), {}],
    ['a field too many', object<{ a: number }>({ a: count() }), { a: 1, b: 2 }],
    ['a field too few', object<{ a: number }>({ a: count() }), {}],
    ['a field of the prototype', object<{ a: number }>({ a: count() }), JSON.parse('{"__proto__":{"a":1}}')],
    ['a kind that is none', messages.sentEvent, { type: 'constructor' }],
  ])('%s is refused', (_, codec, json) => {
    expect(() => codec.read(json, 'value')).toThrow(MessageError)
  })
})

function attach(): Parameters<typeof messages.writeCall<'attach'>>[2] {
  return {
    session: new Uint8Array(16),
    isBack: true,
    settleIndex: 5n,
    phantomLane: true,
    ports: [7],
    initiators: [new Uint8Array(8)],
    responders: [],
  }
}
