import { describe, expect, test } from 'vitest'
import { type RelayChannel, RelayChannels, type RelayPlace } from '../../src/transport/peer/relay-channels.ts'
import { seeded } from './medium.ts'

/**
 * A channel that is kept as full as it lets itself be, up to `wish` in flight: round trips of 1 s, refusals after 300
 * ms. Returns what was in flight, in the mean of the last minute.
 */
function drive(
  relays: RelayChannels,
  channels: readonly RelayChannel[],
  run: { readonly wish: number; readonly slots: number; readonly byChance?: number; readonly seed?: number },
): { readonly inFlight: number; readonly refusedShare: number } {
  const random = seeded(run.seed ?? 1)
  const under: { readonly places: readonly RelayPlace[]; readonly endsAt: number; readonly refused: boolean }[] = []
  let sum = 0
  let refused = 0
  let ended = 0
  const channel = channels.at(-1)
  if (channel === undefined) throw new Error('no channel')
  for (let now = 0; now < 180_000; now += 10) {
    for (const one of under.filter(({ endsAt }) => endsAt <= now)) {
      under.splice(under.indexOf(one), 1)
      relays.left(one.places)
      const place = one.places.at(-1) as RelayPlace
      if (one.refused) relays.refused(now, place)
      else for (const each of one.places) relays.passed(now, each)
      if (now >= 120_000) {
        ended += 1
        refused += one.refused ? 1 : 0
      }
    }
    while (under.length < run.wish && relays.open(now, channels)) {
      const held = under.filter((one) => !one.refused).length
      const isRefused = held >= run.slots || random() < (run.byChance ?? 0)
      const wayMs = (isRefused ? 300 : 1_000) * (0.5 + random())
      under.push({ places: relays.enter(now, channels), endsAt: now + wayMs, refused: isRefused })
    }
    if (now >= 120_000) sum += channel.inFlight / 6_000
  }
  return { inFlight: sum, refusedShare: refused / ended }
}

describe("other nodes' channels", () => {
  test('that refuse for want of slots take fewer at once: about as many as they have slots', () => {
    for (const slots of [5, 10, 30]) {
      const relays = new RelayChannels()
      const { inFlight, refusedShare } = drive(relays, relays.of(['own', 'relay']), { wish: 100, slots })
      expect(inFlight).toBeGreaterThan(0.9 * slots)
      expect(inFlight).toBeLessThan(1.6 * slots)
      expect(refusedShare).toBeLessThan(0.5)
    }
  })

  test('that refuse by chance take as many as before', () => {
    for (const byChance of [0.05, 0.15, 0.3, 0.4]) {
      for (const seed of [1, 2, 3]) {
        const relays = new RelayChannels()
        const { inFlight } = drive(relays, relays.of(['own', 'relay']), { wish: 100, slots: 483, byChance, seed })
        expect(inFlight).toBeGreaterThan(80)
      }
    }
  })

  test('are shared by the routes that lead over them; our own is left out', () => {
    const relays = new RelayChannels()
    const [first] = relays.of(['own-1', 'shared'])
    const [second] = relays.of(['own-2', 'shared'])
    expect(second).toBe(first)
    expect(relays.of(['own-1'])).toEqual([])
  })

  test('are not blamed for what was sent before they were cut, also within the same power of two', () => {
    const relays = new RelayChannels()
    const channels = relays.of(['own', 'relay'])
    const [channel] = channels
    if (channel === undefined) throw new Error('no channel')
    const leave = (places: readonly RelayPlace[]): RelayPlace => {
      relays.left(places)
      return places[0] as RelayPlace
    }
    for (let now = 0; now < 400; now += 10) relays.passed(now, leave(relays.enter(now, channels)))
    const flying = Array.from({ length: 60 }, () => relays.enter(400, channels))
    for (let now = 401; channel.cap === Infinity; now += 1) {
      relays.refused(now, leave(flying.pop() ?? []))
      if (channel.cap === Infinity) flying.push(relays.enter(now, channels))
    }
    expect(channel.cap).toBeGreaterThan(32)
    const later = flying.splice(-19).map((places) => relays.refused(700, leave(places)))
    expect(later).toEqual(later.map(() => true))
  })

  test('that let nothing pass are tried again later and later, and at once when something passed', () => {
    const relays = new RelayChannels()
    const channels = relays.of(['own', 'relay'])
    const [channel] = channels
    for (let index = 0; index < 60; index++) {
      const places = [relays.enter(0, channels), relays.enter(0, channels)]
      for (const each of places) relays.left(each)
      for (const each of places) relays.refused(0, each[0] as RelayPlace)
    }
    const waits: number[] = []
    for (let now = relays.nextEnd(0) ?? 1; waits.length < 6; now = relays.nextEnd(now) ?? Infinity) {
      expect(relays.open(now, channels)).toBe(true)
      const places = relays.enter(now, channels)
      relays.left(places)
      relays.refused(now, places[0] as RelayPlace)
      waits.push((channel?.haltedUntil ?? 0) - now)
    }
    expect(waits.every((wait, index) => index === 0 || wait >= (waits[index - 1] ?? 0))).toBe(true)
    expect(waits.at(-1)).toBeGreaterThan(5_000)
    const now = (relays.nextEnd(0) ?? 0) + 1
    const places = relays.enter(now, channels)
    relays.left(places)
    relays.passed(now, places[0] as RelayPlace)
    expect(relays.open(now, channels)).toBe(true)
  })

  test('without routes and without payments are forgotten', () => {
    const relays = new RelayChannels()
    const kept = relays.enter(0, relays.of(['own', 'busy']))
    relays.of(['own', 'idle'])
    relays.keep(new Set())
    expect([...relays.all].map(({ key }) => key)).toEqual(['busy'])
    relays.left(kept)
  })
})
