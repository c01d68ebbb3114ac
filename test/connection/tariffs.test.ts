/** What is paid is what was asked (spec §12), over a medium that fails, hangs and is late. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Tariff } from '../../src/wire/frames.ts'
import { NO_TARIFF } from '../../src/wire/tariffs.ts'
import { Seller, type StreamView } from '../../src/transport/connection/seller.ts'
import { Joined, type JoinedOptions, pattern } from './joined.ts'
import { media, msat } from './money-arbitraries.ts'

/** The least that a packet of the tests pays, msat: spent on whatever has to go anyway. */
const LEAST_MSAT = 1_000n
const MINUTE_MS = 60_000

interface Sale {
  readonly seed: number
  readonly tariff: Tariff
  readonly downBytes: number
  readonly upBytes: number
  readonly medium?: JoinedOptions['medium']
  readonly creditLimitMsat?: bigint
}

/** A server sells `downBytes` to a client that sends it `upBytes`; both end, and all is decided. */
function sell({ seed, tariff, downBytes, upBytes, medium, creditLimitMsat = 0n }: Sale): Joined {
  const joined = new Joined({
    seed,
    medium: { ...medium },
    a: { maxTariff: tariff, capMsat: 10n ** 13n },
    b: { tariff, creditLimitMsat },
  })
  const { a, b } = joined
  if (upBytes > 0) a.connection.write(joined.now, pattern(0, upBytes, 1))
  a.connection.finish(joined.now)
  joined.pump()
  if (!joined.run(30 * MINUTE_MS, () => b.machine !== undefined)) throw new Error('the connection never opened')
  if (downBytes > 0) b.connection.write(joined.now, pattern(0, downBytes, 2))
  b.connection.finish(joined.now)
  joined.pump()
  if (!joined.run(600 * MINUTE_MS, () => a.has('closed') && b.has('closed'))) throw new Error('it never ended')
  joined.run(600 * MINUTE_MS)
  return joined
}

/** Less than a surplus that is claimed, and the fee of the way back. */
const MOST_LEFT_MSAT = 5_000n

/** What the initiator's packets that settled had to pay in any case. */
function leastOf(joined: Joined): bigint {
  return LEAST_MSAT * BigInt(joined.attempts.filter(({ from }) => from === 'a').length)
}

/** By offsets: bytes for 1,000, packets that arrived and cost. */
function listPrice(tariff: Tariff, joined: Joined): bigint {
  const down = BigInt(joined.a.readBytes)
  const up = BigInt(joined.b.readBytes)
  return tariff.openingMsat + (tariff.kilobyteMsat * down + tariff.uploadMsat * up + 999n) / 1_000n
}

describe('a tariff by the kilobyte', () => {
  const tariff = { ...NO_TARIFF, kilobyteMsat: 1_100_000n }

  test.each([0, 1, 20, 999, 1_000, 5_000, 100_000, 1_000_000])('of %i bytes costs what they cost', (downBytes) => {
    const joined = sell({ seed: 1, tariff, downBytes, upBytes: 0 })
    expect(joined.a.readBytes).toBe(downBytes)
    const { paidMsat, dueMsat } = joined.a.connection.credit
    expect(dueMsat).toBe(listPrice(tariff, joined))
    const least = LEAST_MSAT * BigInt(joined.a.packets)
    expect(paidMsat).toBeGreaterThanOrEqual(dueMsat)
    expect(paidMsat - dueMsat).toBeLessThanOrEqual(least)
    expect(joined.b.connection.credit).toEqual(joined.a.connection.credit)
  })
})

const tariffs: fc.Arbitrary<Tariff> = fc.record({
  openingMsat: msat(50_000),
  packetMsat: msat(5_000),
  kilobyteMsat: msat(2_000_000),
  uploadMsat: msat(100_000),
  secondMsat: fc.constant(0n),
  messageMsat: msat(10_000),
})
const bytes = fc.oneof(fc.integer({ min: 0, max: 3_000 }), fc.integer({ min: 0, max: 60_000 }))
const sales = fc.record({
  seed: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  tariff: tariffs,
  downBytes: bytes,
  upBytes: bytes,
  medium: media,
  creditLimitMsat: msat(100_000),
})

test('whatever is lost, hedged or late, all of it arrives and is paid for', () => {
  fc.assert(
    fc.property(sales, (sale) => {
      const joined = sell(sale)
      const { a, b } = joined
      const own = a.connection.credit
      const theirs = b.connection.credit
      // spec §12.6: beyond its bound the client pays no second time for what the process has lost.
      const isDenied = sale.medium.unread > 0 && theirs.paidMsat < own.paidMsat
      if (isDenied && a.ended?.error?.code === 'ERR_KEYSOCK_PRICE') return
      expect(a.readBytes).toBe(sale.downBytes)
      expect(b.readBytes).toBe(sale.upBytes)
      expect([a.ended?.error, b.ended?.error]).toEqual([undefined, undefined])
      expect(theirs.balanceMsat).toBeGreaterThanOrEqual(-sale.creditLimitMsat)
      expect(own.dueMsat).toBeGreaterThanOrEqual(theirs.dueMsat)
      // Nobody keeps what is worth giving back: the price, one packet, and what goes anyway.
      const { hang, outcomeLost } = sale.medium
      if (hang === 0 && outcomeLost === 0) expect(own.balanceMsat).toBeLessThanOrEqual(leastOf(joined) + MOST_LEFT_MSAT)
      // What was delivered and never read at the process is unknown there, and so is what lands after its end.
      expect(theirs.paidMsat).toBeLessThanOrEqual(own.paidMsat)
      if (sale.medium.unread === 0 && hang === 0) expect(theirs.paidMsat).toBe(own.paidMsat)
    }),
    { numRuns: 60, endOnFailure: true },
  )
}, 120_000)

describe('a payment with a note', () => {
  const giver = fc.constantFrom('a' as const, 'b' as const)
  const gifts = fc.array(fc.record({ from: giver, amountMsat: msat(50_000), atMs: fc.nat(20_000) }), { maxLength: 8 })

  test('is told once, whatever is lost, repeated or late, and is none of what a tariff asks', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 31 - 1 }), media, gifts, (seed, medium, given) => {
        const tariff = { ...NO_TARIFF, kilobyteMsat: 5_000n }
        const joined = new Joined({
          seed,
          medium: { ...medium, unread: 0 },
          a: { maxTariff: tariff, capMsat: 10n ** 13n, idleTimeoutMs: 0 },
          b: { tariff, idleTimeoutMs: 0 },
        })
        const { a, b } = joined
        joined.run(30 * MINUTE_MS, () => b.machine !== undefined && a.has('connected'))
        b.connection.write(joined.now, pattern(0, 5_000, 2))
        const sums = { a: 0n, b: 0n }
        for (const { from, amountMsat, atMs } of given) {
          if (amountMsat === 0n) continue
          sums[from] += amountMsat
          joined.after(atMs, () => {
            joined.end(from).connection.pay(joined.now, { kind: 0, reference: 0, amountMsat, note: 'x' })
          })
        }
        joined.run(600 * MINUTE_MS)
        const told = (to: 'a' | 'b'): bigint =>
          joined.end(to).events.reduce((sum, each) => (each.type === 'payment' ? sum + each.amountMsat : sum), 0n)
        expect([told('b'), told('a')]).toEqual([sums.a, sums.b])
        expect(a.connection.credit.paidMsat).toBe(b.connection.credit.paidMsat)
      }),
      { numRuns: 60, endOnFailure: true },
    )
  }, 120_000)
})

describe('a price for time', () => {
  const seed = 5
  /** An open connection over which nobody has said anything yet. */
  const openAt = (tariff: Tariff): Joined => {
    const joined = new Joined({ seed, a: { maxTariff: tariff }, b: { tariff } })
    if (!joined.run(MINUTE_MS, () => joined.b.machine !== undefined && joined.a.has('connected'))) throw new Error()
    return joined
  }
  const packetsOf = (joined: Joined, side: 'a' | 'b'): number =>
    joined.attempts.filter(({ from }) => from === side).length

  test.each([100n, 1_000n, 10_000n])(
    'of %i msat is billed six times a minute where nothing else goes',
    (secondMsat) => {
      const joined = openAt({ ...NO_TARIFF, secondMsat })
      joined.run(MINUTE_MS)
      const before = { a: packetsOf(joined, 'a'), b: packetsOf(joined, 'b') }
      joined.run(10 * MINUTE_MS)
      // A bill, and what says that its payment came.
      expect(packetsOf(joined, 'b') - before.b).toBeLessThanOrEqual(10 * 12)
      expect(packetsOf(joined, 'a') - before.a).toBeLessThanOrEqual(10 * 8)
      expect(joined.a.ended ?? joined.b.ended).toBeUndefined()
      expect(joined.b.connection.credit.balanceMsat).toBeGreaterThan(-secondMsat * 12n)
    },
  )

  test('does not hold up what comes for longer than a bill and its payment take', () => {
    const joined = openAt({ ...NO_TARIFF, secondMsat: 10_000n })
    joined.run(MINUTE_MS)
    for (let message = 1; message <= 20; message++) {
      joined.a.connection.write(joined.now, pattern(0, 100, 1))
      joined.pump()
      // On its way 400 ms at most, as each of the two packets after it; and what is joined in one packet waits 5 ms.
      joined.run(1_500)
      expect(joined.b.readBytes).toBe(100 * message)
      joined.run(5_700)
    }
  })
})

test.each([1, 2, 3, 4, 5, 6])('the last seconds are paid but for a way between the two, seed %i', (seed) => {
  const tariff = { ...NO_TARIFF, secondMsat: 10_000n }
  const joined = new Joined({ seed, a: { maxTariff: tariff }, b: { tariff } })
  const { a, b } = joined
  joined.run(MINUTE_MS, () => b.machine !== undefined && a.has('connected'))
  joined.run(MINUTE_MS + 8_000)
  for (const { connection } of [b, a]) connection.finish(joined.now)
  joined.pump()
  joined.run(10 * MINUTE_MS, () => a.has('closed') && b.has('closed'))
  // 400 ms at most.
  expect(b.connection.credit.balanceMsat).toBeGreaterThanOrEqual(-4_000n)
})

test.each([1, 2, 3, 4, 5, 6])('by time each side has its count paid, and ends at once, seed %i', (seed) => {
  const tariff = { ...NO_TARIFF, secondMsat: 10_000n }
  const joined = new Joined({ seed, a: { maxTariff: tariff }, b: { tariff } })
  const { a, b } = joined
  joined.run(MINUTE_MS, () => b.machine !== undefined && a.has('connected'))
  b.connection.finish(joined.now)
  joined.pump()
  joined.run(MINUTE_MS)
  a.connection.finish(joined.now)
  joined.pump()
  // It waited for a bill of what it counts beyond the responder's count, for the 10 s that an end may take.
  joined.run(5_000)
  expect([a.ended, b.ended].map((end) => end !== undefined && end.error === undefined)).toEqual([true, true])
  expect(a.connection.credit.balanceMsat).toBeGreaterThanOrEqual(0n)
  expect(b.connection.credit.balanceMsat).toBeGreaterThanOrEqual(0n)
})

describe('a surplus', () => {
  const tariff = { ...NO_TARIFF, kilobyteMsat: 100_000n }
  const view: StreamView = {
    delivered: 0,
    sentEnd: 1_000_000,
    queuedEnd: 1_000_000,
    againBytes: 0,
    isFinNext: false,
    isFinished: true,
    capacity: 1_000,
    holdsBack: false,
    isEnding: false,
  }

  test('is none of what was sent, whether or not it is known to have arrived', () => {
    const seller = new Seller(0, { tariff, creditLimitMsat: 0n })
    seller.agree(1)
    seller.bill({ ...view, sentEnd: 0 })
    seller.paid(100_000_000n)
    for (let packet = 0; packet < 1_000; packet++) seller.packetSent()
    expect(seller.surplusMsat(10n ** 12n, view)).toBe(0n)
    seller.paid(7_000n)
    expect(seller.surplusMsat(10n ** 12n, view)).toBe(7_000n)
  })
})

test('a copy of the OPEN that hangs is no money that the other side has', () => {
  let opens = 0
  const joined = new Joined({
    seed: 3,
    a: { maxTariff: { ...NO_TARIFF, kilobyteMsat: 100_000n }, capMsat: 10n ** 13n },
    b: { tariff: { ...NO_TARIFF, kilobyteMsat: 100_000n } },
    // The first copy never comes, and fails hours later.
    fate: ({ record }, from) =>
      from === 'a' && ((record[0] ?? 0) & 7) === 0 && opens++ === 0
        ? { arrives: false, afterMs: 6 * 60 * MINUTE_MS }
        : { arrives: true, afterMs: 300 },
  })
  const { a, b } = joined
  a.connection.finish(joined.now)
  joined.pump()
  if (!joined.run(30 * MINUTE_MS, () => b.machine !== undefined)) throw new Error('the connection never opened')
  b.connection.write(joined.now, pattern(0, 5_000, 2))
  b.connection.finish(joined.now)
  joined.pump()
  joined.run(MINUTE_MS)
  expect(opens).toBeGreaterThan(1)
  expect(a.readBytes).toBe(5_000)
  expect(a.connection.credit.paidMsat).toBe(b.connection.credit.paidMsat)
})
