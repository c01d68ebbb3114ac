import { describe, expect, test } from 'vitest'
import { Connection } from '../../src/transport/connection/connection.ts'
import { openOpen } from '../../src/transport/connection/opening.ts'
import { ReceiveWindow } from '../../src/transport/connection/receive-window.ts'
import { Code } from '../../src/wire/errors.ts'
import { ecdh, publicKey } from '../../src/wire/keys.ts'
import { RICH, SETTINGS } from './joined.ts'
import { arrivalOf, connect, exchange, openPair, type Pair, pass, send, START } from './pair.ts'

const FIRST = 262_144
const WIDE = 1_048_576

/** How much of the endpoint's sum is given out. */
class Sum {
  bytes = 0
  readonly grow = (bytes: number): boolean => {
    this.bytes += bytes
    return true
  }
}

function wide(): { readonly pair: Pair; readonly sum: Sum } {
  const sum = new Sum()
  const pair = openPair({}, { initialWindow: WIDE, grow: sum.grow })
  expect(sum.bytes).toBe(WIDE - FIRST)
  return { pair, sum }
}

const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(7)

describe("the endpoint's sum of windows", () => {
  test('gets a window back as soon as its connection lingers', () => {
    const { pair, sum } = wide()
    pair.a.finish(pair.now)
    pair.b.finish(pair.now)
    exchange(pair)
    expect(pair.b.state).toBe('lingering')
    expect(sum.bytes).toBe(0)
  })

  test('keeps what waits for an application that reads slowly, and nothing else', () => {
    const { pair, sum } = wide()
    pair.a.write(pair.now, bytes(FIRST + 100_000))
    pair.a.finish(pair.now)
    pair.b.finish(pair.now)
    for (let i = 0; i < 10; i++) {
      exchange(pair)
      pass(pair, 1_000)
    }
    expect(pair.b.state).toBe('lingering')
    expect(sum.bytes).toBe(100_000)
    let read = 0
    while (read < 100_000) read += pair.b.read(pair.now)?.length ?? Infinity
    expect(sum.bytes).toBe(0)
  })

  test('gets all but what is still to come when the end of the stream is known', () => {
    const { pair, sum } = wide()
    pair.a.finish(pair.now)
    exchange(pair)
    expect(pair.b.state).toBe('open')
    expect(sum.bytes).toBe(0)
  })

  test('gets it back when the connection is reset, while the RESET is on its way', () => {
    const { pair, sum } = wide()
    pair.b.reset(pair.now, Code.CANCELLED, '')
    expect(pair.b.state).toBe('resetting')
    expect(sum.bytes).toBe(0)
  })

  test('gets it back when the peer resets', () => {
    const { pair, sum } = wide()
    pair.a.reset(pair.now, Code.CANCELLED, '')
    exchange(pair)
    expect(sum.bytes).toBe(0)
  })

  test('gets it back when the application stops reading', () => {
    const { pair, sum } = wide()
    pair.b.stopReading(pair.now)
    expect(sum.bytes).toBe(0)
  })

  test('gives nothing to a connection that only says no', () => {
    const secret = new Uint8Array(32).fill(7)
    const [attempt] = send(connect(), START)
    if (attempt === undefined) throw new Error('no OPEN')
    const responderKey = publicKey(secret)
    const sharedSecret = ecdh(secret, attempt.record.subarray(10, 43))
    const open = openOpen({ record: attempt.record, responderKey, sharedSecret })
    if (open === undefined) throw new Error('the OPEN does not open')
    const sum = new Sum()
    Connection.refuse({
      now: START,
      random: (length) => bytes(length),
      grow: sum.grow,
      settings: { ...SETTINGS, initialWindow: WIDE },
      peerBudget: RICH,
      responderKey,
      open,
      arrival: arrivalOf(attempt),
      blockHeight: open.height,
      code: Code.NO_LISTENER,
      reason: '',
    })
    expect(sum.bytes).toBe(0)
  })
})

test('a window gives back what it was granted beyond the bytes to come, once', () => {
  const sum = new Sum()
  const window = new ReceiveWindow({ now: 0, initial: 3_000, grown: 2_000, max: 8_000, grow: sum.grow })
  window.keep(2_500)
  window.keep(2_500)
  expect([window.grown, sum.bytes]).toEqual([1_500, -500])
  window.keep(10_000)
  window.keep(0)
  expect([window.grown, sum.bytes]).toEqual([0, -2_000])
})
