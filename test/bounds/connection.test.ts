/** What the other side of a connection can make grow, pushed against its bound: docs/bounds.md names each of these. */
import { describe, expect, it } from 'vitest'
import { AnswersBought } from '../../src/transport/connection/answers-bought.ts'
import { Buyer, type ServedView } from '../../src/transport/connection/buyer.ts'
import {
  MAX_AHEAD_BYTES,
  MAX_AHEAD_MS,
  MAX_AHEAD_PACKETS,
  MAX_MESSAGES_WAITING,
  MAX_PAYMENT_RANGES,
  MAX_STRETCHES,
} from '../../src/transport/connection/limits.ts'
import { Messages } from '../../src/transport/connection/messages.ts'
import { MAX_WINDOW_BYTES } from '../../src/transport/limits.ts'
import { responderSettings } from '../../src/transport/options/settings.ts'
import { PaymentKind, type Tariff } from '../../src/wire/frames.ts'
import { NO_TARIFF } from '../../src/wire/tariffs.ts'
import { events, START, Stranger, types } from '../connection/pair.ts'

const MORE_THAN_ANYBODY_HAS = 10n ** 18n

it('16 MiB come that are not read, whatever the peer asks for; what is beyond resets the connection', () => {
  const defaults = { maxCostMsat: 0n, callersMaxCostMsat: 0n, maxAnswerMsat: 0n, answers: 'own' } as const
  const { initialWindow, maxWindow } = responderSettings({}, defaults)
  const stranger = new Stranger([], { initialWindow, maxWindow })
  const now = START + 20
  for (let i = 0; i < 10; i++) stranger.machine.arrive(now, stranger.data(now, [{ type: 'blocked', limit: 0 }]))
  const data = new Uint8Array(1_024)
  let offset = 0
  const isOver = (): boolean => {
    stranger.machine.arrive(now, stranger.data(now, [{ type: 'stream', offset, data, fin: false }]))
    return types(stranger.machine).includes('ended')
  }
  while (!isOver() && offset < 2 * MAX_WINDOW_BYTES) offset += data.length
  expect(offset).toBe(MAX_WINDOW_BYTES)
})

describe('whoever asks for all the money there is', () => {
  /** Of a stream of which so much has come. */
  const viewOf = (receivedBytes: number): ServedView => ({ receivedBytes, finalOffset: undefined, isComplete: false })

  /** Agreed to from the beginning on. */
  const buyerAt = (tariff: Partial<Tariff>): Buyer => {
    const buyer = new Buyer(0, 0n)
    buyer.learn({ type: 'price', serial: 1, from: 0, tariff: { ...NO_TARIFF, ...tariff } } as const)
    buyer.agree(1)
    return buyer
  }

  it('is paid for what came of the stream, and a mebibyte ahead', () => {
    const buyer = buyerAt({ kilobyteMsat: 1_000n })
    const came = 10 * MAX_AHEAD_BYTES
    buyer.billed(MORE_THAN_ANYBODY_HAS, viewOf(came))
    expect(buyer.owedMsat(viewOf(came))).toBe(BigInt(came + MAX_AHEAD_BYTES))
    // Nothing more, until more has come.
    buyer.paying(BigInt(came + MAX_AHEAD_BYTES))
    expect(buyer.owedMsat(viewOf(came))).toBe(0n)
    expect(buyer.owedMsat(viewOf(came + 1_000))).toBe(1_000n)
  })

  it('is paid for the packets that came, and 2,048 ahead', () => {
    const buyer = buyerAt({ packetMsat: 1_000n })
    const came = 10 * MAX_AHEAD_PACKETS
    for (let i = 0; i < came; i++) buyer.packetCame(true)
    buyer.billed(MORE_THAN_ANYBODY_HAS, viewOf(0))
    expect(buyer.owedMsat(viewOf(0))).toBe(1_000n * BigInt(came + MAX_AHEAD_PACKETS))
  })

  it('is paid for the time that passed, and a minute ahead', () => {
    const buyer = buyerAt({ secondMsat: 1_000n })
    const passedMs = 100 * MAX_AHEAD_MS
    buyer.tick(passedMs)
    buyer.billed(MORE_THAN_ANYBODY_HAS, viewOf(0))
    expect(buyer.owedMsat(viewOf(0))).toBe(BigInt(passedMs + MAX_AHEAD_MS))
  })

  it('is paid for the answers that came, and 2,048 ahead', () => {
    const answers = new AnswersBought(3_000n)
    const came = 10 * MAX_AHEAD_PACKETS
    for (let i = 0; i < came; i++) answers.came(true)
    answers.billed({ nowMs: 0, dueMsat: MORE_THAN_ANYBODY_HAS, isComplete: false, settledMsat: 0n })
    expect(answers.targetMsat(false)).toBe(3_000n * BigInt(came + MAX_AHEAD_PACKETS))
  })

  it('has 16 tariffs for parts of the stream that are still to come, and no more', () => {
    const buyer = buyerAt({ kilobyteMsat: 1n })
    const raise = (serial: number): string => {
      const tariff = { ...NO_TARIFF, kilobyteMsat: BigInt(serial) }
      const said = buyer.learn({ type: 'price', serial, from: serial * 1_000, tariff })
      buyer.agree(serial)
      return said
    }
    for (let serial = 2; serial <= MAX_STRETCHES; serial++) expect(raise(serial)).toBe('raised')
    expect(raise(MAX_STRETCHES + 1)).toBe('full')
    // What has come makes room.
    buyer.settle(viewOf(3_000))
    expect(raise(MAX_STRETCHES + 1)).toBe('raised')
  })
})

it('ids of PAYMENTs are counted in 256 ranges: what lies in the lowest gap counts as used', () => {
  const stranger = new Stranger()
  const now = START + 20
  const pay = (id: number): number => {
    const frame = { type: 'payment', id, kind: PaymentKind.PAYMENT, reference: 0, amountMsat: 1n, note: '' } as const
    stranger.machine.arrive(now, stranger.data(now, [frame], undefined, 1_000n))
    return events(stranger.machine).filter(({ type }) => type === 'payment').length
  }
  for (let i = 1; i <= MAX_PAYMENT_RANGES; i++) expect(pay(2 * i)).toBe(1)
  // One range more: the lowest two, 2 and 4, become one.
  expect(pay(2 * MAX_PAYMENT_RANGES + 2)).toBe(1)
  expect(pay(3)).toBe(0)
  expect(pay(5)).toBe(1)
})

it('1,024 datagrams of this side wait for a peer that acknowledges none, and no more', () => {
  const messages = new Messages()
  const idOf = (i: number): Uint8Array => {
    const id = new Uint8Array(16)
    new DataView(id.buffer).setUint32(0, i)
    return id
  }
  for (let i = 0; i < MAX_MESSAGES_WAITING; i++) messages.send(idOf(i), new Uint8Array(1))
  expect(() => messages.send(idOf(MAX_MESSAGES_WAITING), new Uint8Array(1))).toThrow('too many messages wait')
})
