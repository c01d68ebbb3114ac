/** What is late, refused or dropped once: each was a fault, and starts from a named state. */
import { describe, expect, test } from 'vitest'
import { Code } from '../../src/wire/errors.ts'
import { NO_TARIFF } from '../../src/wire/tariffs.ts'
import { type Attempt } from '../../src/transport/connection/interface.ts'
import { arrivalOf, deliver, exchange, fail, grant, openPair, type Pair, readAll, send, types } from './pair.ts'

/**
 * Lets everything hang that `a` sends until `untilMs`; returns the attempts, and when each was made. `readMs`: between
 * two reads of its application, which change nothing.
 */
function hanging({ pair, untilMs, readMs = Infinity }: { pair: Pair; untilMs: number; readMs?: number }): {
  atMs: number
  attempt: Attempt
}[] {
  const made: { atMs: number; attempt: Attempt }[] = []
  for (let readAt = pair.now + readMs; ;) {
    for (const attempt of send(pair.a, pair.now)) made.push({ atMs: pair.now, attempt })
    const next = Math.min(pair.a.deadline() ?? Infinity, readAt)
    if (next > untilMs) return made
    pair.now = next
    if (next === readAt) {
      pair.a.read(next)
      readAt += readMs
    } else pair.a.wake(next)
    pair.a.checkInvariant(next)
  }
}

/** A pair in which `a` pays for what `b` sends, and some was delivered. */
function paying(): Pair {
  const pair = openPair(
    { capMsat: 10n ** 12n, maxTariff: { ...NO_TARIFF, packetMsat: 100_000n } },
    { tariff: { ...NO_TARIFF, packetMsat: 10_000n } },
  )
  exchange(pair)
  pair.b.write(pair.now, new Uint8Array(200_000))
  for (let i = 0; i < 50; i++) for (const attempt of send(pair.b, pair.now, 16)) deliver(pair, 'b', attempt)
  return pair
}

describe('what hangs', () => {
  test('is copied after waits that double, also beyond a minute', () => {
    const pair = openPair()
    pair.a.write(pair.now, new Uint8Array(500))
    const startMs = pair.now
    const times = hanging({ pair, untilMs: startMs + 1_200_000 }).map(({ atMs }) => atMs - startMs)
    expect(times.length).toBeLessThan(20)
    expect(times.filter((ms) => ms > 600_000).length).toBeLessThanOrEqual(2)
  })

  test('is paid again after waits that double', () => {
    const pair = paying()
    const made = hanging({ pair, untilMs: pair.now + 120_000 })
    const credits = made.filter(({ attempt }) => attempt.amountMsat > 1_000n)
    expect(credits.length).toBeGreaterThan(1)
    expect(credits.length).toBeLessThan(8)
  })

  test('is copied at the same times whether or not its application reads meanwhile', () => {
    const times = [Infinity, 97, 1_000].map((readMs) => {
      const pair = paying()
      pair.a.write(pair.now, new Uint8Array(200_000))
      const startMs = pair.now
      return hanging({ pair, untilMs: startMs + 400_000, readMs }).map(({ atMs }) => atMs - startMs)
    })
    expect(times[0]?.some((ms) => ms > 200_000)).toBe(true)
    expect(times[1]).toEqual(times[0])
    expect(times[2]).toEqual(times[0])
  })

  test('is said again where it is a RESET, until a minute is over', () => {
    const pair = openPair()
    pair.a.reset(pair.now, Code.NO_ERROR, 'bye')
    const made = hanging({ pair, untilMs: pair.now + 61_000 })
    expect(made.length).toBeGreaterThan(1)
    expect(pair.a.state).toBe('closed')
  })
})

/** A second after it was sent all but the first packet has arrived: that is the head. There is more to send. */
function withHead(): { readonly pair: Pair; readonly head: Attempt; readonly sentMs: number } {
  const pair = openPair()
  pair.a.write(pair.now, new Uint8Array(100_000))
  const [head, ...others] = send(pair.a, pair.now, 20)
  if (head === undefined) throw new Error('nothing was sent')
  const sentMs = pair.now
  pair.now += 1_000
  for (const attempt of others) deliver(pair, 'a', attempt)
  return { pair, head, sentMs }
}

/** The copies of `a` until `untilMs`, where none is granted before it is late; when and why. */
function withoutEarly(pair: Pair, untilMs: number): { readonly atMs: number; readonly reason: string }[] {
  const made: { atMs: number; reason: string }[] = []
  for (;;) {
    for (let vain = 0; vain < 5;) {
      const want = pair.a.want(pair.now)
      if (want === undefined || want.reason === 'early' || want.reason === 'data') {
        vain++
        continue
      }
      const attempt = pair.a.transmit(pair.now, grant(want.target.lane))
      if (attempt === undefined) break
      made.push({ atMs: pair.now, reason: attempt.reason })
    }
    const next = pair.a.deadline()
    if (next === undefined || next > untilMs) return made
    pair.now = next
    pair.a.wake(next)
  }
}

describe('what the receiver waits for', () => {
  test('is copied again little more than a round trip after its first copy, though no budget is left for it', () => {
    const { pair, sentMs } = withHead()
    const made = withoutEarly(pair, sentMs + 8_000)
    expect(made.map(({ reason }) => reason)).toEqual(['urgent', 'urgent'])
    const [first = 0, second = 0] = made.map(({ atMs }) => atMs - sentMs)
    expect(first).toBe(5_000)
    expect(second - first).toBeGreaterThanOrEqual(1_000)
    expect(second - first).toBeLessThan(2_000)
  })

  test('has another copy at once where one of two fails', () => {
    const { pair, sentMs } = withHead()
    pair.now = sentMs + 5_000
    pair.a.wake(pair.now)
    const [first, ...others] = send(pair.a, pair.now, 3)
    if (first === undefined) throw new Error('no copy')
    expect(others.map(({ reason }) => reason)).toEqual(['early', 'data'])
    pair.now += 500
    fail(pair, 'a', first)
    expect(send(pair.a, pair.now, 2).map(({ reason }) => reason)).toEqual(['early', 'data'])
  })

  test('goes twice at once where it failed twice', () => {
    const { pair, head } = withHead()
    fail(pair, 'a', head)
    const [again, other] = send(pair.a, pair.now, 2)
    if (again === undefined) throw new Error('it was not sent again')
    expect(other?.reason).toBe('data')
    pair.now += 1_000
    fail(pair, 'a', again)
    expect(send(pair.a, pair.now, 2).map(({ reason }) => reason)).toEqual(['data', 'early'])
  })
})

test('what settled in a copy is not paid for again when its original fails', () => {
  const pair = openPair()
  pair.a.write(pair.now, new Uint8Array(3_000))
  pair.now += 10
  pair.a.wake(pair.now)
  const [original, ...others] = send(pair.a, pair.now)
  if (original === undefined) throw new Error('nothing was sent')
  for (const attempt of others) deliver(pair, 'a', attempt)
  let copies: Attempt[] = []
  while (copies.length === 0) {
    pair.now = pair.a.deadline() ?? Infinity
    pair.a.wake(pair.now)
    copies = send(pair.a, pair.now)
  }
  for (const attempt of copies) deliver(pair, 'a', attempt)
  fail(pair, 'a', original)
  expect(send(pair.a, pair.now)).toEqual([])
})

describe('what had arrived', () => {
  test('is read after the own idle timeout, though the other side resets too', () => {
    const pair = openPair({ idleTimeoutMs: 60_000 }, { idleTimeoutMs: 600_000 })
    pair.b.write(pair.now, new Uint8Array(5_000))
    pair.now += 10
    pair.b.wake(pair.now)
    for (const attempt of send(pair.b, pair.now)) deliver(pair, 'b', attempt)
    pair.b.reset(pair.now, Code.NO_ERROR, 'bye')
    const late = send(pair.b, pair.now)
    while (pair.a.state === 'open') {
      pair.now = pair.a.deadline() ?? Infinity
      pair.a.wake(pair.now)
      send(pair.a, pair.now)
    }
    for (const attempt of late) pair.a.arrive(pair.now, arrivalOf(attempt, 'a0'))
    expect(readAll(pair.a, pair.now)).toBe(5_000)
  })

  test('and was dropped by an own reset is followed by no clean end', () => {
    const pair = openPair()
    pair.b.write(pair.now, new Uint8Array(500))
    pair.b.finish(pair.now)
    for (const attempt of send(pair.b, pair.now)) deliver(pair, 'b', attempt)
    pair.a.reset(pair.now, Code.CANCELLED, 'shutdown')
    expect(types(pair.a)).not.toContain('end')
    expect(pair.a.readableBytes).toBe(0)
  })
})
