/** Whole lives of connections under every fault, thousands of them; a seed that fails is printed. */
import { describe, expect, test } from 'vitest'
import { checkPrefix, Joined, pattern } from './joined.ts'
import { type Life, live, SALT } from './scenario.ts'

// spec §10.3 twice (a packet after a long silence counts once by being sent), and the last word.
const LONGEST_MS = 2 * 1_800_000 + 60_000

function check(seed: number, life: Life): boolean {
  const { joined, written, ended } = life
  const where = `seed ${seed}, ${joined.lanes}, ${JSON.stringify(joined.medium)}`
  checkPrefix(joined.b.read, SALT.a)
  checkPrefix(joined.a.read, SALT.b)
  if (!ended) throw new Error(`it does not end: ${where}`)
  for (const end of [joined.a, joined.b]) {
    if (end.machine === undefined) continue
    expect(end.machine.deadline()).toBeUndefined()
    expect(end.events.filter((event) => event.type === 'ended')).toHaveLength(1)
    expect(end.events.at(-1)?.type).toBe('closed')
  }
  const clean = [joined.a, joined.b].every((end) => end.ended !== undefined && end.ended.error === undefined)
  if (clean && (joined.b.readBytes !== written.a || joined.a.readBytes !== written.b)) {
    throw new Error(`bytes are missing after a clean end: ${where}`)
  }
  return clean
}

function checkMany(seeds: readonly [number, number], options: Parameters<typeof live>[1]): number {
  let clean = 0
  for (let seed = seeds[0]; seed < seeds[1]; seed++) {
    try {
      const life = live(seed, options)
      if (check(seed, life)) clean++
      expect(life.joined.now - life.quietSince).toBeLessThan(LONGEST_MS + 2 * 3_600_000)
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error })
    }
  }
  return clean
}

describe('two machines joined by an adversarial medium', () => {
  for (let block = 0; block < 4; block++) {
    const from = 10_000 + 400 * block
    test(`read what was written, in order and whole, and end in time: lives ${from} to ${from + 399}`, () => {
      // Everything goes wrong at once in some; nearly all end cleanly.
      expect(checkMany([from, from + 400], {})).toBeGreaterThan(390)
    })
  }

  test('end in time when either side resets in the middle: 400 lives', () => {
    checkMany([20_000, 20_400], { resets: true })
  })

  test('read all when the responder asks for money: 300 lives', () => {
    expect(checkMany([30_000, 30_300], { prices: true })).toBeGreaterThan(285)
  })

  test('read all over the unblinded phantom lane: 400 lives', () => {
    expect(checkMany([40_000, 40_400], { lanes: 'unblinded' })).toBeGreaterThan(390)
  })

  test('end in time over the unblinded phantom lane when either side resets or asks for money: 200 lives', () => {
    checkMany([50_000, 50_200], { lanes: 'unblinded', resets: true, prices: true })
  })

  test('the same seed gives the same trace', () => {
    for (let seed = 500; seed < 520; seed++) {
      expect(live(seed, { keepTrace: true }).joined.trace).toEqual(live(seed, { keepTrace: true }).joined.trace)
    }
  })

  test('no connection outlives its idle timeout by more than a minute when nothing goes through any more', () => {
    for (const lanes of ['replies-phantom', 'direct', 'phantom', 'unblinded'] as const) {
      let cut = false
      const joined = new Joined({
        seed: 8,
        lanes,
        fate: () => (cut ? { arrives: false, afterMs: 5_000 } : undefined),
      })
      joined.run(60_000, () => joined.a.has('connected'))
      joined.a.connection.write(joined.now, pattern(0, 100_000, SALT.a))
      joined.b.connection.write(joined.now, pattern(0, 100_000, SALT.b))
      joined.run(1_000)
      cut = true
      const closed = (): boolean => joined.a.connection.state === 'closed' && joined.b.connection.state === 'closed'
      expect(joined.run(LONGEST_MS, closed)).toBe(true)
    }
  })

  test('a bulk transfer at 30 % failing payments and 2 s latency uses the flood well', () => {
    const size = 2_000_000
    const joined = new Joined({
      seed: 5,
      check: false,
      medium: { latency: [1_600, 2_400], fail: 0.3, inFlight: 100, recordBytes: [1_100, 1_100] },
    })
    joined.run(60_000, () => joined.a.has('connected'))
    const started = joined.now
    joined.a.connection.write(joined.now, new Uint8Array(size))
    joined.a.connection.finish(joined.now)
    joined.pump()
    expect(joined.run(1_000_000, () => joined.b.has('end'))).toBe(true)
    // What arrives of 100 payments in flight at once, each 1,100 bytes, taking 2 s, 7 of 10 successful.
    const floodSeconds = size / (50 * 0.7 * 1_100)
    expect((joined.now - started) / 1_000).toBeLessThan(floodSeconds / 0.8)
  })
})
