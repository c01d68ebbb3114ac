/** Windows that fill and open again, in situations that broke, or would break, a connection. */
import { describe, expect, test } from 'vitest'
import { Code } from '../../src/wire/errors.ts'
import { deliver, events, exchange, openPair, pass, readAll, send, types } from './pair.ts'

describe('flow control', () => {
  test('control frames flow while a slow reader lets the window fill', () => {
    const pair = openPair()
    pair.a.write(pair.now, new Uint8Array(400_000))
    exchange(pair)
    expect(pair.a.want(pair.now)).toBeUndefined()
    pair.a.sendMessage(pair.now, new Uint8Array(16), Uint8Array.of(1))
    exchange(pair)
    expect(types(pair.b)).toContain('message')
    expect(readAll(pair.b, pair.now)).toBeGreaterThan(0)
  })

  test('two writers that are both out of window get on when both read', () => {
    const pair = openPair()
    pair.a.write(pair.now, new Uint8Array(600_000))
    pair.b.write(pair.now, new Uint8Array(600_000))
    let [readA, readB] = [0, 0]
    for (let rounds = 0; rounds < 20; rounds++) {
      exchange(pair)
      readA += readAll(pair.a, pair.now)
      readB += readAll(pair.b, pair.now)
      pass(pair, 20)
    }
    expect([readA, readB]).toEqual([600_000, 600_000])
  })

  test('BLOCKED is repeated after 5 s, doubling, until there is room', () => {
    const pair = openPair()
    pair.a.write(pair.now, new Uint8Array(400_000))
    exchange(pair)
    pass(pair, 20)
    const before = pair.a.stats.attempts
    pass(pair, 36_000)
    // 5, 15, 35 s
    expect(pair.a.stats.attempts - before).toBe(3)
  })

  test('a window that disorder uses up is widened although nothing can be read', () => {
    const pair = openPair()
    pair.a.write(pair.now, new Uint8Array(262_144))
    const [lost, ...rest] = send(pair.a, pair.now)
    for (const attempt of rest) deliver(pair, 'a', attempt)
    const told = send(pair.b, pair.now)
    for (const attempt of told) deliver(pair, 'b', attempt)
    pair.a.write(pair.now, new Uint8Array(100_000))
    expect(send(pair.a, pair.now).length).toBeGreaterThan(50)
    expect(lost).toBeDefined()
  })

  test('bytes that come after reading was stopped reset the connection with CLOSED', () => {
    const pair = openPair()
    pair.b.stopReading(pair.now)
    pair.a.write(pair.now, new Uint8Array(10))
    pair.now += 20
    pair.a.wake(pair.now)
    exchange(pair)
    const ended = events(pair.a).find((event) => event.type === 'ended')
    expect(ended).toMatchObject({ error: { code: 'ECONNRESET', wireCode: Code.CLOSED } })
  })
})
