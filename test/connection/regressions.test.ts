/** Situations that broke, or would break, a connection; each starts from a named state. */
import { describe, expect, test } from 'vitest'
import { Code } from '../../src/wire/errors.ts'
import type { Attempt } from '../../src/transport/connection/interface.ts'
import { LINGER_MOST_MS } from '../../src/transport/connection/limits.ts'
import { openOpen } from '../../src/transport/connection/opening.ts'
import { ecdh, publicKey } from '../../src/wire/keys.ts'
import {
  accept,
  arrivalOf,
  connect,
  deliver,
  events,
  exchange,
  fail,
  grant,
  openPair,
  type Pair,
  pass,
  readAll,
  send,
  START,
  Stranger,
  types,
} from './pair.ts'
import { Joined, pattern } from './joined.ts'

function only(attempts: readonly Attempt[]): Attempt {
  const [attempt] = attempts
  if (attempt === undefined || attempts.length !== 1) throw new Error(`${attempts.length} attempts instead of one`)
  return attempt
}

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
    pass(pair, LINGER_MOST_MS + 1_000)
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
    const pair = openPair()
    pair.a.write(pair.now, new Uint8Array(100))
    pair.a.finish(pair.now)
    const data = only(send(pair.a, pair.now))
    deliver(pair, 'a', data)
    readAll(pair.b, pair.now)
    pair.b.finish(pair.now)
    exchange(pair)
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

describe('opening', () => {
  test('an OPEN that comes again to the same node is acknowledged and opens nothing new', () => {
    const a = connect()
    const open = only(send(a, START))
    const b = accept(open)
    expect(b.arrive(START, arrivalOf(open))).toEqual({ action: 'taken' })
    expect(types(b).filter((type) => type === 'connected')).toHaveLength(1)
  })

  test('an OPEN that is replayed to another node fails there', () => {
    const open = only(send(connect(), START))
    const other = publicKey(new Uint8Array(32).fill(8))
    expect(openOpen({ record: open.record, responderKey: other, sharedSecret: new Uint8Array(32) })).toBeUndefined()
  })

  test('an early packet that overtakes its OPEN is opened when the OPEN is there', () => {
    const a = connect({ noDelay: true })
    a.write(START, new Uint8Array(3_000))
    const [open, ...early] = send(a, START)
    if (open === undefined) throw new Error('no OPEN')
    expect(early.length).toBeGreaterThan(0)
    const b = accept(open)
    for (const attempt of early) expect(b.arrive(START, arrivalOf(attempt))).toEqual({ action: 'taken' })
    expect(readAll(b, START)).toBe(3_000)
  })

  test('replies that overtake ACCEPT complete the handshake, whichever lands first', () => {
    const a = connect()
    const b = accept(only(send(a, START)))
    b.write(START, new Uint8Array(2_500))
    const replies = send(b, START)
    expect(replies.length).toBeGreaterThan(1)
    for (const reply of replies.toReversed()) {
      expect(a.arrive(START, arrivalOf(reply, 'a0')).action).toBe('settle')
    }
    expect(types(a)).toContain('connected')
    expect(readAll(a, START + 20)).toBeGreaterThan(1_000)
  })

  test('two copies of one OPEN that both land lead to one connection with the same keys', () => {
    const a = connect()
    const first = only(send(a, START))
    a.resolve(START, first.id, { status: 'failed', refused: false, avoid: [], local: false })
    const second = only(send(a, START))
    expect(second.record).not.toEqual(first.record)
    expect(second.hash).not.toEqual(first.hash)
    const b = accept(second)
    expect(b.arrive(START, arrivalOf(first))).toEqual({ action: 'taken' })
    b.wake(START + 20)
    for (const answer of send(b, START + 20)) expect(a.arrive(START + 5, arrivalOf(answer, 'a0')).action).toBe('settle')
    expect(a.state).toBe('open')
  })

  test('an OPEN that settled and was not answered goes again before the connect timeout', () => {
    const a = connect()
    const open = only(send(a, START))
    a.resolve(START + 500, open.id, { status: 'settled', feeMsat: 0n })
    a.wake(START + 30_500)
    expect(send(a, START + 30_500)).toHaveLength(1)
    a.wake(START + 120_000)
    expect(events(a)).toContainEqual({ type: 'ended', error: expect.objectContaining({ code: 'ETIMEDOUT' }) })
  })

  test('a connection without any route ends with EHOSTUNREACH', () => {
    const a = connect()
    a.wake(START + 120_000)
    expect(events(a)).toContainEqual({ type: 'ended', error: expect.objectContaining({ code: 'EHOSTUNREACH' }) })
  })

  test('a refusal reaches the initiator as ECONNREFUSED', () => {
    const joined = new Joined({ seed: 1, refuse: { code: Code.NO_LISTENER, reason: 'nobody' } })
    expect(joined.run(60_000, () => joined.a.has('closed') && joined.b.has('closed'))).toBe(true)
    expect(joined.a.ended?.error).toMatchObject({ code: 'ECONNREFUSED', wireCode: Code.NO_LISTENER })
  })

  test('a node key that is proved is reported once', () => {
    const secret = new Uint8Array(32).fill(11)
    const joined = new Joined({
      seed: 2,
      identify: { publicKey: publicKey(secret), secret: (point) => ecdh(secret, point) },
      medium: { fail: 0.3, repeat: 0.3 },
    })
    joined.run(60_000)
    const found = joined.b.events.filter((event) => event.type === 'identified')
    expect(found).toEqual([{ type: 'identified', publicKey: publicKey(secret) }])
  })
})

describe('a peer that breaks the rules', () => {
  const frames = {
    'bytes beyond the window': {
      code: Code.FLOW_CONTROL,
      frame: { type: 'stream', offset: 262_140, data: new Uint8Array(10), fin: false },
    },
    'an ACK of what was never sent': {
      code: Code.PROTOCOL,
      frame: { type: 'ack', delivered: 0, ranges: [{ smallest: 0, largest: 4_000 }] },
    },
    'an ACK of bytes that were never sent': {
      code: Code.PROTOCOL,
      frame: { type: 'ack', delivered: 4_000, ranges: [{ smallest: 0, largest: 0 }] },
    },
    'a PRICE from the initiator': {
      code: Code.PROTOCOL,
      frame: { type: 'price', serial: 1, packetMsat: 1n, kilobyteMsat: 1n },
    },
    'an ACCEPT from the initiator': {
      code: Code.PROTOCOL,
      frame: { type: 'accept', parameters: { maxData: 262_144, idleTimeoutMs: 1_800_000, ackDelayMs: 30_000 } },
    },
    'a wrong proof of identity': {
      code: Code.PROTOCOL,
      frame: { type: 'identify', key: publicKey(new Uint8Array(32).fill(3)), proof: new Uint8Array(32) },
    },
  } as const

  for (const [what, { code, frame }] of Object.entries(frames)) {
    test(`${what} resets it with code ${code}`, () => {
      const peer = new Stranger()
      peer.handshake(START + 20)
      peer.machine.arrive(START + 21, peer.data(START + 21, [frame]))
      expect(peer.machine.state).toBe('resetting')
      const ended = events(peer.machine).find((event) => event.type === 'ended')
      expect(ended).toMatchObject({ error: { code: 'ECONNRESET' } })
    })
  }

  test('another final offset, and bytes beyond the final offset, reset it with FINAL_OFFSET', () => {
    for (const second of [
      { type: 'stream', offset: 0, data: new Uint8Array(4), fin: true },
      { type: 'stream', offset: 4, data: new Uint8Array(10), fin: false },
      { type: 'stream', offset: 20, data: new Uint8Array(0), fin: true },
    ] as const) {
      const peer = new Stranger([{ type: 'stream', offset: 0, data: new Uint8Array(10), fin: true }])
      peer.machine.arrive(START + 21, peer.data(START + 21, [second]))
      expect(peer.machine.state).toBe('resetting')
    }
  })

  test('two frames of one packet that contradict each other have no effect at all', () => {
    const peer = new Stranger()
    const at = START + 21
    peer.machine.arrive(
      at,
      peer.data(at, [
        { type: 'stream', offset: 0, data: Uint8Array.of(1), fin: true },
        { type: 'stream', offset: 1, data: Uint8Array.of(2), fin: true },
      ]),
    )
    expect(peer.machine.state).toBe('resetting')
    expect(types(peer.machine)).not.toContain('readable')
  })

  test('a packet over a phantom path that breaks a rule is refused, not paid', () => {
    const peer = new Stranger()
    peer.machine.providePaths(START, [{ pathId: 'b0', bytes: new Uint8Array(240), expiryHeight: 900_000 }])
    const arrival = peer.phantom(
      START + 21,
      [{ type: 'stream', offset: 300_000, data: new Uint8Array(1), fin: false }],
      'b0',
    )
    expect(peer.machine.arrive(START + 21, arrival)).toEqual({ action: 'refuse', code: Code.FLOW_CONTROL })
  })

  test('a payment whose hash is not that of the packet is refused, whatever the packet says', () => {
    const peer = new Stranger()
    peer.machine.providePaths(START, [{ pathId: 'b0', bytes: new Uint8Array(240), expiryHeight: 900_000 }])
    const arrival = peer.phantom(START + 21, [{ type: 'stream', offset: 0, data: new Uint8Array(1), fin: false }], 'b0')
    expect(peer.machine.arrive(START + 21, { ...arrival, hash: new Uint8Array(32) }).action).toBe('refuse')
    expect(readAll(peer.machine, START + 22)).toBe(0)
    expect(peer.machine.arrive(START + 22, arrival).action).toBe('settle')
  })

  test('a packet with a wrong tag has no effect', () => {
    const peer = new Stranger()
    const arrival = peer.data(START + 21, [{ type: 'reset', code: 0, reason: '' }])
    arrival.record[arrival.record.length - 1] = (arrival.record.at(-1) ?? 0) ^ 1
    expect(peer.machine.arrive(START + 21, arrival)).toEqual({ action: 'dropped' })
    expect(peer.machine.state).toBe('open')
  })

  test('packet numbers near 2^53 are taken like any other', () => {
    const peer = new Stranger()
    for (const number of [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER - 1, 2 ** 32, 2 ** 31]) {
      const frame = { type: 'stream', offset: 0, data: Uint8Array.of(1), fin: false } as const
      expect(peer.machine.arrive(START + 21, peer.data(START + 21, [frame], number))).toEqual({ action: 'taken' })
    }
    expect(readAll(peer.machine, START + 21)).toBe(1)
    peer.machine.arrive(START + 21, peer.data(START + 21, [{ type: 'ping', keepalive: false }]))
    expect(send(peer.machine, START + 21)).toHaveLength(1)
  })

  test('numbers that were forgotten are not told as received, and a late landing among them still counts', () => {
    const peer = new Stranger()
    const at = START + 21
    for (let number = 2_000; number > 2; number -= 2) {
      peer.machine.arrive(at, peer.data(at, [{ type: 'blocked', limit: 0 }], number))
    }
    const frame = { type: 'stream', offset: 0, data: Uint8Array.of(1), fin: false } as const
    peer.machine.arrive(at, peer.data(at, [frame], 1))
    expect(readAll(peer.machine, at)).toBe(1)
  })
})

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
    pair.b.resolve(pair.now, taken.id, { status: 'failed', refused: false, avoid: [], local: false })
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
      rounds.push(send(pair.b, pair.now, 1_000, 600).filter(({ reason }) => reason === 'hedge').length)
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
    const hedges = send(pair.b, pair.now).filter(({ reason }) => reason === 'hedge')
    expect(hedges.length).toBe(originals.length)
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

describe('money', () => {
  test('no packet goes beyond the cap; the pause is reported once; raising the cap goes on', () => {
    const pair = openPair({ capMsat: 20_000n })
    pair.a.write(pair.now, new Uint8Array(30_000))
    exchange(pair)
    expect(types(pair.a).filter((type) => type === 'paused')).toHaveLength(1)
    expect(pair.a.want(pair.now)).toBeUndefined()
    const { spentMsat, reservedMsat, capMsat } = pair.a.account
    expect(spentMsat + reservedMsat).toBeLessThanOrEqual(capMsat)
    pair.a.configure(pair.now, { capMsat: 1_000_000n })
    pass(pair, 20)
    exchange(pair)
    expect(readAll(pair.b, pair.now)).toBe(30_000)
  })

  test('a paused connection ends at its idle timeout', () => {
    const pair = openPair({ capMsat: 10_000n })
    pair.a.write(pair.now, new Uint8Array(30_000))
    exchange(pair)
    pass(pair, 2 * 1_800_000 + 60_000)
    expect(pair.a.state).toBe('closed')
  })

  test('no credit and a zero window at once do not deadlock', () => {
    const joined = new Joined({
      seed: 4,
      medium: { fail: 0.3 },
      a: { maxPacketPriceMsat: 500n, maxKilobytePriceMsat: 2_000n },
      b: { packetPriceMsat: 500n, kilobytePriceMsat: 2_000n },
    })
    joined.run(30_000, () => joined.a.has('price'))
    joined.a.reads = false
    joined.b.reads = false
    joined.a.connection.write(joined.now, pattern(0, 400_000, 1))
    joined.b.connection.write(joined.now, pattern(0, 400_000, 2))
    joined.run(300_000)
    joined.a.reads = true
    joined.b.reads = true
    joined.pump()
    expect(joined.run(1_000_000, () => joined.a.readBytes === 400_000 && joined.b.readBytes === 400_000)).toBe(true)
    expect(joined.b.connection.account.receivedMsat).toBeGreaterThan(800_000n)
  })

  test('a price above what is allowed resets with PRICE', () => {
    const pair = openPair({}, { packetPriceMsat: 1n, kilobytePriceMsat: 0n })
    expect(pair.a.state).toBe('closed')
  })

  test('a CREDIT is never larger than a frame can say, whatever the price and the route allow', () => {
    const largest = 2n ** 53n - 1n
    const pair = openPair(
      { maxPacketPriceMsat: largest, capMsat: 20_000n },
      { packetPriceMsat: largest, kilobytePriceMsat: 0n },
    )
    pair.a.configure(pair.now, { capMsat: 10n ** 20n })
    expect(pair.a.want(pair.now)).toBeDefined()
    const attempt = pair.a.transmit(pair.now, { ...grant('node'), maxAmountMsat: 10n ** 19n })
    expect(attempt?.amountMsat).toBe(largest)
  })

  test('a CREDIT with less money than it says is ignored on the node lane', () => {
    const peer = new Stranger([], { packetPriceMsat: 1_000n })
    const at = START + 21
    peer.machine.write(at, new Uint8Array(100))
    peer.machine.finish(at)
    peer.machine.arrive(at, peer.data(at, [{ type: 'credit', id: 1, amountMsat: 1_000_000n }]))
    const sent = send(peer.machine, at + 10)
    for (const attempt of sent) peer.machine.resolve(at + 10, attempt.id, { status: 'delivered', feeMsat: 0n })
    expect(peer.machine.bufferedBytes).toBe(100)
    peer.machine.arrive(at + 10, {
      ...peer.data(at, [{ type: 'credit', id: 1, amountMsat: 5_000n }]),
      amountMsat: 5_000n,
    })
    expect(send(peer.machine, at + 20).length).toBeGreaterThan(0)
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
    pass(pair, LINGER_MOST_MS + 10_000)
    expect([pair.a.state, pair.b.state]).toEqual(['closed', 'closed'])
    expect([pair.a.deadline(), pair.b.deadline()]).toEqual([undefined, undefined])
  })

  test('bytes that the application has not read outlive the close', () => {
    const pair = openPair()
    pair.a.write(pair.now, new Uint8Array(1_000))
    pair.a.finish(pair.now)
    pair.b.finish(pair.now)
    exchange(pair)
    pass(pair, LINGER_MOST_MS + 10_000)
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

  test('keepalive holds an idle connection open', () => {
    const pair = openPair({ idleTimeoutMs: 60_000, keepAliveMs: 25_000 })
    pass(pair, 600_000)
    expect([pair.a.state, pair.b.state]).toEqual(['open', 'open'])
  })
})
