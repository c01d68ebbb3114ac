/** A responder whose packets do not come for a while is not one that serves nothing (spec §12.6, §12.11). */
import { describe, expect, test } from 'vitest'
import { EndpointAllowance } from '../../src/transport/driver/allowance.ts'
import { NO_TARIFF } from '../../src/wire/tariffs.ts'
import { Joined, pattern, type JoinedOptions } from './joined.ts'

const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const BYTES = 26_084
const TARIFF = { ...NO_TARIFF, openingMsat: 2_000n, kilobyteMsat: 5_000n }

/** A download at a price. From `fromMs` after it is connected on, nothing of the responder's comes for `forMs`. */
function download(fromMs: number, forMs: number, options: Omit<JoinedOptions, 'fate'>): Joined {
  let from = Infinity
  const joined = new Joined({
    check: false,
    ...options,
    fate: (_, side, { now }) =>
      side === 'b' && now >= from && now < from + forMs ? { arrives: false, afterMs: 300 } : undefined,
  })
  const { a, b } = joined
  joined.run(MINUTE_MS, () => b.machine !== undefined && a.has('connected'))
  from = joined.now + fromMs
  b.connection.write(joined.now, pattern(0, BYTES, 2))
  b.connection.finish(joined.now)
  a.connection.finish(joined.now)
  joined.pump()
  joined.run(30 * MINUTE_MS, () => a.has('closed') && b.has('closed'))
  return joined
}

const ASKS: Readonly<Record<string, Omit<JoinedOptions, 'fate' | 'seed'>>> = {
  'has a price': { a: { maxTariff: TARIFF }, b: { tariff: TARIFF } },
  'has what answers cost paid': { a: { maxAnswerMsat: 3_000n }, b: { answers: 'caller' }, feeBaseMsat: 5_000n },
}

describe.each(Object.keys(ASKS))('a responder that %s, and cannot be heard', (name) => {
  const froms = [0, 100, 500, 1_000]
  const fors = [31, 51, 120]
  test.each(froms.flatMap((from) => fors.map((seconds) => [from, seconds] as const)))(
    'from %i ms on for %i s is paid when it is heard again, and serves',
    (from, seconds) => {
      for (let seed = 1; seed <= 5; seed += 1) {
        const allowance = new EndpointAllowance(undefined, () => undefined)
        const { a, b } = download(from, seconds * SECOND_MS, { seed, allowance, ...ASKS[name] })
        expect([seed, a.readBytes, a.ended?.error, b.ended?.error]).toEqual([seed, BYTES, undefined, undefined])
      }
    },
  )
})
