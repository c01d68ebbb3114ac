/** Nobody can make a server spend: what its answers cost, their callers pay (spec §12.11). */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Code } from '../../src/wire/errors.ts'
import { encodeFrames } from '../../src/wire/frame-writer.ts'
import type { Frame, Tariff } from '../../src/wire/frames.ts'
import { completeResponder } from '../../src/wire/handshake.ts'
import { ecdh, paymentHash, preimage, publicKey } from '../../src/wire/keys.ts'
import { sealPacket } from '../../src/wire/packets.ts'
import { NO_TARIFF } from '../../src/wire/tariffs.ts'
import type { Connection } from '../../src/transport/connection/connection.ts'
import type { Attempt } from '../../src/transport/connection/interface.ts'
import { openOpen } from '../../src/transport/connection/opening.ts'
import { EndpointAllowance } from '../../src/transport/driver/allowance.ts'
import { ALLOWANCE_MSAT, ALLOWANCE_PARTS } from '../../src/transport/limits.ts'
import type { Route } from '../../src/medium/route.ts'
import { Joined, type JoinedOptions, pattern, ROUTE, WENT_WRONG } from './joined.ts'
import { media, msat } from './money-arbitraries.ts'
import { connect, events, exchange, openPair, pass, readAll, send, START, Stranger } from './pair.ts'

/** By hand: `ANSWERS_RUNS=2000 npx vitest run --project virtual test/connection/answers.test.ts`. */
const RUNS = Number(process.env['ANSWERS_RUNS'] ?? 40)
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const MAX_ANSWER_MSAT = 10_000n

/** What a server may have spent: what came in, and what it advances, with what that was filled up by. */
function checkServer(machines: readonly Connection[], allowance: EndpointAllowance): void {
  let usedMsat = 0n
  let receivedMsat = 0n
  let lackingMsat = 0n
  for (const { account } of machines) {
    const used = account.spentMsat + account.reservedMsat
    usedMsat += used
    receivedMsat += account.receivedMsat
    if (used > account.receivedMsat) lackingMsat += used - account.receivedMsat
  }
  const mostMsat = ALLOWANCE_MSAT + receivedMsat / ALLOWANCE_PARTS
  if (usedMsat > receivedMsat + mostMsat || lackingMsat > mostMsat) throw new Error('the server spent its own money')
  if (allowance.leftMsat < 0n || allowance.leftMsat > ALLOWANCE_MSAT) throw new Error('a wrong allowance')
}

function checkConnection({ account }: Connection, openMsat: bigint): void {
  const used = account.spentMsat + account.reservedMsat
  if (used > account.receivedMsat + openMsat) throw new Error('a caller was lent more than its OPEN paid')
}

const tariffs: fc.Arbitrary<Tariff | undefined> = fc.option(
  fc.record({
    openingMsat: msat(50_000),
    packetMsat: msat(5_000),
    kilobyteMsat: msat(10_000),
    uploadMsat: msat(5_000),
    secondMsat: fc.constant(0n),
    messageMsat: msat(10_000),
  }),
  { nil: undefined },
)
const bytes = fc.oneof(fc.integer({ min: 0, max: 3_000 }), fc.integer({ min: 0, max: 100_000 }))
const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 })
const call = fc.record({
  seed: seeds,
  lanes: fc.constantFrom('replies-phantom' as const, 'direct' as const, 'unblinded' as const),
  tariff: tariffs,
  downBytes: bytes,
  upBytes: bytes,
  medium: media,
  /** Of the initiator; undefined: more than enough. */
  capMsat: fc.option(msat(300_000), { nil: undefined }),
  /** One of the two resets, so long after the OPEN was taken, ms. */
  reset: fc.option(fc.record({ by: fc.constantFrom('a' as const, 'b' as const), afterMs: fc.nat(20_000) }), {
    nil: undefined,
  }),
})

interface Call {
  readonly seed: number
  readonly lanes: 'replies-phantom' | 'direct' | 'unblinded'
  readonly tariff: Tariff | undefined
  readonly downBytes: number
  readonly upBytes: number
  readonly medium: JoinedOptions['medium']
  readonly capMsat: bigint | undefined
  readonly reset: { readonly by: 'a' | 'b'; readonly afterMs: number } | undefined
}

/** One honest caller of a server, whose other connections are `others`. */
function callServer(of: Call, allowance: EndpointAllowance, others: readonly Connection[]): Joined {
  const { seed, lanes, tariff, downBytes, upBytes, medium, capMsat = 10n ** 13n, reset } = of
  let openMsat = 0n
  const joined: Joined = new Joined({
    seed,
    lanes,
    medium: { ...medium },
    a: { maxTariff: tariff ?? NO_TARIFF, capMsat, maxAnswerMsat: MAX_ANSWER_MSAT },
    b: { tariff, answers: 'caller' },
    allowance,
    watch: ({ b: { machine }, attempts }) => {
      if (machine === undefined) return
      for (const { from, attempt } of attempts.slice(0, 3))
        if (from === 'a' && attempt.amountMsat > openMsat) openMsat = attempt.amountMsat
      checkConnection(machine, openMsat)
      checkServer([...others, machine], allowance)
    },
  })
  const { a, b } = joined
  if (upBytes > 0) a.connection.write(joined.now, pattern(0, upBytes, 1))
  a.connection.finish(joined.now)
  joined.pump()
  joined.run(30 * MINUTE_MS, () => b.machine !== undefined || a.has('closed'))
  if (b.machine === undefined) return joined
  if (downBytes > 0) b.connection.write(joined.now, pattern(0, downBytes, 2))
  b.connection.finish(joined.now)
  joined.pump()
  if (reset !== undefined) {
    joined.run(reset.afterMs)
    joined.end(reset.by).connection.reset(joined.now, Code.CLOSED, 'enough')
    joined.pump()
  }
  joined.run(10 * HOUR_MS, () => a.has('closed') && b.has('closed'))
  joined.run(10 * HOUR_MS)
  return joined
}

test('honest callers get all of it, and the server spends what came in and what it advances at most', () => {
  fc.assert(
    fc.property(fc.array(call, { minLength: 1, maxLength: 3 }), (calls) => {
      const allowance = new EndpointAllowance(undefined, () => undefined)
      const before: Connection[] = []
      for (const each of calls) {
        const joined = callServer(each, allowance, before)
        const { a, b } = joined
        const { spentMsat, reservedMsat, capMsat } = a.connection.account
        expect(spentMsat + reservedMsat).toBeLessThanOrEqual(capMsat)
        if (b.machine !== undefined) before.push(b.machine)
        if (each.reset !== undefined || each.capMsat !== undefined) continue
        expect([a.ended?.error, b.ended?.error]).toEqual([undefined, undefined])
        expect([a.readBytes, b.readBytes]).toEqual([each.downBytes, each.upBytes])
      }
      checkServer(before, allowance)
    }),
    { numRuns: RUNS, endOnFailure: true },
  )
}, 1_200_000)

describe('a liar that calls', () => {
  /** What it does next: frames and the money that it sends them with; or it waits. */
  const deeds = fc.array(
    fc.oneof(
      fc.record({ do: fc.constant('ping' as const), amountMsat: msat(5_000) }),
      fc.record({ do: fc.constant('stream' as const), amountMsat: msat(1_000) }),
      fc.record({ do: fc.constant('claim' as const), amountMsat: msat(3_000) }),
      fc.record({ do: fc.constant('agree' as const), amountMsat: msat(3_000) }),
      fc.record({ do: fc.constant('surplus' as const), amountMsat: msat(3_000) }),
      fc.record({ do: fc.constant('write' as const), amountMsat: fc.constant(0n) }),
      fc.record({ do: fc.constant('wait' as const), amountMsat: fc.constant(0n) }),
    ),
    { maxLength: 60 },
  )
  type Deed = { readonly do: string; readonly amountMsat: bigint }

  const lies = fc.record({ openMsat: msat(12_000), deeds, fates: fc.infiniteStream(fc.nat(9)), tariff: tariffs })

  /** Whatever the server sends settles, fails, or hangs for ever. */
  function decide(machine: Connection, attempts: readonly Attempt[], fates: Iterator<number>, now: number): void {
    for (const { id, lane, feeMsat } of attempts) {
      const fate: number = fates.next().value ?? 0
      if (fate < 6) machine.resolve(now, id, { status: lane === 'node' ? 'settled' : 'delivered', feeMsat })
      else if (fate < 8) machine.resolve(now, id, WENT_WRONG)
    }
  }

  function frameOf({ do: what, amountMsat }: Deed, count: number): Frame {
    switch (what) {
      case 'stream':
        return { type: 'stream', offset: count, data: Uint8Array.of(1), fin: false }
      case 'claim':
        return { type: 'payment', id: count + 1, kind: 0, reference: 0, amountMsat: amountMsat * 3n + 1n, note: '' }
      case 'agree':
        return { type: 'agree', serial: 0 }
      case 'surplus':
        return { type: 'surplus', amountMsat: 1_000_000n }
      default:
        return { type: 'ping', keepalive: what === 'agree' }
    }
  }

  test('gets no more out of a server than it paid, and a part of the advance', () => {
    fc.assert(
      fc.property(fc.array(lies, { minLength: 1, maxLength: 12 }), (liars) => {
        const allowance = new EndpointAllowance(undefined, () => undefined)
        const before: Connection[] = []
        for (const { openMsat, deeds: plan, fates: random, tariff } of liars) {
          const stranger = new Stranger([], { answers: 'caller', tariff, idleTimeoutMs: 0 }, { allowance, openMsat })
          const { machine } = stranger
          const fates = random[Symbol.iterator]()
          let now = START + 20
          let hasKeys = false
          plan.forEach((deed, count) => {
            now += deed.do === 'wait' ? 40_000 : 500
            machine.wake(now)
            if (deed.do === 'write') machine.write(now, new Uint8Array(20_000))
            else if (deed.do !== 'wait' && hasKeys) {
              machine.arrive(now, stranger.data(now, [frameOf(deed, count)], undefined, deed.amountMsat))
            }
            const attempts = send(machine, now)
            const [first] = attempts
            if (!hasKeys && first !== undefined) {
              stranger.learn(first)
              hasKeys = true
            }
            decide(machine, attempts, fates, now)
            machine.checkInvariant(now)
            checkConnection(machine, openMsat)
            checkServer([...before, machine], allowance)
          })
          before.push(machine)
        }
      }),
      { numRuns: RUNS * 2, endOnFailure: true },
    )
  }, 1_200_000)
})

describe('a liar that is called', () => {
  const SECRET = new Uint8Array(32).fill(7)
  const EPHEMERAL = new Uint8Array(32).fill(5)
  const lies = fc.record({
    capMsat: msat(2_000_000),
    maxAnswerMsat: msat(10_000),
    packets: fc.array(
      fc.record({
        streamBytes: fc.oneof(fc.constant(0), fc.nat(900)),
        dueMsat: msat(1_000_000_000),
        waitMs: fc.nat(9_000),
      }),
      { maxLength: 40 },
    ),
  })

  test('is paid what the caller allows for what came, and a stretch ahead', () => {
    fc.assert(
      fc.property(lies, ({ capMsat, maxAnswerMsat, packets }) => {
        const machine = connect({ capMsat, maxAnswerMsat })
        const [attempt] = send(machine, START)
        if (attempt === undefined) return
        const opened = openOpen({
          record: attempt.record,
          responderKey: publicKey(SECRET),
          sharedSecret: ecdh(SECRET, attempt.record.subarray(10, 43)),
        })
        if (opened === undefined) throw new Error('the OPEN does not open')
        machine.resolve(START, attempt.id, { status: 'settled', feeMsat: attempt.feeMsat })
        const { ephemeral, main } = completeResponder(opened.session, EPHEMERAL)
        let now = START
        let offset = 0
        const accept = {
          type: 'accept',
          parameters: { maxData: 262_144, idleTimeoutMs: 1_800_000, ackDelayMs: 30_000 },
        } as const
        packets.forEach(({ streamBytes, dueMsat, waitMs }, number) => {
          now += waitMs
          const data = new Uint8Array(streamBytes)
          const frames: Frame[] = [accept, { type: 'cost', dueMsat }, { type: 'stream', offset, data, fin: false }]
          offset += streamBytes
          const header = { kind: 'answer', cid: undefined, ephemeral, number } as const
          const record = sealPacket(header, main.toInitiator, encodeFrames(frames))
          const hash = paymentHash(preimage(main.toInitiator.settle, number, 0))
          machine.arrive(now, { lane: 'phantom', record, amountMsat: 1_000n, hash, pathId: 'a0' })
          for (const { id, feeMsat } of send(machine, now)) machine.resolve(now, id, { status: 'settled', feeMsat })
          machine.checkInvariant(now)
          const { spentMsat, reservedMsat, feesMsat } = machine.account
          expect(spentMsat + reservedMsat).toBeLessThanOrEqual(capMsat)
          // Those that came, 16 times as many ahead, what its OPEN and its other packets pay anyway.
          const answers = BigInt(17 * (number + 1) + 4)
          const ownMsat = BigInt(machine.stats.attempts) * 1_000n + 2n * maxAnswerMsat
          expect(spentMsat - feesMsat).toBeLessThanOrEqual(answers * maxAnswerMsat + ownMsat)
        })
      }),
      { numRuns: RUNS * 5, endOnFailure: true },
    )
  }, 1_200_000)
})

/** Over a way with these fees. */
function firstOf(machine: Connection, route: Partial<Route>): Attempt {
  const want = machine.want(START)
  const { lane } = want?.target ?? { lane: 'node' as const }
  const attempt = machine.transmit(START, { lane, route: { ...ROUTE, ...route }, hedgeAfterMs: 5_000 })
  if (attempt === undefined) throw new Error('no OPEN')
  return attempt
}

describe('an OPEN', () => {
  test('pays for two answers, and its amount does not show what the way of a hidden caller costs', () => {
    const amounts = [0n, 1_000n, 9_000n].map((feeBaseMsat) => {
      const machine = connect({ maxAnswerMsat: MAX_ANSWER_MSAT })
      return firstOf(machine, { feeBaseMsat }).amountMsat
    })
    expect(amounts).toEqual([6_000n, 6_000n, 6_000n])
  })

  test('pays the least where nothing is paid for answers, or a cap leaves no more', () => {
    expect(firstOf(connect(), {}).amountMsat).toBe(1_000n)
    expect(firstOf(connect({ maxAnswerMsat: MAX_ANSWER_MSAT, capMsat: 10_000n }), {}).amountMsat).toBe(1_000n)
  })
})

test.each(['replies-phantom', 'direct', 'unblinded'] as const)(
  'a talk of ten words takes few packets over %s',
  (lanes) => {
    const allowance = new EndpointAllowance(undefined, () => undefined)
    const joined = new Joined({
      seed: 1,
      lanes,
      a: { maxAnswerMsat: MAX_ANSWER_MSAT },
      b: { answers: 'caller' },
      allowance,
    })
    const { a, b } = joined
    joined.run(MINUTE_MS, () => a.has('connected'))
    for (let word = 0; word < 10; word++) {
      a.connection.write(joined.now, pattern(10 * word, 10, 1))
      joined.pump()
      joined.run(MINUTE_MS)
      b.connection.write(joined.now, pattern(10 * word, 10, 2))
      joined.pump()
      joined.run(MINUTE_MS)
    }
    expect([a.readBytes, b.readBytes]).toEqual([100, 100])
    // A word and its acknowledgement each, one COST and its money for some four of them; the OPEN and its answer.
    expect(a.packets).toBeLessThanOrEqual(30)
    expect(b.packets).toBeLessThanOrEqual(30)
  },
)

describe('a caller that stops to pay', () => {
  test('is told what is asked, gets what it paid for, and the rest when it pays again', () => {
    const allowance = new EndpointAllowance(undefined, () => undefined)
    const pair = openPair(
      { maxAnswerMsat: 10_000n, capMsat: 30_000n },
      { answers: 'caller', allowance, idleTimeoutMs: 0 },
    )
    pair.b.write(pair.now, new Uint8Array(100_000))
    pass(pair, MINUTE_MS)
    const stopped = readAll(pair.a, pair.now)
    expect(stopped).toBeLessThan(30_000)
    expect(pair.b.stats.awaitsMoney).toBe(true)
    expect(events(pair.b).map(({ type }) => type)).not.toContain('paused')
    expect(events(pair.a).map(({ type }) => type)).toContain('paused')
    pair.a.configure(pair.now, { capMsat: 10n ** 9n })
    pass(pair, 10 * MINUTE_MS)
    expect(stopped + readAll(pair.a, pair.now)).toBe(100_000)
    expect(pair.b.stats.awaitsMoney).toBe(false)
  })
})

test('what the application pays by its own word goes whatever its caller paid', () => {
  const allowance = new EndpointAllowance(0n, () => undefined)
  const pair = openPair({}, { answers: 'caller', allowance, idleTimeoutMs: 0 })
  pair.b.pay(pair.now, { kind: 1, reference: 0, amountMsat: 50_000n, note: 'sorry' })
  exchange(pair)
  expect(events(pair.b)).toContainEqual(expect.objectContaining({ type: 'paid', amountMsat: 50_000n }))
})

describe('where an answer costs more than half of what the OPEN paid', () => {
  const options = (seed: number, allowance: EndpointAllowance): JoinedOptions => ({
    seed,
    a: { maxAnswerMsat: MAX_ANSWER_MSAT, maxTariff: NO_TARIFF },
    b: { answers: 'caller' },
    // 9 sat for an answer; the OPEN pays 6.
    feeBaseMsat: 8_000n,
    allowance,
  })

  test('a short call leaves the advance as it was', () => {
    const allowance = new EndpointAllowance(undefined, () => undefined)
    for (let seed = 1; seed <= 30; seed++) {
      const joined = new Joined(options(seed, allowance))
      const { a, b } = joined
      a.connection.write(joined.now, pattern(0, 5, 1))
      a.connection.finish(joined.now)
      joined.pump()
      joined.run(MINUTE_MS, () => b.machine !== undefined)
      b.connection.write(joined.now, pattern(0, 5, 2))
      b.connection.finish(joined.now)
      joined.pump()
      joined.run(HOUR_MS)
      expect([a.readBytes, b.readBytes]).toEqual([5, 5])
      expect(a.connection.account.spentMsat).toBeLessThan(60_000n)
    }
    expect(allowance.leftMsat).toBeGreaterThanOrEqual(ALLOWANCE_MSAT - 3_000n)
  })

  test('questions and answers go on without a pause', () => {
    const joined = new Joined(options(1, new EndpointAllowance(undefined, () => undefined)))
    const { a, b } = joined
    joined.run(MINUTE_MS, () => a.has('connected'))
    const taken: number[] = []
    for (let question = 0; question < 60; question++) {
      const sinceMs = joined.now
      a.connection.write(joined.now, pattern(10 * question, 10, 1))
      joined.pump()
      joined.run(MINUTE_MS, () => b.readBytes === 10 * (question + 1))
      b.connection.write(joined.now, pattern(10 * question, 10, 2))
      joined.pump()
      joined.run(MINUTE_MS, () => a.readBytes === 10 * (question + 1))
      taken.push(joined.now - sinceMs)
      joined.run(1_000)
    }
    // A way each, and for some the COST and its money.
    expect(Math.max(...taken)).toBeLessThan(5_000)
  })
})

test('nothing is lent for what another cap does not let pass', () => {
  const allowance = new EndpointAllowance(undefined, () => undefined)
  const joined = new Joined({
    seed: 1,
    a: { maxAnswerMsat: MAX_ANSWER_MSAT },
    b: { answers: 'caller', capMsat: 500n },
    allowance,
  })
  joined.run(MINUTE_MS, () => joined.b.machine !== undefined)
  joined.run(MINUTE_MS)
  expect(allowance.leftMsat).toBe(ALLOWANCE_MSAT)
})
