/** How streams and connections end, in situations that broke, or would break, one; each starts from a named state. */
import { describe, expect, test } from 'vitest'
import { Code } from '../../src/wire/errors.ts'
import { MAX_LINGER_MS } from '../../src/transport/connection/limits.ts'
import {
  accept,
  arrivalOf,
  connect,
  deliver,
  events,
  exchange,
  fail,
  lingeringPair,
  only,
  openPair,
  type Pair,
  pass,
  readAll,
  send,
  START,
  types,
} from './pair.ts'

function closeCleanly(pair: Pair): void {
  pair.a.finish(pair.now)
  pair.b.finish(pair.now)
  exchange(pair)
  readAll(pair.a, pair.now)
  readAll(pair.b, pair.now)
  exchange(pair)
  expect([pair.a.state, pair.b.state]).toEqual(['lingering', 'lingering'])
}

describe('the end of a stream', () => {
  test('FIN that arrives before the data ends the stream only after the data', () => {
    const pair = openPair()
    pair.a.write(pair.now, new Uint8Array(1_500))
    pair.a.finish(pair.now)
    const [first, last] = send(pair.a, pair.now)
    if (first === undefined || last === undefined) throw new Error('two packets')
    deliver(pair, 'a', last)
    expect(types(pair.b)).not.toContain('end')
    deliver(pair, 'a', first)
    expect(readAll(pair.b, pair.now)).toBe(1_500)
    expect(types(pair.b)).toContain('end')
  })

  test('FIN that is lost goes again at once', () => {
    const pair = openPair()
    pair.a.finish(pair.now)
    fail(pair, 'a', only(send(pair.a, pair.now)))
    deliver(pair, 'a', only(send(pair.a, pair.now)))
    expect(types(pair.b)).toContain('end')
  })

  test('FIN alone, without any byte, ends the stream', () => {
    const pair = openPair()
    pair.a.finish(pair.now)
    exchange(pair)
    expect(types(pair.b)).toContain('end')
    expect(types(pair.a)).toContain('finished')
    expect(pair.b.state).toBe('open')
  })

  test('both ends that close at once end cleanly', () => {
    const pair = openPair()
    pair.a.write(pair.now, new Uint8Array(10))
    pair.b.write(pair.now, new Uint8Array(10))
    pair.a.finish(pair.now)
    pair.b.finish(pair.now)
    const crossing = [...send(pair.a, pair.now)]
    const back = [...send(pair.b, pair.now)]
    for (const attempt of crossing) deliver(pair, 'a', attempt)
    for (const attempt of back) deliver(pair, 'b', attempt)
    readAll(pair.a, pair.now)
    readAll(pair.b, pair.now)
    exchange(pair)
    pass(pair, MAX_LINGER_MS + 1_000)
    for (const machine of [pair.a, pair.b]) {
      const last = events(machine).slice(-2)
      expect(last).toEqual([{ type: 'ended', error: undefined }, { type: 'closed' }])
    }
  })

  test('a side that has sent FIN goes on receiving', () => {
    const pair = openPair()
    pair.a.finish(pair.now)
    exchange(pair)
    pair.b.write(pair.now, new Uint8Array(300_000))
    for (let read = 0; read < 300_000;) {
      exchange(pair)
      const more = readAll(pair.a, pair.now)
      pair.now += 1_000
      pair.b.wake(pair.now)
      read += more
      if (more === 0 && send(pair.b, pair.now).length === 0) throw new Error(`stops at ${read}`)
    }
  })

  test('a lingering connection acknowledges what still comes, at once', () => {
    const { pair, data } = lingeringPair(100)
    expect(pair.b.state).toBe('lingering')
    pair.b.arrive(pair.now, arrivalOf(data))
    expect(send(pair.b, pair.now)).toHaveLength(1)
  })
})

describe('an initiator that lingers', () => {
  test('gives fresh paths when its own stop working: the responder may not know yet that all came', () => {
    const pair = openPair()
    pair.a.finish(pair.now)
    exchange(pair)
    pair.b.write(pair.now, new Uint8Array(500))
    pair.b.finish(pair.now)
    // It arrives, and the payer is told otherwise: its last word was over a channel that is gone.
    const last = only(send(pair.b, pair.now))
    expect(pair.a.arrive(pair.now, arrivalOf(last, 'a0'))).toMatchObject({ action: 'settle' })
    readAll(pair.a, pair.now)
    fail(pair, 'b', last)
    expect([pair.a.state, pair.b.state]).toEqual(['lingering', 'closing'])
    pair.a.pathsStale(pair.now, ['a0'])
    expect(pair.a.pollRequest()).toEqual({ type: 'paths', count: 2 })
    pair.a.providePaths(pair.now, [{ pathId: 'a1', bytes: new Uint8Array(240), expiryHeight: 800_144 }])
    for (const attempt of send(pair.a, pair.now)) deliver(pair, 'a', attempt)
    expect(pair.b.want(pair.now)?.target).toMatchObject({ generation: 2 })
    for (const again of send(pair.b, pair.now)) {
      expect(pair.a.arrive(pair.now, arrivalOf(again, 'a1'))).toMatchObject({ action: 'settle' })
      pair.b.resolve(pair.now, again.id, { status: 'delivered', feeMsat: 0n })
    }
    expect([pair.a.state, pair.b.state]).toEqual(['lingering', 'lingering'])
  })

  test('sends paths again that failed when it began to linger', () => {
    const pair = openPair()
    pair.a.finish(pair.now)
    exchange(pair)
    pair.a.providePaths(pair.now, [{ pathId: 'a1', bytes: new Uint8Array(240), expiryHeight: 800_144 }])
    const paths = only(send(pair.a, pair.now))
    pair.b.finish(pair.now)
    for (const attempt of send(pair.b, pair.now)) deliver(pair, 'b', attempt)
    expect(pair.a.state).toBe('lingering')
    fail(pair, 'a', paths)
    expect(deliver(pair, 'a', only(send(pair.a, pair.now)))).toEqual({ action: 'taken' })
    expect(send(pair.a, pair.now)).toEqual([])
  })
})

describe('ending', () => {
  test('a RESET from a peer that never heard that all came takes nothing from a reader that is slow', () => {
    const pair = openPair()
    pair.a.write(pair.now, new Uint8Array(1_000))
    pair.a.finish(pair.now)
    pair.b.finish(pair.now)
    // What a sends arrives; no word of it, nor what b sends, comes back.
    for (const attempt of send(pair.a, pair.now)) pair.b.arrive(pair.now, arrivalOf(attempt))
    for (const attempt of send(pair.b, pair.now))
      pair.b.resolve(pair.now, attempt.id, { status: 'delivered', feeMsat: 0n })
    expect([pair.a.state, pair.b.state]).toEqual(['open', 'lingering'])
    pair.a.reset(pair.now, Code.IDLE, 'idle')
    for (const attempt of send(pair.a, pair.now)) pair.b.arrive(pair.now, arrivalOf(attempt))
    expect(pair.b.state).toBe('closed')
    expect(types(pair.b)).not.toContain('ended')
    expect(readAll(pair.b, pair.now)).toBe(1_000)
    expect(events(pair.b).slice(-3)).toEqual([{ type: 'end' }, { type: 'ended', error: undefined }, { type: 'closed' }])
  })

  test('a clean close leaves nothing to wait for but the lingering', () => {
    const pair = openPair()
    closeCleanly(pair)
    pass(pair, MAX_LINGER_MS + 10_000)
    expect([pair.a.state, pair.b.state]).toEqual(['closed', 'closed'])
    expect([pair.a.deadline(), pair.b.deadline()]).toEqual([undefined, undefined])
  })

  test('bytes that the application has not read outlive the close', () => {
    const pair = openPair()
    pair.a.write(pair.now, new Uint8Array(1_000))
    pair.a.finish(pair.now)
    pair.b.finish(pair.now)
    exchange(pair)
    pass(pair, MAX_LINGER_MS + 10_000)
    expect(pair.b.state).toBe('closed')
    expect(types(pair.b)).not.toContain('closed')
    expect(readAll(pair.b, pair.now)).toBe(1_000)
    expect(types(pair.b).slice(-3)).toEqual(['end', 'ended', 'closed'])
  })

  test('a reset ends both ends, and the peer sees ECONNRESET', () => {
    const pair = openPair()
    pair.a.reset(pair.now, Code.CANCELLED, 'enough')
    exchange(pair)
    expect([pair.a.state, pair.b.state]).toEqual(['closed', 'closed'])
    const ended = events(pair.b).find((event) => event.type === 'ended')
    expect(ended).toMatchObject({ error: { code: 'ECONNRESET', wireCode: Code.CANCELLED } })
  })

  test('a reset before the ANSWER came reaches the responder with the first ANSWER', () => {
    const a = connect()
    const open = only(send(a, START))
    const b = accept(open)
    a.resolve(START, open.id, { status: 'settled', feeMsat: 0n })
    a.reset(START, Code.CANCELLED, '')
    b.wake(START + 20)
    for (const answer of send(b, START + 20)) a.arrive(START + 5, arrivalOf(answer, 'a0'))
    for (const attempt of send(a, START + 21)) b.arrive(START + 21, arrivalOf(attempt))
    expect(b.state).toBe('closed')
  })

  test('an idle connection ends at its idle timeout, at both ends', () => {
    const pair = openPair({ idleTimeoutMs: 60_000 })
    pass(pair, 121_000)
    expect([pair.a.state, pair.b.state]).toEqual(['closed', 'closed'])
    expect(events(pair.a)).toContainEqual({ type: 'ended', error: expect.objectContaining({ code: 'ETIMEDOUT' }) })
  })

  test('what had arrived in order is read after an idle timeout, what lies behind a gap is let go', () => {
    const pair = openPair({ idleTimeoutMs: 60_000 })
    pair.a.write(pair.now, new Uint8Array(4_000))
    const [first, lost, ...later] = send(pair.a, pair.now)
    if (first === undefined || lost === undefined || later.length === 0) throw new Error('three packets or more')
    for (const packet of [first, ...later]) deliver(pair, 'a', packet)
    const before = pair.b.readableBytes
    const atMs = pair.now + 61_000
    pair.b.wake(atMs)
    expect(types(pair.b)).toContain('ended')
    expect(before).toBeGreaterThan(0)
    expect(readAll(pair.b, atMs)).toBe(before)
    expect(types(pair.b)).not.toContain('end')
  })

  test.for([
    ["the peer's reset takes unread bytes away", Code.CANCELLED, 0],
    ["the peer's idle timeout does not", Code.IDLE, 2_000],
  ] as const)('%s', ([, code, left]) => {
    const pair = openPair()
    pair.a.write(pair.now, new Uint8Array(2_000))
    pair.a.finish(pair.now)
    for (const packet of send(pair.a, pair.now)) deliver(pair, 'a', packet)
    expect(pair.b.readableBytes).toBe(2_000)
    pair.a.reset(pair.now, code, '')
    for (const packet of send(pair.a, pair.now)) deliver(pair, 'a', packet)
    expect(types(pair.b)).toContain('ended')
    expect(readAll(pair.b, pair.now)).toBe(left)
  })

  test('keepalive holds an idle connection open', () => {
    const pair = openPair({ idleTimeoutMs: 60_000, keepAliveMs: 25_000 })
    pass(pair, 600_000)
    expect([pair.a.state, pair.b.state]).toEqual(['open', 'open'])
  })
})
