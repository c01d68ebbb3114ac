/** Payments that fail, hang or come back late, in situations that broke, or would break, a connection. */
import { describe, expect, test } from 'vitest'
import { arrivalOf, deliver, exchange, fail, only, openPair, pass, readAll, send, types } from './pair.ts'
import { Joined, pattern, WENT_WRONG } from './joined.ts'

describe('when payments go wrong', () => {
  test('with every reply path dead while only the responder has something to say, fresh paths come by themselves', () => {
    let dead = true
    const joined = new Joined({
      seed: 3,
      fate: (_attempt, from, self) =>
        from === 'b' && dead && self.b.events.length > 1 ? { arrives: false, afterMs: 300 } : undefined,
    })
    expect(joined.run(30_000, () => joined.a.has('connected'))).toBe(true)
    joined.b.stopped = true
    joined.b.connection.write(joined.now, pattern(0, 5_000, 2))
    // Nothing can be paid over the old paths; new ones work.
    const paths = joined.a.paths
    expect(joined.run(200_000, () => joined.a.paths > paths)).toBe(true)
    dead = false
    joined.b.stopped = false
    expect(joined.run(100_000, () => joined.a.readBytes === 5_000)).toBe(true)
  })

  test('a verdict that was lost after the packet was taken costs a packet, not a byte', () => {
    const pair = openPair()
    pair.b.write(pair.now, new Uint8Array(500))
    pair.now += 20
    pair.b.wake(pair.now)
    const taken = only(send(pair.b, pair.now))
    expect(pair.a.arrive(pair.now, arrivalOf(taken, 'a0')).action).toBe('settle')
    pair.b.resolve(pair.now, taken.id, WENT_WRONG)
    for (const again of send(pair.b, pair.now)) expect(deliver(pair, 'b', again).action).toBe('settle')
    expect(readAll(pair.a, pair.now)).toBe(500)
    expect(pair.b.bufferedBytes).toBe(0)
  })

  test('a message whose first verdict was lost is settled the second time and delivered once', () => {
    const pair = openPair()
    pair.b.sendMessage(pair.now, new Uint8Array(16).fill(1), Uint8Array.of(5))
    const taken = only(send(pair.b, pair.now))
    pair.a.arrive(pair.now, arrivalOf(taken, 'a0'))
    fail(pair, 'b', taken)
    exchange(pair)
    expect(types(pair.a).filter((type) => type === 'message')).toHaveLength(1)
    expect(pair.b.want(pair.now)).toBeUndefined()
  })

  test('what a stuck payment carries goes again after its hedge delay, and its late landing changes nothing', () => {
    const pair = openPair()
    pair.b.write(pair.now, new Uint8Array(500))
    pair.now += 20
    pair.b.wake(pair.now)
    const stuck = only(send(pair.b, pair.now))
    pass(pair, 6_000)
    expect(readAll(pair.a, pair.now)).toBe(500)
    pass(pair, 600_000)
    expect(deliver(pair, 'b', stuck).action).toBe('settle')
    expect(readAll(pair.a, pair.now)).toBe(0)
    expect(pair.b.account.reservedMsat).toBe(0n)
  })

  test('a hedge over a route with smaller packets takes several, and counts once', () => {
    const pair = openPair()
    pair.b.write(pair.now, new Uint8Array(1_000))
    pair.now += 20
    pair.b.wake(pair.now)
    only(send(pair.b, pair.now))
    // Nothing has an outcome from here on; each round of copies takes packets of 600 bytes.
    const rounds: number[] = []
    for (let i = 0; i < 2; i++) {
      pair.now += 5_000
      pair.b.wake(pair.now)
      rounds.push(send(pair.b, pair.now, 1_000, 600).filter(({ reason }) => reason === 'urgent').length)
    }
    expect(rounds).toEqual([2, 2])
  })

  test('a hedge over the same route is one packet, as the original was', () => {
    const pair = openPair()
    pair.b.write(pair.now, new Uint8Array(10_000))
    pair.now += 20
    pair.b.wake(pair.now)
    const originals = send(pair.b, pair.now)
    pair.now += 5_000
    pair.b.wake(pair.now)
    const copies = send(pair.b, pair.now).filter(({ reason }) => reason === 'hedge' || reason === 'urgent')
    expect(copies.length).toBe(originals.length)
  })

  test('the last packet before a silence that settled and was never read is noticed', () => {
    const pair = openPair()
    pair.a.write(pair.now, new Uint8Array(500))
    pair.now += 20
    pair.a.wake(pair.now)
    const unread = only(send(pair.a, pair.now))
    pair.a.resolve(pair.now + 300, unread.id, { status: 'settled', feeMsat: 0n })
    pair.now += 300
    pass(pair, 120_000)
    expect(readAll(pair.b, pair.now)).toBe(500)
  })

  test('without a sign of the peer only PING goes, and everything again once it shows itself', () => {
    const pair = openPair()
    pair.a.write(pair.now, new Uint8Array(50_000))
    const settle = (): number => {
      const sent = send(pair.a, pair.now)
      for (const attempt of sent) pair.a.resolve(pair.now, attempt.id, { status: 'settled', feeMsat: 0n })
      return sent.length
    }
    settle()
    pair.now += 61_000
    pair.a.wake(pair.now)
    settle()
    pair.a.write(pair.now, new Uint8Array(50_000))
    pair.now += 20
    pair.a.wake(pair.now)
    expect(settle()).toBe(0)
    pair.now += 60_000
    pair.a.wake(pair.now)
    expect(settle()).toBe(1)
    pair.b.sendMessage(pair.now, new Uint8Array(16), Uint8Array.of(1))
    exchange(pair)
    expect(readAll(pair.b, pair.now)).toBe(100_000)
  })
})
