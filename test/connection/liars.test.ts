/** What a responder that lies about what it was paid can gain (spec §12.6). */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Attempt } from '../../src/transport/connection/interface.ts'
import { NO_TARIFF } from '../../src/wire/tariffs.ts'
import { type Fate, Joined, pattern, type Side } from './joined.ts'

const MINUTE_MS = 60_000
const LEAST_MSAT = 1_000n
const CAP_MSAT = 10_000_000_000n
const MSAT_A_BYTE = 100n
const TARIFF = { ...NO_TARIFF, kilobyteMsat: 1_000n * MSAT_A_BYTE }
/** spec §12.6: what is paid ahead: 16 times what came, within these. */
const AHEAD_FACTOR = 16
const FIRST_AHEAD_BYTES = 1_300
const MAX_AHEAD_BYTES = 1_048_576
/** What is paid ahead, and twice as much in the place of what is late or was not read. */
const MOST_STRETCHES = 3n

type Lie = 'honest' | 'unread' | 'held' | 'held, then failed' | 'held, then unread'

const LIES: Readonly<Record<Lie, Fate | undefined>> = {
  honest: undefined,
  unread: { arrives: true, afterMs: 300, unread: true },
  held: { arrives: true, afterMs: 300 * MINUTE_MS },
  'held, then failed': { arrives: false, afterMs: 300 * MINUTE_MS },
  'held, then unread': { arrives: true, afterMs: 300 * MINUTE_MS, unread: true },
}

interface Sold {
  readonly joined: Joined
  /** All that its amounts came to, less what packets carry in any case. */
  readonly takenMsat: bigint
}

/** A server sells `bytes`, and does with what pays it more than the least amount as `lies` say, in turn. */
function sellTo(seed: number, bytes: number, lies: readonly Lie[]): Sold {
  let ordinal = 0
  let takenMsat = 0n
  const joined = new Joined({
    seed,
    a: { maxTariff: TARIFF, capMsat: CAP_MSAT },
    b: { tariff: TARIFF },
    fate: ({ amountMsat }: Attempt, from: Side) => {
      if (from === 'b' || amountMsat <= LEAST_MSAT) return undefined
      const lie = lies[ordinal++ % lies.length] ?? 'honest'
      // What fails comes back.
      if (lie !== 'held, then failed') takenMsat += amountMsat - LEAST_MSAT
      return LIES[lie]
    },
  })
  const { a, b } = joined
  joined.run(MINUTE_MS, () => b.machine !== undefined && a.has('connected'))
  b.connection.write(joined.now, pattern(0, bytes, 2))
  joined.pump()
  joined.run(24 * 60 * MINUTE_MS, () => a.has('closed'))
  return { joined, takenMsat }
}

/** The price of what it served, and what it may gain besides. */
function mostMsat({ a: { readBytes } }: Joined): bigint {
  const ahead = Math.min(Math.max(AHEAD_FACTOR * readBytes, FIRST_AHEAD_BYTES), MAX_AHEAD_BYTES)
  return MSAT_A_BYTE * (BigInt(readBytes) + MOST_STRETCHES * BigInt(ahead))
}

describe('of a responder that lies', () => {
  test.each(Object.keys(LIES) as Lie[])('and does nothing else, gains no more than the spec says: %s', (lie) => {
    const { joined, takenMsat } = sellTo(1, 100_000, [lie])
    expect(takenMsat).toBeLessThanOrEqual(mostMsat(joined))
    if (lie === 'honest') expect(takenMsat).toBeLessThanOrEqual(MSAT_A_BYTE * 100_000n)
    // It is left, and told so.
    if (lie === 'unread') expect(joined.a.ended?.error?.code).toBe('ERR_KEYSOCK_PRICE')
  })

  test('now and then, none gains more', () => {
    const lies = fc.array(fc.constantFrom(...(Object.keys(LIES) as Lie[])), { minLength: 1, maxLength: 8 })
    const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 })
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 100_000 }), lies, (seed, bytes, each) => {
        const { joined, takenMsat } = sellTo(seed, bytes, each)
        expect(takenMsat).toBeLessThanOrEqual(mostMsat(joined))
      }),
      { numRuns: 30, endOnFailure: true },
    )
  })
})
