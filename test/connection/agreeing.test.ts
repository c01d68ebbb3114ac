/** The two sides come to agree about what was paid, whatever of it the responder's process never read (spec §12.6). */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Attempt } from '../../src/transport/connection/interface.ts'
import { NO_TARIFF } from '../../src/wire/tariffs.ts'
import { type Fate, Joined, pattern, type Side } from './joined.ts'

const MINUTE_MS = 60_000
const BYTES = 20_000
const TARIFF = { ...NO_TARIFF, openingMsat: 10_000n, kilobyteMsat: 2_000n, uploadMsat: 1_000n }
const READ: Fate = { arrives: true, afterMs: 300 }
const UNREAD: Fate = { ...READ, unread: true }
const HANGS: Fate = { arrives: false, afterMs: 2 * MINUTE_MS }

interface Told {
  readonly attempt: Attempt
  /** Of the client's packets that are OPENs, or of those that are none, counted from 0. */
  readonly ordinal: number
  readonly isOpen: boolean
  readonly joined: Joined
}

/** A server sells to a client that pays for answers, too; `fate` says what becomes of the client's packets. */
function sell(seed: number, uploadBytes: number, fate: (told: Told) => Fate): Joined {
  const ordinals = { open: 0, other: 0 }
  const joined: Joined = new Joined({
    seed,
    a: { maxTariff: TARIFF, maxAnswerMsat: 10_000n },
    b: { tariff: TARIFF },
    fate: (attempt: Attempt, from: Side, of: Joined) => {
      if (from === 'b') return READ
      const isOpen = ((attempt.record[0] ?? 0) & 7) === 0
      return fate({ attempt, isOpen, ordinal: ordinals[isOpen ? 'open' : 'other']++, joined: of })
    },
  })
  const { a, b } = joined
  if (!joined.run(30 * MINUTE_MS, () => b.machine !== undefined)) throw new Error('the connection never opened')
  b.connection.write(joined.now, pattern(0, BYTES, 2))
  b.connection.finish(joined.now)
  if (uploadBytes > 0) a.connection.write(joined.now, pattern(0, uploadBytes, 1))
  joined.pump()
  joined.run(10 * MINUTE_MS, () => a.readBytes === BYTES && b.readBytes === uploadBytes)
  return joined
}

function paid({ a, b }: Joined): readonly [bigint, bigint] {
  return [a.connection.credit.paidMsat, b.connection.credit.paidMsat]
}

describe('what settled and was never read is paid anew, and both come to an end', () => {
  test.each([1, 2])('where it was %i copies of the OPEN', (lost) => {
    // The first comes last, and is the only one that is read.
    const joined = sell(1, 0, ({ isOpen, ordinal }) =>
      isOpen ? (ordinal === 0 ? { ...READ, afterMs: 40_000 } : ordinal <= lost ? UNREAD : HANGS) : READ,
    )
    expect(joined.a.readBytes).toBe(BYTES)
    const [buyer, seller] = paid(joined)
    expect(buyer).toBe(seller)
  })

  test('and copies of the OPEN that failed after it was answered are not under way for ever', () => {
    const joined = sell(1, 0, ({ isOpen, ordinal }) =>
      isOpen ? (ordinal === 0 ? { ...READ, afterMs: 40_000 } : HANGS) : READ,
    )
    expect(joined.a.readBytes).toBe(BYTES)
    const [buyer, seller] = paid(joined)
    expect(buyer).toBe(seller)
  })

  test('where an upload is held back for it', () => {
    const joined = sell(2, 4_000, ({ isOpen, ordinal }) =>
      isOpen ? (ordinal === 0 ? { ...READ, afterMs: 40_000 } : ordinal <= 2 ? UNREAD : HANGS) : READ,
    )
    expect([joined.a.readBytes, joined.b.readBytes]).toEqual([BYTES, 4_000])
  })

  test('whichever packets it was', () => {
    const fates = fc.array(fc.constantFrom<Fate>(READ, READ, READ, UNREAD, { ...READ, afterMs: 8_000 }), {
      minLength: 2,
      maxLength: 12,
    })
    const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 })
    const lost = fc.integer({ min: 0, max: 2 })
    fc.assert(
      fc.property(seeds, lost, fc.boolean(), fates, (seed, lostOpens, uploads, each) => {
        const uploadBytes = uploads ? 3_000 : 0
        const joined = sell(seed, uploadBytes, ({ isOpen, ordinal }) => {
          if (!isOpen) return each[ordinal] ?? READ
          return ordinal === 0 ? { ...READ, afterMs: 40_000 } : ordinal <= lostOpens ? UNREAD : HANGS
        })
        // Too much was lost for anybody to believe it: it ends, and says why.
        if (joined.a.ended?.error?.code === 'ERR_KEYSOCK_PRICE') return
        expect([joined.a.readBytes, joined.b.readBytes]).toEqual([BYTES, uploadBytes])
      }),
      { numRuns: Number(process.env['FC_RUNS'] ?? 50), ...seeded() },
    )
  }, 120_000)
})

function seeded(): { readonly seed?: number } {
  const seed = process.env['FC_SEED']
  return seed === undefined ? {} : { seed: Number(seed) }
}
